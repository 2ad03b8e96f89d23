"""What the catalogue answers with: versions, rollbacks, deletions, clean-ups, upserts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import _html


@dataclass(frozen=True)
class Version:
    """One version of an artefact.

    Attributes:
        version: its number; 1 is the first.
        time: when it was committed (UTC).
        rows: rows in it (tensors, for weights).
        message: what its author said, or what the commit did.
        tags: tags that point at it.
        properties: facts stored with the commit (lineage, options), without Lance's own keys.
        bytes: size of all files this version refers to; versions share files.
        current: whether it is the head.
        rows_added: rows its commit wrote; an updated row counts here and below. ``None`` after a
            rollback, and where the version before was cleaned up.
        rows_removed: rows of the version before that are not in it any more, or were written anew.
        bytes_added: bytes of the files its commit wrote.
        bytes_removed: bytes of files of the version before that it does not refer to.
    """

    version: int
    time: datetime
    rows: int
    message: str = ""
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    current: bool = False
    rows_added: int | None = None
    rows_removed: int | None = None
    bytes_added: int | None = None
    bytes_removed: int | None = None


class Versions(list[Version]):
    """The versions of an artefact, oldest first."""

    def _rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                f"{v.version}{' (head)' if v.current else ''}",
                _html.when(v.time),
                f"{v.rows:,}",
                _html.size(v.bytes),
                ", ".join(v.tags),
                v.message,
            )
            for v in reversed(self)
        ]

    _HEADERS = ("version", "time (UTC)", "rows", "size", "tags", "message")

    def __repr__(self) -> str:
        return _html.columns([self._HEADERS, *self._rows()])

    def _repr_html_(self) -> str:
        rows = [(*r[:4], _html.chips(r[4].split(", ") if r[4] else []), r[5]) for r in self._rows()]
        return _html.table(self._HEADERS, rows)


class Facts(ABC):
    """A result shown as a title and a few facts."""

    @abstractmethod
    def _title(self) -> str:
        """Return the line above the facts."""

    def _pairs(self) -> list[tuple[str, Any]]:
        return []

    def __repr__(self) -> str:
        lines = [self._title()]
        lines += [f"  {k}: {v}" for k, v in self._pairs() if v not in (None, "", [], ())]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _html.facts(self._title(), self._pairs())


@dataclass(frozen=True, repr=False)
class Rollback(Facts):
    """What a rollback (or a forward) did: the head is now a copy of ``restored_from``.

    Attributes:
        name: the artefact.
        restored_from: the version whose content is the head now.
        old_head: the version that was the head just before.
        new_head: the version this made.
    """

    name: str
    restored_from: int
    old_head: int
    new_head: int

    def __iter__(self) -> Any:
        return iter((self.restored_from, self.old_head, self.new_head))

    def _title(self) -> str:
        return (
            f"{self.name}: version {self.new_head} is now what version {self.restored_from} was "
            f"(before: version {self.old_head})"
        )

    def _pairs(self) -> list[tuple[str, Any]]:
        return [("undo", f"dm.rollback({self.name!r}, {self.old_head})")]


@dataclass(frozen=True, repr=False)
class Deletion(Facts):
    """What deleting an artefact frees (``dry_run``) or has freed.

    Attributes:
        name: the artefact.
        uri: its table.
        versions: how many versions go.
        rows: rows of the head.
        bytes: bytes on storage, all versions together.
        tags: tags that go; they protect the artefact unless forced.
        dependants: artefacts made from it; they protect it too.
        erased: whether files are (or would be) removed; tables outside the root are only
            forgotten.
        dry_run: nothing was done.
    """

    name: str
    uri: str
    versions: int
    rows: int
    bytes: int
    tags: dict[str, int]
    dependants: tuple[str, ...]
    erased: bool
    dry_run: bool

    def _title(self) -> str:
        verb = "would delete" if self.dry_run else "deleted"
        if not self.erased:
            verb = "would forget" if self.dry_run else "forgot"
        return (
            f"{verb} {self.name}: {_html.count(self.versions, 'version')}, "
            f"{_html.count(self.rows, 'row')}, {_html.size(self.bytes)}"
        )

    def _pairs(self) -> list[tuple[str, Any]]:
        tags = ", ".join(f"{tag} → {version}" for tag, version in self.tags.items())
        kept = "" if self.erased else f"the files at {self.uri} stay"
        pairs = [("tags", tags), ("used by", ", ".join(self.dependants)), ("note", kept)]
        if self.dry_run:
            force = ", force=True" if self.tags or self.dependants else ""
            pairs.append(("do it", f"dm.delete({self.name!r}, confirm={self.name!r}{force})"))
        return pairs


@dataclass(frozen=True, repr=False)
class Cleanup(Facts):
    """What removing old versions freed (or would free).

    Attributes:
        name: the artefact.
        versions: the versions removed.
        kept: how many versions remain.
        protected: tags that kept their version although it was old enough.
        bytes: bytes freed.
        dry_run: nothing was done.
    """

    name: str
    versions: tuple[int, ...]
    kept: int
    protected: dict[str, int]
    bytes: int
    dry_run: bool

    def _title(self) -> str:
        verb = "would remove" if self.dry_run else "removed"
        return (
            f"{self.name}: {verb} {_html.count(len(self.versions), 'old version')}, "
            f"{_html.size(self.bytes)}; {self.kept} kept"
        )

    def _pairs(self) -> list[tuple[str, Any]]:
        tags = ", ".join(f"{tag} → {version}" for tag, version in self.protected.items())
        return [("protected by tags", tags)]


@dataclass(frozen=True, repr=False)
class Optimized(Facts):
    """What compacting a table did.

    Attributes:
        name: the artefact.
        fragments_before: data fragments before.
        fragments_after: data fragments after.
        version: the head now.
        note: why nothing was done, if so.
    """

    name: str
    fragments_before: int
    fragments_after: int
    version: int
    note: str = ""

    def _title(self) -> str:
        if self.note:
            return f"{self.name}: nothing to do (version {self.version})"
        after = self.fragments_after
        return (
            f"{self.name}: {_html.count(self.fragments_before, 'fragment')} "
            f"{'is' if self.fragments_before == 1 else 'are'} now {after} "
            f"(version {self.version})"
        )

    def _pairs(self) -> list[tuple[str, Any]]:
        return [("note", self.note)]


@dataclass(frozen=True, repr=False)
class Upsert(Facts):
    """What an upsert did: rows ``inserted`` and ``updated``, and the ``version`` it made."""

    name: str
    inserted: int
    updated: int
    version: int

    def _title(self) -> str:
        return (
            f"{self.name}: {_html.count(self.inserted, 'row')} inserted, {self.updated:,} updated "
            f"(version {self.version})"
        )


@dataclass(frozen=True)
class RowChange:
    """One step in the life of a row.

    Attributes:
        version: the version that made the change.
        time: when.
        action: ``"added"``, ``"changed"`` or ``"removed"``.
        row: the row as of that version, ``None`` when it is gone.
    """

    version: int
    time: datetime
    action: str
    row: dict[str, Any] | None
