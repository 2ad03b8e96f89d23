"""The front end for data sets: :class:`DatasetDownloader`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from . import registry
from ._download import download
from .cache import Cache
from .plan import DownloadPlan, plan
from .policy import UrlPolicy
from .result import Download
from .sources import check_mode


@dataclass(frozen=True)
class DatasetDownloader:
    """Gets a data set.

    Args:
        name: known name (``cifar10``, ``synthetic``), Hub id, Lance table on the Hub
            (``hf://datasets/ID/TABLE.lance``), or a local folder: in Hub layout, of images, or
            written by ``save_to_disk``.
        split: split to take (mode ``arrow``); ``"all"`` for a folder of each.
        cache_dir: cache root; None for the default.
        mode: ``arrow`` (rows as Parquet, undecoded), ``repo`` (the repository's data files, by
            their suffixes: see :data:`~lancenb.download.choose.DATA_SUFFIXES`) or ``official``
            (the files that the makers of a known data set publish; where one archive holds all
            splits, ``convert`` takes the split).
        limit: first rows only, read as such at the source (mode ``arrow``).
        revision: branch, tag or commit.
        token: access token.
        config: configuration of the data set.
        allow: file patterns instead of the choice by suffix (mode ``repo``).
        ignore: file patterns to leave out (mode ``repo``).
        offline: cache only.
        force: get it again.
        policy: which addresses may be asked.
        hub_engine: who moves the bytes of Hub files, see :func:`~lancenb.download.download`.

    >>> DatasetDownloader("acme/pets", mode="repo").spec
    'hf:dataset:acme/pets'
    >>> DatasetDownloader("acme/pets", config="small").spec
    'datasets:acme/pets:small'
    """

    name: str
    split: str | None = "train"
    cache_dir: str | os.PathLike[str] | None = None
    _: KW_ONLY
    mode: str = "arrow"
    limit: int | None = None
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    config: str | None = None
    allow: str | Sequence[str] | None = None
    ignore: str | Sequence[str] | None = None
    offline: bool = False
    force: bool = False
    policy: UrlPolicy | None = None
    hub_engine: str | None = None

    def __post_init__(self) -> None:
        check_mode(self.mode, ("arrow", "repo", "official"))
        if self.mode == "arrow" and (self.allow or self.ignore):
            raise InvalidArgument("allow= and ignore= choose files", hint="mode='repo'")

    @property
    def spec(self) -> str:
        """The spec that :func:`~lancenb.download.download` gets."""
        name = self._name
        if self.mode == "official":
            return f"{registry.info(name).name}:official"
        if self._is_table:
            return name
        entry = self._entry
        if entry is not None and entry.source != "hub":
            return entry.name
        if self.mode == "arrow":
            return f"datasets:{name}" + (f":{self.config}" if self.config else "")
        if self._is_local:
            return name
        return f"hf:dataset:{entry.target if entry is not None else name}"

    def plan(self, cancel: CancelToken | None = None) -> DownloadPlan:
        """Say what :meth:`download` would bring; see :func:`~lancenb.download.plan`."""
        return plan(self.spec, cancel=cancel, **self._options())

    def download(
        self,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
    ) -> Download:
        """Download; see :func:`~lancenb.download.download` for what is raised."""
        entry = None if self.mode == "official" else self._entry
        if entry is not None and entry.source == "synthetic":
            return self._draw(entry.target, progress, cancel)
        if self._name.startswith("synthetic:"):
            return self._draw(self._name.partition(":")[2], progress, cancel)
        options = self._options()
        return download(self.spec, force=self.force, progress=progress, cancel=cancel, **options)

    @property
    def _name(self) -> str:
        return self.name.removeprefix("datasets:").removeprefix("hf:dataset:")

    @property
    def _is_table(self) -> bool:
        return self._name.startswith("hf://")

    @property
    def _is_local(self) -> bool:
        return Path(self._name).expanduser().exists()

    @property
    def _entry(self) -> registry.DatasetEntry | None:
        return None if self._is_local or self._is_table else registry.find(self._name)

    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "cache": self.cache_dir, "offline": self.offline, "policy": self.policy,
            "hub_engine": self.hub_engine,
        }  # fmt: skip
        if self.mode == "official":
            files = registry.info(self._name).files
            split = self.split if any(file.split for file in files) else None
            return {**options, "split": split, "limit": self.limit, "revision": self.revision}
        if not self._is_local:
            options |= {"revision": self.revision, "token": self.token}
        if self.mode == "repo":
            if self.limit is not None:
                raise InvalidArgument(
                    "limit= counts rows", hint="mode='arrow', or allow= for files"
                )
            options |= {"allow": self.allow, "ignore": self.ignore}
        elif not self._is_table:
            options |= {"split": self.split, "limit": self.limit}
        return options

    def _draw(
        self, which: str, progress: ProgressCallback | bool | None, cancel: CancelToken | None
    ) -> Download:
        from .synthetic import synthetic_dataset

        tracker = Tracker(progress, cancel)
        result = synthetic_dataset(
            which, split=self.split, limit=self.limit, mode=self.mode, force=self.force,
            cache=Cache(self.cache_dir), tracker=tracker, cancel=cancel,
        )  # fmt: skip
        tracker.enter("done", str(result.path))
        return result
