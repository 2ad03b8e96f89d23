"""What converters and the write path hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import Tracker
    from lancenb.store import Store

    from ._share import Share


@dataclass
class Existing:
    """The table a conversion appends to or overwrites.

    Attributes:
        uri: where it lies.
        version: the version that was read; commits are checked against it.
        schema: its Arrow schema, with metadata.
        dataset: the open Lance dataset, pinned to ``version``.
        mode: ``"append"`` or ``"overwrite"``.
    """

    uri: str
    version: int
    schema: pa.Schema
    dataset: Any
    mode: str


@dataclass
class Plan:
    """What a converter hands to the write path; nothing is written before it is complete.

    Attributes:
        kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"``.
        schema: the schema as stored, metadata included.
        batches: called once at write time with a tracker; streams record batches and calls
            ``tracker.advance(rows, nbytes)`` for each, which is where a cancel takes effect.
        skipped: ``(item, reason)`` pairs; may grow while batches stream.
        total_rows: rows expected, when known.
        total_bytes: payload bytes expected, when known.
        properties: JSON-able facts about origin and options, stored with the version.
        metadata: facts that belong to this version (extras of a checkpoint, say), kept with the
            schema.
        write_options: passed to Lance's fragment writer (``max_rows_per_file`` ...).
        schema_metadata_updates: for appends: schema metadata that changes with this commit.
        commit: takes over writing and committing, for writers that store only what changed.
        on_close: releases files; always called.
        notes: sentences for the report.
        write: writes the rows in the place of this process. Called with location, existing table,
            store, tracker and a list, to which it adds the fragments as they are written: they
            become one version, or are removed when anything fails.
        limit: limits ``batches`` to a share of the files and returns how many there are to share
            out (files, or chunks of pictures); ``None`` for what is read in one go.
    """

    kind: str
    schema: pa.Schema
    batches: Callable[[Tracker], Iterator[pa.RecordBatch]]
    skipped: list[tuple[str, str]] = field(default_factory=list)
    total_rows: int | None = None
    total_bytes: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] | None = None
    write_options: dict[str, Any] = field(default_factory=dict)
    schema_metadata_updates: dict[str, str] | None = None
    commit: Callable[..., tuple[int, int, int]] | None = None
    on_close: Callable[[], None] | None = None
    notes: list[str] = field(default_factory=list)
    write: Callable[[str, Existing | None, Store | None, Tracker, list[Any]], None] | None = None
    limit: Callable[[Share], int] | None = None
