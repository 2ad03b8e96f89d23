"""Column types of delimited text: one rule, nothing lost.

A column gets the first of these types that all its cells fit: int64, bool (``true``/``false``),
date32, timestamp (seconds or microseconds, with or without zone), float64; otherwise it
is text. Numbers stay text when a number type would change them: leading zeros (``00501``) or
plus signs (``+4930``), integers beyond 64 bits, integers of 2**53 and more among fractions.
When files or parts of a file disagree, int64 and float64 become float64, timestamps become
microseconds, anything else becomes text. In text columns every cell is kept as written, an empty
one as ``""``; in the
others the usual marks for a missing value (empty, ``NA``, ``N/A``, ``NULL`` ...) become null. A
column with no value at all is a text column of nulls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

NULLS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN"),
    *("N/A", "NA", "NULL", "null", "n/a"),
)
TRUE = ("true", "True", "TRUE")
FALSE = ("false", "False", "FALSE")
_INTEGER = r"^-?(0|[1-9][0-9]*)$"
_ZEROS = r"^[-+]?0[0-9]|^[+][0-9]+$"
_LONG = r"^-?[0-9]{16,}$"
_INFINITE = r"(?i)^[-+]?inf"
EXACT_FLOAT = float(2**53)


def candidates() -> tuple[pa.DataType, ...]:
    """Return the types that a column may have, in the order they are tried."""
    import pyarrow as pa

    return (
        pa.int64(),
        pa.bool_(),
        pa.date32(),
        pa.timestamp("s"),
        pa.timestamp("us"),
        pa.timestamp("us", "UTC"),
        pa.float64(),
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type can suffer from leading zeros."""
    import pyarrow.types as t

    return t.is_integer(kind) or t.is_floating(kind)


def infer(cells: pa.Array, nulls: tuple[str, ...] = NULLS) -> pa.DataType:
    """Return the type for a column of cells; ``null`` when all of them are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = _present(cells, nulls)
    if len(values) == 0:
        empty = pc.equal(cells, "")
        return pa.null() if pc.all(empty, min_count=0).as_py() else pa.string()
    first = values.slice(0, 1)
    for kind in candidates():
        if fits(first, kind) and fits(values, kind):
            return kind
    return pa.string()


def _present(cells: pa.Array, nulls: tuple[str, ...]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.is_in(cells, value_set=pa.array(nulls, pa.string()))
    return pc.utf8_trim(cells.filter(pc.invert(missing)), " \t")


def fits(values: Any, kind: pa.DataType) -> bool:
    """Whether every text fits the type without being changed by it."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_string(kind):
        return True
    if t.is_null(kind):
        return len(values) == 0
    if t.is_boolean(kind):
        return pc.all(pc.is_in(values, value_set=pa.array(TRUE + FALSE)), min_count=0).as_py()
    if (
        t.is_int64(kind)
        and not pc.all(pc.match_substring_regex(values, _INTEGER), min_count=0).as_py()
    ):
        return False
    if is_number(kind) and changed_by_numbers(values, kind):
        return False
    try:
        made = values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    if not t.is_floating(kind):
        return True
    texts = values.filter(pc.is_inf(made))
    return bool(pc.all(pc.match_substring_regex(texts, _INFINITE), min_count=0).as_py())


def changed_by_numbers(values: Any, kind: pa.DataType) -> bool:
    """Whether a number type would lose something of the texts."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if pc.any(pc.match_substring_regex(values, _ZEROS), min_count=0).as_py():
        return True
    if not t.is_floating(kind):
        return False
    long = values.filter(pc.match_substring_regex(values, _LONG))
    return len(long) > 0 and pc.max(pc.abs(long.cast(pa.float64()))).as_py() >= EXACT_FLOAT


def holds_large(batch: pa.RecordBatch) -> bool:
    """Whether a float column holds numbers that as text may have had more digits."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    floats = [column for column in batch.columns if t.is_floating(column.type)]
    return any(bool(pc.any(pc.greater_equal(pc.abs(c), EXACT_FLOAT)).as_py()) for c in floats)


def promote(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """Return the type that takes the values of both.

    >>> import pyarrow as pa
    >>> str(promote(pa.int64(), pa.float64())), str(promote(pa.int64(), pa.bool_()))
    ('double', 'string')
    """
    import pyarrow as pa
    import pyarrow.types as t

    if a.equals(b) or t.is_null(b):
        return a
    if t.is_null(a):
        return b
    if {a, b} == {pa.int64(), pa.float64()}:
        return pa.float64()
    if t.is_timestamp(a) and t.is_timestamp(b) and a.tz == b.tz:
        return pa.timestamp("us", a.tz)
    return pa.string()


class Widening:
    """The type of one column, adjusted while batches of its cells go by."""

    def __init__(self, start: pa.DataType, nulls: tuple[str, ...]):
        self.type = start
        self._nulls = nulls
        self._long_integers = False

    def add(self, cells: pa.Array) -> None:
        """Look at more cells."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.types as t

        if t.is_string(self.type):
            return
        values = _present(cells, self._nulls)
        if len(values) and not fits(values, self.type):
            before = self.type
            self.type = promote(before, infer(cells, self._nulls))
            if t.is_timestamp(self.type) and not fits(values, self.type):
                self.type = pa.string()
        if t.is_int64(self.type) and len(values):
            size = pc.max(pc.abs(values.cast(pa.float64()))).as_py()
            self._long_integers = self._long_integers or size >= EXACT_FLOAT
        if t.is_floating(self.type) and self._long_integers:
            self.type = pa.string()


def to_type(cells: pa.Array, kind: pa.DataType, nulls: tuple[str, ...]) -> pa.Array | str:
    """Turn cells into a number column, or return the first cell that would be changed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = pc.is_in(cells, value_set=pa.array(nulls, pa.string()))
    values = pc.utf8_trim(pc.if_else(missing, None, cells), " \t")
    if not fits(values.drop_null(), kind):
        return next(
            text for text in values.drop_null().to_pylist() if not fits(pa.array([text]), kind)
        )
    return values.cast(kind)
