"""From a family of files to a plan: provenance, progress, hashes, reading ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lancenb.convert._arrow import storable
from lancenb.convert._base import Plan
from lancenb.convert._share import ALL, Share
from lancenb.errors import SchemaMismatch

from ._ahead import Hasher, read_ahead
from ._sources import Piece

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import Tracker

SOURCE = "_source"
ROW = "_row"


class Family(Protocol):
    """Files of one format that become one table."""

    kind: str
    schema: pa.Schema
    skipped: list[tuple[str, str]]

    def batches(self, chosen: slice = ..., /) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
        """Yield batches of :attr:`schema`, with the piece and the bytes of it that each took.

        Args:
            chosen: the pieces to read; columns and types are those of all.
        """
        ...


def family_plan(
    family: Family,
    pieces: list[Piece],
    *,
    provenance: bool,
    skipped: list[tuple[str, str]],
    options: dict[str, Any],
    total_rows: int | None = None,
    on_close: Callable[[], None] | None = None,
) -> Plan:
    """Return the plan that writes what ``family`` reads.

    Args:
        family: what is read.
        pieces: its files.
        provenance: add ``_source`` (file) and ``_row`` (row in that file, from 0).
        skipped: files left out so far.
        options: options to note with the version.
        total_rows: rows, when known.
        on_close: called when the plan is done with.
    """
    import pyarrow as pa

    what = pieces[0].name if len(pieces) == 1 else f"{pieces[0].name} and others"
    stored, cast = storable(family.schema, what)
    schema = stored
    if provenance:
        schema = schema.append(pa.field(SOURCE, pa.string())).append(pa.field(ROW, pa.int64()))
    files = _files(pieces)
    properties: dict[str, Any] = {"files": files}
    if options:
        properties["options"] = options
    seen: set[int] = set()
    chosen = ALL

    def limit(share: Share) -> int:
        nonlocal chosen
        chosen = share.span([piece.size for piece in pieces])
        files[:] = _files(pieces[chosen])
        return len(pieces)

    def produce() -> Iterator[tuple[pa.RecordBatch, int]]:
        place, row = "", 0
        for piece, batch, took in family.batches(chosen):
            if batch.num_rows == 0 and took == 0:
                continue
            batch = cast(batch)
            if provenance:
                row = 0 if piece.name != place else row
                place = piece.name
                batch = _with_origin(batch, place, row, schema)
                row += batch.num_rows
            yield batch, took

    def batches(tracker: Tracker) -> Iterator[pa.RecordBatch]:
        hasher = Hasher(files)
        try:
            for batch, took in read_ahead(produce()):
                tracker.advance(batch.num_rows, took)
                yield batch
            for item in family.skipped:
                if id(item) not in seen:
                    seen.add(id(item))
                    skipped.append(item)
            hasher.join()
        finally:
            hasher.stop()

    return Plan(
        kind=family.kind,
        schema=schema,
        batches=batches,
        skipped=skipped,
        total_rows=total_rows,
        total_bytes=None if any(_packed(p) for p in pieces) else sum(p.size for p in pieces),
        properties=properties,
        limit=limit if all(_apart(p) for p in pieces) else None,
        on_close=on_close,
    )


def _apart(piece: Piece) -> bool:
    """Whether a piece is a file of its own, neither in an archive nor in memory."""
    return bool(piece.path) and piece.member is None


def _packed(piece: Piece) -> bool:
    return piece.path.lower().endswith(".gz")


def _files(pieces: list[Piece]) -> list[dict[str, Any]]:
    """Note each file once; its sha256 is added while the rows are written."""
    noted: dict[str, dict[str, Any]] = {}
    for piece in pieces:
        entry = noted.setdefault(piece.path, {"path": piece.path})
        if piece.member is not None:
            entry.setdefault("members", []).append(piece.member.name)
    return list(noted.values())


def _with_origin(batch: pa.RecordBatch, source: str, row: int, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    count = batch.num_rows
    origin = pa.repeat(pa.scalar(source, pa.string()), count)
    numbers = pa.array(range(row, row + count), pa.int64())
    return pa.RecordBatch.from_arrays([*batch.columns, origin, numbers], schema=schema)


def check_related(columns: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Raise when a file shares no column with those before it: they are no one table.

    Args:
        columns: name of each file and its columns.

    Raises:
        SchemaMismatch: naming the files.
    """
    known: set[str] = set()
    for name, names in columns:
        if known and names and known.isdisjoint(names):
            first = columns[0]
            raise SchemaMismatch(
                f"{name} ({_some(names)}) and {first[0]} ({_some(first[1])}) have no column in "
                "common, so they are no one table",
                hint="convert them one by one; in an archive choose with members='...'",
            )
        known.update(names)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")
