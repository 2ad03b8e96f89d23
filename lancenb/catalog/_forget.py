"""Removing old versions so that a kill leaves each of them whole or gone.

Lance's own clean-up removes the files of a version first and its manifest last: a kill in between
leaves a version that is listed and cannot be read, and a rollback to it is a head that cannot be
read either. Here the manifests go first, and the lease says which files follow them, so that
``fsck`` knows them for debris.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ._debris import remove_file
from ._leases import writing
from ._log import tags_of

if TYPE_CHECKING:
    from lancenb.store import Store

#: Requests at once to a bucket; a disk needs no more than one.
_AT_ONCE = 8


def forget_versions(store: Store, uri: str, key: str, actor: str, versions: Iterable[int]) -> int:
    """Remove versions of a table and the files that only they refer to.

    Args:
        store: the root.
        uri: the table.
        key: what its leases are filed under.
        actor: recorded with the lease.
        versions: what goes; a version that is tagged by now stays.

    Returns:
        The bytes freed.
    """
    from lancenb.store import lance_errors, open_table

    going = set(versions)
    head = open_table(uri, store)
    with lance_errors(uri, store):
        if store.scheme == "memory" or head.branches.list():
            # memory ends with its process; which files branches refer to only Lance knows
            options = {"versions": sorted(going), "error_if_tagged_old_versions": False}
            return int(head.cleanup_old_versions(**options).bytes_removed)
        manifests, files = _tracked(head)
    mine = _only_of(files, going)
    with writing(store, key, actor, removing=sorted(mine)):
        with lance_errors(uri, store):
            tagged = set(tags_of(head).values())
        listed = [manifests[v] for v in sorted(going - tagged) if v in manifests]
        freed = sum(remove_file(store, uri, path) for path in listed)
        # Looked up anew: somebody may have gone back to one of these versions just before.
        with lance_errors(uri, store):
            left = _tracked(open_table(uri, store))[1]
        loose = sorted(mine.difference(*left.values()))
        with ThreadPoolExecutor(1 if store.is_local else _AT_ONCE) as pool:
            return freed + sum(pool.map(lambda path: _remove(store, uri, path), loose))


def _only_of(files: dict[int, set[str]], going: set[int]) -> set[str]:
    """Return the files that versions which go refer to, and none of the others."""
    theirs = {path for version in going for path in files.get(version, ())}
    return theirs.difference(*(paths for version, paths in files.items() if version not in going))


def _remove(store: Store, uri: str, path: str) -> int:
    """Remove a file of a table, its blobs before it: they are known by its name."""
    freed = 0
    if path.startswith("data/"):
        freed = remove_file(store, uri, path.removesuffix(".lance"))
    return freed + remove_file(store, uri, path)


def _tracked(head: Any) -> tuple[dict[int, str], dict[int, set[str]]]:
    """Return the manifest and the other files of every version, as far as they lie in the table."""
    rows = head.tracked_files().read_all().to_pylist()
    manifests = {row["version"]: row for row in rows if row["type"] == "manifest"}
    files: dict[int, set[str]] = {version: set() for version in manifests}
    for row in rows:
        own = manifests.get(row["version"])
        if own is not None and row is not own and row["base_uri"] == own["base_uri"]:
            files[row["version"]].add(row["path"])
    return {version: row["path"] for version, row in manifests.items()}, files
