"""Arrow values as small JSON cells for the table widget, exact where a person would copy them.

A cell is ``None`` (null), a text, or a dictionary: ``t`` what is shown, ``k`` how (``bin``,
``vec``, ``fold``, ``img``), ``n`` the whole length where ``t`` is only the head, ``s`` the heights
of a sparkline.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from ._format import count, size
from ._values import value_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Characters of one cell; the rest is shown in the detail pane.
CLIP = 160
_ITEMS, _DEPTH, _SPARK = 20, 4, 32
_UNITS = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}


def cells(column: pa.ChunkedArray | pa.Array, clip: int = CLIP) -> list[Any]:
    """Return the cells of a column, one per row.

    >>> import pyarrow as pa
    >>> cells(pa.chunked_array([["a", None, ""]])), cells(pa.array([2**60, -1]))
    (['a', None, ''], ['1152921504606846976', '-1'])
    """
    return [_cell(scalar, clip) for scalar in column]


def full(scalar: pa.Scalar) -> str:
    """Return one value whole, as text: nested values as indented JSON, bytes as hex.

    >>> import pyarrow as pa
    >>> full(pa.scalar(0.1, pa.float32())), full(pa.scalar(b"ab"))
    ('0.1', '61 62')
    """
    import pyarrow.types as pt

    scalar = plain(scalar)
    if not scalar.is_valid:
        return "null"
    kind = scalar.type
    if is_text(kind):
        return _text(scalar)
    if is_bytes(kind):
        return bytes(scalar.as_buffer()).hex(" ")
    if pt.is_nested(kind):
        value = _fold(scalar, None)
        flat = isinstance(value, list) and not any(isinstance(v, list | dict) for v in value)
        return json.dumps(value, ensure_ascii=False, indent=None if flat else 2)
    return exact(scalar)


def exact(scalar: pa.Scalar) -> str:
    """Return the exact text of a plain value: whole numbers, shortest floats, ISO times.

    >>> import pyarrow as pa
    >>> exact(pa.scalar(1.0)), exact(pa.scalar(1234, pa.duration("ms")))
    ('1.0', '1.234 s')
    """
    import pyarrow.types as pt

    kind = scalar.type
    if is_text(kind):
        return _text(scalar)
    if pt.is_boolean(kind):
        return "true" if scalar.as_py() else "false"
    if pt.is_float64(kind):
        return repr(scalar.as_py())
    if pt.is_floating(kind):
        return _short_float(scalar)
    if pt.is_decimal(kind):
        return format(scalar.as_py(), "f")
    if pt.is_duration(kind):
        return _duration(scalar.value, kind.unit)
    if pt.is_timestamp(kind) or pt.is_time(kind) or pt.is_date(kind):
        return _when(scalar)
    return str(value_of(scalar))


def is_vector(kind: pa.DataType) -> bool:
    """Tell whether values are vectors of numbers: lists of one fixed length."""
    import pyarrow.types as pt

    storage = getattr(kind, "storage_type", kind)
    return pt.is_fixed_size_list(storage) and (
        pt.is_floating(storage.value_type) or pt.is_integer(storage.value_type)
    )


def is_text(kind: pa.DataType) -> bool:
    """Tell whether values are text."""
    import pyarrow.types as pt

    return pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)


def is_bytes(kind: pa.DataType) -> bool:
    """Tell whether values are raw bytes."""
    import pyarrow.types as pt

    return (
        pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_fixed_size_binary(kind)
        or pt.is_binary_view(kind)
    )


def spark_of(scalar: pa.Scalar, points: int = _SPARK) -> list[float]:
    """Return heights between -1 and 1 that sketch a vector; empty where nothing is finite."""
    import numpy as np

    flat = np.asarray(plain(scalar).values.to_numpy(zero_copy_only=False), dtype=np.float64)
    finite = np.where(np.isfinite(flat), flat, 0.0)
    if finite.size > points:
        parts = np.array_split(finite, points)
        finite = np.array([part[np.abs(part).argmax()] for part in parts])
    top = float(np.abs(finite).max()) if finite.size else 0.0
    return [round(float(v) / top, 3) for v in finite] if top else []


def _cell(scalar: pa.Scalar, clip: int) -> Any:
    import pyarrow.types as pt

    scalar = plain(scalar)
    if not scalar.is_valid:
        return None
    kind = scalar.type
    if is_text(kind):
        text = _text(scalar)
        return text if len(text) <= clip else {"t": text[:clip], "n": len(text)}
    if is_bytes(kind):
        data = scalar.as_buffer()
        head = bytes(data[: min(8, data.size)]).hex(" ")
        return {"t": f"{size(data.size)}  {head}{' …' if data.size > 8 else ''}", "k": "bin"}
    if is_vector(kind):
        return _vector(scalar)
    if pt.is_nested(kind):
        text = json.dumps(_fold(scalar, _ITEMS), ensure_ascii=False)
        return {"t": text if len(text) <= clip else text[:clip] + "…", "k": "fold"}
    return exact(scalar)


def _vector(scalar: pa.Scalar) -> dict[str, Any]:
    values = scalar.values
    head = ", ".join(exact(v) if v.is_valid else "null" for v in values.slice(0, 3))
    more = ", …" if len(values) > 3 else ""
    return {"t": f"{count(len(values))}: {head}{more}", "k": "vec", "s": spark_of(scalar)}


def plain(scalar: pa.Scalar) -> pa.Scalar:
    """Look through dictionaries and extension types."""
    import pyarrow as pa

    while True:
        if isinstance(scalar, pa.DictionaryScalar):
            scalar = scalar.value if scalar.is_valid else pa.scalar(None, scalar.type.value_type)
        elif isinstance(scalar, pa.ExtensionScalar):
            scalar = scalar.value if scalar.is_valid else pa.scalar(None)
        else:
            return scalar


def _text(scalar: pa.Scalar) -> str:
    return bytes(scalar.as_buffer()).decode("utf-8", "replace")


def _fold(scalar: pa.Scalar, items: int | None, depth: int = 0) -> Any:
    """Return a nested value for JSON; ``items`` bounds every list, None takes all."""
    import pyarrow as pa

    scalar = plain(scalar)
    if not scalar.is_valid:
        return None
    if items is not None and depth > _DEPTH:
        return "…"
    if isinstance(scalar, pa.StructScalar):
        # By position: a struct may hold two fields of one name.
        return {
            scalar.type.field(i).name: _fold(scalar[i], items, depth + 1)
            for i in range(scalar.type.num_fields)
        }
    if isinstance(scalar, pa.ListScalar | pa.LargeListScalar | pa.FixedSizeListScalar):
        held = scalar.values
        shown = held if items is None else held.slice(0, items)
        out = [_fold(value, items, depth + 1) for value in shown]
        return [*out, f"… {count(len(held) - len(shown))} more"] if len(held) > len(shown) else out
    return _leaf(scalar, items)


def _leaf(scalar: pa.Scalar, items: int | None) -> Any:
    import pyarrow.types as pt

    kind = scalar.type
    if is_text(kind):
        text = _text(scalar)
        return text if items is None or len(text) <= CLIP else text[:CLIP] + "…"
    if is_bytes(kind):
        return f"{size(scalar.as_buffer().size)} of bytes"
    if pt.is_integer(kind) or pt.is_boolean(kind):
        return scalar.as_py()
    if pt.is_floating(kind):
        value = float(exact(scalar))
        return value if math.isfinite(value) else str(value)
    return exact(scalar)


def _short_float(scalar: pa.Scalar) -> str:
    """Return the shortest text that reads back as the same 16- or 32-bit number."""
    import numpy as np

    return str(np.dtype(scalar.type.to_pandas_dtype()).type(scalar.as_py()))


def _when(scalar: pa.Scalar) -> str:
    import pyarrow as pa

    try:
        text = scalar.cast(pa.string()).as_py()
    except (pa.ArrowException, OverflowError, ValueError):
        return str(value_of(scalar))
    if "out of range" in text:
        return str(value_of(scalar))
    whole, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789")
    digits = rest.removesuffix(zone).rstrip("0") if zone else rest.rstrip("0")
    return f"{whole}{'.' if digits else ''}{digits}{zone}".replace(" ", "T", 1)


def _duration(ticks: int, unit: str) -> str:
    per = _UNITS[unit]
    sign, ticks = ("-" if ticks < 0 else ""), abs(ticks)
    seconds, rest = divmod(ticks, per)
    part = f".{rest:0{len(str(per)) - 1}d}".rstrip("0") if rest else ""
    minutes, seconds = divmod(seconds, 60)
    if not minutes:
        return f"{sign}{seconds}{part} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    day = f"{count(days)} d " if days else ""
    return f"{sign}{day}{hours:02d}:{minutes:02d}:{seconds:02d}{part}"
