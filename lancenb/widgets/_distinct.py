"""How many different values a column holds, in one pass and little memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BITS = 12
_REGISTERS = 1 << _BITS
_ODD = 0x9E3779B97F4A7C15
#: Bytes of text hashed at once; every byte needs 16 bytes of scratch.
_CHUNK = 4 << 20


class Distinct:
    """Counts exactly up to ``limit`` values, then estimates (HyperLogLog, about 1.6 % off).

    >>> import pyarrow as pa
    >>> seen = Distinct(limit=3)
    >>> seen.add(pa.array([1, 2, 2])); seen.count()
    (2, True)
    """

    def __init__(self, limit: int = 100_000):
        import numpy as np

        self._limit = limit
        self._known: pa.Array | None = None
        self._exact = True
        self._registers = np.zeros(_REGISTERS, np.uint8)

    def add(self, values: pa.Array) -> None:
        """Take in values without nulls."""
        import pyarrow as pa

        unique = values.unique()
        self._note(hashes(unique))
        if not self._exact:
            return
        known = pa.concat_arrays([self._known, unique]).unique() if self._known else unique
        self._exact = len(known) <= self._limit
        self._known = known if self._exact else None

    def count(self) -> tuple[int, bool]:
        """Return the number of values and whether it is exact."""
        if self._exact:
            return len(self._known) if self._known is not None else 0, True
        return self._estimate(), False

    def _note(self, hashed: np.ndarray) -> None:
        import numpy as np

        place = (hashed >> np.uint64(64 - _BITS)).astype(np.intp)
        rest = hashed & np.uint64((1 << (64 - _BITS)) - 1)
        # The exponent of a float is the place of the highest bit.
        rank = (64 - _BITS + 1 - np.frexp(rest.astype(np.float64))[1]).astype(np.uint8)
        np.maximum.at(self._registers, place, rank)

    def _estimate(self) -> int:
        import numpy as np

        registers = self._registers.astype(np.float64)
        raw = 0.7213 / (1 + 1.079 / _REGISTERS) * _REGISTERS**2 / np.exp2(-registers).sum()
        empty = int((self._registers == 0).sum())
        if raw <= 2.5 * _REGISTERS and empty:
            raw = _REGISTERS * math.log(_REGISTERS / empty)
        return max(round(raw), self._limit + 1)


def hashes(values: pa.Array) -> np.ndarray:
    """Return one 64-bit hash per value, for numbers, times, decimals and text."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as pt

    kind = values.type
    if pt.is_boolean(kind):
        values, kind = values.cast(pa.int8()), pa.int8()
    if pt.is_string(kind) or pt.is_binary(kind) or pt.is_string_view(kind):
        return _text_hashes(values.cast(pa.large_binary()))
    if pt.is_large_string(kind) or pt.is_large_binary(kind):
        return _text_hashes(values.cast(pa.large_binary()))
    if pt.is_decimal(kind):
        return _text_hashes(values.cast(pa.large_string()).cast(pa.large_binary()))
    width = kind.bit_width // 8
    raw = np.frombuffer(values.buffers()[1], f"u{width}", len(values), values.offset * width)
    return _mix(raw.astype(np.uint64))


def _text_hashes(values: Any) -> np.ndarray:
    """Hash every text as a polynomial of its bytes, all texts of a chunk at once."""
    import numpy as np

    offsets = np.frombuffer(values.buffers()[1], np.int64, len(values) + 1, values.offset * 8)
    data = values.buffers()[2]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    out = np.empty(len(values), np.uint64)
    start = 0
    while start < len(values):
        stop = int(np.searchsorted(offsets, offsets[start] + _CHUNK, "right")) - 1
        stop = min(max(stop, start + 1), len(values))
        ends = (offsets[start : stop + 1] - offsets[start]).astype(np.intp)
        part = raw[int(offsets[start]) : int(offsets[start]) + int(ends[-1])]
        out[start:stop] = _polynomials(part, ends)
        start = stop
    return out


def _polynomials(part: np.ndarray, ends: np.ndarray) -> np.ndarray:
    import numpy as np

    powers, inverse = _powers(len(part))
    sums = np.zeros(len(part) + 1, np.uint64)
    np.cumsum((part.astype(np.uint64) + np.uint64(1)) * powers, out=sums[1:])
    # Divided by the power at its beginning, a text hashes the same wherever it stands.
    shifted = (sums[ends[1:]] - sums[ends[:-1]]) * inverse[ends[:-1]]
    return _mix(shifted + np.diff(ends).astype(np.uint64) * np.uint64(_ODD))


def _powers(length: int) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    out = []
    for base in (_ODD, pow(_ODD, -1, 1 << 64)):
        steps = np.full(length + 1, base, np.uint64)
        steps[0] = 1
        out.append(np.multiply.accumulate(steps))
    return out[0][:-1], out[1]


def _mix(values: np.ndarray) -> np.ndarray:
    """Spread the bits (the finisher of SplitMix64)."""
    import numpy as np

    z = values + np.uint64(_ODD)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
