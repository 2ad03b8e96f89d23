"""What a saved position belongs to."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ._shown import shown


def fingerprint(dataset: Any) -> dict[str, Any]:
    """What is read, as far as it can be told: name and version of a table, and which rows of it."""
    if hasattr(dataset, "fingerprint"):
        return dataset.fingerprint()
    uri, rows = getattr(dataset, "uri", None), getattr(dataset, "rows", None)
    found: dict[str, Any] = {"name": type(dataset).__name__, "version": None, "subset": None}
    if isinstance(uri, str):
        found["name"] = uri.rstrip("/").rsplit("/", 1)[-1]
        found["version"] = int(dataset.version)
    if isinstance(rows, np.ndarray):
        found["subset"] = zlib.crc32(np.ascontiguousarray(rows).tobytes())
    return found


def check_same_data(then: Any, now: dict[str, Any]) -> None:
    """Refuse a position that was saved for other data.

    Raises:
        InvalidArgument: it was, or for another version of them.
    """
    if then is None or _same(then, now):  # None: a position saved by an EpochBatches
        return
    if not isinstance(then, Mapping):
        raise InvalidArgument(f"this is no position of a loader: data={shown(then, 80)}")
    for key, value in now.items():
        if not _same(then.get(key), value):
            raise InvalidArgument(
                f"the position was saved for {key} {shown(then.get(key), 80)} of the data,"
                f" and this loader reads {key} {shown(value, 80)}",
                hint="open the table with version= and filter= of then",
            )


def _same(then: Any, now: Any) -> bool:
    try:
        return bool(then == now)
    except ValueError:  # an array among it, which no fingerprint has
        return False
