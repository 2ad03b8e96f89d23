"""One JSON file as batches: Arrow's parser where it can, Python's where it must."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, InvalidArgument, TypeConflict, UnsupportedFormat

from ._ahead import ordered_map
from ._encoding import Guess, valid_utf8
from ._json_parse import (
    finite_float,
    is_finite,
    is_lines,
    is_record,
    is_row_count,
    may_overflow,
    misfit,
    refuse_constant,
    safe_for_arrow,
)
from ._json_split import ArraySplitter, Chunk, split_lines
from ._json_types import (
    JSON_NULL,
    Shape,
    arrow_field,
    dumps,
    encode,
    is_plain,
    join,
    join_all,
    settle,
    shape_of,
)
from ._learned import Learned
from ._sources import Piece
from ._streams import Utf8Stream

if TYPE_CHECKING:
    import pyarrow as pa

FIRST = 1 << 19
SIZE = 1 << 22
WHOLE = 1 << 28
_GAPS = re.compile(rb"\x00[ \t\r\n]*\x00|\A[ \t\r\n]*\x00|\x00[ \t\r\n]*\Z")


@dataclass
class JsonOptions:
    """What a user may say about JSON files; see ``TextConverter``."""

    field: str | None = None
    allow_nan: bool = False
    on_conflict: str = "promote"


class JsonFile:
    """One JSON piece: its layout, the type of its rows, and the rows.

    Attributes:
        shape: type of a row as far as known.
    """

    def __init__(self, piece: Piece, guess: Guess, options: JsonOptions, learned: Learned):
        self.piece = piece
        self._guess = guess
        self._options = options
        self._learned = learned
        self._values: list[Any] | None = None
        self._layout = self._find_layout()
        self.shape: Shape = self._first_shape()

    def _find_layout(self) -> str:
        with Utf8Stream(self.piece, self._guess) as stream:
            head = stream.block(FIRST)
        text = head.lstrip(b" \t\r\n")
        if not text:
            raise CorruptInput(f"{self.piece.name} holds no JSON value, only white space")
        if self.piece.suffix in ("jsonl", "ndjson"):
            return "lines"
        if self._options.field is not None or text[:1] != b"[":
            return "lines" if self._options.field is None and is_lines(text) else "whole"
        return "array"

    def _first_shape(self) -> Shape:
        known = self._learned.types.get(self.piece.name)
        if known is not None:
            return known
        if self._layout == "whole":
            self._values = self._read_whole()
            return join_all(map(shape_of, self._values))
        if self._learned.thorough:
            return self.widen(JSON_NULL)
        with Utf8Stream(self.piece, self._guess) as stream:
            chunk = next(iter(self._chunks(stream)), None)
            return JSON_NULL if chunk is None else join_all(map(shape_of, self._parse(chunk)))

    def _read_whole(self) -> list[Any]:
        with Utf8Stream(self.piece, self._guess) as stream:
            parts, size = [], 0
            while block := stream.block(SIZE):
                parts.append(block)
                size += len(block)
                if size > WHOLE:
                    raise UnsupportedFormat(
                        f"{self.piece.name} is one JSON value of more than {WHOLE:,} bytes",
                        hint="only arrays and lines are streamed; turn it into JSON lines first",
                    )
        value = self._loads(b"".join(parts), 1)
        if self._options.field is None:
            return [value]
        return self._descend(value, self._options.field)

    def _descend(self, value: Any, field: str) -> list[Any]:
        for key in field.split("."):
            if not isinstance(value, dict) or key not in value:
                keys = (
                    ", ".join(list(value)[:20]) if isinstance(value, dict) else type(value).__name__
                )
                raise InvalidArgument(
                    f"{self.piece.name} has no field {field!r} (no {key!r})",
                    hint=f"there is: {keys}",
                )
            value = value[key]
        return value if isinstance(value, list) else [value]

    def _chunks(self, stream: Utf8Stream) -> Iterator[Chunk]:
        name = self.piece.name
        if self._layout == "lines":
            return split_lines(stream, name, FIRST, SIZE)
        return iter(ArraySplitter(stream, name, FIRST, SIZE))

    def widen(self, start: Shape) -> Shape:
        """Read the whole file and return a type that all its rows fit."""
        shape = start
        with Utf8Stream(self.piece, self._guess) as stream:
            for chunk in self._chunks(stream):
                if not self._fits_fast(chunk, shape):
                    shape = join(shape, join_all(map(shape_of, self._parse(chunk))))
        self._learned.types[self.piece.name] = shape
        return shape

    def _fits_fast(self, chunk: Chunk, shape: Shape) -> bool:
        settled = settle(shape)
        if not is_record(settled) or "null" in shape[1].values():
            return False
        return self._fast(chunk, settled) is not None

    def batches(self, target: Shape, bound: frozenset[str]) -> Iterator[tuple[pa.Table, int]]:
        """Yield tables of the target type, with the bytes of the file each took.

        Args:
            target: settled type of the rows of the whole family.
            bound: columns whose type may not change (those of a table appended to).

        Raises:
            PlanAgain: rows met late do not fit the type.
            TypeConflict: the same, but the type may not change.
            CorruptInput: not JSON, naming line and column.
        """
        if self._values is not None:
            yield self._table(self._values, target, bound, None), self.piece.size
            return
        fast = is_record(target) and is_plain(target)
        with Utf8Stream(self.piece, self._guess) as stream:

            def work(chunk: Chunk) -> tuple[pa.Table, int]:
                table = self._fast(chunk, target) if fast else None
                if table is None:
                    table = self._table(self._parse(chunk), target, bound, chunk)
                return table, chunk.consumed

            yield from ordered_map(work, self._chunks(stream))

    def _fast(self, chunk: Chunk, target: Shape) -> pa.Table | None:
        """Parse with Arrow; ``None`` when the rows are not exactly of the target type."""
        import pyarrow as pa
        import pyarrow.json as pj

        data = chunk.data
        if not data.isascii() and not valid_utf8(data, complete=True):
            return None
        if chunk.array:
            marked = bytearray(data)
            for comma in chunk.commas:
                marked[comma] = 0
            if _GAPS.search(marked):
                return None
            data = bytes(marked.replace(b"\x00", b"\n"))
        if not safe_for_arrow(data):
            return None
        try:
            schema = pa.schema([arrow_field(k, s) for k, s in target[1].items()])
            table = pj.read_json(
                pa.BufferReader(data),
                read_options=pj.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=pj.ParseOptions(
                    explicit_schema=schema,
                    unexpected_field_behavior="error",
                    newlines_in_values=chunk.array,
                ),
            )
            if b"\\" in data:
                table.validate(full=True)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
            return None
        if chunk.array:
            right = table.num_rows == len(chunk.commas) + 1
        else:
            right = is_row_count(table.num_rows, data)
        right = right and table.schema.names == schema.names and all(map(is_finite, table.columns))
        return table if right else None

    def _parse(self, chunk: Chunk) -> list[Any]:
        """Parse with Python, strictly; names line and column of what is wrong."""
        if chunk.array:
            return self._loads(b"[" + chunk.data + b"]", chunk.line, shift=1)
        values = []
        for number, line in enumerate(chunk.data.split(b"\n"), chunk.line):
            if line.strip(b" \t\r"):
                values.append(self._loads(line.rstrip(b"\r"), number))
        return values

    def _loads(self, data: bytes, line: int, shift: int = 0) -> Any:
        name = self.piece.name
        try:
            constant = None if self._options.allow_nan else refuse_constant
            number = finite_float if may_overflow(data) else None
            text = data.decode("utf-8")
            value = json.loads(text, parse_constant=constant, parse_float=number)
        except UnicodeDecodeError as error:
            line += data[: error.start].count(b"\n")
            raise CorruptInput(
                f"{name}, line {line}: not valid UTF-8 ({error.reason})",
                hint="JSON is UTF-8; name another encoding with encoding= if it is in one",
            ) from None
        except json.JSONDecodeError as error:
            column = error.colno - (shift if error.lineno == 1 else 0)
            raise CorruptInput(
                f"{name}, line {line + error.lineno - 1}, column {column}: not JSON: {error.msg}",
                hint="repair the file; one value per line needs the suffix .jsonl",
            ) from None
        except (ValueError, RecursionError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise CorruptInput(
                f"{name}, from line {line}: not JSON that can be read: {what}",
                hint="allow_nan=True takes NaN and Infinity" if "constant" in what else "",
            ) from None
        return value

    def _table(
        self, values: list[Any], target: Shape, bound: frozenset[str], chunk: Chunk | None
    ) -> pa.Table:
        import pyarrow as pa

        for index, value in enumerate(values):
            wrong = misfit(target, value)
            if wrong is not None:
                self._conflict(wrong, value, bound, chunk, index)
        if is_record(target):
            fields = target[1]
            rows = [encode(value, target) or {} for value in values]
        else:
            fields = {"value": target}
            rows = [{"value": encode(value, target)} for value in values]
        try:
            schema = pa.schema([arrow_field(k, s) for k, s in fields.items()])
            return pa.Table.from_pylist(rows, schema=schema)
        except RecursionError:
            raise CorruptInput(f"{self.piece.name} is nested too deeply") from None
        except UnicodeEncodeError:
            line = f", from line {chunk.line}" if chunk else ""
            raise CorruptInput(
                f"{self.piece.name}{line}: a string holds half of a surrogate pair",
                hint="such a string is no text in any encoding; repair the file",
            ) from None

    def _conflict(
        self, path: str, value: Any, bound: frozenset[str], chunk: Chunk | None, index: int
    ) -> None:
        free = path.split(".")[0] not in bound and "*" not in bound
        if self._options.on_conflict == "promote" and free and chunk is not None:
            self.widen(self.shape)
            raise self._learned.again(f"column {path!r} of {self.piece.name} is wider")
        place = f"row {index}"
        if chunk is not None and not chunk.array:
            lines = [i for i, x in enumerate(chunk.data.split(b"\n")) if x.strip(b" \t\r")]
            place = f"line {chunk.line + lines[index]}"
        elif chunk is not None:
            place = f"element {index} after line {chunk.line}"
        raise TypeConflict(
            f"{self.piece.name}, {place}, column {path!r}: the value does not fit its type: "
            f"{dumps(value)[:80]}",
            hint="repair the value, or convert to a new table where the column may be wider",
        )
