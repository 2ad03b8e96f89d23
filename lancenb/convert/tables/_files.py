"""Parquet and Arrow files as one table: union of columns, hive partitions, archive members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.convert._share import ALL
from lancenb.convert.text._plan import check_related
from lancenb.convert.text._sources import Piece
from lancenb.errors import ColumnNotFound, TypeConflict

from ._open import TableFile
from ._union import to_table_types, unite

if TYPE_CHECKING:
    import pyarrow as pa

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class TableFamily:
    """Parquet and Arrow files that become one table.

    Args:
        pieces: the files.
        columns: the columns wanted, all by default.
        target: schema of the table that is appended to.
    """

    kind = "table"

    def __init__(
        self,
        pieces: Sequence[Piece],
        columns: Sequence[str] | None = None,
        target: pa.Schema | None = None,
    ):
        import pyarrow as pa

        self.skipped: list[tuple[str, str]] = []
        self._files = [TableFile(piece) for piece in pieces]
        check_related([(f.piece.name, f.schema.names) for f in self._files])
        schema = unite([(f.piece.name, f.schema) for f in self._files])
        self._partitions = {
            key: kind for key, kind in _partition_types(pieces).items() if key not in schema.names
        }
        for key, kind in self._partitions.items():
            schema = schema.append(pa.field(key, kind))
        if columns is not None:
            schema = _choose(schema, columns, pieces[0].name)
        if target is not None:
            schema = to_table_types(schema, target)
        self.schema: pa.Schema = schema

    @property
    def rows(self) -> int | None:
        """Rows of all files, when the files say."""
        counts = [file.rows for file in self._files]
        return None if any(c is None for c in counts) else sum(c or 0 for c in counts)

    def batches(self, chosen: slice = ALL) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
        """Yield batches of the chosen pieces; see :meth:`Family.batches`."""
        for file in self._files[chosen]:
            plain = file.schema.equals(self.schema)
            for batch, took in file.batches():
                yield file.piece, batch if plain else self._arrange(file, batch), took

    def _arrange(self, file: TableFile, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        columns = []
        same = batch.schema.names == self.schema.names
        for index, field in enumerate(self.schema):
            at = index if same else batch.schema.get_field_index(field.name)
            if at >= 0:
                columns.append(_cast(batch.column(at), field, file.piece))
            elif field.name in self._partitions:
                value = file.piece.partitions.get(field.name, _NO_VALUE)
                columns.append(_constant(value, field.type, batch.num_rows))
            else:
                columns.append(pa.nulls(batch.num_rows, field.type))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _cast(column: Any, field: pa.Field, piece: Piece) -> Any:
    import pyarrow as pa

    if column.type.equals(field.type):
        return column
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TypeConflict(
            f"{piece.name}, column {field.name!r}: {column.type} does not become {field.type}: "
            f"{str(error).splitlines()[0]}",
            hint="convert the column first, or make another table",
        ) from None


def _choose(schema: pa.Schema, columns: Sequence[str], what: str) -> pa.Schema:
    import pyarrow as pa

    for name in columns:
        if schema.get_field_index(name) < 0:
            raise ColumnNotFound(
                f"{what} has no column {name!r}", hint=f"it has: {', '.join(schema.names)}"
            )
    return pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)


def _partition_types(pieces: Sequence[Piece]) -> dict[str, pa.DataType]:
    """Folder names such as ``year=2024`` give integers when all of them are, else text."""
    import pyarrow as pa

    values: dict[str, list[str]] = {}
    for piece in pieces:
        for key, value in piece.partitions.items():
            values.setdefault(key, []).append(value)
    return {
        key: pa.int64() if all(_is_integer(v) for v in found if v != _NO_VALUE) else pa.string()
        for key, found in values.items()
    }


def _is_integer(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and digits.isascii() and len(digits) < 19 and str(int(text)) == text


def _constant(value: str, kind: pa.DataType, count: int) -> pa.Array:
    import pyarrow as pa

    if value == _NO_VALUE:
        return pa.nulls(count, kind)
    return pa.repeat(pa.scalar(int(value) if pa.types.is_integer(kind) else value, kind), count)
