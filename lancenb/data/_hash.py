"""Counter-based seeds: pure functions of (seed, epoch, row), whatever batch or process asks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..errors import InvalidArgument
from ._shown import shown

# Streams of numbers drawn from one (seed, epoch); the permutation of the rows is stream 0.
BATCH, ROW, BLOCKS, SOURCE = 1, 2, 3, 4
#: Bits of whole numbers of a position: Lance, torch and numpy take 64 with a sign.
BITS = 63
#: Bits of a seed: as many as numpy draws for one of its own.
SEED_BITS = 128


def whole(name: str, value: object, least: int, bits: int = BITS) -> int:
    """A checked whole number.

    Raises:
        InvalidArgument: it is none, smaller than ``least``, or has more than so many bits.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidArgument(f"{name} must be a whole number >= {least}, not {shown(value)}")
    if int(value).bit_length() > bits:
        raise InvalidArgument(f"{name} must be a whole number below 2**{bits}, not {shown(value)}")
    return int(value)


def generator(*keys: int) -> np.random.Generator:
    """A generator of its own for these whole numbers."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(keys)))


def row_seeds(seed: int, epoch: int, rows: Sequence[int] | np.ndarray) -> np.ndarray:
    """Seeds of the random transforms of single rows, the same in any batch, worker or rank.

    The counter hash of SplitMix (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", 2014) over the row number, keyed by seed and epoch.

    Args:
        seed: seed of the whole run, ``>= 0``.
        epoch: epoch number, ``>= 0``.
        rows: row numbers.

    Returns:
        uint64 array, one seed per row.

    Raises:
        InvalidArgument: a negative seed or epoch.

    >>> seeds = row_seeds(7, 0, [3, 4])
    >>> bool(row_seeds(7, 0, [4, 9])[0] == seeds[1])
    True
    """
    return _hashed(seed, epoch, ROW, np.asarray(rows, dtype=np.int64).reshape(-1))


def batch_seed(seed: int, epoch: int, place: int) -> int:
    """Seed (63 bits) of the batch that begins at ``place`` of the epoch's order."""
    return int(_hashed(seed, epoch, BATCH, np.asarray([place], dtype=np.int64))[0] >> np.uint64(1))


def _hashed(seed: int, epoch: int, stream: int, counters: np.ndarray) -> np.ndarray:
    first, second = _keys(whole("seed", seed, 0, SEED_BITS), whole("epoch", epoch, 0), stream)
    mixed = counters.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + first
    return _mix(_mix(mixed) ^ second)


@lru_cache(maxsize=256)
def _keys(seed: int, epoch: int, stream: int) -> tuple[np.uint64, np.uint64]:
    first, second = np.random.SeedSequence((seed, epoch, stream)).generate_state(2, np.uint64)
    return first, second


def _mix(words: np.ndarray) -> np.ndarray:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
