"""Rows of an artefact as a stream of record batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._edges import check_count
from ._rows import Query, Rows

if TYPE_CHECKING:
    from .artifact import Artifact

_BATCH_BYTES = 8 << 20
_MOST_ROWS = 1 << 15
_SAMPLE = 32
# How much Lance decodes and fetches before it is asked for; its defaults hold gigabytes.
_AHEAD = {"batch_readahead": 1, "fragment_readahead": 1, "io_buffer_size": 16 << 20}


class Reading(Rows):
    """Reading rows without holding all of them."""

    def read(
        self,
        name: str | Artifact,
        where: Any = None,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | Sequence[Any] | None = None,
        version: int | str | None = None,
        batch_rows: int | None = None,
    ) -> pa.RecordBatchReader:
        """Read rows as a stream: what :meth:`search_rows` finds, a few batches at a time.

        The rows, their order and the errors are those of :meth:`search_rows`; memory stays that
        of a few batches however large the table is (with ``order_by`` Lance sorts everything
        found before the first row comes; a ``limit`` bounds that). The table is read only as far
        as the reader is: let go of the reader and the scan ends.

        Args:
            name: the artefact.
            where: as for :meth:`search_rows`.
            columns: which columns; all but blob payloads when ``None``.
            limit: at most so many rows.
            offset: skip so many rows first.
            order_by: as for :meth:`search_rows`.
            version: a number or a tag; the head when ``None``.
            batch_rows: at most so many rows in a batch; ``None`` chooses it so that a batch is
                about 8 MB.

        Raises:
            ColumnNotFound: a column that the table does not have.
            InvalidFilter: the filter cannot be understood or a value does not fit its column; a
                row that it fails on is met while reading.
            VersionNotFound: no such version.

        >>> import tempfile, pyarrow as pa, lancenb
        >>> dm = lancenb.DataManager(tempfile.mkdtemp())
        >>> _ = dm.convert(pa.table({"id": range(10)}), "numbers")
        >>> with dm.read("numbers", batch_rows=4) as reader:
        ...     [batch.num_rows for batch in reader]
        [4, 4, 2]
        >>> dm.read("numbers", "id > 5", limit=2).read_all().to_pylist()
        [{'id': 6}, {'id': 7}]
        """
        query = self._query(name, where, columns, limit, offset, order_by, version)
        schema, batches = self._stream(query, batch_rows)
        return pa.RecordBatchReader.from_batches(schema, batches)

    def _stream(
        self, query: Query, batch_rows: int | None
    ) -> tuple[pa.Schema, Generator[pa.RecordBatch, None, None]]:
        """Begin a scan; the generator ends it when it is closed."""
        entry, dataset, sql, options = query
        if batch_rows is not None:
            batch_rows = check_count("batch_rows", batch_rows, least=1)
        rows = batch_rows or _fitting_rows(dataset, options["columns"])
        with self._scan_errors(entry, dataset, sql):
            scanner = dataset.scanner(filter=sql, batch_size=rows, **_AHEAD, **options)
            schema, stream = scanner.projected_schema, scanner.to_reader()
        most = None if batch_rows else _BATCH_BYTES
        return schema, self._batches(query, stream, rows, most)

    def _batches(
        self, query: Query, stream: pa.RecordBatchReader, rows: int, most: int | None
    ) -> Generator[pa.RecordBatch, None, None]:
        try:
            while True:
                try:
                    with self._scan_errors(*query[:3]):
                        batch = stream.read_next_batch()
                except StopIteration:
                    return
                for start in range(0, batch.num_rows, rows):  # a sorted scan has its own size
                    yield from _pieces(batch.slice(start, rows), most)
        finally:
            stream.close()


def _pieces(batch: pa.RecordBatch, most: int | None) -> Iterator[pa.RecordBatch]:
    """Halve a batch, without copying, until its parts are small enough or single rows."""
    if most is None or batch.num_rows < 2 or batch.nbytes <= most:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half), most)
    yield from _pieces(batch.slice(half), most)


def _fitting_rows(dataset: Any, columns: Sequence[str]) -> int:
    """Return how many rows of these columns make a batch, judging by a few rows of the table."""
    names = list(columns)
    known = all(name in dataset.schema.names for name in names)  # "m.x" is inside one
    if not names or (known and all(_fixed(dataset.schema.field(name).type) for name in names)):
        return _MOST_ROWS if not names else _rows_of(sum(_width(dataset, n) for n in names))
    try:
        count = dataset.count_rows()
        places = sorted({count * step // _SAMPLE for step in range(min(count, _SAMPLE))})
        sample = dataset.take(places, columns=names)
    except (OSError, ValueError):
        return 1024  # what is wrong is told by the scan itself
    return _rows_of(sample.nbytes / max(1, sample.num_rows))


def _rows_of(row_bytes: float) -> int:
    return int(min(_MOST_ROWS, max(1, _BATCH_BYTES // max(1, row_bytes))))


def _fixed(kind: pa.DataType) -> bool:
    try:
        return kind.bit_width > 0
    except ValueError:
        return False


def _width(dataset: Any, name: str) -> float:
    return dataset.schema.field(name).type.bit_width / 8
