"""What the folders of a path mean: a common top, a split, a class.

The rule:

1. A top folder shared by all images is stripped while every image still lies in a folder below
   it (``photos/cat/1.jpg`` of an archive counts as ``cat/1.jpg``).
2. If all first folders are named like splits (train, validation, test ...), they are splits.
   Images that lie beside them belong to none.
3. The first folder that is left is the class, as in torchvision's ``ImageFolder``; folders below
   it belong to the class. Images outside any class folder have no label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
}
SPLIT_ORDER = {"train": 0, "validation": 1, "test": 2}


@dataclass
class Layout:
    """Split and class of each path, in the order of the paths."""

    splits: list[str | None] | None
    classes: list[str | None]


def read_layout(names: Sequence[str], *, wrapped: bool = False) -> Layout:
    """Apply the rule of this module to relative paths.

    Args:
        names: relative paths with forward slashes.
        wrapped: a top folder shared by all is never a class (archives mostly have one).

    >>> layout = read_layout(["train/cat/1.png", "test/dog/x/2.png"])
    >>> layout.splits, layout.classes
    (['train', 'test'], ['cat', 'dog'])
    >>> read_layout(["photos/cat/1.jpg", "photos/dog/1.jpg"]).classes
    ['cat', 'dog']
    >>> read_layout(["1.jpg", "2.jpg"]).classes
    [None, None]
    """
    folders = [name.split("/")[:-1] for name in names]
    drop = _shared_top(folders, 1 if wrapped else 2)
    folders = [parts[drop:] for parts in folders]
    splits = _splits(folders)
    if splits is not None:
        folders = [parts[1:] for parts in folders]
    return Layout(splits, [parts[0] if parts else None for parts in folders])


def _shared_top(folders: Sequence[Sequence[str]], depth: int) -> int:
    if not folders:
        return 0
    drop = 0
    while all(len(parts) >= drop + depth for parts in folders):
        top = folders[0][drop]
        if any(parts[drop] != top for parts in folders):
            break
        drop += 1
    # A lone split folder (train/cat/1.jpg only) is a split, not a wrapping.
    if drop and folders[0][drop - 1].lower() in SPLITS:
        drop -= 1
    return drop


def _splits(folders: Sequence[Sequence[str]]) -> list[str | None] | None:
    names = {parts[0] for parts in folders if parts}
    if not names or any(name.lower() not in SPLITS for name in names):
        return None
    return [SPLITS[parts[0].lower()] if parts else None for parts in folders]
