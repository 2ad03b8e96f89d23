"""A share of a source: neighbouring files, of about as many bytes as in the other shares."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

ALL = slice(None)


@dataclass(frozen=True)
class Share:
    """The ``index``-th of ``count`` shares."""

    index: int
    count: int

    def span(self, sizes: Sequence[int]) -> slice:
        """Return which of the files with these sizes in bytes belong to this share.

        >>> [Share(i, 2).span([1, 1, 2]) for i in range(2)]
        [slice(0, 2, None), slice(2, 3, None)]
        """
        weights = [size + 1 for size in sizes]
        ends = list(accumulate(weights))
        owners = [  # the share that the middle of a file falls into
            (2 * end - weight) * self.count // (2 * ends[-1])
            for end, weight in zip(ends, weights, strict=True)
        ]
        return slice(bisect_left(owners, self.index), bisect_right(owners, self.index))
