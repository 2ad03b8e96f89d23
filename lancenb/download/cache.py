"""One cache root for everything downloads keep: where it is, what is in it, how to clear it.

The root is the ``cache=`` argument, else ``$LANCENB_CACHE``, else the platform's cache folder
plus ``lancenb``. Below it every kind has a folder and every entry a folder or file in that:

========== =====================================================================
url        one folder per address: the file, its note, unfinished parts
hub        official Hugging Face layout (only when a root was chosen; otherwise
           the cache that transformers and datasets use is shared)
view       links to chosen files of Hub snapshots and of known data sets
arrow      data sets as Parquet, per data set, commit, split and limit
synthetic  data sets that lancenb draws itself
verified   notes: what the Hub said of a commit, and what was hashed and found right
placed     notes on files of addresses that were put elsewhere (``to=``)
locks      empty files
========== =====================================================================

Names that begin with a dot are unfinished. What appears under its own name is complete, and goes
in one step, so that processes that share a cache cannot meet half a thing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidArgument
from ..progress import CancelToken, ProgressCallback
from . import _cache_list as listing
from . import _cache_remove as removing
from ._cache_list import CacheEntry
from ._files import disk_errors, locked

if TYPE_CHECKING:
    from ._cache_report import CachedRevision, CacheReport, Cleared

KINDS = ("url", "hub", "arrow", "synthetic", "view", "verified", "placed", "locks")


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


def holds(path: str | os.PathLike[str]) -> bool:
    """Whether a path lies in a cache of downloads: ours by its folders, or the Hub's.

    >>> holds("./flowers.lance")
    False
    """
    below = Path(os.path.abspath(path))
    for found in {below, Path(os.path.realpath(path))}:
        for folder in found.parents:
            if folder.name in KINDS and (folder.parent / "locks").is_dir():
                return True
            if folder.name == "snapshots" and (folder.parent / "blobs").is_dir():
                return True
    return False


class Cache:
    """The download cache.

    ``print(cache)`` (a card in notebooks) shows what is in it, :meth:`verify` hashes it again,
    :meth:`clear` deletes by kind, name, age and size.

    Args:
        root: folder; default see :func:`default_root`.

    >>> import tempfile
    >>> from lancenb.download import download
    >>> cache = Cache(tempfile.mkdtemp())
    >>> _ = download("synthetic", split="test", limit=20, cache=cache)
    >>> [entry.title for entry in cache.entries("synthetic")]
    ['synthetic:images split=test limit=20']
    >>> cache.verify().ok
    True
    >>> cache.clear() > 0, cache.entries()
    (True, [])
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
        return self.where("hub")

    def where(self, kind: str) -> Path:
        """Return the folder of a kind, which need not exist."""
        if kind == "hub" and not self.chosen:
            from huggingface_hub import constants

            return Path(constants.HF_HUB_CACHE)
        return self.root / kind

    def lock_path(self, kind: str, key: str) -> Path:
        """Return the lock file that guards one entry."""
        return self.root / "locks" / f"{kind}-{key}.lock"

    def lock(
        self, kind: str, key: str, cancel: CancelToken | None = None
    ) -> AbstractContextManager[None]:
        """Hold one entry against other processes and threads (a context manager)."""
        return locked(self.lock_path(kind, key), cancel)

    def using_hub(
        self, repo: str, cancel: CancelToken | None = None
    ) -> AbstractContextManager[None]:
        """Say that a repository is in use, so that nobody clears it (a context manager).

        Any number of processes may use one at the same time.

        Args:
            repo: its folder in the official layout, such as ``models--acme--tiny``.
            cancel: ends the wait for somebody who clears it just now.
        """
        return removing.using(self.hub, repo, cancel)

    def entries(self, kind: str | None = None) -> list[CacheEntry]:
        """List what is here, largest first; together exactly the files below the root.

        Args:
            kind: only this kind. ``"hub"`` lists the repositories also where that folder is not
                below the root but the one that transformers and datasets use.
        """
        found = []
        for name in self._kinds(kind):
            base = self.where(name)
            described = (listing.entry(name, base, path) for path in listing.children(base))
            found += [item for item in described if item is not None]
        return sorted(found, key=lambda entry: -entry.size)

    def leftovers(self, kind: str | None = None) -> list[CacheEntry]:
        """List what killed processes left behind and nobody has touched for a day.

        Parts of downloads, folders that were never finished, notes and links that point to
        nothing, files that no revision uses; ``note`` says which. They also count in the entries
        they lie in. An unfinished part still saves its bytes when the same download runs again.
        """
        hub = self.where("hub")
        found = (listing.leftovers(name, self.where(name), hub) for name in self._kinds(kind))
        return sorted((item for some in found for item in some), key=lambda entry: -entry.size)

    def revisions(self, name: str | None = None) -> list[CachedRevision]:
        """List the revisions of Hub repositories, newest first.

        Args:
            name: only of repositories whose name contains this text.
        """
        from ._cache_clear import revisions

        return revisions(self, name)

    def size(self, kind: str | None = None) -> int:
        """Return the bytes that :meth:`entries` take on disk."""
        return sum(entry.size for entry in self.entries(kind))

    def verify(
        self,
        kind: str | None = None,
        *,
        name: str | None = None,
        repair: bool = False,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
    ) -> CacheReport:
        """Hash everything again and compare it with what was recorded or promised.

        Addresses are compared with the sha256 at the time of the download, files of the Hub with
        the hash that is their name, folders made here with the note beside them.

        Args:
            kind: only this kind; ``"hub"`` also where that folder is shared with transformers.
            name: only entries whose name or title contains this text.
            repair: drop what is damaged, so that the next download fetches it again, and what
                was left over.
            progress: callable, or True for a text bar; counts bytes.
            cancel: stops the work within a second.

        Raises:
            Cancelled: ``cancel`` was set.
        """
        from ._cache_verify import verify

        return verify(self, kind, name, repair=repair, progress=progress, cancel=cancel)

    def clear(
        self,
        kind: str | None = None,
        *,
        name: str | None = None,
        older_than: float | None = None,
        larger_than: int | None = None,
        revision: str | None = None,
        leftovers: bool = False,
        dry_run: bool = False,
    ) -> Cleared:
        """Delete entries; those in use are left alone. Filters add up.

        Args:
            kind: only this kind. The folder that is shared with transformers and datasets is
                touched for ``"hub"`` only.
            name: only entries whose name or title contains this text.
            older_than: only entries not changed for so many seconds.
            larger_than: only entries of more than so many bytes.
            revision: with ``kind="hub"``, only this branch, tag or commit (its first 7 digits or
                more) of the repositories, and the files no other revision uses.
            leftovers: only what :meth:`leftovers` lists.
            dry_run: count, delete nothing.

        Returns:
            The bytes freed, which knows what went and what was in use.

        Raises:
            StoreNotWritable: the folder may not be changed.
        """
        from ._cache_clear import clear, clear_revisions

        if revision is None:
            return clear(
                self, kind, name=name, older_than=older_than, larger_than=larger_than,
                leftovers=leftovers, dry_run=dry_run,
            )  # fmt: skip
        if kind != "hub" or leftovers or older_than is not None or larger_than is not None:
            raise InvalidArgument(
                "revision= goes with kind='hub' and name= only",
                hint="clear('hub', name='acme/tiny', revision='main')",
            )
        return clear_revisions(self, name, revision, dry_run=dry_run)

    def _kinds(self, kind: str | None) -> list[str]:
        if kind is None:
            there = [path.name for path in listing.children(self.root) if path.is_dir()]
            return [name for name in there if name != "hub" or self.chosen]
        if kind not in KINDS and not (self.root / kind).is_dir():
            raise InvalidArgument(f"no cache kind {kind!r}", hint=f"one of {', '.join(KINDS)}")
        return [kind]

    def __iter__(self) -> Iterator[CacheEntry]:
        return iter(self.entries())

    def __repr__(self) -> str:
        entries = self.entries()
        total = sum(entry.size for entry in entries)
        return f"<Cache {self.root}: {len(entries)} entries, {total / 1e6:,.1f} MB>"

    def __str__(self) -> str:
        from ._cache_report import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from ._cache_report import as_html

        return as_html(self)
