"""``download(spec)``: the one door; each kind of source has its own module behind it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import Cancelled, ChecksumMismatch, InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from ._quiet import hide_signatures
from ._request import Request, check_place, check_target, elsewhere, make_request
from .cache import Cache
from .policy import UrlPolicy
from .result import Download, DownloadedFile, client_versions, local_files, local_kind

#: Kinds of which the cache keeps what has arrived when the work is stopped.
_RESUMED = ("url", "torchvision", "model", "dataset", "arrow", "lance", "official")


def download(
    spec: str | os.PathLike[str],
    *,
    to: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    token: str | None = None,
    allow: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    variant: str | None = None,
    sha256: str | bool | None = None,
    split: str | None = None,
    limit: int | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    offline: bool = False,
    force: bool = False,
    cache: str | os.PathLike[str] | Cache | None = None,
    policy: UrlPolicy | None = None,
    hub_engine: str | None = None,
) -> Download:
    """Bring a model or data set to this machine; ``lancenb.convert`` takes the result.

    Args:
        spec: ``hf:model:ID[@rev]``, ``hf:dataset:ID[@rev][:glob]``, ``https://...``,
            ``torchvision:resnet18/IMAGENET1K_V1``, ``transformers:ID``, ``datasets:ID[:config]``,
            ``hf://datasets/ID/TABLE.lance``, ``synthetic[:images|text|table]``, a known data set
            (``cifar10``), or a local path.
        to: put the result here: a folder, or for addresses a file. Default: only in the cache.
            Files of other content under the same names are replaced only with ``force``.
        revision: branch, tag or commit of a repository.
        token: access token; for the Hub the login of this user is the default.
        allow: file patterns of a repository to take, instead of the choice made for you.
        ignore: file patterns to leave out.
        variant: take this form of a model's weights (``fp16`` for ``model.fp16.safetensors``).
        sha256: expected digest of an address (64 hex digits or a prefix of at least 8); ``None``
            takes it from names like ``resnet18-f37072fd.pth``; ``False`` checks nothing.
        split: split of a data set, or ``"all"`` for a folder of each; with ``split`` or ``limit`` a
            data set comes as Parquet with only these rows, without them as the files of its
            repository.
        limit: first rows of the split; only these are read at the source.
        progress: callable for :class:`~lancenb.progress.Progress` events (at most 5 a second),
            or True for a text bar.
        cancel: stops the work within a second; what has arrived is kept for the next try.
        offline: use the cache only.
        force: get it again although it is in the cache.
        cache: cache root; default ``$LANCENB_CACHE``, else the platform's cache folder.
        policy: which addresses may be asked, see :class:`~lancenb.download.UrlPolicy`.
        hub_engine: who moves the bytes of Hub files: ``range`` (lancenb's engine: resumes, checks),
            ``official`` (the Hub's client), ``auto`` (the client for files that xet delivers, else
            lancenb's; the default, or ``$LANCENB_HUB_ENGINE``). All bytes are verified in any case.

    Returns:
        Path, files, lineage, whether it came from the cache, kind.

    Raises:
        InvalidArgument: the spec, or an option that this kind of source does not take.
        SourceNotFound: nothing is there.
        AlreadyExists: the folder ``to`` holds other files of the same names, or other weights.
        DownloadDenied: a token is missing or not good enough.
        Offline: no network, and not in the cache.
        ChecksumMismatch: the bytes are not the promised ones; nothing is kept.
        DownloadFailed: everything else on the way.

    >>> import tempfile
    >>> result = download("synthetic", split="test", limit=20, cache=tempfile.mkdtemp())
    >>> result.kind, result.lineage["rows"]
    ('dataset', 20)
    """
    request = make_request(
        spec, revision=revision, token=token, allow=allow, ignore=ignore, variant=variant,
        sha256=sha256, split=split, limit=limit, offline=offline, cache=cache, policy=policy,
        hub_engine=hub_engine,
    )  # fmt: skip
    return perform(request, to=to, progress=progress, cancel=cancel, force=force)


@dataclass(frozen=True)
class _Way:
    """How a request is carried out: where to, whom to tell."""

    to: Path | None
    force: bool
    tracker: Tracker
    cancel: CancelToken | None


def perform(
    request: Request,
    *,
    to: str | os.PathLike[str] | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    force: bool = False,
) -> Download:
    """Carry out a checked request; see :func:`download`."""
    check_place("to", to)
    hide_signatures()
    way = _Way(check_target(request, to), force, Tracker(progress, cancel), cancel)
    makers = {
        "url": _address, "torchvision": _address, "arrow": _arrow, "synthetic": _synthetic,
        "local": _local, "lance": _lance, "official": _official,
    }  # fmt: skip
    try:
        result = makers.get(request.kind, _hub)(request, way)
    except Cancelled as error:
        if request.kind not in _RESUMED:
            raise
        raise Cancelled(
            "the download was cancelled",
            hint="what has arrived is kept: run it again and it goes on from there",
        ) from error
    way.tracker.enter("done", str(result.path))
    return result


def _hub(request: Request, way: _Way) -> Download:
    from .hub import snapshot

    return snapshot(
        request.source.name, repo_type=request.kind, revision=request.revision,
        commit=request.commit, token=request.token, allow=request.allow, ignore=request.ignore,
        variant=request.variant, offline=request.offline, cache=request.cache,
        policy=request.policy, hub_engine=request.hub_engine, **vars(way),
    )  # fmt: skip


def _arrow(request: Request, way: _Way) -> Download:
    from .arrow import arrow_dataset

    with elsewhere(request):
        return arrow_dataset(
            request.source.name, config=request.source.config, split=request.split,
            limit=request.limit, revision=request.revision, commit=request.commit,
            token=request.token, offline=request.offline, cache=request.cache,
            policy=request.policy, hub_engine=request.hub_engine, **vars(way),
        )  # fmt: skip


def _lance(request: Request, way: _Way) -> Download:
    from .lance_repo import lance_table

    return lance_table(
        request.source.name, revision=request.revision, commit=request.commit,
        token=request.token, offline=request.offline, cache=request.cache, policy=request.policy,
        hub_engine=request.hub_engine, **vars(way),
    )  # fmt: skip


def _official(request: Request, way: _Way) -> Download:
    from .official import official_dataset

    return official_dataset(
        request.source.name, split=request.split, offline=request.offline, cache=request.cache,
        policy=request.policy, **vars(way),
    )  # fmt: skip


def _synthetic(request: Request, way: _Way) -> Download:
    from .synthetic import synthetic_dataset

    return synthetic_dataset(
        request.source.name, split=request.split, limit=request.limit, cache=request.cache,
        **vars(way),
    )  # fmt: skip


def _address(request: Request, way: _Way) -> Download:
    from .url import download_url

    url, kind = request.address, "file"
    facts: dict[str, Any] = {}
    if request.kind == "torchvision":
        from .torchvision_ import weights

        chosen = weights(request.source.name)
        url, facts, kind = chosen.url, chosen.facts, "model"
    facts = {**facts, "clients": client_versions("urllib3")}
    return download_url(
        url, sha256=request.sha256, token=request.token, offline=request.offline, kind=kind,
        facts=facts, cache=request.cache, policy=request.policy, **vars(way),
    )  # fmt: skip


def _local(request: Request, way: _Way) -> Download:
    from ._partial import hash_file
    from ._place import put_file, put_folder, refuse_loss
    from .fetch import check_digest

    path, source = Path(request.source.name), request.source.name
    expected = check_digest(request.sha256)
    if expected and path.is_dir():
        raise InvalidArgument(
            f"sha256= needs a file, {path} is a folder", hint="give the path of the file in it"
        )
    if way.to is not None:
        name = path.name if way.to.is_dir() else ""
        coming = {f.name: f.path for f in local_files(path)} if path.is_dir() else {name: path}
        refuse_loss(way.to, coming, force=way.force)
        there = way.to / name if path.is_file() and name else way.to
        (put_folder if path.is_dir() else put_file)(there, path)
        path = there
    files = local_files(path)
    kind = local_kind(path, files)
    if expected:
        digest = hash_file(path).hexdigest()
        if not digest.startswith(expected):
            raise ChecksumMismatch(
                f"{path} has sha256 {digest[:16]}…, expected {expected[:16]}…",
                hint="get the file again from its source, or correct sha256=",
            )
        files = (DownloadedFile(path, path.name, files[0].size, digest),)
    listing = [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in files[:1000]]
    return Download(path, files, {"source": source, "files": listing}, True, kind)
