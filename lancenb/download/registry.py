"""Data sets known by name: what is in them, where they come from, what their licence says.

>>> from lancenb.download import registry
>>> registry.info("cifar10").classes[:2]
('airplane', 'automobile')
>>> "synthetic" in registry.list()
True
"""

from __future__ import annotations

import builtins
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from ..errors import AlreadyExists, InvalidArgument, SourceNotFound
from ._entries import BUILT_IN


@dataclass(frozen=True)
class DatasetEntry:
    """One known data set.

    Attributes:
        name: short name, as used in ``download(name)``.
        kind: ``images``, ``text`` or ``table``.
        source: ``hub``, ``synthetic``, ``spec`` (any spec of ``download``) or ``guided`` (cannot
            be fetched automatically).
        target: Hub id, name of the synthetic set, or the spec.
        config: configuration on the Hub.
        classes: class names in label order.
        splits: rows per split.
        nbytes: bytes to download, about; 0 when nothing is.
        licence: note on the licence; read it before you publish anything.
        mean: per channel, pixels between 0 and 1.
        std: per channel.
        size: height and width in pixels when all images agree.
        columns: source column -> column in the image table.
        homepage: where to read more.
        guide: for ``guided``: what to get where, and why by hand.
    """

    name: str
    kind: str
    source: str
    target: str
    config: str | None = None
    classes: tuple[str, ...] = ()
    splits: dict[str, int] = field(default_factory=dict)
    nbytes: int = 0
    licence: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    homepage: str = ""
    guide: str = ""

    def __str__(self) -> str:
        rows = ", ".join(f"{count:,} {split}" for split, count in self.splits.items())
        size = f", about {self.nbytes / 1e6:,.0f} MB" if self.nbytes else ""
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"{self.name}: {self.kind}{classes} ({rows}{size})"


_SOURCES = ("hub", "synthetic", "spec", "guided")
_lock = threading.Lock()
_entries: dict[str, DatasetEntry] = {}


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.lower())


def add(entry: DatasetEntry, *, replace: bool = False) -> DatasetEntry:
    """Make a data set known by its name in this process.

    Raises:
        AlreadyExists: the name is taken and ``replace`` is False.
        InvalidArgument: the entry contradicts itself.

    >>> mine = DatasetEntry("mine", "images", "hub", "me/mine", splits={"train": 10})
    >>> add(mine, replace=True).name
    'mine'
    """
    if not re.fullmatch(r"[\w.-]+", entry.name):
        raise InvalidArgument(f"{entry.name!r} is no name for a dataset", hint="letters, digits, _")
    if entry.source not in _SOURCES:
        raise InvalidArgument(
            f"{entry.name}: source={entry.source!r}", hint=f"one of {', '.join(_SOURCES)}"
        )
    if len(entry.mean) != len(entry.std):
        raise InvalidArgument(f"{entry.name}: mean and std have different lengths")
    with _lock:
        if _key(entry.name) in _entries and not replace:
            raise AlreadyExists(
                f"the dataset {entry.name!r} is known already",
                hint="replace=True, or another name",
            )
        _entries[_key(entry.name)] = entry
    return entry


def list() -> builtins.list[str]:
    """Return the names of all known data sets."""
    return sorted(entry.name for entry in _entries.values())


def find(name: str) -> DatasetEntry | None:
    """Return the entry of that name (``CIFAR-10`` is ``cifar10``), None when there is none."""
    return _entries.get(_key(name))


def info(name: str) -> DatasetEntry:
    """Return the entry of that name.

    Raises:
        SourceNotFound: no such name.
    """
    entry = find(name)
    if entry is None:
        raise SourceNotFound(
            f"there is no known dataset {name!r}", hint=f"known: {', '.join(list())}"
        )
    return entry


def _load(facts: dict[str, Any]) -> None:
    add(DatasetEntry(**facts))


for _facts in BUILT_IN:
    _load(_facts)
