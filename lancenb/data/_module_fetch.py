"""The splits of a known data set as artefacts: downloaded and converted where they are missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..download import download, registry
from ..errors import AlreadyExists, InvalidArgument, SourceNotFound
from ..progress import CancelToken, ProgressCallback


def ensure_splits(
    manager: Any,
    names: Mapping[str, str],
    entry: registry.DatasetEntry,
    source: Any = None,
    *,
    limit: int | None = None,
    offline: bool = False,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> None:
    """Make the artefacts that are missing; those there are stay as they are.

    Args:
        manager: the catalogue.
        names: ``{split: artefact}``.
        entry: the data set.
        source: ``None`` (rows from where the entry says), ``"official"`` (its makers' files), a
            path with all splits, a spec of ``download``, or ``{split: path or spec}``.
        limit: first rows of each split; only of what is downloaded by rows.
        offline: ask no network.
        progress: see :func:`lancenb.convert`.
        cancel: stops it.

    Raises:
        SourceNotFound: the source has no such split.
        InvalidArgument: a ``limit`` with files, which are converted whole.
        Offline: something has to be downloaded, and no network answers.
    """
    for split, name in names.items():
        if name in manager:
            continue
        found, options = _found(entry, split, source, limit, offline, progress, cancel)
        try:
            manager.convert(
                found, name, kind="images", tags=[entry.name], progress=progress, cancel=cancel,
                description=f"{entry.name}, {split}", message=f"{entry.name}: {split}", **options,
            )  # fmt: skip
        except AlreadyExists:
            if name not in manager:  # being made at this moment by somebody else, not yet there
                raise


def _found(
    entry: registry.DatasetEntry,
    split: str,
    source: Any,
    limit: int | None,
    offline: bool,
    progress: Any,
    cancel: Any,
) -> tuple[Any, dict[str, Any]]:
    """What to convert, and with which options."""
    shared: dict[str, Any] = {"offline": offline, "progress": progress, "cancel": cancel}
    local = not isinstance(source, str) or os.path.exists(os.path.expanduser(source))
    if limit is not None and source is not None and (local or source == "official"):
        raise InvalidArgument(
            f"limit={limit} is for rows that are downloaded; files are converted whole",
            hint="leave limit out, or give a folder with fewer files",
        )
    if isinstance(source, Mapping):
        if split not in source:
            raise SourceNotFound(
                f"source= has no split {split!r}", hint=f"it has: {', '.join(map(str, source))}"
            )
        return source[split], {}
    if source is None:
        return download(entry.name, split=split, limit=limit, **shared), {}
    if source == "official":
        return download(f"{entry.name}:official", **shared), {"split": split}
    if local:
        place = source if not isinstance(source, str) else os.path.expanduser(source)
        return place, {"split": split}
    return download(source, split=split, limit=limit, **shared), {}
