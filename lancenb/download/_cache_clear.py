"""Which entries a clear means, and deleting them one by one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import Conflict, InvalidArgument, NotFound
from . import _cache_list as listing
from . import _cache_remove as removing
from ._cache_list import CacheEntry
from ._cache_report import CachedRevision, Cleared
from ._files import locked

if TYPE_CHECKING:
    from .cache import Cache

_SHORTEST = 7


def clear(
    cache: Cache,
    kind: str | None,
    *,
    name: str | None,
    older_than: float | None,
    larger_than: float | None,
    leftovers: bool,
    dry_run: bool,
) -> Cleared:
    """See :meth:`Cache.clear`."""
    for label, value in (("older_than", older_than), ("larger_than", larger_than)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
        if value is not None and not number:
            raise InvalidArgument(
                f"{label}={value!r} is not a number of 0 or more",
                hint="older_than in seconds, larger_than in bytes",
            )
    found = cache.leftovers(kind) if leftovers else cache.entries(kind)
    everything = kind is None and name is None and older_than is None and larger_than is None
    if leftovers or not everything:
        found = [entry for entry in found if _meant(entry, name)]
    if older_than is not None:
        found = [entry for entry in found if time.time() - entry.modified >= older_than]
    if larger_than is not None:
        found = [entry for entry in found if entry.size > larger_than]
    if dry_run:
        return Cleared(sum(entry.size for entry in found), found, dry_run=True)
    gone, kept = drop(cache, found)
    return Cleared(sum(entry.size for entry in gone), gone, kept)


def _meant(entry: CacheEntry, name: str | None) -> bool:
    """Whether an entry is something of its own, with this name."""
    if entry.kind == "locks" or (entry.name.startswith(".") and not entry.note):
        return False
    return name is None or entry.matches(name)


def drop(cache: Cache, entries: Iterable[CacheEntry]) -> tuple[list[CacheEntry], list[CacheEntry]]:
    """Delete entries and leftovers; return those that are gone and those that are in use."""
    gone: list[CacheEntry] = []
    kept: list[CacheEntry] = []
    for entry in entries:
        try:
            _remove(cache, entry)
            gone.append(entry)
        except Conflict:
            if entry.kind != "locks":
                kept.append(entry)
    for repo in {entry.name for entry in gone if entry.kind == "hub" and "/" not in entry.name}:
        _forget_pointers(cache, repo)
    return gone, kept


def _remove(cache: Cache, entry: CacheEntry) -> None:
    top = entry.name.split("/")[0]
    if top.startswith(listing.TRASH):
        removing.discard(entry.path)
    elif entry.kind == "hub" and top == ".locks":
        removing.remove_hub_locks(cache.where("hub"))
    elif entry.kind == "hub" and listing.is_repo(top):
        if entry.name == top:
            removing.remove_repo(cache.where("hub"), top)
            return
        with removing.alone(cache.where("hub"), top):
            removing.discard(entry.path)
    else:
        lock = entry.path if entry.kind == "locks" else cache.lock_path(entry.kind, top)
        with locked(lock, wait=False):
            removing.discard(entry.path)
            lock.unlink(missing_ok=True)  # while held: who waits for it looks again


def _forget_pointers(cache: Cache, repo: str) -> None:
    """Delete notes on, and links to, files of a repository that are no longer there."""
    repo_type, _, repo_id = repo.partition("--")
    for kind in ("view", "verified"):
        found = listing.leftovers(kind, cache.where(kind), cache.where("hub"), age=0)
        own = f"{repo_type.removesuffix('s')}--{repo_id}--"
        drop(cache, [e for e in found if e.name.startswith(own) and not e.name.endswith(".new")])


def revisions(cache: Cache, name: str | None) -> list[CachedRevision]:
    """See :meth:`Cache.revisions`."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        info = scan_cache_dir(cache.where("hub"))
    except CacheNotFound:
        return []
    found = [
        CachedRevision(
            repo=f"hf:{repo.repo_type}:{repo.repo_id}",
            commit=revision.commit_hash,
            refs=tuple(sorted(revision.refs)),
            files=len(revision.files),
            size=revision.size_on_disk,
            modified=revision.last_modified,
            path=revision.snapshot_path,
        )
        for repo in info.repos
        for revision in repo.revisions
    ]
    if name is not None:
        found = [item for item in found if name in item.repo or name in str(item.path.parents[1])]
    return sorted(found, key=lambda item: -item.modified)


def clear_revisions(cache: Cache, name: str | None, revision: str, *, dry_run: bool) -> Cleared:
    """Delete one branch, tag or commit of the repositories of that name.

    Raises:
        NotFound: no repository has it.
    """
    chosen: dict[str, list[str]] = {}
    for item in revisions(cache, name):
        if revision in item.refs or _is_commit(revision, item.commit):
            chosen.setdefault(item.path.parents[1].name, []).append(item.commit)
    if not chosen:
        raise NotFound(
            f"the cache has no revision {revision!r}" + (f" of {name}" if name else ""),
            hint="cache.revisions() lists what is there",
        )
    hub, freed = cache.where("hub"), 0
    gone: list[CacheEntry] = []
    kept: list[CacheEntry] = []
    for repo, commits in chosen.items():
        size = removing.revisions_to_free(hub, repo, commits)
        parts: list[Any] = [
            listing.entry("hub", hub, hub / repo / "snapshots" / commit) for commit in commits
        ]
        parts = [part for part in parts if part is not None]
        try:
            if not dry_run:
                removing.remove_revisions(hub, repo, commits)
        except Conflict:
            kept += parts
            continue
        freed += size
        gone += parts
        if not dry_run:
            _forget_pointers(cache, repo)
    return Cleared(freed, gone, kept, dry_run)


def _is_commit(revision: str, commit: str) -> bool:
    return len(revision) >= _SHORTEST and commit.startswith(revision)
