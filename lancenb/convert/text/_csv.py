"""A family of delimited files as one table: the union of their columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lancenb.convert._arrow import unique_names
from lancenb.convert._share import ALL
from lancenb.errors import EmptyInput, InvalidArgument

from ._csv_read import CsvFile, CsvOptions
from ._csv_types import promote
from ._dialect import Dialect, find_dialect
from ._learned import Learned
from ._plan import check_related
from ._sources import Piece, refuse_strangers
from ._streams import Utf8Stream, choose_encoding

if TYPE_CHECKING:
    import pyarrow as pa

_HEAD = 1 << 18
_LONGEST = 1 << 28


@dataclass
class _Part:
    """One file, its own column names (made unique) and the types it has by itself."""

    file: CsvFile
    names: list[str]
    types: list[Any]


class CsvFamily:
    """Delimited files that become one table.

    Args:
        pieces: the files.
        encoding: given instead of guessed.
        options: see :class:`CsvOptions`.
        learned: facts from earlier tries.
        target: schema of the table that is appended to; its types are then binding.

    Columns are matched by name; a column that a file lacks is null in its rows. Where files
    disagree about a type, :func:`promote` decides.
    """

    kind = "table"

    def __init__(
        self,
        pieces: list[Piece],
        encoding: str | None,
        options: CsvOptions,
        learned: Learned,
        target: pa.Schema | None = None,
    ):
        self._options = options
        self._learned = learned
        self.skipped: list[tuple[str, str]] = []
        self._fixed = frozenset(options.types) | frozenset(
            target.names if target is not None else ()
        )
        self._parts = []
        for piece in pieces:
            part = self._open(piece, encoding)
            part.file.fixed = self._fixed
            self._parts.append(part)
        check_related([(p.file.piece.name, p.names) for p in self._parts])
        self.schema = self._unite(target)

    def _open(self, piece: Piece, encoding: str | None) -> _Part:
        refuse_strangers(piece, "delimited text")
        guess = self._learned.encodings.get(piece.name) or choose_encoding(piece, encoding)
        with Utf8Stream(piece, guess) as stream:
            head = stream.block(_HEAD)
            # A first row longer than that has to be seen to its end.
            while b"\n" not in head and b"\r" not in head and len(head) < _LONGEST:
                if not (more := stream.block(_HEAD << 4)):
                    break
                head += more
        complete = len(head) < _HEAD // 2
        options = self._options
        dialect = find_dialect(
            head.decode("utf-8", "ignore"),
            suffix=piece.suffix,
            delimiter=options.delimiter,
            quote=options.quote or "\x00",
            header=options.header,
            columns=options.columns,
            complete=complete,
        )
        if dialect is None:
            raise EmptyInput(f"{piece.name} holds no rows", hint="export the file again")
        file = CsvFile(piece, guess, dialect, options, self._learned)
        return _Part(file, unique_names(dialect.names), file.types())

    def _unite(self, target: pa.Schema | None) -> pa.Schema:
        import pyarrow as pa

        from lancenb.convert._arrow import SOURCE_NAME

        types: dict[str, pa.DataType] = {}
        written: dict[str, str] = {}
        for part in self._parts:
            for name, source, kind in zip(
                part.names, part.file.dialect.names, part.types, strict=True
            ):
                types[name] = promote(types[name], kind) if name in types else kind
                written.setdefault(name, source)
        for name, kind in self._options.types.items():
            if name not in types:
                raise InvalidArgument(
                    f"types= names a column {name!r} that is not there",
                    hint=f"the columns are: {', '.join(types)}",
                )
            types[name] = _as_type(kind)
        fields = []
        for name, kind in types.items():
            bound = target.field(name).type if target is not None and name in target.names else None
            note = {SOURCE_NAME: written[name].encode()} if written[name] != name else None
            plain = pa.string() if pa.types.is_null(kind) else kind
            fields.append(pa.field(name, bound if bound is not None else plain, metadata=note))
        return pa.schema(fields)

    def batches(self, chosen: slice = ALL) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
        """Yield batches of the chosen pieces; see :meth:`Family.batches`."""
        import pyarrow as pa

        for part in self._parts[chosen]:
            kinds = [
                own
                if pa.types.is_null(own) and name not in self._fixed
                else self.schema.field(name).type
                for name, own in zip(part.names, part.types, strict=True)
            ]
            for batch, nbytes in part.file.batches(kinds):
                yield part.file.piece, self._arrange(part, batch), nbytes
            self.skipped += part.file.skipped
            part.file.skipped.clear()

    def _arrange(self, part: _Part, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        columns = []
        for field in self.schema:
            if field.name in part.names:
                column = batch.column(part.names.index(field.name))
                columns.append(
                    column if column.type.equals(field.type) else column.cast(field.type)
                )
            else:
                columns.append(pa.nulls(batch.num_rows, field.type))
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)


def _as_type(kind: Any) -> pa.DataType:
    import pyarrow as pa

    if isinstance(kind, pa.DataType):
        return kind
    try:
        return pa.type_for_alias(str(kind))
    except ValueError:
        raise InvalidArgument(
            f"types= holds {kind!r}, which is no Arrow type",
            hint="such as 'int64', 'float64', 'string', 'bool', 'date32' or a pyarrow type",
        ) from None


__all__ = ["CsvFamily", "CsvOptions", "Dialect"]
