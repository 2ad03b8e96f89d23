"""Deleting artefacts, removing old versions, compacting."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from lancenb.errors import (
    ArtifactNotFound,
    ConfirmationRequired,
    Conflict,
    InvalidArgument,
    LancenbError,
    Protected,
)

from ._check import check
from ._edges import check_age, check_count
from ._entry import DELETING, READY, Entry, event
from ._forget import forget_versions
from ._leases import Lease, leases, remove
from ._log import in_utc, tags_of
from ._names import now, ulid
from ._once import ONCE, UNDONE, once_properties
from ._owner import ALIVE, active, describe, this_owner
from ._slots import Slots
from ._stats import file_sizes
from .fsck import FsckReport
from .results import Cleanup, Deletion, Optimized

if TYPE_CHECKING:
    from .artifact import Artifact


class Upkeep(Slots):
    """Getting rid of what is no longer wanted."""

    def delete(
        self,
        name: str | Artifact,
        *,
        dry_run: bool = False,
        confirm: str | None = None,
        force: bool = False,
    ) -> Deletion:
        """Delete an artefact with all its versions, or say what that would free.

        Tables registered from outside the root are forgotten, their files stay.

        Args:
            name: the artefact.
            dry_run: only say what would go.
            confirm: the name again; required to delete.
            force: also delete what tags or dependants protect.

        Returns:
            versions, rows, bytes, tags and dependants.

        Raises:
            ConfirmationRequired: ``confirm`` is not the name.
            Protected: it has tags, or others were made from it, and ``force`` is False.
            Conflict: somebody is writing to it.
        """
        entry = self._entry(name)
        plan = self._deletion(entry)
        if dry_run:
            return plan
        if confirm != entry.name:
            raise ConfirmationRequired(
                f"this {repr(plan).splitlines()[0]}",
                hint=f"dm.delete({entry.name!r}, confirm={entry.name!r}) does it; "
                "dry_run=True tells more",
            )
        _check_unprotected(plan, force)
        token, marks = ulid(), once_properties()  # another thread may try the same at once
        owner = this_owner(self.actor, token)
        self._check_unwritten(entry)

        def mark(entries: dict[str, Entry]) -> None:
            mine = entries.get(entry.id)
            if mine is None or mine.state != READY or mine.name != entry.name:
                raise ArtifactNotFound(f"{entry.name!r} was deleted or renamed a moment ago")
            entries[entry.id] = replace(mine, state=DELETING, owner=owner)

        def unmark(entries: dict[str, Entry]) -> str | None:
            mine = entries.get(entry.id)
            if mine is not None and mine.owner == owner:
                back = replace(mine, state=READY, owner={})
                entries[entry.id] = back = _under_free_name(entries, back, self.actor)
                return back.name
            return None

        with active(token):
            self.registry.change(mark, f"deleting {entry.name}", marks)
            try:
                held = self._check_unwritten(entry)
                # Nobody can begin to write or tag now, but somebody may have since we looked.
                plan = self._deletion(entry)
                _check_unprotected(plan, force)
            except BaseException as error:
                undone = {UNDONE: marks[ONCE]} if marks else {}
                back = self.registry.change(unmark, f"not deleting {entry.name}", undone)
                if back not in (None, entry.name) and isinstance(error, LancenbError):
                    raise Conflict(
                        f"{error.message}; and somebody took the name {entry.name!r} meanwhile, so"
                        f" what was to be deleted is called {back!r} now",
                        hint=f"dm.rename({back!r}, ...) changes it",
                    ) from error
                raise
            self._erase(entry)
        for lease in held:
            remove(self.store, lease.rel)
        return replace(plan, dry_run=False)

    def _check_unwritten(self, entry: Entry) -> list[Lease]:
        """Return the leases of a table, none of them alive."""
        held = leases(self.store, entry.id)
        writers = [lease for lease in held if lease.state == ALIVE]
        if writers:
            raise Conflict(
                f"{entry.name!r} is being written by {describe(writers[0].owner)}",
                hint="delete it when that has ended",
            )
        return held

    def _deletion(self, entry: Entry) -> Deletion:
        uri = self._uri(entry)
        dependants = sorted(
            other.name
            for other in self._entries()
            if other.id != entry.id and any(edge.get("id") == entry.id for edge in other.parents)
        )
        versions, rows, tags = 0, 0, dict(entry.aliases)
        try:
            head = self._open(entry)
            versions, rows, tags = len(head.version_refs()), int(head.count_rows()), tags_of(head)
        except LancenbError:
            pass  # a damaged table can be deleted too
        return Deletion(
            name=entry.name,
            uri=uri,
            versions=versions,
            rows=rows,
            bytes=sum(file_sizes(self.store, uri).values()),
            tags=tags,
            dependants=tuple(dependants),
            erased=not entry.external,
            dry_run=True,
        )

    def cleanup(
        self,
        name: str | Artifact,
        *,
        keep: int | None = None,
        older_than: timedelta | None = None,
        dry_run: bool = False,
    ) -> Cleanup:
        """Remove old versions and the files that only they refer to.

        The head and tagged versions always stay.

        Args:
            name: the artefact.
            keep: the newest so many versions stay (10 when neither this nor ``older_than`` is
                given).
            older_than: only versions committed longer ago than this go.
            dry_run: only say what would go.

        Raises:
            InvalidArgument: ``keep`` below 1, or a negative age.
        """
        from lancenb.store import lance_errors

        if keep is None and older_than is None:
            keep = 10
        if keep is not None:
            keep = check_count("keep", keep, least=1)
        check_age(older_than)
        with self._writing(name, dry_run=dry_run) as entry:
            head = self._open(entry)
            uri = self._uri(entry)
            with lance_errors(uri, self.store):
                tags = tags_of(head)
                listed = [(int(v["version"]), in_utc(v["timestamp"])) for v in head.versions()]
                limit = datetime.now(UTC) - (older_than or timedelta(0))
                newest = {number for number, _ in listed[-(keep or 1) :]} | {head.version}
                old = [n for n, at in listed if n not in newest and at <= limit]
                protected = {tag: at for tag, at in tags.items() if at in old}
                going = [number for number in old if number not in protected.values()]
                freed = self._clean(entry, head, going, dry_run)
            return Cleanup(
                name=entry.name,
                versions=tuple(going),
                kept=len(listed) - len(going),
                protected=protected,
                bytes=freed,
                dry_run=dry_run,
            )

    def _clean(self, entry: Entry, head: Any, versions: list[int], dry_run: bool) -> int:
        if not versions:
            return 0
        if dry_run:
            options: dict[str, Any] = {"versions": versions, "error_if_tagged_old_versions": False}
            return int(head.explain_cleanup_old_versions(**options).stats.bytes_removed)
        return forget_versions(self.store, self._uri(entry), entry.id, self.actor, versions)

    def optimize(self, name: str | Artifact) -> Optimized:
        """Compact many small fragments into few and bring indices up to date.

        Rows and their values stay as they are; it is a new version. Weights are left as they were
        written: their files are laid out for direct loading, and versions share them.

        Raises:
            Conflict: other writers kept changing the rows that were being compacted.
        """
        from lancenb.store import lance_errors

        with self._writing(name) as entry:
            uri = self._uri(entry)
            before = len(self._open(entry).get_fragments())
            if entry.kind == "weights":
                version = int(self._open(entry).version)
                note = "weights stay as they were written"
                return Optimized(entry.name, before, before, version, note)
            for attempt in range(6):
                head = self._open(entry)
                try:
                    with lance_errors(uri, self.store):
                        if _tidy(head):
                            note = "it is in one piece, and no index lags behind"
                            return Optimized(entry.name, before, before, int(head.version), note)
                        head.optimize.compact_files()
                        if head.describe_indices():
                            head.optimize.optimize_indices()
                    break
                except Conflict:
                    if attempt == 5:
                        raise
                    time.sleep(0.05 * (attempt + 1))
            after = self._open(entry)
            fragments = len(after.get_fragments())
            return Optimized(entry.name, before, fragments, int(after.version))

    def fsck(self, repair: bool = False, *, grace: timedelta = timedelta(days=1)) -> FsckReport:
        """Check the whole root: debris of killed writers, stale reservations, wrong indices.

        Nothing a living writer may need is touched: what a process of this host left behind when
        it died goes at once, anything else only when it is older than ``grace``.

        Args:
            repair: also put right what is safe to put right.
            grace: age from which unexplained files count as debris.
        """
        if not isinstance(grace, timedelta) or grace < timedelta(0):
            raise InvalidArgument(f"grace={grace!r} is not an age", hint="timedelta(hours=1)")
        return check(self, repair=repair, grace=grace)


def _tidy(head: Any) -> bool:
    """Whether a table has nothing to join, to drop or to index."""
    fragments = head.get_fragments()
    if len(fragments) > 1 or head.describe_indices():
        return False
    return not any(f.metadata.deletion_file or len(f.data_files()) > 1 for f in fragments)


def _under_free_name(entries: dict[str, Entry], entry: Entry, actor: str) -> Entry:
    """Return an entry that was as good as deleted, renamed when its name was taken meanwhile."""
    taken = {other.name for other in entries.values() if other.state != DELETING}
    if entry.name not in taken:
        return entry
    new = next(name for n in count(2) if (name := f"{entry.name}-{n}") not in taken)
    history = event(entry, actor, "renamed", old=entry.name, new=new)
    return replace(entry, name=new, history=history, updated=now())


def _check_unprotected(plan: Deletion, force: bool) -> None:
    if not force and (plan.tags or plan.dependants):
        reasons = []
        if plan.tags:
            reasons.append("tagged " + ", ".join(sorted(plan.tags)))
        if plan.dependants:
            reasons.append("used by " + ", ".join(plan.dependants))
        raise Protected(
            f"{plan.name!r} is {' and '.join(reasons)}",
            hint="force=True deletes it nevertheless",
        )
