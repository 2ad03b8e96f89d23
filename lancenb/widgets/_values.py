"""Arrow values as Python objects, those included that Python cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def value_of(scalar: pa.Scalar) -> Any:
    """Return one value; a date outside Python's years 1 to 9999 becomes text.

    >>> import pyarrow as pa
    >>> value_of(pa.scalar(4)), value_of(pa.scalar(-(2**50), pa.timestamp("s")))
    (4, '-1125899906842624 as timestamp[s]')
    """
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        stored = getattr(scalar, "value", None)
        return f"{stored} as {scalar.type}" if isinstance(stored, int) else "not shown"


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column, see :func:`value_of`."""
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):
        return [value_of(scalar) for scalar in column]
