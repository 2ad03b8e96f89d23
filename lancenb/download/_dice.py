"""Random numbers that are the same on every platform and for ever (SplitMix64 by counter).

Each value depends only on (seed, split, row, position), so any row can be drawn alone and batches
of any size give the same rows. NumPy's generators promise no such stability between releases.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)

Words = np.ndarray[Any, np.dtype[np.uint64]]


def mix(words: Words) -> Words:
    """Scramble 64-bit words (the finaliser of SplitMix64)."""
    words = (words ^ (words >> np.uint64(30))) * _MIX1
    words = (words ^ (words >> np.uint64(27))) * _MIX2
    return words ^ (words >> np.uint64(31))


class Dice:
    """Independent streams for the rows ``start .. stop-1`` of one split.

    Args:
        seed: any non-negative integer below 2**63.
        split: number of the split.
        start: first row.
        stop: one past the last row.

    >>> Dice(0, 0, 5, 6).below(0, 100).tolist() == Dice(0, 0, 4, 7).below(0, 100)[1:2].tolist()
    True
    """

    def __init__(self, seed: int, split: int, start: int, stop: int):
        base = mix(np.array([seed], np.uint64) + _GOLDEN)
        base = mix(base ^ (np.array([split + 1], np.uint64) * _MIX2))
        rows = np.arange(start, stop, dtype=np.uint64)
        self._keys = mix(base + (rows + np.uint64(1)) * _GOLDEN)

    def words(self, first: int, count: int) -> Words:
        """Return the words ``first .. first+count-1`` of every row: ``[rows, count]``."""
        steps = np.arange(first + 1, first + count + 1, dtype=np.uint64) * _GOLDEN
        return mix(self._keys[:, None] + steps[None, :])

    def below(self, position: int, bound: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return one integer in ``0 .. bound-1`` per row, from the word at ``position``."""
        return (self.words(position, 1)[:, 0] >> np.uint64(11)).astype(np.int64) % bound

    def between(self, position: int, low: int, high: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return one integer in ``low .. high`` (inclusive) per row."""
        return low + self.below(position, high - low + 1)

    def bytes(self, first: int, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return ``count`` bytes per row from the words at ``first`` onwards: ``[rows, count]``."""
        words = self.words(first, -(-count // 8)).astype("<u8")
        return words.view(np.uint8).reshape(len(self._keys), -1)[:, :count]
