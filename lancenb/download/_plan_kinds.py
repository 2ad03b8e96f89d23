"""What planned files are, what there is to say about them, and room for them on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._html import size as shown
from .choose import DATA_SUFFIXES, WEIGHT_SUFFIXES, is_index

if TYPE_CHECKING:
    from .plan import DownloadPlan, PlannedFile

_CONFIG = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".yaml", ".yml", ".toml")
_PICKLES = (".bin", ".pth", ".pt", ".ckpt", ".th")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MANY = 2000


def file_kind(name: str, of_dataset: bool = False) -> str:
    """Return what a file is by its name.

    >>> file_kind("model.safetensors"), file_kind("config.json"), file_kind("a.csv", True)
    ('weights', 'config', 'data')
    """
    lower = name.lower()
    base = lower.rpartition("/")[2]
    if lower.endswith(".py"):
        return "code"
    if base == "readme.md" or base.startswith(("license", "notice")):
        return "other"
    if of_dataset:
        return "data" if lower.endswith(DATA_SUFFIXES) else "other"
    if is_index(lower) or lower.endswith(_CONFIG):
        return "config"
    if lower.endswith((*WEIGHT_SUFFIXES, ".gguf", ".onnx", ".h5")):
        return "weights"
    return "data" if lower.endswith((*DATA_SUFFIXES, ".lance", ".manifest", ".txn")) else "other"


def notes_on(files: Sequence[PlannedFile]) -> list[str]:
    """Return what is to be said about files of these names and sizes."""
    notes = []
    pickles = [f.name for f in files if f.kind == "weights" and f.name.lower().endswith(_PICKLES)]
    if pickles:
        notes.append(
            f"{_named(pickles)} has no header to read ahead: names and shapes of its tensors are "
            "known after the download; it is read without running code in it"
        )
    code = [f.name for f in files if f.kind == "code"]
    if code:
        notes.append(f"{_named(code)} is Python code of its owner: it is stored, never run")
    pictures = sum(f.name.lower().endswith(_PICTURES) for f in files)
    if max(pictures, len(files)) > MANY:
        notes.append(
            f"{len(files):,} files mean as many requests: where there is a Parquet or zip form of "
            "the same data, take that"
        )
    unsized = [f.name for f in files if f.size is None]
    if unsized:
        notes.append(f"the server does not say how large {_named(unsized)} is")
    unhashed = [f.name for f in files if not (f.sha256 or f.git_sha1) and not f.cached]
    if unhashed:
        notes.append(
            f"nobody has published a hash of {_named(unhashed)}: it is computed and recorded, but "
            "there is nothing to compare it with (sha256= checks one that you know)"
        )
    return notes


def with_room(plan: DownloadPlan, folder: Path) -> DownloadPlan:
    """Fill in the free space, and say so when it is not enough."""
    free = free_space(folder)
    notes = plan.notes
    if free is not None and plan.missing_bytes > free:
        notes = (
            *notes,
            f"{folder} has {shown(free)} free and {shown(plan.missing_bytes)} are missing: free "
            f"{shown(plan.missing_bytes - free)}, or choose another disk with cache= or "
            "LANCENB_CACHE",
        )
    return replace(plan, folder=folder, free_bytes=free, notes=notes)


def free_space(folder: Path) -> int | None:
    """Return the free bytes of the disk that a folder is on, or will be."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def _named(names: Sequence[str]) -> str:
    more = len(names) - 1
    return names[0] + (f" (and {more:,} more like it)" if more else "")
