"""``download(spec)``: the one door; each kind of source has its own module behind it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ChecksumMismatch, InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from ._names import check_token, public_url
from .cache import Cache
from .result import Download, DownloadedFile, local_files
from .sources import Source, parse

_TAKES = {
    "model": {"revision", "token", "allow", "ignore", "offline", "force"},
    "dataset": {"revision", "token", "allow", "ignore", "split", "limit", "offline", "force"},
    "arrow": {"revision", "token", "split", "limit", "offline", "force"},
    "synthetic": {"split", "limit", "offline", "force"},
    "url": {"token", "sha256", "offline", "force"},
    "torchvision": {"sha256", "offline", "force"},
    "local": {"sha256", "split", "limit", "offline", "force"},
}


def download(
    spec: str | os.PathLike[str],
    *,
    to: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    token: str | None = None,
    allow: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    sha256: str | bool | None = None,
    split: str | None = None,
    limit: int | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    offline: bool = False,
    force: bool = False,
    cache: str | os.PathLike[str] | Cache | None = None,
) -> Download:
    """Bring a model or data set to this machine; ``lancenb.convert`` takes the result.

    Args:
        spec: ``hf:model:ID[@rev]``, ``hf:dataset:ID[@rev][:glob]``, ``https://...``,
            ``torchvision:resnet18/IMAGENET1K_V1``, ``transformers:ID``, ``datasets:ID[:config]``,
            ``synthetic[:images|text|table]``, a known data set (``cifar10``), or a local path.
        to: put the result here: a folder, or for addresses a file. Default: only in the cache.
        revision: branch, tag or commit of a repository.
        token: access token; for the Hub the login of this user is the default.
        allow: file patterns of a repository to take, instead of the choice made for you.
        ignore: file patterns to leave out.
        sha256: expected digest of an address (64 hex digits or a prefix of at least 8); ``None``
            takes it from names like ``resnet18-f37072fd.pth``; ``False`` checks nothing.
        split: split of a data set; with ``split`` or ``limit`` a data set comes as Parquet with
            only these rows, without them as the files of its repository.
        limit: first rows of the split; only these are read at the source.
        progress: callable for :class:`~lancenb.progress.Progress` events (at most 5 a second),
            or True for a text bar.
        cancel: stops the work within a second; what has arrived is kept for the next try.
        offline: use the cache only.
        force: get it again although it is in the cache.
        cache: cache root; default ``$LANCENB_CACHE``, else the platform's cache folder.

    Returns:
        Path, files, lineage, whether it came from the cache, kind.

    Raises:
        InvalidArgument: the spec, or an option that this kind of source does not take.
        SourceNotFound: nothing is there.
        DownloadDenied: a token is missing or not good enough.
        Offline: no network, and not in the cache.
        ChecksumMismatch: the bytes are not the promised ones; nothing is kept.
        DownloadFailed: everything else on the way.

    >>> import tempfile
    >>> result = download("synthetic", split="test", limit=20, cache=tempfile.mkdtemp())
    >>> result.kind, result.lineage["rows"]
    ('dataset', 20)
    """
    source = parse(spec)
    _refuse_unused(
        source, revision=revision, token=token, allow=allow, ignore=ignore, sha256=sha256,
        split=split, limit=limit,
    )  # fmt: skip
    token = check_token(token)
    for name, place in (("to", to), ("cache", cache)):
        _check_place(name, place)
    store = cache if isinstance(cache, Cache) else Cache(cache)
    tracker = Tracker(progress, cancel)
    target = _target(to)
    common: dict[str, Any] = {
        "to": target, "force": force, "cache": store, "tracker": tracker, "cancel": cancel,
    }  # fmt: skip
    revision = revision or source.revision
    kind = source.kind
    if kind == "local" and (split is not None or limit is not None):
        kind = "arrow"
    if kind == "dataset" and (split is not None or limit is not None) and not (allow or ignore):
        kind = "arrow"
        if source.pattern:
            raise InvalidArgument(
                "a file pattern and split/limit do not go together",
                hint="hf:dataset:ID with split= and limit=, or hf:dataset:ID:pattern without",
            )
    if kind in ("url", "torchvision"):
        result = _address(source, common, sha256=sha256, token=token, offline=offline)
    elif kind == "arrow":
        from .arrow import arrow_dataset

        result = arrow_dataset(
            source.name, config=source.config, split=split, limit=limit, revision=revision,
            token=token, offline=offline, **common,
        )  # fmt: skip
    elif kind == "synthetic":
        from .synthetic import synthetic_dataset

        result = synthetic_dataset(source.name, split=split, limit=limit, **common)
    elif kind == "local":
        result = _local(source, target, sha256)
    else:
        from .hub import snapshot

        if source.pattern and allow:
            raise InvalidArgument("allow= and a pattern in the spec", hint="give one of them")
        result = snapshot(
            source.name, repo_type=kind, revision=revision, token=token,
            allow=[source.pattern] if source.pattern else _patterns(allow),
            ignore=_patterns(ignore), offline=offline, **common,
        )  # fmt: skip
    tracker.enter("done", str(result.path))
    return result


def _refuse_unused(source: Source, **options: Any) -> None:
    """Raise for options that would be ignored: silence would look like success."""
    for name, value in options.items():
        if value is not None and name not in _TAKES[source.kind]:
            raise InvalidArgument(
                f"{name}= means nothing for {source.kind} sources ({public_url(source.name)})",
                hint=f"these take: {', '.join(sorted(_TAKES[source.kind]))}",
            )


def _check_place(name: str, place: Any) -> None:
    if place is None or isinstance(place, Cache):
        return
    text = os.fspath(place) if isinstance(place, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgument(f"{name}={place!r:.60} is no path")


def _patterns(value: str | Sequence[str] | None) -> list[str] | None:
    if value is None:
        return None
    return [value] if isinstance(value, str) else list(value)


def _target(to: str | os.PathLike[str] | None) -> Path | None:
    if to is None:
        return None
    path = Path(to).expanduser()
    if str(to).endswith(("/", os.sep)):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _address(
    source: Source, common: dict[str, Any], *, sha256: str | bool | None, token: str | None,
    offline: bool,
) -> Download:  # fmt: skip
    from .url import download_url

    url, facts, kind = source.name, {}, "file"
    if source.kind == "torchvision":
        from .torchvision_ import weights

        chosen = weights(source.name)
        url, facts, kind = chosen.url, chosen.facts, "model"
    return download_url(
        url, sha256=sha256, token=token, offline=offline, kind=kind, facts=facts, **common
    )


def _local(source: Source, target: Path | None, sha256: str | bool | None) -> Download:
    import shutil

    from ._files import disk_errors
    from ._partial import hash_file
    from .fetch import check_digest

    path = Path(source.name)
    expected = check_digest(sha256)
    if expected and path.is_dir():
        raise InvalidArgument(f"sha256= needs a file, {path} is a folder")
    if target is not None:
        with disk_errors(target):
            if path.is_dir():
                path = Path(shutil.copytree(path, target, dirs_exist_ok=True))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                path = Path(shutil.copy2(path, target))
    files = local_files(path)
    if expected:
        digest = hash_file(path).hexdigest()
        if not digest.startswith(expected):
            raise ChecksumMismatch(f"{path} has sha256 {digest[:16]}…, expected {expected[:16]}…")
        files = (DownloadedFile(path, path.name, files[0].size, digest),)
    listing = [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in files[:1000]]
    return Download(path, files, {"source": str(path), "files": listing}, True, "file")
