"""Taking a name, publishing what was written under it, or leaving nothing behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lancenb.errors import AlreadyExists, Conflict

from ._base import CatalogBase
from ._edges import newest_edges
from ._entry import DELETING, PENDING, READY, Entry, event
from ._leases import heartbeat
from ._names import now, ulid
from ._owner import ALIVE, DEAD, active, describe, is_here, state_of, this_owner
from ._stats import content_hash, table_kind

_GIVEN_BACK = 2.0  # seconds


def taken(name: str) -> AlreadyExists:
    return AlreadyExists(
        f"the name {name!r} is taken",
        hint='use mode="overwrite" for a next version, mode="append" to add rows, or another name',
    )


class Slots(CatalogBase):
    """The life of an entry before it is visible, and after it no longer is."""

    @contextlib.contextmanager
    def _creating(self, name: str, kind: str) -> Iterator[Entry]:
        """Reserve ``name`` while the body writes its table; an error leaves nothing behind."""
        folder = "models" if kind == "weights" else "datasets"
        ident = ulid()
        slot = Entry(
            id=ident,
            name=name,
            kind=kind,
            uri=f"{folder}/{name}-{ident}.lance",
            state=PENDING,
            owner=this_owner(self.actor, ident),
        )

        beside: set[str] = set()  # reservations of this very process

        def take(entries: dict[str, Entry]) -> list[Entry]:
            dead = []
            for other in [e for e in entries.values() if e.name == name and e.state != DELETING]:
                if other.state == READY:
                    raise taken(name)
                state = state_of(other.owner)
                if state == ALIVE:
                    if is_here(other.owner):
                        beside.add(other.id)
                    raise AlreadyExists(
                        f"{name!r} is being created by {describe(other.owner)}",
                        hint="wait for it, or choose another name",
                    )
                entries[other.id] = replace(other, state=DELETING)
                if state == DEAD:
                    dead.append(entries[other.id])
            entries[ident] = slot
            return dead

        def renew() -> None:
            def beat(entries: dict[str, Entry]) -> None:
                if ident in entries:
                    entries[ident] = replace(entries[ident], owner=this_owner(self.actor, ident))

            self.registry.change(beat, f"still creating {name}")

        with active(ident):
            try:
                for other in self._taking(take, f"reserve {name}", beside):
                    self._erase(other)
                with heartbeat(renew):
                    yield slot
            except BaseException:
                with contextlib.suppress(Exception):
                    mine = self.registry.read().entries.get(ident)
                    if mine is not None and mine.state != READY:  # never undo what was published
                        self._erase(slot)
                raise

    def _taking(
        self, take: Callable[[dict[str, Entry]], list[Entry]], message: str, beside: set[str]
    ) -> list[Entry]:
        """Reserve a name; one that a thread beside us holds may be given back in a moment.

        Who cancels a remote call does not wait for the server, and may ask for the name again
        before the server's thread has cleared away what it began.
        """
        until = time.monotonic() + _GIVEN_BACK
        while True:
            beside.clear()
            try:
                return self.registry.change(take, message)
            except AlreadyExists:
                if not beside or time.monotonic() > until:
                    raise
            time.sleep(0.05)

    def _erase(self, entry: Entry) -> int:
        """Remove the files of an unpublished or deleted entry, then its row."""
        freed = 0 if entry.external else self.store.delete_tree(entry.uri)

        def drop(entries: dict[str, Entry]) -> None:
            if entry.id in entries and entries[entry.id].state != READY:
                del entries[entry.id]

        self.registry.change(drop, f"remove {entry.name}")
        return freed

    def _publish(self, entry: Entry) -> Entry:
        """Make a reserved entry visible.

        Raises:
            Conflict: the reservation lapsed and somebody else took the name.
        """
        dataset = self._open(entry)
        ready = replace(
            entry,
            state=READY,
            owner={},
            columns=tuple(dataset.schema.names),
            content_hash=content_hash(dataset),
            hash_version=int(dataset.version),
            updated=now(),
        )
        ready = replace(ready, history=event(entry, self.actor, "created"))

        def show(entries: dict[str, Entry]) -> None:
            mine = entries.get(entry.id)
            if mine is None or mine.state != PENDING:
                raise Conflict(
                    f"the reservation of {entry.name!r} lapsed and the name was taken over",
                    hint="nothing of yours remains; run it again or choose another name",
                )
            entries[entry.id] = ready

        self.registry.change(show, f"create {entry.name}")
        return ready

    def _refresh(
        self,
        entry: Entry,
        description: str,
        tags: Sequence[str],
        metadata: Mapping[str, Any],
        edges: Sequence[dict[str, Any]],
    ) -> None:
        """Note what a new version changed: hash, columns, labels, lineage."""
        dataset = self._open(entry)
        digest = content_hash(dataset)

        def note(entries: dict[str, Entry]) -> None:
            old = entries.get(entry.id)
            if old is None:
                return
            entries[entry.id] = replace(
                old,
                kind=table_kind(dataset, old.kind),
                description=description or old.description,
                tags=tuple(dict.fromkeys((*old.tags, *tags))),
                metadata={**old.metadata, **metadata},
                parents=newest_edges((*old.parents, *edges)),
                columns=tuple(dataset.schema.names),
                content_hash=digest,
                hash_version=int(dataset.version),
                updated=now(),
            )

        self.registry.change(note, f"new version of {entry.name}")
