"""Checking a root: what is left of killed writers, what is out of step, what is missing.

The order of looking makes it safe beside living writers: folders are listed before the registry
is read (a writer registers before it makes a folder), and files of a table are listed before
leases and leases before the referenced files (a writer holds its lease from before its first byte
until after its commit).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from lancenb.errors import LancenbError, NotFound, StoreError

from ._debris import remove_file, store_of
from ._entry import DELETING, PENDING, READY, Entry
from ._leases import FOLDER, Lease, leases, remove
from ._log import tags_of
from ._names import TABLE_DIRECTORY
from ._owner import ALIVE, DEAD, describe, mark_is_dead, moment, state_of
from ._registry import LEASE_KEY, TABLE
from .fsck import FsckReport, Problem

if TYPE_CHECKING:
    from lancenb.store import FileInfo

    from .manager import DataManager

FOLDERS = ("models", "datasets")


def check(manager: Any, *, repair: bool, grace: timedelta) -> FsckReport:
    """Check the root of ``manager``; see :meth:`DataManager.fsck`."""
    return _Check(cast("DataManager", manager), repair, grace).run()


class _Check:
    def __init__(self, manager: DataManager, repair: bool, grace: timedelta):
        self.manager, self.store = manager, manager.store
        self.repair, self.grace = repair, grace
        self.report = FsckReport(self.store.uri)

    def run(self) -> FsckReport:
        try:
            folders = {f"{top}/{name}" for top in FOLDERS for name in self.store.list(top)}
        except StoreError:
            raise
        except NotFound:
            return self.report
        entries = self.manager.registry.read().entries
        for entry in entries.values():
            if entry.state == PENDING:
                self._unfinished(entry, "stale_reservation", "was being created")
            elif entry.state == DELETING:
                self._unfinished(entry, "stale_deletion", "was being deleted")
            else:
                self._ready(entry)
        known = {entry.uri for entry in entries.values()}
        for folder in sorted(folders - known):
            self._folder(folder)
        self._registry()
        known_keys = {*entries, LEASE_KEY} if self.store.exists(TABLE) else set(entries)
        self._stray_leases(known_keys)
        return self.report

    def _add(self, kind: str, where: str, detail: str, **facts: Any) -> Problem:
        problem = Problem(kind, where, detail, **facts)
        self.report.problems.append(problem)
        return problem

    def _unfinished(self, entry: Entry, kind: str, was: str) -> None:
        state = state_of(entry.owner)
        if state == ALIVE:
            return
        files = [] if entry.external else list(self.store.walk(entry.uri))
        problem = self._add(
            kind,
            entry.name,
            f"{was} by {describe(entry.owner)}, which has ended",
            bytes=sum(file.size for file in files),
            paths=[entry.uri],
        )
        if state != DEAD and not self._old(files):
            problem.detail += f"; files younger than {self.grace} are left alone"
        elif self.repair:
            self.manager._erase(entry)
            problem.repaired = True

    def _ready(self, entry: Entry) -> None:
        uri = self.manager._uri(entry)
        self.report.tables += 1
        try:
            head = self.manager._open(entry)
        except StoreError:
            raise
        except LancenbError as error:
            self._add("missing_table", entry.name, error.message)
            return
        truth = tags_of(head)
        busy = any(lease.state == ALIVE for lease in leases(self.store, entry.id))
        if (
            not busy
            and truth != entry.aliases
            and self.manager.registry.read().entries.get(entry.id) == entry
        ):
            problem = self._add(
                "alias_mismatch",
                entry.name,
                f"the catalogue says {entry.aliases or 'no tags'}, the table {truth or 'none'}",
            )
            if self.repair:
                self.manager._note_tags(entry, None)
                problem.repaired = True
        if not busy:
            self._facts(entry, head)
        if not entry.external:
            self._uncommitted(entry.id, entry.name, uri)

    def _facts(self, entry: Entry, head: Any) -> None:
        """Find what a writer that was killed after its commit had no time to note."""
        known = self.manager.registry.read().entries.get(entry.id)
        if known is None or known.state != READY or known.columns == tuple(head.schema.names):
            return
        # A writer may have come and gone since the table was opened: look once more at all three.
        head = self.manager._open(known)
        busy = any(lease.state == ALIVE for lease in leases(self.store, known.id))
        later = self.manager.registry.read().entries.get(known.id)
        if busy or later != known or known.columns == tuple(head.schema.names):
            return
        problem = self._add(
            "stale_entry",
            entry.name,
            f"the catalogue knows other columns than version {head.version}",
        )
        if self.repair:
            self.manager._refresh(known, "", (), {}, ())
            problem.repaired = True

    def _registry(self) -> None:
        if self.store.exists(TABLE):
            self._uncommitted(LEASE_KEY, TABLE, self.manager.registry.uri)

    def _uncommitted(self, key: str, name: str, uri: str) -> None:
        """Find files that no version refers to and no running writer may still commit."""
        from lancenb.store import lance_errors, open_table

        holder = store_of(self.store, uri)
        top = uri.rstrip("/").removeprefix(holder.uri.rstrip("/")).strip("/")
        files = {info.path[len(top) + 1 :]: info for info in holder.walk(top)}
        held = leases(self.store, key)
        dead = [lease for lease in held if lease.state == DEAD]
        if any(lease.state == ALIVE for lease in held):
            return
        if any(path.startswith("tree/") for path in files):
            return  # branches refer to files of the trunk; Lance's own clean-up knows them
        try:
            dataset = open_table(uri, self.store)
            with lance_errors(uri, self.store):
                tracked = set(dataset.tracked_files().read_all()["path"].to_pylist())
        except NotFound:
            tracked = set()  # a first write that was killed
        loose = [info for path, info in files.items() if not _belongs(path, tracked)]
        if loose:
            going = {path for lease in dead for path in lease.removing}
            debris = [
                info
                for info in loose
                if self._is_debris(info, key, dead, len(held))
                or _belongs(info.path[len(top) + 1 :], going)
            ]
            problem = self._add(
                "uncommitted_files",
                name,
                f"{len(loose)} files that no version refers to",
                bytes=sum(info.size for info in loose),
                paths=[info.path for info in loose],
            )
            if len(debris) < len(loose):
                problem.detail += (
                    f"; {len(loose) - len(debris)} of them are younger than {self.grace} and may "
                    "belong to a writer"
                )
            if self.repair:
                for info in debris:
                    remove_file(self.store, uri, info.path[len(top) + 1 :])
                self._prune(uri)
                problem.repaired = len(debris) == len(loose)
        for lease in held:
            self._lease(lease, name)

    def _is_debris(self, info: FileInfo, key: str, dead: list[Lease], held: int) -> bool:
        if datetime.now(UTC) - info.modified >= self.grace:
            return True
        if key == LEASE_KEY and len(dead) == held:
            return True  # nobody but us writes the registry, always under a lease
        return any(info.modified >= _begun(lease) for lease in dead)

    def _lease(self, lease: Lease, name: str) -> None:
        problem = self._add(
            "stale_lease",
            name,
            f"{describe(lease.owner)} was writing and has ended",
            paths=[lease.rel],
        )
        if self.repair:
            remove(self.store, lease.rel)
            problem.repaired = True

    def _stray_leases(self, known: set[str]) -> None:
        for lease in leases(self.store):
            if lease.key not in known and lease.state != ALIVE:
                self._lease(lease, lease.key)
        names = self.store.list(FOLDER)
        for name in names:
            if not name.endswith(".part"):
                continue
            rel = f"{FOLDER}/{name}"
            info = next(iter(self.store.walk(rel)), None)
            if info is None:
                continue
            age = datetime.now(UTC) - info.modified
            if mark_is_dead(name.split(".")[-2]) or age >= self.grace:
                problem = self._add("stale_lease", rel, "half a lease", paths=[rel])
                if self.repair:
                    remove(self.store, rel)
                    problem.repaired = True

    def _folder(self, folder: str) -> None:
        """Judge a folder that no entry refers to."""
        from lancenb.store import open_table

        uri = self.store.join(folder)
        files = list(self.store.walk(folder))
        size = sum(info.size for info in files)
        try:
            rows = open_table(uri, self.store).count_rows()
            self._add(
                "unregistered_table",
                folder,
                f"a whole table of {rows:,} rows without a name; dm.register(name, {folder!r}) "
                "gives it one",
                bytes=size,
                paths=[folder],
            )
            return
        except NotFound:
            pass
        problem = self._add(
            "orphan_directory", folder, "no table, and no name", bytes=size, paths=[folder]
        )
        if not TABLE_DIRECTORY.match(folder.rpartition("/")[2]):
            problem.detail += "; not made by a catalogue, left alone"
        elif not self._old(files):
            problem.detail += f"; younger than {self.grace}, left alone"
        elif self.repair:
            self.store.delete_tree(folder)
            problem.repaired = True

    def _old(self, files: list[FileInfo]) -> bool:
        newest = max((info.modified for info in files), default=None)
        return newest is None or datetime.now(UTC) - newest >= self.grace

    def _prune(self, uri: str) -> None:
        """Remove empty folders of blob sidecars that the files left."""
        if "://" in uri:
            return
        for folder in _empty_folders(os.path.join(uri, "data")):
            os.rmdir(folder)


def _begun(lease: Lease) -> datetime:
    since = moment(lease.owner.get("since"))
    return since - timedelta(seconds=5) if since else datetime.max.replace(tzinfo=UTC)


def _belongs(path: str, tracked: set[str]) -> bool:
    """Whether a file belongs to some version (or is none of ours to judge)."""
    top, _, rest = path.partition("/")
    if path in tracked or top in ("_refs", "tree"):
        return True
    if top == "_versions":
        return rest.endswith(".manifest") or rest == "latest_version_hint.json"
    if top == "data" and "/" in rest:
        return f"data/{rest.partition('/')[0]}.lance" in tracked
    return False


def _empty_folders(top: str) -> Iterator[str]:
    for folder, folders, files in os.walk(top, topdown=False):
        if folder != top and not folders and not files:
            yield folder
