"""Small judgements about JSON text and values."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ._json_types import Shape, join, shape_of

_NULLS = (b":null", b": null", b",null", b", null", b"[null")
_CONSTANT = re.compile(rb"[:,\[]\s*-?(?:NaN|Inf(?:inity)?)\s*[,\]}]")
_LARGE = re.compile(rb"[0-9][eE]\+?[0-9]{3}|[0-9]{300}")


def misfit(target: Shape, value: Any, path: str = "") -> str | None:
    """Return the path of the first part of ``value`` that is not of a settled type."""
    if value is None or target == "json":
        return None
    if isinstance(target, tuple) and target[0] == "struct" and isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key}" if path else key
            if key not in target[1]:
                return below
            if (wrong := misfit(target[1][key], item, below)) is not None:
                return wrong
        return None
    if isinstance(target, tuple) and target[0] == "list" and isinstance(value, list):
        wrongs = (misfit(target[1], item, path) for item in value)
        return next((wrong for wrong in wrongs if wrong is not None), None)
    shape = shape_of(value)
    fits = (
        not isinstance(target, tuple)
        and not isinstance(shape, tuple)
        and join(target, shape) == target
    )
    return None if fits else path or "value"


def is_record(shape: Shape) -> bool:
    """Whether values of this type are objects, whose keys are columns."""
    return isinstance(shape, tuple) and shape[0] == "struct"


def is_row_count(rows: int, data: bytes) -> bool:
    """Whether ``data`` has this many lines that are not blank."""
    import numpy as np

    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
    lines = len(ends) + (not data.endswith(b"\n"))
    # Ends of line one or two bytes apart are what blank lines look like.
    if rows == lines and not bool((np.diff(ends, prepend=-1) <= 2).any()):
        return True
    return rows == sum(1 for line in data.split(b"\n") if line.strip(b" \t\r"))


def is_lines(text: bytes) -> bool:
    """Whether a file that starts with an object holds one value per line, two lines at least."""
    lines = [line for line in text.split(b"\n")[:3] if line.strip()]
    if len(lines) < 2:
        return False
    try:
        return (
            all(isinstance(json.loads(line), dict) for line in lines[:1])
            and lines[1].lstrip()[:1] == b"{"
        )
    except ValueError:
        return False


def safe_for_arrow(data: bytes) -> bool:
    """Whether Arrow's parser may see these rows.

    It takes NaN and Infinity for numbers, and a row that is just ``null`` crashes the process;
    every null has to stand where a value of an object or a list does.
    """
    total = data.count(b"null")
    if total and total != sum(map(data.count, _NULLS)):
        return False
    return (b"NaN" not in data and b"Inf" not in data) or _CONSTANT.search(data) is None


def is_finite(column: Any) -> bool:
    """Whether an Arrow column, lists and structs included, holds no infinite number."""
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_floating(column.type):
        return not pc.any(pc.is_inf(column)).as_py()
    if t.is_list(column.type):
        return is_finite(pc.list_flatten(column))
    if t.is_struct(column.type):
        return all(is_finite(pc.struct_field(column, i)) for i in range(column.type.num_fields))
    return True


def finite_float(text: str) -> float:
    """Return the number, unless it is too large for a float64."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large for a float64")
    return value


def may_overflow(data: bytes) -> bool:
    """Whether some number could be too large for a float64."""
    return _LARGE.search(data) is not None


def refuse_constant(text: str) -> Any:
    """Raise for NaN and Infinity, which are not JSON."""
    raise ValueError(f"the constant {text} is not JSON")
