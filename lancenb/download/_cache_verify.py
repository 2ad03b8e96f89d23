"""Hashing the cache again, and dropping what is damaged."""

from __future__ import annotations

import hashlib
import os
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Conflict, StoreNotWritable
from ..progress import CancelToken, ProgressCallback, Tracker
from . import _cache_remove as removing
from ._cache_clear import drop
from ._cache_list import CacheEntry, walk
from ._cache_promises import Promise, promises
from ._cache_report import CacheReport, Damaged
from ._files import disk_errors, locked

if TYPE_CHECKING:
    from .cache import Cache

_BLOCK = 1 << 20


def verify(
    cache: Cache,
    kind: str | None,
    name: str | None,
    *,
    repair: bool,
    progress: ProgressCallback | bool | None,
    cancel: CancelToken | None,
) -> CacheReport:
    """See :meth:`Cache.verify`."""
    entries = [
        entry
        for entry in cache.entries(kind)
        if entry.kind not in ("locks", "view")  # views are links, checked where they lead
        and not entry.name.startswith(".")
        and (name is None or entry.matches(name))
    ]
    left = [item for item in cache.leftovers(kind) if name is None or item.matches(name)]
    tracker = Tracker(progress, cancel, total_bytes=sum(_weight(entry) for entry in entries))
    tracker.enter("verify")
    work = _Verifier(cache, tracker, repair=repair)
    for entry in entries:
        work.check(entry)
    if repair:
        drop(cache, left)
    tracker.enter("done")
    return CacheReport(
        work.checked, work.hashed, tuple(work.damaged), tuple(work.unknown), tuple(work.in_use),
        tuple(left), repaired=repair,
    )  # fmt: skip


def _weight(entry: CacheEntry) -> int:
    """Return the bytes to read: those of the files that links lead to, for data sets of links."""
    if entry.kind in ("url", "hub", "verified", "placed"):
        return entry.size
    total = 0
    for path in walk(entry.path):
        with suppress(OSError):  # deleted while we look
            total += path.stat().st_size
    return total


class _Verifier:
    def __init__(self, cache: Cache, tracker: Tracker, *, repair: bool):
        self.cache, self.tracker, self.repair = cache, tracker, repair
        self.checked = self.hashed = 0
        self.damaged: list[Damaged] = []
        self.unknown: list[tuple[CacheEntry, str]] = []
        self.in_use: list[CacheEntry] = []
        self._digests: dict[tuple[object, ...], str] = {}
        self._verified = cache.where("verified")

    def check(self, entry: CacheEntry) -> None:
        """Judge one entry; what looks wrong is looked at again while nobody can write it."""
        wrong = False
        for promise in promises(entry, self._verified):
            if not (promise.wrong or promise.sha256 or promise.git_sha1):
                self.unknown.append((entry, promise.name))
            wrong = bool(self._judge(promise)) or wrong
        if not wrong:
            return
        self._digests.clear()
        try:
            with self._held(entry):
                bad = self._bad(entry)
                if bad and self.repair:
                    self._drop(entry, [promise for promise, _ in bad])
        except Conflict:
            self.in_use.append(entry)
            # Files of the Hub appear in one step: those are damaged, whoever works beside them.
            bad = self._bad(entry) if entry.kind == "hub" else []
        except StoreNotWritable:
            if self.repair:
                raise
            bad = self._bad(entry)
        self.damaged += [Damaged(entry, promise.name, reason) for promise, reason in bad]

    def _bad(self, entry: CacheEntry) -> list[tuple[Promise, str]]:
        judged = ((p, self._judge(p, count=False)) for p in promises(entry, self._verified))
        return [(promise, reason) for promise, reason in judged if reason]

    def _held(self, entry: CacheEntry) -> AbstractContextManager[object]:
        if entry.kind != "hub":
            return locked(self.cache.lock_path(entry.kind, entry.name), wait=False)
        if self.repair:
            return removing.alone(self.cache.where("hub"), entry.name)
        return removing.using(self.cache.where("hub"), entry.name)  # nobody clears it just now

    def _judge(self, promise: Promise, *, count: bool = True) -> str:
        """Return what is wrong with a file; empty when it is right, or nothing is known of it."""
        if promise.wrong or not (promise.sha256 or promise.git_sha1):
            return promise.wrong
        try:
            size = promise.path.stat().st_size
            if promise.size not in (None, size):
                return f"has {size:,} bytes, should have {promise.size:,}"
            digest = self._digest(promise, size, count=count)
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"
        expected = promise.sha256 or promise.git_sha1 or ""
        if digest == expected:
            return ""
        kind = "sha256" if promise.sha256 else "the git hash"
        return f"has {kind} {digest[:12]}…, should have {expected[:12]}…"

    def _digest(self, promise: Promise, size: int, *, count: bool) -> str:
        """Hash a file, once for all links that lead to it."""
        stat = promise.path.stat()
        key = (stat.st_dev, stat.st_ino, stat.st_mtime_ns, size, bool(promise.sha256))
        if key in self._digests:
            self.tracker.advance(0, size if count else 0)
            return self._digests[key]
        if promise.sha256:
            digest = hashlib.sha256()
        else:
            digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        block = memoryview(bytearray(_BLOCK))
        with promise.path.open("rb", buffering=0) as file:
            while got := file.readinto(block):
                digest.update(block[:got])
                self.tracker.advance(0, got if count else 0, promise.name)
        if count:
            self.checked += 1
            self.hashed += size
        self._digests[key] = digest.hexdigest()
        return self._digests[key]

    def _drop(self, entry: CacheEntry, bad: list[Promise]) -> None:
        """Delete what is damaged: single files of the Hub's layout, else the whole entry."""
        with disk_errors(entry.path):
            for promise in bad:
                if promise.path.is_symlink() or entry.kind == "hub":
                    _unlink(promise.path)
            if entry.kind != "hub":
                removing.discard(entry.path)
                return
            for link in walk(entry.path / "snapshots"):
                if link.is_symlink() and not link.exists():
                    link.unlink(missing_ok=True)


def _unlink(path: Path) -> None:
    """Delete a file, and the one that it leads to if that is a blob of the official layout."""
    target = Path(os.path.realpath(path))
    path.unlink(missing_ok=True)
    if target != path and "blobs" in target.parts[-3:-1]:
        target.unlink(missing_ok=True)
