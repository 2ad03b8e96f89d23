"""Data sets known by name: what is in them, where they come from, what their licence says.

>>> from lancenb.download import registry
>>> registry.info("cifar10").classes[:2]
('airplane', 'automobile')
>>> registry.info("uoft-cs/CIFAR-10") is registry.info("cifar10")
True
>>> "synthetic" in registry.list()
True

Packages add their own by an entry point of the group ``lancenb.datasets`` that leads to a
:class:`DatasetEntry`, several of them, or a function without arguments that returns either.
"""

from __future__ import annotations

import builtins
import os
import re
import threading
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import AlreadyExists, InvalidArgument, SourceNotFound
from ..progress import CancelToken, ProgressCallback, Tracker
from ._check import check_files, digest_of
from ._entries import BUILT_IN
from ._entry import SPLITS, CheckReport, CheckRequest, DatasetEntry, OfficialFile

__all__ = [
    "CheckReport",
    "CheckRequest",
    "DatasetEntry",
    "OfficialFile",
    "add",
    "check",
    "digest_of",
    "find",
    "info",
    "list",
]

GROUP = "lancenb.datasets"
_SOURCES = ("hub", "official", "synthetic", "spec", "guided")
_lock = threading.RLock()
_entries: dict[str, DatasetEntry] = {}
_plugins_loaded = False


def _key(name: str) -> str:
    name = re.sub(r"^\s*synthetic:", "synthetic-", name.lower())
    return re.sub(r"[\s_-]+", "", name)


def add(entry: DatasetEntry, *, replace: bool = False) -> DatasetEntry:
    """Make a data set known by its name and aliases in this process.

    The Hub id of an entry leads to it too, unless an earlier one has the same.

    Raises:
        AlreadyExists: the name is taken and ``replace`` is False, or another data set has the
            name or an alias.
        InvalidArgument: the entry contradicts itself.

    >>> mine = DatasetEntry("mine", "images", "hub", "me/mine", splits={"train": 10})
    >>> add(mine, replace=True).name
    'mine'
    """
    if not re.fullmatch(r"[\w.-]+", entry.name):
        raise InvalidArgument(
            f"{entry.name!r} is no name for a dataset", hint="letters, digits and any of _ . -"
        )
    if entry.source not in _SOURCES:
        raise InvalidArgument(
            f"{entry.name}: source={entry.source!r}", hint=f"one of {', '.join(_SOURCES)}"
        )
    if len(entry.mean) != len(entry.std):
        raise InvalidArgument(
            f"{entry.name}: mean and std have different lengths",
            hint="one number per channel in each",
        )
    if entry.source == "official" and not any(file.url for file in entry.files):
        raise InvalidArgument(
            f"{entry.name}: source='official' without files", hint="give files=(OfficialFile(...),)"
        )
    own = _key(entry.name)
    keys = [own, *map(_key, entry.aliases)]
    with _lock:
        for key in keys:
            other = _entries.get(key)
            if other is not None and not (replace and _key(other.name) == own):
                raise AlreadyExists(
                    f"the dataset {other.name!r} is known already",
                    hint="replace=True, or another name",
                )
        for key in [key for key, old in _entries.items() if _key(old.name) == own]:
            del _entries[key]
        _entries.update(dict.fromkeys(keys, entry))
        if entry.source == "hub":
            _entries.setdefault(_key(entry.target), entry)
    return entry


def list() -> builtins.list[str]:
    """Return the names of all known data sets."""
    _load_plugins()
    return sorted({entry.name for entry in _entries.values()})


def find(name: str) -> DatasetEntry | None:
    """Return the entry of that name (``CIFAR-10`` is ``cifar10``), None when there is none."""
    found = _entries.get(_key(name))
    if found is None:
        _load_plugins()
        found = _entries.get(_key(name))
    return found


def info(name: str) -> DatasetEntry:
    """Return the entry of that name.

    Raises:
        SourceNotFound: no such name.
    """
    entry = find(name)
    if entry is None:
        raise SourceNotFound(
            f"there is no known dataset {name!r}",
            hint=f"{did_you_mean(name)}known: {', '.join(list())}",
        )
    return entry


def did_you_mean(name: str) -> str:
    """Return a question about the known names that are close to one; empty when none is.

    >>> did_you_mean("cifar-11")
    'did you mean cifar10 or cifar100? '
    """
    import difflib

    keys = {_key(known): known for known in list()}
    keys |= {_key(alias): entry.name for entry in _entries.values() for alias in entry.aliases}
    close = difflib.get_close_matches(_key(name), keys, 3, 0.75)
    names = builtins.list(dict.fromkeys(keys[key] for key in close))
    return f"did you mean {' or '.join(names)}? " if names else ""


def _splits_of(entry: DatasetEntry, counts: Mapping[str, int]) -> dict[str, int]:
    """Give splits the names that the entry has for them (``val`` is ``validation``)."""
    named = {
        split if split in entry.splits else SPLITS.get(split, split): count
        for split, count in counts.items()
    }
    unknown = [split for split in named if entry.splits and split not in entry.splits]
    if unknown:
        raise InvalidArgument(
            f"{entry.name} has no split {unknown[0]!r}", hint=f"it has: {', '.join(entry.splits)}"
        )
    return named


def check(
    name: str,
    path: str | os.PathLike[str],
    *,
    classes: int | None = None,
    counts: Mapping[str, int] | None = None,
    hashes: bool = True,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> CheckReport:
    """Look whether a folder, or an archive, is a whole copy of a known data set.

    Nothing is changed and nothing fetched. Archives are hashed; folders are counted, and their
    files hashed where their makers' copies have published hashes.

    Args:
        name: known name.
        path: folder or file.
        classes: number of classes to expect instead (of a subset of yours); the counts are then
            those in ``counts``, and without them only that no class is empty.
        counts: rows per split to expect instead; only these splits are looked for.
        hashes: False goes by sizes only, for large archives.
        progress: callable for progress events, or True for a text bar.
        cancel: stops the work within a second.

    Returns:
        What was found, what is missing, what to do; ``ok`` says whether it is whole.

    Raises:
        SourceNotFound: no such name, or nothing at ``path``.
        InvalidArgument: ``counts`` names a split that there is not.

    >>> import tempfile
    >>> check("mnist", tempfile.mkdtemp()).ok
    False
    """
    entry = info(name)
    place = Path(path).expanduser()
    if not place.exists():
        raise SourceNotFound(f"there is nothing at {place}", hint="check the path")
    counts = None if counts is None else _splits_of(entry, counts)
    tracker = Tracker(progress, cancel)
    tracker.enter("verify", str(place))
    request = CheckRequest(entry, place, classes, counts, hashes, tracker)
    (entry.check or check_files)(request)
    if not (request.found or request.missing or request.wrong):
        request.missing.append(f"nothing in {place} belongs to {entry.name}")
    tracker.enter("done", str(place))
    return request.report()


def _load_plugins() -> None:
    """Ask installed packages for their data sets, once; a broken one is named and left out."""
    global _plugins_loaded
    with _lock:
        if _plugins_loaded:
            return
        _plugins_loaded = True
        from importlib.metadata import entry_points

        for point in entry_points(group=GROUP):
            try:
                for entry in _offered(point.load()):
                    add(entry)
            except Exception as error:
                warnings.warn(f"the datasets of {point.value} are left out: {error}", stacklevel=3)


def _offered(found: Any) -> Iterable[DatasetEntry]:
    if callable(found) and not isinstance(found, DatasetEntry):
        found = found()
    entries = [found] if isinstance(found, DatasetEntry) else [*found]
    strange = next((e for e in entries if not isinstance(e, DatasetEntry)), None)
    if strange is not None:
        raise InvalidArgument(
            f"{strange!r:.60} is no DatasetEntry", hint="make one with DatasetEntry(...)"
        )
    return entries


for _entry in BUILT_IN:
    add(_entry)
