"""What is in the cache: entries with their sizes, and what was left over by killed processes."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRASH = ".trash-"
URL_META = ".meta.json"
BUILT_META = "about.json"
#: Seconds after which an unfinished thing counts as left over.
STALE = 86400.0
_REPO = re.compile(r"(models|datasets|spaces)--(.+)")
_HALF = "deleted, but not to the end"
_Found = Iterator[tuple[Path, str, float]]
RECORD = re.compile(r"(model|dataset|space)--(.+)--([0-9a-f]{40})\.json")


@dataclass(frozen=True)
class CacheEntry:
    """One thing in the cache.

    Attributes:
        kind: folder below the root, see :mod:`lancenb.download.cache`.
        name: name within the kind.
        path: file or folder.
        size: bytes on disk (links counted once, as links).
        modified: seconds since the epoch of the newest change.
        note: why it is left over; empty for what is meant to be there.
        title: where it comes from, as far as the cache knows: an address, a repository, a data
            set; else the name.
    """

    kind: str
    name: str
    path: Path
    size: int
    modified: float
    note: str = ""
    title: str = ""

    def matches(self, text: str) -> bool:
        """Whether ``text`` is part of the name or the title."""
        return text in self.name or text in self.title


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a small JSON file; empty when there is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def is_repo(name: str) -> bool:
    """Whether a folder of the official layout holds a repository."""
    return _REPO.fullmatch(name) is not None


def measure(path: Path) -> tuple[int, float] | None:
    """Return bytes and time of the newest change of a file or folder; None when it is gone."""
    try:
        stat = path.lstat()
    except OSError:
        return None
    if not path.is_dir() or path.is_symlink():
        return stat.st_size, stat.st_mtime
    size, modified = 0, stat.st_mtime
    for file in walk(path):
        try:
            inner = os.lstat(file)
        except OSError:  # deleted while we look
            continue
        size += inner.st_size
        modified = max(modified, inner.st_mtime)
    return size, modified


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files and links below a folder, whatever others delete meanwhile."""
    for where, _, names in os.walk(folder):
        for name in names:
            yield Path(where, name)


def entry(kind: str, base: Path, path: Path, note: str = "") -> CacheEntry | None:
    """Describe one path below the folder of its kind; None when it is gone."""
    found = measure(path)
    if found is None:
        return None
    name = path.relative_to(base).as_posix()
    title = name if note else _title(kind, name, path)
    return CacheEntry(kind, name, path, *found, note, title)


def _title(kind: str, name: str, path: Path) -> str:
    if kind in ("url", "placed"):
        note = path / URL_META if kind == "url" else path
        return str(read_json(note).get("url") or name)
    if kind == "hub" and (repo := _REPO.fullmatch(name)):
        return f"hf:{repo[1].removesuffix('s')}:{repo[2].replace('--', '/')}"
    if kind == "verified" and (record := RECORD.fullmatch(name)):
        return f"hf:{record[1]}:{record[2].replace('--', '/')}@{record[3][:12]}"
    lineage = read_json(path / BUILT_META).get("lineage")
    if not isinstance(lineage, dict) or "source" not in lineage:
        return name
    words = [str(lineage["source"])]
    words += [f"{key}={lineage[key]}" for key in ("split", "limit") if lineage.get(key)]
    return " ".join(words)


def children(folder: Path) -> list[Path]:
    """List a folder; empty when there is none."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def leftovers(kind: str, base: Path, hub: Path, *, age: float = STALE) -> Iterator[CacheEntry]:
    """Find what nobody will use again, such as half of a download that was killed yesterday.

    Args:
        kind: kind of entries in ``base``.
        base: folder of the kind.
        hub: folder in the official layout, for notes that speak of it.
        age: seconds since the last change after which work counts as abandoned.
    """
    if kind == "locks":
        return
    look = {"url": _in_url, "hub": _in_repo, "view": _in_view, "verified": _in_verified}
    look["placed"] = _in_placed
    for path in children(base):
        if path.name.startswith(TRASH):
            found = iter([(path, _HALF, 0.0)])
        elif path.name.startswith("."):
            continue
        else:
            found = look.get(kind, _in_built)(path, hub)
        for item, note, patience in found:
            described = entry(kind, base, item, note)
            if described is not None and time.time() - described.modified >= min(patience, age):
                yield described


def _in_url(folder: Path, hub: Path) -> _Found:
    if not (folder / URL_META).is_file():
        yield folder, "never finished", STALE
        return
    for path in children(folder):
        if path.name.startswith(".") and path.name != URL_META:
            yield path, "unfinished download", STALE


def _in_built(folder: Path, hub: Path) -> _Found:
    if not folder.is_dir():
        return
    if not (folder / BUILT_META).is_file():
        yield folder, "never finished", STALE
        return
    for path in children(folder):
        if path.name.startswith(".") or path.name.endswith(".new"):
            yield path, "unfinished work", STALE


def _in_view(folder: Path, hub: Path) -> _Found:
    files = list(walk(folder))  # with files of its own somebody has written in it
    if all(path.is_symlink() for path in files) and not all(path.exists() for path in files):
        yield folder, "points to nothing", 0.0


def _in_verified(path: Path, hub: Path) -> _Found:
    record = RECORD.fullmatch(path.name)
    if path.name.endswith(".new"):
        yield path, "unfinished note", STALE
    elif record and not (hub / f"{record[1]}s--{record[2]}/snapshots/{record[3]}").is_dir():
        yield path, "points to nothing", STALE


def _in_placed(path: Path, hub: Path) -> _Found:
    target = read_json(path).get("path")
    if path.name.endswith(".new"):
        yield path, "unfinished note", STALE
    elif not isinstance(target, str) or not Path(target).exists():
        yield path, "points to nothing", STALE


def _in_repo(folder: Path, hub: Path) -> _Found:
    if not is_repo(folder.name):
        return
    for path in children(folder):
        if path.name.startswith(TRASH):
            yield path, _HALF, 0.0
    links = [path for path in walk(folder / "snapshots") if path.is_symlink()]
    used = {os.path.realpath(path) for path in links}
    if not children(folder / "snapshots"):
        yield folder, "never finished", STALE
        return
    for path in children(folder / "blobs"):
        if path.name.startswith(".") or path.name.endswith(".incomplete"):
            yield path, "unfinished download", STALE
        elif used and os.path.realpath(path) not in used:
            yield path, "used by no revision", STALE
