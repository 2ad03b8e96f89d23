"""Sets of whole numbers as ranges: a selection of a million rows travels as one pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import InvalidArgument


def joined(ranges: Iterable[Sequence[Any]], stop: int) -> list[list[int]]:
    """Return ranges ``[first, last]`` below ``stop``, ordered, neighbours and overlaps joined.

    >>> joined([[7, 9], [0, 2], [3, 3], [8, 40]], 20)
    [[0, 3], [7, 19]]
    """
    out: list[list[int]] = []
    pairs = ((max(0, int(a)), min(int(b), stop - 1)) for a, b in ranges)
    for first, last in sorted(pair for pair in pairs if pair[0] <= pair[1]):
        if out and first <= out[-1][1] + 1:
            out[-1][1] = max(out[-1][1], last)
        else:
            out.append([first, last])
    return out


def members(ranges: Iterable[Sequence[int]]) -> list[int]:
    """Return the numbers of ordered ranges.

    >>> members([[0, 2], [7, 7]])
    [0, 1, 2, 7]
    """
    return [number for first, last in ranges for number in range(first, last + 1)]


def size_of(ranges: Iterable[Sequence[int]]) -> int:
    """Return how many numbers there are.

    >>> size_of([[0, 2], [7, 7]])
    4
    """
    return sum(last - first + 1 for first, last in ranges)


def row_of(value: Any) -> int:
    """Return a row number that people gave.

    >>> row_of(3)
    3
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidArgument(f"{value!r} is no row", hint="rows are counted from 0")
    return int(value)
