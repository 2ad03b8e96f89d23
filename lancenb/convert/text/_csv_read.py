"""Delimited files: types from the first megabyte, then one pass with pyarrow's parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, LancenbError, TypeConflict

from ._csv_stream import (
    Padded,
    Watched,
    header_lines,
    leading_zero,
    rows_with_lines,
    unclosed_quote,
)
from ._csv_types import (
    FALSE,
    NULLS,
    TRUE,
    Widening,
    holds_large,
    infer,
    is_number,
    promote,
    to_type,
)
from ._dialect import Dialect
from ._encoding import Guess
from ._learned import Learned
from ._sources import Piece
from ._streams import Utf8Stream, later_encoding

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1 << 20
_CELL_ERROR = re.compile(
    r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to (\S+).*?: invalid value '(.*)'",
    re.DOTALL,
)


@dataclass
class CsvOptions:
    """What a user may say about delimited files; see ``TextConverter``."""

    delimiter: str | None = None
    quote: str = '"'
    header: bool | str = "auto"
    columns: Sequence[str] | None = None
    types: Mapping[str, Any] = field(default_factory=dict)
    nulls: tuple[str, ...] = NULLS
    text_nulls: bool = False
    ragged: str = "raise"
    on_conflict: str = "promote"


class CsvFile:
    """One delimited piece: its dialect, its types and its rows."""

    def __init__(
        self, piece: Piece, guess: Guess, dialect: Dialect, options: CsvOptions, learned: Learned
    ):
        self.piece = piece
        self.dialect = dialect
        self._guess = guess
        self._options = options
        self._learned = learned
        self.skipped: list[tuple[str, str]] = []

    def types(self) -> list[pa.DataType]:
        """Return a type for each column: learned before, or from the first block."""
        import pyarrow as pa

        known = self._learned.types.get(self.piece.name)
        if known is not None:
            return known
        if self._learned.thorough:
            return self.widen([pa.null()] * len(self.dialect.names))
        cells = next(self._strings(), None)
        if cells is None:
            return [pa.null()] * len(self.dialect.names)
        types = [infer(column, self._options.nulls) for column in cells.columns]
        if any(map(is_number, types)) and self._zeros_at_start():
            self._learned.exact.add(self.piece.name)
        return types

    def widen(self, start: list[pa.DataType]) -> list[pa.DataType]:
        """Read the whole file and return types that all its cells fit."""
        columns = [Widening(kind, self._options.nulls) for kind in start]
        for batch in self._strings():
            for column, cells in zip(columns, batch.columns, strict=True):
                column.add(cells)
        types = [column.type for column in columns]
        self._learned.types[self.piece.name] = types
        self._learned.exact.discard(self.piece.name)
        return types

    def _zeros_at_start(self) -> bool:
        with Utf8Stream(self.piece, self._guess, self.dialect.skip) as stream:
            return leading_zero(b"\n" + stream.block(BLOCK), ord(self.dialect.delimiter))

    def _strings(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        with self._stream(watch=False) as stream:
            yield from self._parse(stream, [pa.string()] * len(self.dialect.names), False)

    def batches(self, types: list[pa.DataType]) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yield batches of the given column types, with the bytes of the file each took.

        Raises:
            PlanAgain: the types, the encoding or the parser settings do not hold for all of it.
            TypeConflict: a cell does not fit and may not be promoted.
            CorruptInput: rows of different width, an unclosed quote.
        """
        import pyarrow as pa

        name = self.piece.name
        checked = name in self._learned.types
        exact = name in self._learned.exact
        numbers = any(map(is_number, types))
        read_types = [pa.string() if exact and is_number(t) else t for t in types]
        with self._stream(watch=numbers and not exact and not checked) as stream:
            before = 0
            for batch in self._parse(stream, read_types, True):
                if stream.zeros or (not exact and not checked and holds_large(batch)):
                    self._learned.exact.add(name)
                    raise self._learned.again(f"{name} has numbers to be checked as text")
                if exact:
                    batch = self._numbers(batch, types)
                now = stream.consumed  # read once: a thread of the parser reads ahead meanwhile
                yield batch, now - before
                before = now
            if stream.odd_quotes:
                error = unclosed_quote(self.piece, self._guess, self.dialect)
                if error is not None:
                    raise error

    def _stream(self, *, watch: bool) -> Any:
        stream = Watched(self.piece, self._guess, self.dialect, watch_zeros=watch)
        if self._options.ragged == "pad":
            return Padded(stream, self.dialect, len(self.dialect.names))
        return stream

    def _parse(self, stream: Any, types: list[pa.DataType], real: bool) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.csv as pc

        names = [f"f{i}" for i in range(len(types))]
        options = self._options
        try:
            reader = pc.open_csv(
                pa.PythonFile(stream, mode="r"),
                read_options=pc.ReadOptions(
                    column_names=names, block_size=self._learned.blocks.get(self.piece.name, BLOCK)
                ),
                parse_options=pc.ParseOptions(
                    delimiter=self.dialect.delimiter,
                    quote_char=options.quote or False,
                    newlines_in_values=True,
                    invalid_row_handler=self._ragged if options.ragged == "skip" else None,
                ),
                convert_options=pc.ConvertOptions(
                    column_types=dict(zip(names, types, strict=True)),
                    null_values=list(options.nulls),
                    true_values=list(TRUE),
                    false_values=list(FALSE),
                    strings_can_be_null=options.text_nulls and real,
                ),
            )
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
                yield batch
        except LancenbError:
            raise
        except pa.ArrowInvalid as error:
            text = str(error)
            if "Empty CSV file" in text:
                return
            raise self._explain(text, types) from None
        except pa.ArrowNotImplementedError as error:
            raise TypeConflict(
                f"{self.piece.name}: text cannot become such a column ({error})",
                hint="convert to plain types first, or append to another table",
            ) from None

    def _ragged(self, row: Any) -> str:
        place = f"{self.piece.name}: {row.text[:60]!r}"
        reason = f"{row.actual_columns} cells instead of {row.expected_columns}"
        if (place, reason) not in self.skipped:
            self.skipped.append((place, reason))
        return "skip"

    def _numbers(self, batch: pa.RecordBatch, types: list[pa.DataType]) -> pa.RecordBatch:
        import pyarrow as pa

        columns = []
        for index, (column, kind) in enumerate(zip(batch.columns, types, strict=True)):
            if is_number(kind):
                made = to_type(column, kind, self._options.nulls)
                if isinstance(made, str):
                    raise self._conflict(index, kind, made, types)
                column = made
            columns.append(column)
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    def _explain(self, text: str, types: list[pa.DataType]) -> LancenbError:
        """Turn an error of the parser into a new plan or a typed error."""
        name = self.piece.name
        if "straddl" in text:
            size = self._learned.blocks.get(name, BLOCK) * 32
            if size <= 1 << 30:
                self._learned.blocks[name] = size
                return self._learned.again(f"{name} has rows longer than a block")
            return CorruptInput(
                f"{name} has a row longer than 1 GB", hint="is a quote missing somewhere?"
            )
        if "invalid UTF8" in text:
            return self._not_utf8()
        if (found := re.search(r"Expected (\d+) columns, got (\d+)", text)) is not None:
            return self._wrong_width(int(found[1]), int(found[2]))
        if (cell := _CELL_ERROR.search(text)) is not None:
            index = int(cell[1])
            return self._conflict(index, types[index], cell[3], types)
        return CorruptInput(f"{name} cannot be read as CSV: {text.splitlines()[0]}")

    def _not_utf8(self) -> LancenbError:
        name = self.piece.name
        if self._guess.name == "utf-8" and name not in self._learned.encodings:
            self._learned.encodings[name] = later_encoding(self.piece)
            return self._learned.again(f"{name} is not UTF-8 throughout")
        return CorruptInput(
            f"{name} is not valid {self._guess.name}", hint="name the encoding with encoding="
        )

    def _wrong_width(self, expected: int, got: int) -> CorruptInput:
        line = 0
        with Watched(self.piece, self._guess, self.dialect, watch_zeros=False) as stream:
            for number, row in rows_with_lines(stream, self.dialect):
                if len(row) != expected:
                    line, got = number, len(row)
                    break
        line += header_lines(self.piece, self._guess, self.dialect)
        error = unclosed_quote(self.piece, self._guess, self.dialect)
        return error or CorruptInput(
            f"{self.piece.name}, line {line}: {got} cells instead of {expected}",
            hint='ragged="skip" leaves such rows out, ragged="pad" fills short ones up',
        )

    def _conflict(
        self, index: int, kind: pa.DataType, value: str, types: list[pa.DataType]
    ) -> LancenbError:
        column = self.dialect.names[index]
        if self._options.on_conflict == "promote" and self.may_promote(column):
            self.widen([promote(t, t) for t in types])
            return self._learned.again(f"column {column!r} of {self.piece.name} is wider")
        line = 0
        with Watched(self.piece, self._guess, self.dialect, watch_zeros=False) as stream:
            for number, row in rows_with_lines(stream, self.dialect):
                if index < len(row) and row[index].strip(" \t") == value.strip(" \t"):
                    line = number
                    break
        line += header_lines(self.piece, self._guess, self.dialect)
        return TypeConflict(
            f"{self.piece.name}, line {line}, column {column!r}: {value[:60]!r} is not {kind}",
            hint="repair the cell, give the column a type with types={...}, or let it be text",
        )

    def may_promote(self, column: str) -> bool:
        """Whether a column is free to take a wider type (set by the family)."""
        return column not in self.fixed

    fixed: frozenset[str] = frozenset()
