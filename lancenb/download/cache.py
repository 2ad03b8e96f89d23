"""One cache root for everything downloads keep: where it is, what is in it, how to clear it.

The root is the ``cache=`` argument, else ``$LANCENB_CACHE``, else the platform's cache folder
plus ``lancenb``. Below it every kind has a folder and every entry a folder or file in that:

========== =====================================================================
url        one folder per address: the file, its note, unfinished parts
hub        official Hugging Face layout (only when a root was chosen; otherwise
           the cache that transformers and datasets use is shared)
view       links to chosen files of Hub snapshots
arrow      data sets as Parquet, per data set, commit, split and limit
synthetic  data sets that lancenb draws itself
verified   what was hashed and found right in Hub snapshots
locks      empty files
========== =====================================================================
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ..errors import Conflict, InvalidArgument
from ..progress import CancelToken
from ._files import disk_errors, locked

KINDS = ("url", "hub", "arrow", "synthetic", "view", "verified", "locks")


def default_root() -> Path:
    """Return the cache root of this user on this platform (``$LANCENB_CACHE`` wins)."""
    chosen = os.environ.get("LANCENB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    home = Path.home()
    if sys.platform == "win32":  # pragma: no cover
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "lancenb"
    if sys.platform == "darwin":  # pragma: no cover
        return home / "Library" / "Caches" / "lancenb"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "lancenb"


@dataclass(frozen=True)
class CacheEntry:
    """One thing in the cache.

    Attributes:
        kind: folder below the root, see the module's table.
        name: name within the kind.
        path: file or folder.
        size: bytes on disk (links counted once, as links).
        modified: seconds since the epoch of the newest change.
    """

    kind: str
    name: str
    path: Path
    size: int
    modified: float


class Cache:
    """The download cache.

    Args:
        root: folder; default see :func:`default_root`.

    >>> import tempfile
    >>> Cache(tempfile.mkdtemp()).entries()
    []
    """

    def __init__(self, root: str | os.PathLike[str] | None = None):
        self.chosen = root is not None or bool(os.environ.get("LANCENB_CACHE"))
        self.root = Path(root).expanduser().absolute() if root is not None else default_root()

    def folder(self, kind: str) -> Path:
        """Return the (existing) folder of a kind."""
        path = self.root / kind
        with disk_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def hub(self) -> Path:
        """Folder in Hugging Face's layout; shared with its clients unless a root was chosen."""
        if self.chosen:
            return self.folder("hub")
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE)

    def lock_path(self, kind: str, key: str) -> Path:
        """Return the lock file that guards one entry."""
        return self.root / "locks" / f"{kind}-{key}.lock"

    def lock(
        self, kind: str, key: str, cancel: CancelToken | None = None
    ) -> AbstractContextManager[None]:
        """Hold one entry against other processes and threads (a context manager)."""
        return locked(self.lock_path(kind, key), cancel)

    def entries(self, kind: str | None = None) -> list[CacheEntry]:
        """List what is here, largest first; together exactly the files below the root."""
        if kind is not None and kind not in KINDS:
            raise InvalidArgument(f"no cache kind {kind!r}", hint=f"one of {', '.join(KINDS)}")
        found = []
        for name in [kind] if kind else KINDS:
            base = self.root / name
            if not base.is_dir():
                continue
            for child in sorted(base.iterdir()):
                size, modified = _measure(child)
                found.append(CacheEntry(name, child.name, child, size, modified))
        return sorted(found, key=lambda entry: -entry.size)

    def size(self, kind: str | None = None) -> int:
        """Return the bytes that :meth:`entries` take on disk."""
        return sum(entry.size for entry in self.entries(kind))

    def clear(
        self,
        kind: str | None = None,
        *,
        name: str | None = None,
        older_than: float | None = None,
        larger_than: int | None = None,
        dry_run: bool = False,
    ) -> int:
        """Delete entries and return the bytes freed; entries in use are left alone.

        Args:
            kind: only this kind.
            name: only names that contain this text.
            older_than: only entries not changed for so many seconds.
            larger_than: only entries of more than so many bytes.
            dry_run: count, delete nothing.
        """
        freed, now = 0, time.time()
        everything = kind is None and name is None and older_than is None and larger_than is None
        for entry in self.entries(kind):
            if entry.kind == "locks" and not everything:
                continue
            if name is not None and name not in entry.name:
                continue
            if older_than is not None and now - entry.modified < older_than:
                continue
            if larger_than is not None and entry.size <= larger_than:
                continue
            if dry_run or self._remove(entry):
                freed += entry.size
        return freed

    def _remove(self, entry: CacheEntry) -> bool:
        lock = entry.path if entry.kind == "locks" else self.lock_path(entry.kind, entry.name)
        try:
            with locked(lock, wait=False), disk_errors(entry.path):
                _delete(entry.path)
        except Conflict:
            return False
        if entry.kind != "locks":
            lock.unlink(missing_ok=True)
        return True

    def __iter__(self) -> Iterator[CacheEntry]:
        return iter(self.entries())

    def __repr__(self) -> str:
        entries = self.entries()
        total = sum(entry.size for entry in entries)
        return f"<Cache {self.root}: {len(entries)} entries, {total / 1e6:,.1f} MB>"


def _measure(path: Path) -> tuple[int, float]:
    stat = path.lstat()
    if not path.is_dir() or path.is_symlink():
        return stat.st_size, stat.st_mtime
    size, modified = 0, stat.st_mtime
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                inner = os.lstat(os.path.join(folder, name))
            except FileNotFoundError:
                continue
            size += inner.st_size
            modified = max(modified, inner.st_mtime)
    return size, modified


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
