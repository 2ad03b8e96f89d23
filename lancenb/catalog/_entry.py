"""One row of the registry, and the registry's columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from lancenb.errors import CorruptInput

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
    being made or deleted. ``extra`` holds columns that a newer release added; they are kept.
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
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def external(self) -> bool:
        """Whether the table lies outside the root."""
        return "://" in self.uri or self.uri.startswith("/") or self.uri[1:3] in (":\\", ":/")


def event(entry: Entry, actor: str, what: str, **facts: Any) -> tuple[dict[str, Any], ...]:
    """Return the history of ``entry`` with one more event."""
    new = {"when": now().isoformat(), "who": actor, "what": what, **facts}
    return (*entry.history, new)[-MAX_EVENTS:]


def to_table(entries: Iterable[Entry], extra: pa.Schema | None = None) -> pa.Table:
    """Return the registry table of ``entries``, ordered by name.

    Args:
        entries: what the registry shall hold.
        extra: columns that a newer release added, kept as they are.
    """
    rows = []
    schema = pa.schema([*SCHEMA, *(extra or ())])
    for entry in sorted(entries, key=lambda e: (e.name, e.id)):
        row = {name: getattr(entry, name) for name in SCHEMA.names}
        for name in _JSON:
            row[name] = json.dumps(row[name], ensure_ascii=False, default=str)
        for name in _LISTS:
            row[name] = list(row[name])
        rows.append({**row, **entry.extra})
    return pa.Table.from_pylist(rows, schema=schema)


def extra_columns(schema: pa.Schema) -> pa.Schema:
    """Return the columns of a registry that this release does not know."""
    return pa.schema([f for f in schema if f.name not in SCHEMA.names])


def from_table(table: pa.Table) -> dict[str, Entry]:
    """Return the entries of a registry table by id.

    Raises:
        CorruptInput: it is no registry, or was damaged by other hands; names what is wrong.
    """
    for name in ("id", "name"):
        if name not in table.schema.names or not pa.types.is_string(table.schema.field(name).type):
            raise _corrupt(f"it has no text column {name!r}")
    extra = extra_columns(table.schema).names
    out: dict[str, Entry] = {}
    for row in table.to_pylist():
        known = {name: row[name] for name in SCHEMA.names if row.get(name) is not None}
        if not known.get("id") or not known.get("name"):
            raise _corrupt("a row has no id or no name")
        for name in _JSON:
            if name in known:
                known[name] = _parsed(known, name)
        for name in (*_LISTS, "parents", "history"):
            known[name] = tuple(known.get(name, ()))
        entry = Entry(**known, extra={name: row[name] for name in extra})
        if not entry.external and not {"", ".", ".."}.isdisjoint(entry.uri.split("/")):
            raise _corrupt(f"the address {entry.uri!r} of {entry.name!r} leads out of the root")
        out[entry.id] = entry
    return out


def _parsed(row: dict[str, Any], name: str) -> Any:
    try:
        value = json.loads(row[name])
    except (ValueError, TypeError, RecursionError):
        value = None
    if name in ("parents", "history"):
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return value
    elif isinstance(value, dict):
        return value
    raise _corrupt(f"{name} of {row['name']!r} cannot be read")


def _corrupt(what: str) -> CorruptInput:
    return CorruptInput(
        f"registry.lance is damaged, or no registry of lancenb: {what}",
        hint="nothing was changed; an older version of that table may be whole",
    )
