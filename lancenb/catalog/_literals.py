"""Python values as typed SQL literals for a column of a given Arrow type.

Nothing is pasted: a number is printed from an ``int`` or ``float``, text is quoted with every quote
doubled, bytes become hexadecimal, times become whole counts of the column's unit.
"""

from __future__ import annotations

import datetime as dt
import math
import numbers
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from lancenb.errors import InvalidFilter

_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_UNIT = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}
_DAY = 86_400 * 10**9
_EPOCH = dt.datetime(1970, 1, 1)


def text_type(kind: pa.DataType) -> bool:
    """Whether the column holds text."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    return pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)


def list_type(kind: pa.DataType) -> bool:
    """Whether the column holds lists."""
    return pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)


def counted_type(kind: pa.DataType) -> bool:
    """Whether values of the column are whole numbers inside: integers, dates, times."""
    return pt.is_integer(kind) or pt.is_temporal(kind)


def quote(text: str) -> str:
    """Return ``text`` as an SQL string literal.

    >>> quote("o'x")
    "'o''x'"
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidFilter(f"the text {text!r} is not valid Unicode") from None
    return "'" + text.replace("'", "''") + "'"


def literal(value: Any, kind: pa.DataType, column: str) -> str:
    """Return ``value`` as SQL for columns that are not counted (see :func:`counted_type`).

    Raises:
        InvalidFilter: the value does not fit the column's type.
    """
    if pt.is_dictionary(kind):
        kind = kind.value_type
    if pt.is_boolean(kind):
        if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
            return "true" if value else "false"
    elif text_type(kind):
        if isinstance(value, str):
            return quote(value)
    elif pt.is_floating(kind):
        if isinstance(value, (numbers.Real, Decimal)) and not isinstance(value, bool):
            try:
                return float_literal(float(value), kind)
            except (OverflowError, ValueError):  # 10**400, a signalling NaN
                raise misfit(value, kind, column) from None
    elif pt.is_decimal(kind):
        return _decimal(value, kind, column)
    elif _binary(kind):
        if isinstance(value, (bytes, bytearray, memoryview)):
            hexed = f"X'{bytes(value).hex()}'"
            if pt.is_fixed_size_binary(kind):
                return f"arrow_cast({hexed}, 'FixedSizeBinary({kind.byte_width})')"
            return hexed
    else:
        raise InvalidFilter(
            f"column {column!r} of type {kind} cannot be compared",
            hint="use 'is' with None, 'contains' on lists, or filter on a field: 'column.field'",
        )
    raise misfit(value, kind, column)


def misfit(value: Any, kind: pa.DataType, column: str) -> InvalidFilter:
    """Return the error for a value that does not fit its column."""
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return InvalidFilter(
        f"the value {shown} ({type(value).__name__}) does not fit column {column!r} of type {kind}"
    )


def float_literal(value: float, kind: pa.DataType) -> str:
    """Return a float, rounded to the precision of the column."""
    import numpy as np

    width = {16: np.float16, 32: np.float32}.get(kind.bit_width)
    if width is not None:
        with np.errstate(over="ignore"):
            value = float(width(value))
    if math.isinf(value):
        return f"CAST('{'-' if value < 0 else ''}inf' AS DOUBLE)"
    return repr(value + 0.0)


def counted(value: Any, kind: pa.DataType, column: str) -> Fraction:
    """Return ``value`` in whole units of the column (integers: itself; times: its unit).

    Raises:
        InvalidFilter: the value is of another family (text for a number, ...).
    """
    if pt.is_integer(kind):
        if isinstance(value, bool) or not isinstance(value, (numbers.Real, Decimal)):
            raise misfit(value, kind, column)
        if isinstance(value, (Decimal, Fraction)):
            try:
                return Fraction(value)
            except (OverflowError, ValueError):  # an infinite Decimal, a NaN
                raise misfit(value, kind, column) from None
        return Fraction(int(value) if isinstance(value, numbers.Integral) else float(value))
    if isinstance(value, str):
        value = _parse(value, kind, column)
    if pt.is_date(kind) or pt.is_timestamp(kind):
        nanos = _instant_ns(value, getattr(kind, "tz", None), kind, column)
        if pt.is_date32(kind):
            return Fraction(nanos, _DAY)
        return Fraction(nanos, 10**6 if pt.is_date64(kind) else _NS[kind.unit])
    if pt.is_time(kind) and isinstance(value, dt.time) and value.tzinfo is None:
        micros = ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond
        return Fraction(micros * 1000, _NS[kind.unit])
    if pt.is_duration(kind) and isinstance(value, dt.timedelta):
        return Fraction(_delta_ns(value), _NS[kind.unit])
    raise misfit(value, kind, column)


def counted_range(kind: pa.DataType) -> tuple[int, int]:
    """Return the smallest and largest count that the column can hold."""
    bits = kind.bit_width
    if pt.is_unsigned_integer(kind):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def counted_literal(count: int, kind: pa.DataType) -> str:
    """Return a count within range as SQL of exactly the column's type."""
    if pt.is_integer(kind):
        # The smallest int64 is not a literal of its own: SQL reads a minus and a number too big.
        return f"arrow_cast('{count}', 'Int64')" if count == -(2**63) else str(count)
    inner = str(count) if count > -(2**63) else f"arrow_cast('{count}', 'Int64')"
    if kind.bit_width == 32:
        inner = f"arrow_cast({inner}, 'Int32')"
    return f"arrow_cast({inner}, {quote(_arrow_name(kind))})"


def _arrow_name(kind: pa.DataType) -> str:
    if pt.is_timestamp(kind):
        zone = f'Some("{kind.tz}")' if kind.tz else "None"
        return f"Timestamp({_UNIT[kind.unit]}, {zone})"
    if pt.is_date(kind):
        return "Date32" if pt.is_date32(kind) else "Date64"
    if pt.is_time(kind):
        return f"Time{kind.bit_width}({_UNIT[kind.unit]})"
    return f"Duration({_UNIT[kind.unit]})"


def _binary(kind: pa.DataType) -> bool:
    return (
        pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_fixed_size_binary(kind)
        or pt.is_binary_view(kind)
    )


def _decimal(value: Any, kind: pa.DataType, column: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise misfit(value, kind, column)
    try:
        exact = pa.scalar(Decimal(str(value))).cast(kind).as_py()
    except (pa.ArrowInvalid, TypeError, ArithmeticError):  # TypeError: an infinite Decimal
        raise misfit(value, kind, column) from None
    return f"CAST('{exact}' AS DECIMAL({kind.precision},{kind.scale}))"


def _parse(text: str, kind: pa.DataType, column: str) -> Any:
    try:
        if pt.is_time(kind):
            return dt.time.fromisoformat(text)
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise misfit(text, kind, column) from None


def _delta_ns(delta: dt.timedelta) -> int:
    exact = getattr(delta, "value", None)  # pandas.Timedelta counts nanoseconds
    if isinstance(exact, int):
        return exact
    return ((delta.days * 86_400 + delta.seconds) * 10**6 + delta.microseconds) * 1000


def _instant_ns(value: Any, zone: str | None, kind: pa.DataType, column: str) -> int:
    if type(value).__name__ == "datetime64":
        return int(value.astype("datetime64[ns]").astype("int64"))
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None and zone is None and pt.is_timestamp(kind):
            raise InvalidFilter(
                f"column {column!r} has no time zone, the value {value.isoformat()} has one",
                hint="compare with a datetime without tzinfo",
            )
        exact = getattr(value, "value", None)  # pandas.Timestamp counts nanoseconds
        if isinstance(exact, int):
            return exact
        if value.tzinfo is not None:
            value = value.astimezone(dt.UTC).replace(tzinfo=None)
        return _delta_ns(value - _EPOCH)
    if isinstance(value, dt.date):
        return (value - _EPOCH.date()).days * _DAY
    raise misfit(value, kind, column)
