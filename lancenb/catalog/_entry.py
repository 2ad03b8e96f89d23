"""One row of the registry, and the registry's columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from ._names import now

READY, PENDING, DELETING = "ready", "pending", "deleting"
MAX_EVENTS = 500

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("kind", pa.string()),
        pa.field("uri", pa.string()),
        pa.field("state", pa.string()),
        pa.field("description", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("aliases", pa.string()),
        pa.field("metadata", pa.string()),
        pa.field("parents", pa.string()),
        pa.field("columns", pa.list_(pa.string())),
        pa.field("created", pa.timestamp("us", "UTC")),
        pa.field("updated", pa.timestamp("us", "UTC")),
        pa.field("content_hash", pa.string()),
        pa.field("hash_version", pa.int64()),
        pa.field("owner", pa.string()),
        pa.field("history", pa.string()),
    ]
)
_JSON = ("aliases", "metadata", "parents", "owner", "history")
_LISTS = ("tags", "columns")


@dataclass(frozen=True)
class Entry:
    """What the registry knows about one artefact; treat every field as read-only.

    ``uri`` is relative to the root, or absolute for tables that live elsewhere. ``aliases`` is an
    index of the table's Lance tags (which are the truth). ``owner`` is set while the entry is
    being made or deleted.
    """

    id: str
    name: str
    kind: str = "table"
    uri: str = ""
    state: str = READY
    description: str = ""
    tags: tuple[str, ...] = ()
    aliases: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    parents: tuple[dict[str, Any], ...] = ()
    columns: tuple[str, ...] = ()
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)
    content_hash: str | None = None
    hash_version: int | None = None
    owner: dict[str, Any] = field(default_factory=dict)
    history: tuple[dict[str, Any], ...] = ()

    @property
    def external(self) -> bool:
        """Whether the table lies outside the root."""
        return "://" in self.uri or self.uri.startswith("/") or self.uri[1:3] in (":\\", ":/")


def event(entry: Entry, actor: str, what: str, **facts: Any) -> tuple[dict[str, Any], ...]:
    """Return the history of ``entry`` with one more event."""
    new = {"when": now().isoformat(), "who": actor, "what": what, **facts}
    return (*entry.history, new)[-MAX_EVENTS:]


def to_table(entries: Iterable[Entry]) -> pa.Table:
    """Return the registry table of ``entries``, ordered by name."""
    rows = []
    for entry in sorted(entries, key=lambda e: (e.name, e.id)):
        row = {name: getattr(entry, name) for name in SCHEMA.names}
        for name in _JSON:
            row[name] = json.dumps(row[name], ensure_ascii=False, default=str)
        for name in _LISTS:
            row[name] = list(row[name])
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def from_table(table: pa.Table) -> dict[str, Entry]:
    """Return the entries of a registry table by id."""
    out: dict[str, Entry] = {}
    for row in table.to_pylist():
        known = {name: row[name] for name in SCHEMA.names if row.get(name) is not None}
        for name in _JSON:
            if name in known:
                known[name] = json.loads(known[name])
        for name in (*_LISTS, "parents", "history"):
            known[name] = tuple(known.get(name, ()))
        entry = Entry(**known)
        out[entry.id] = entry
    return out
