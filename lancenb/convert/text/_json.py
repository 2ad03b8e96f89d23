"""A family of JSON files as one table: their types joined."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lancenb.convert._share import ALL
from lancenb.errors import CorruptInput, TypeConflict

from ._encoding import Guess, detect
from ._json_read import JsonFile, JsonOptions
from ._json_types import Shape, arrow_field, join_all, settle, shape_of_field
from ._learned import Learned
from ._sources import Piece, refuse_strangers
from ._streams import choose_encoding

if TYPE_CHECKING:
    import pyarrow as pa


class JsonFamily:
    """JSON files that become one table.

    Objects become rows, their keys columns; other values go to a column ``value``.

    Args:
        pieces: the files.
        encoding: given instead of UTF-8 (a byte order mark is honoured).
        options: see :class:`JsonOptions`.
        learned: facts from earlier tries.
        target: schema of the table that is appended to; its types are then binding.
    """

    kind = "table"

    def __init__(
        self,
        pieces: list[Piece],
        encoding: str | None,
        options: JsonOptions,
        learned: Learned,
        target: pa.Schema | None = None,
    ):
        import pyarrow as pa

        self.skipped: list[tuple[str, str]] = []
        self._files = []
        for piece in pieces:
            refuse_strangers(piece, "JSON")
            self._files.append(JsonFile(piece, _encoding(piece, encoding), options, learned))
        shape: Shape = settle(join_all(file.shape for file in self._files))
        record = isinstance(shape, tuple) and shape[0] == "struct"
        if record and not shape[1]:
            shape, record = "json", False
        self._fields: dict[str, Any] = dict(shape[1]) if record else {"value": shape}
        self._bound: frozenset[str] = frozenset()
        self._types: dict[str, pa.DataType] = {}
        if target is not None:
            self._bind(target)
        self._target: Shape = ("struct", self._fields) if record else self._fields["value"]
        try:
            fields = [arrow_field(k, s) for k, s in self._fields.items()]
        except UnicodeEncodeError:
            raise CorruptInput(
                f"{pieces[0].name}: a key holds half of a surrogate pair",
                hint="such a string is no text in any encoding; repair the file",
            ) from None
        self.schema = pa.schema([f.with_type(self._types.get(f.name, f.type)) for f in fields])

    def _bind(self, target: pa.Schema) -> None:
        from lancenb.convert._arrow import unique_names

        stored = unique_names(self._fields)
        for key, name in zip(list(self._fields), stored, strict=True):
            if name in target.names:
                self._fields[key] = shape_of_field(target.field(name))
                self._types[key] = target.field(name).type
        self._bound = frozenset(self._fields) | {"*"}

    def batches(self, chosen: slice = ALL) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
        """Yield batches of the chosen pieces; see :meth:`Family.batches`."""
        for file in self._files[chosen]:
            for table, nbytes in file.batches(self._target, self._bound):
                took = nbytes
                for batch in self._fit(table, file.piece).to_batches():
                    yield file.piece, batch, took
                    took = 0

    def _fit(self, table: pa.Table, piece: Piece) -> pa.Table:
        """Bring values into the number and time types of the table that is appended to."""
        import pyarrow as pa

        if table.schema.equals(self.schema):
            return table
        try:
            return table.select(self.schema.names).cast(self.schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise TypeConflict(
                f"{piece.name}: a value does not fit the table: {str(error).splitlines()[0]}",
                hint="repair the value, or convert to a new table",
            ) from None


def _encoding(piece: Piece, given: str | None) -> Guess:
    if given is not None:
        return choose_encoding(piece, given)
    guess = detect(piece.head(4096))
    # Without a mark or zero bytes JSON is UTF-8; guessing code pages would hide damage.
    return guess if guess.name.startswith("utf-") else Guess("utf-8")
