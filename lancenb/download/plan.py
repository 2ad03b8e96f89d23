"""``plan(spec)``: what a download would bring, before it brings it.

>>> from lancenb.download import plan
>>> seen = plan("synthetic")
>>> seen.kind, seen.missing_bytes, seen.license
('dataset', 0, 'CC0-1.0 (drawn by lancenb)')
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import Conflict, InvalidArgument
from ..progress import CancelToken
from . import _plan_text
from ._headers import PlannedTensor
from ._names import check_token
from ._quiet import hide_signatures
from ._request import Request, Secret, make_request
from .cache import Cache
from .policy import UrlPolicy
from .result import Download

__all__ = ["DownloadPlan", "PlannedFile", "PlannedTensor", "plan"]


@dataclass(frozen=True)
class PlannedFile:
    """One file that a download would bring.

    Attributes:
        name: path relative to the source.
        size: bytes, None when the server does not say.
        sha256: expected digest, or its first digits where only these are known; else None.
        git_sha1: the hash under which git stores it (small files of the Hub), else None.
        kind: ``weights``, ``config``, ``data``, ``code`` or ``other``.
        cached: whether it is on this machine already.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    kind: str = "other"
    cached: bool = False


@dataclass(frozen=True)
class DownloadPlan:
    """What ``download`` would do; ``print`` it, or let a notebook show it as a card.

    Attributes:
        spec: what was asked for.
        kind: ``model``, ``dataset``, ``lance`` or ``file``, as of the download's result.
        source: the source, without credentials or query.
        files: the files.
        revision: branch, tag or commit asked for; None outside the Hub.
        commit: the commit that this is; :meth:`download` takes no other.
        license: as its owner states it, None when they do not.
        gated: whether its owner wants terms accepted first.
        private: whether it is private.
        card: more facts that its owner states (tags, pretty_name, task_categories, configs, ...).
        tensors: names, types and shapes, from the headers of safetensors files.
        notes: what to know before it begins, one sentence each.
        folder: where the bytes would go.
        free_bytes: free space there, None when unknown.
    """

    spec: str
    kind: str
    source: str
    files: tuple[PlannedFile, ...] = ()
    revision: str | None = None
    commit: str | None = None
    license: str | None = None
    gated: bool = False
    private: bool = False
    card: dict[str, Any] = field(default_factory=dict)
    tensors: tuple[PlannedTensor, ...] = ()
    notes: tuple[str, ...] = ()
    folder: Path | None = None
    free_bytes: int | None = None
    request: Request | None = field(default=None, repr=False, compare=False)

    @property
    def total_bytes(self) -> int:
        """Bytes of all files together, as far as sizes are known."""
        return sum(item.size or 0 for item in self.files)

    @property
    def cached_bytes(self) -> int:
        """Bytes that are on this machine already."""
        return sum(item.size or 0 for item in self.files if item.cached)

    @property
    def missing_bytes(self) -> int:
        """Bytes still to transfer, as far as sizes are known."""
        return self.total_bytes - self.cached_bytes

    @property
    def parameters(self) -> int:
        """Number of values in all tensors that are known."""
        return sum(tensor.count for tensor in self.tensors)

    def download(self, *, token: str | None = None, **how: Any) -> Download:
        """Do exactly this: the same files of the same commit.

        Args:
            token: access token; default: the one that the plan was made with.
            **how: ``to``, ``progress``, ``cancel``, ``force``, as of
                :func:`~lancenb.download.download`.

        Raises:
            Conflict: the address has another file than when it was planned.
            LancenbError: as :func:`~lancenb.download.download`.
        """
        from ._download import perform

        unknown = set(how) - {"to", "progress", "cancel", "force"}
        if unknown:
            raise InvalidArgument(
                f"a plan's download has no {', '.join(sorted(unknown))}=",
                hint="to, token, progress, cancel, force; for others make another plan",
            )
        if self.request is None:
            from .sources import parse

            parse(self.spec)  # raises why this cannot be downloaded
            raise InvalidArgument(f"{self.spec} was planned by hand", hint="use plan(spec)")
        secret = self.request.secret if token is None else Secret(check_token(token))
        request = replace(self.request, commit=self.commit, secret=secret)
        result = perform(request, **how)
        self._compare(result)
        return result

    def _compare(self, result: Download) -> None:
        if self.request is None or self.request.kind not in ("url", "torchvision"):
            return  # a commit, or a published hash, has settled it
        planned, got = self.files[0], result.files[0]
        if planned.size not in (None, got.size):
            raise Conflict(
                f"{self.source} has {got.size:,} bytes now, {planned.size:,} were planned",
                hint="the file was replaced meanwhile; plan again and look at it",
            )

    def __repr__(self) -> str:
        return _plan_text.line(self)

    def __str__(self) -> str:
        return _plan_text.text(self)

    def _repr_html_(self) -> str:
        return _plan_text.html(self)


def plan(
    spec: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | None = None,
    allow: str | Sequence[str] | None = None,
    ignore: str | Sequence[str] | None = None,
    variant: str | None = None,
    sha256: str | bool | None = None,
    split: str | None = None,
    limit: int | None = None,
    offline: bool = False,
    cache: str | os.PathLike[str] | Cache | None = None,
    policy: UrlPolicy | None = None,
    hub_engine: str | None = None,
    cancel: CancelToken | None = None,
) -> DownloadPlan:
    """Say what :func:`~lancenb.download.download` would bring, without bringing it.

    Of weights only the headers are read (by ranges), so that names, types and shapes of tensors
    are known before a byte of the weights themselves moves.

    Args:
        spec: as of ``download``.
        revision: as of ``download``; so are the others up to ``hub_engine``.
        token: access token.
        allow: file patterns.
        ignore: file patterns to leave out.
        variant: form of the weights.
        sha256: expected digest of an address.
        split: split of a data set.
        limit: first rows of it.
        offline: only look at what is on this machine.
        cache: cache root.
        policy: which addresses may be asked.
        hub_engine: who moves the bytes of Hub files.
        cancel: stops it within a second.

    Raises:
        LancenbError: as ``download``, for whatever can be known beforehand.
    """
    from . import _plan_hub, _plan_local, _plan_url

    hide_signatures()
    guided = _plan_local.guided(spec)
    if guided is not None:
        return guided
    request = make_request(
        spec, revision=revision, token=token, allow=allow, ignore=ignore, variant=variant,
        sha256=sha256, split=split, limit=limit, offline=offline, cache=cache, policy=policy,
        hub_engine=hub_engine,
    )  # fmt: skip
    if cancel is not None:
        cancel.check()
    makers = {
        "url": _plan_url.address, "torchvision": _plan_url.torchvision,
        "official": _plan_local.official, "synthetic": _plan_local.synthetic,
        "local": _plan_local.local, "arrow": _plan_hub.rows, "lance": _plan_hub.table,
    }  # fmt: skip
    return makers.get(request.kind, _plan_hub.repository)(request, cancel)
