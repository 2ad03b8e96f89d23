"""Parquet and Arrow files as schema and batches; whatever is wrong with them is a typed error."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.convert.text._sources import Piece
from lancenb.errors import CorruptInput, EmptyInput, LancenbError, UnsupportedFormat

if TYPE_CHECKING:
    import pyarrow as pa

_IN_MEMORY = 1 << 26
_BUFFER = 1 << 22
_TARGET_BYTES = 1 << 24
_MOST_ROWS = 1 << 16


class TableFile:
    """One Parquet or Arrow file.

    Attributes:
        piece: where it lies.
        schema: its schema.
        rows: its rows when the file says, else ``None``.
    """

    def __init__(self, piece: Piece):
        self.piece = piece
        self._format = format_of(piece)
        with read_errors(piece), self._handle() as handle:
            if self._format == "parquet":
                metadata = self._parquet(handle)
                self.schema: pa.Schema = metadata.schema_arrow
                groups = metadata.metadata.num_row_groups
                self.rows: int | None = sum(
                    metadata.metadata.row_group(i).num_rows for i in range(groups)
                )
            else:
                self.schema = self._ipc(handle).schema
                self.rows = None
            self.schema = _readable_names(self.schema)

    def batches(self) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yield batches of :attr:`schema`, with the bytes of the file each took (about).

        Raises:
            CorruptInput: a page, a batch or a text in it is damaged.
        """
        with read_errors(self.piece), self._handle() as handle:
            source = self._from_parquet if self._format == "parquet" else self._from_ipc
            for batch, took in source(handle):
                _validate(batch)
                yield batch, took

    def _parquet(self, handle: Any) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(
            handle, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True
        )

    def _from_parquet(self, handle: Any) -> Iterator[tuple[pa.RecordBatch, int]]:
        file = self._parquet(handle)
        metadata = file.metadata
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            size = sum(
                max(0, group.column(i).total_compressed_size) for i in range(group.num_columns)
            )
            took = 0
            rows = max(group.num_rows, 1)
            done = 0
            for batch in file.iter_batches(_batch_rows(group), row_groups=[index]):
                done += batch.num_rows
                now = min(size, size * done // rows)
                yield batch, now - took
                took = now
            if done != group.num_rows:
                raise CorruptInput(
                    f"{self.piece.name} is damaged: row group {index} gives {done:,} rows, "
                    f"{group.num_rows:,} are declared",
                    hint="fetch or export the file again",
                )

    def _ipc(self, handle: Any) -> Any:
        import pyarrow as pa

        return pa.ipc.open_file(handle) if self._format == "arrow" else pa.ipc.open_stream(handle)

    def _from_ipc(self, handle: Any) -> Iterator[tuple[pa.RecordBatch, int]]:
        reader = self._ipc(handle)
        before = 0
        for batch in _ipc_batches(reader, self._format):
            position = handle.tell()
            took = max(0, position - before)
            before = max(before, position)
            for start in range(0, max(batch.num_rows, 1), _MOST_ROWS):
                yield batch.slice(start, _MOST_ROWS), took if start == 0 else 0

    @contextmanager
    def _handle(self) -> Iterator[Any]:
        """Open for random access; what is packed goes to memory or a nameless file first."""
        import pyarrow as pa

        piece = self.piece
        if piece.member is None and piece.head(2) == _raw_head(piece.path, 2):
            with pa.OSFile(piece.path, "rb") as file:
                yield file
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool, piece.open() as raw:
            while block := raw.read(1 << 20):
                spool.write(block)
            spool.seek(0)
            yield pa.PythonFile(spool, mode="r")


def _validate(batch: pa.RecordBatch) -> None:
    """Check offsets, indices and UTF-8; times beyond midnight are odd but no damage."""
    batch.validate()
    for column in batch.columns:
        column.validate(full=not _holds_times(column.type))


def _holds_times(kind: Any) -> bool:
    import pyarrow.types as t

    if t.is_nested(kind):
        return any(_holds_times(kind.field(i).type) for i in range(kind.num_fields))
    return t.is_date64(kind) or t.is_time(kind)


def _raw_head(path: str, size: int) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(size)


def _ipc_batches(reader: Any, format_: str) -> Iterator[pa.RecordBatch]:
    if format_ == "arrow":
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)
        return
    while True:
        try:
            yield reader.read_next_batch()
        except StopIteration:
            return


def _batch_rows(group: Any) -> int:
    """Choose rows per batch so that a batch is about 16 MB by the file's own account."""
    rows = max(group.num_rows, 1)
    size = max(group.total_byte_size, 1)
    return int(min(_MOST_ROWS, max(64, _TARGET_BYTES * rows // size)))


def _readable_names(schema: pa.Schema) -> pa.Schema:
    """Names are decoded late by Arrow: do it now, where damage is caught."""
    for field in schema:
        field.name.encode()
    return schema


def format_of(piece: Piece) -> str:
    """Return ``"parquet"``, ``"arrow"`` or ``"arrow-stream"`` by the first bytes.

    Raises:
        UnsupportedFormat: encrypted Parquet, Feather of the first kind.
        CorruptInput: anything else.
    """
    from lancenb.convert._magic import magic

    head = piece.head(4096)
    if not head:
        raise EmptyInput(f"{piece.name} is empty (0 bytes)", hint="fetch or export the file again")
    if head[:4] == b"PARE":
        raise UnsupportedFormat(
            f"{piece.name} is encrypted Parquet", hint="decrypt it first; lancenb holds no keys"
        )
    if head[:4] == b"FEA1":
        raise UnsupportedFormat(
            f"{piece.name} is a Feather file of the first version",
            hint="rewrite it with pyarrow.feather.write_feather(version=2)",
        )
    if head.startswith(b"version https://git-lfs"):
        raise CorruptInput(
            f"{piece.name} is a git-LFS pointer, not the file itself",
            hint="run `git lfs pull` in that repository, or download the file from its page",
        )
    found = magic(head, Path(piece.path), piece.size)
    if found in ("parquet", "arrow", "arrow-stream"):
        return found
    raise CorruptInput(
        f"{piece.name} holds {found.removeprefix('image/')} data, neither Parquet nor Arrow",
        hint="rename it after what it is, or choose another converter with kind=",
    )


@contextmanager
def read_errors(piece: Piece) -> Iterator[None]:
    """Turn errors of the readers into :class:`~lancenb.errors.CorruptInput` naming the file."""
    import pyarrow as pa

    try:
        yield
    except LancenbError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "encrypted" in text or "decryption" in text:
            raise UnsupportedFormat(
                f"{piece.name} is encrypted", hint="decrypt it first; lancenb holds no keys"
            ) from None
        raise CorruptInput(
            f"{piece.name} is damaged: {text}", hint="fetch or export the file again"
        ) from None
