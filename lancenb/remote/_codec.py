"""Values of any type as JSON, and back to what they were.

Plain JSON data stays as it is. Within places of any type, what JSON lacks becomes an object with
one key that begins with ``$``: ``{"$bytes": "AAE="}``, for
instance, or ``{"$datetime": "2024-01-31T12:00:00+00:00"}``. What no server understands goes as its
type and looks, so that it is refused there in the words in which it is refused here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from lancenb.errors import InvalidArgument

_DEPTH = 60
_LOOKS = 1000
_DIGITS = 1000
_NUMBERS = "biufmM"


def dump_any(value: Any, depth: int = 0) -> Any:
    """Return any value as JSON data.

    >>> dump_any({"a": (1, float("nan"))})
    {'a': {'$tuple': [1, {'$float': 'nan'}]}}
    """
    if depth > _DEPTH:
        raise InvalidArgument("a value is nested too deeply to be sent")
    if value is None or isinstance(value, bool) or type(value) is int:
        return value
    if isinstance(value, str):
        return value if value.isascii() or _whole(value) else {"$text": _half(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: dump_any(item, depth + 1) for key, item in value.items()}
        pairs = [[dump_any(k, depth + 1), dump_any(v, depth + 1)] for k, v in value.items()]
        return {"$dict": pairs}
    if isinstance(value, list):
        return [dump_any(item, depth + 1) for item in value]
    for kind, tag, write in _WRITERS:
        if isinstance(value, kind):
            return {tag: write(value)}
    if isinstance(value, (tuple, set, frozenset)):
        tag = "$tuple" if isinstance(value, tuple) else "$set"
        return {tag: [dump_any(item, depth + 1) for item in value]}
    name = getattr(value, "name", None)
    if type(value).__name__.endswith("Artifact") and isinstance(name, str):
        return name
    if isinstance(value, Iterable) and getattr(value, "ndim", 1):  # a range, a generator, a Series
        return [dump_any(item, depth + 1) for item in value]
    return {"$other": [type(value).__name__, repr(value)[:_LOOKS]]}


def load_any(data: Any, depth: int = 0) -> Any:
    """Return the value that :func:`dump_any` wrote."""
    if depth > _DEPTH:
        raise InvalidArgument("a value is nested too deeply")
    if isinstance(data, list):
        return [load_any(item, depth + 1) for item in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        tag, inner = next(iter(data.items()))
        if tag.startswith("$"):
            return _load_tagged(tag, inner, depth)
    return {key: load_any(item, depth + 1) for key, item in data.items()}


def _load_tagged(tag: str, inner: Any, depth: int) -> Any:
    try:
        if tag == "$dict":
            return {load_any(k, depth + 1): load_any(v, depth + 1) for k, v in inner}
        if tag in ("$tuple", "$set"):
            items = [load_any(item, depth + 1) for item in inner]
            return tuple(items) if tag == "$tuple" else set(items)
        return _READERS[tag](inner)
    except InvalidArgument:
        raise
    except Exception:
        raise InvalidArgument(f"{tag} does not hold such a value: {inner!r:.60}") from None


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _half(text: str) -> str:
    """Return text with half a surrogate pair, which is to be refused where it is understood."""
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def _nanoseconds(value: Any) -> dict[str, Any]:
    return {"ns": int(value.value), "zone": None if value.tz is None else str(value.tz)}


def _pandas_stamp(inner: dict[str, Any]) -> Any:
    import pandas as pd

    stamp = pd.Timestamp(int(inner["ns"]))
    return stamp if inner["zone"] is None else stamp.tz_localize("UTC").tz_convert(inner["zone"])


def _moment(value: datetime) -> Any:
    zone = getattr(value.tzinfo, "key", None)
    if zone is None:
        return value.isoformat()
    # A place: its offset depends on the date, and the hour that comes twice has a fold.
    return {"at": value.replace(tzinfo=None).isoformat(), "zone": zone, "fold": value.fold}


def _read_moment(inner: Any) -> datetime:
    if isinstance(inner, str):
        return datetime.fromisoformat(inner)
    from zoneinfo import ZoneInfo

    local = datetime.fromisoformat(inner["at"])
    return local.replace(tzinfo=ZoneInfo(inner["zone"]), fold=int(inner["fold"]))


def _array(value: Any) -> list[Any]:
    shape = list(value.shape) if type(value).__name__ == "ndarray" else None  # None: one number
    return [value.dtype.str, shape, base64.b64encode(value.tobytes()).decode()]


def _read_array(inner: list[Any]) -> Any:
    import numpy as np

    kind, shape = np.dtype(str(inner[0])), inner[1]
    if kind.kind not in _NUMBERS:
        raise ValueError(kind)
    data = np.frombuffer(base64.b64decode(inner[2], validate=True), kind)
    return data[0] if shape is None else data.reshape([int(count) for count in shape])


def _read_decimal(text: str) -> Decimal:
    value = Decimal(text)
    # Written out, ``1e999999999`` would fill the memory.
    if value.is_finite() and max(abs(value.adjusted()), -int(value.as_tuple().exponent)) > _DIGITS:
        raise ValueError("exponent")
    return value


def _read_fraction(text: str) -> Fraction:
    if not set(text) <= set("-/0123456789"):  # ``1e999999999`` would be computed
        raise ValueError("fraction")
    return Fraction(text)


class Foreign:
    """What was something on the other side, and is nothing here but a name and looks."""

    def __init__(self, looks: str):
        self._looks = looks

    def __repr__(self) -> str:
        return self._looks


def _read_foreign(inner: list[Any]) -> Foreign:
    return type(str(inner[0])[:_LOOKS], (Foreign,), {})(str(inner[1]))


def _span(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


class _Stamp(type):
    def __instancecheck__(cls, value: Any) -> bool:
        return type(value).__name__ in ("Timestamp", "NaTType") and hasattr(value, "value")


class _AnyStamp(metaclass=_Stamp):
    """Stands for pandas' Timestamp without importing pandas."""


class _Array(type):
    def __instancecheck__(cls, value: Any) -> bool:
        kind = getattr(getattr(value, "dtype", None), "kind", "")
        return type(value).__module__ == "numpy" and kind in tuple(_NUMBERS)


class _AnyArray(metaclass=_Array):
    """Stands for NumPy's arrays and scalars of numbers and times."""


_WRITERS: list[tuple[Any, str, Callable[[Any], Any]]] = [
    ((bytes, bytearray, memoryview), "$bytes", lambda v: base64.b64encode(bytes(v)).decode()),
    (_AnyStamp, "$timestamp", _nanoseconds),
    (_AnyArray, "$numpy", _array),
    (datetime, "$datetime", _moment),
    (date, "$date", date.isoformat),
    (time, "$time", time.isoformat),
    (timedelta, "$timedelta", _span),
    (Decimal, "$decimal", str),
    (Fraction, "$fraction", str),
    (UUID, "$uuid", str),
]
_READERS: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$text": lambda text: base64.b64decode(text, validate=True).decode("utf-8", "surrogatepass"),
    "$bytes": lambda text: base64.b64decode(text, validate=True),
    "$timestamp": _pandas_stamp,
    "$numpy": _read_array,
    "$datetime": _read_moment,
    "$date": date.fromisoformat,
    "$time": time.fromisoformat,
    "$timedelta": lambda parts: timedelta(int(parts[0]), int(parts[1]), int(parts[2])),
    "$decimal": _read_decimal,
    "$fraction": _read_fraction,
    "$uuid": UUID,
    "$other": _read_foreign,
}
