"""Data sets in the layout of their makers, told by the names of their files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ._families import FAMILY_OF
from ._folder import files_below
from ._idx import named_idx
from ._magic import suffix_of

_BATCH = re.compile(r"(?:data_batch_\d{1,4}|test_batch)(?:\.bin)?")
_META = frozenset(
    ("batches.meta", "meta", "batches.meta.txt", "fine_label_names.txt", "coarse_label_names.txt")
)


def layout_of(names: Iterable[str]) -> str | None:
    """Return ``"cifar"``, ``"idx"`` or ``None`` for the base names of files that lie together.

    >>> layout_of(["data_batch_1", "batches.meta"]), layout_of(["t10k-images-idx3-ubyte.gz"])
    ('cifar', 'idx')
    >>> layout_of(["train", "test"]) is None
    True
    """
    found = set(names)
    if any(is_cifar_batch(name, found) for name in found):
        return "cifar"
    if any(named_idx(name) == "images" for name in found):
        return "idx"
    return None


def is_cifar_batch(name: str, beside: Iterable[str]) -> bool:
    """Whether a file is a batch of CIFAR by its name and those beside it.

    >>> is_cifar_batch("data_batch_1.bin", ()), is_cifar_batch("train", ("train", "meta"))
    (True, True)
    """
    if _BATCH.fullmatch(name):
        return True
    if name in ("train", "test"):
        return "meta" in beside
    return name in ("train.bin", "test.bin") and "fine_label_names.txt" in beside


def is_cifar_meta(name: str) -> bool:
    """Whether a file holds the class names of CIFAR by its name."""
    return name in _META


def folder_layout(folder: Path) -> str | None:
    """Return the layout of a folder: ``"cifar"``, ``"idx"``, ``"coco"`` or ``None``.

    With pictures of their own it is none of the first two; COCO has pictures (or zip files of
    them) and annotations.
    """
    names = [path.name for path in files_below(folder)]
    pictures = any(FAMILY_OF.get(suffix_of(name)) == "images" for name in names)
    if not pictures:
        found = layout_of(names)
        packed = any(name.endswith(".zip") and name[:11] != "annotations" for name in names)
        if found or not packed:
            return found
    from .coco._find import annotation_files

    return "coco" if annotation_files(folder) else None


def file_layout(path: Path) -> str | None:
    """Return the layout that one file belongs to by its name and its neighbours' names."""
    if named_idx(path.name):
        return "idx"
    neighbours = [name for name in _META if path.with_name(name).exists()]
    return "cifar" if is_cifar_batch(path.name, neighbours) else None
