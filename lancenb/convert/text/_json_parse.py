"""Small judgements about JSON text and values."""

from __future__ import annotations

import json
from typing import Any

from ._json_types import Shape, join, shape_of


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


def refuse_constant(text: str) -> Any:
    """Raise for NaN and Infinity, which are not JSON."""
    raise ValueError(f"the constant {text} is not JSON")
