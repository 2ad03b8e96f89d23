"""One growing series of numbers, and the few of its points that are worth drawing.

A series of a million points has more points than a screen has pixels. :meth:`Series.sample` keeps,
of each bucket of neighbouring points, the first, the lowest, the highest and the last one, so that
every peak stays where it is. Whole blocks of points are summed up once, when they are complete:
sampling a long series again costs what is new, not what is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Points of a block that is summed up once.
BLOCK = 64
#: Points that a sample has at most (short series are sampled whole).
LIMIT = 2000
#: A bucket gives at most five points: first, lowest, highest, last, first that is no number.
BUCKETS = LIMIT // 5

STEP, EPOCH, TIME, VALUE = range(4)
AXES = {"step": STEP, "epoch": EPOCH, "time": TIME}
_LOW, _HIGH, _BAD, _SUM, _COUNT = range(5)


@dataclass(frozen=True)
class Sample:
    """What is drawn of a series.

    Attributes:
        x: positions of the points kept, float64.
        y: their values, NaN where there is no finite number.
        total: points of the series in the range asked for.
        bands: ``(4, m)``: middle, mean, lowest and highest of each bucket; empty when all points
            are kept.
    """

    x: np.ndarray
    y: np.ndarray
    total: int
    bands: np.ndarray


class Series:
    """Values over step, epoch and time, in arrays that grow.

    >>> series = Series()
    >>> for step in range(3):
    ...     series.append(step, 0.0, 0.1 * step, step * step)
    >>> series.values.tolist()
    [0.0, 1.0, 4.0]
    """

    def __init__(self) -> None:
        self._columns = np.empty((4, BLOCK))
        self._blocks = np.empty((5, 16))
        self._whole = 0
        self._rising = True
        self._last = -np.inf
        self.size = 0

    def append(self, step: float, epoch: float, seconds: float, value: float) -> None:
        """Add one point; steps out of order are put right when the series is sampled."""
        at = self.size
        columns = self._columns
        if at == columns.shape[1]:
            columns = self._columns = _grown(columns, 2 * at)
        columns[STEP, at] = step
        columns[EPOCH, at] = epoch
        columns[TIME, at] = seconds
        columns[VALUE, at] = value
        self.size = at + 1
        if step < self._last:
            self._rising = False
        else:
            self._last = step

    def extend(
        self, steps: np.ndarray, epochs: np.ndarray, seconds: np.ndarray, values: np.ndarray
    ) -> None:
        """Add many points at once."""
        added = len(values)
        if not added:
            return
        need = self.size + added
        if need > self._columns.shape[1]:
            self._columns = _grown(self._columns, max(need, 2 * self._columns.shape[1]))
        for row, column in enumerate((steps, epochs, seconds, values)):
            self._columns[row, self.size : need] = column
        if steps[0] < self._last or bool((np.diff(steps) < 0).any()):
            self._rising = False
        self._last = max(self._last, float(steps.max()))
        self.size = need

    def tidy(self) -> None:
        """Sort if needed and sum up the blocks that became complete."""
        if not self._rising:
            view = self._columns[:, : self.size]
            view[:] = view[:, np.argsort(view[STEP], kind="stable")]
            self._whole, self._rising = 0, True
        whole = self.size // BLOCK
        if whole == self._whole:
            return
        if whole > self._blocks.shape[1]:
            self._blocks = _grown(self._blocks, max(whole, 2 * self._blocks.shape[1]))
        start = self._whole * BLOCK
        fresh = self.values[start : whole * BLOCK].reshape(-1, BLOCK)
        self._blocks[:, self._whole : whole] = _summed(fresh, start)
        self._whole = whole

    def column(self, axis: str) -> np.ndarray:
        """Return the positions on an axis: ``"step"``, ``"epoch"`` or ``"time"``."""
        return self._columns[AXES[axis], : self.size]

    @property
    def values(self) -> np.ndarray:
        """All values so far."""
        return self._columns[VALUE, : self.size]

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self._columns.nbytes + self._blocks.nbytes

    def trouble(self) -> tuple[int, int] | None:
        """Index of the first point that is no finite number, and how many there are."""
        self.tidy()
        bad = self._blocks[_BAD, : self._whole]
        tail = ~np.isfinite(self.values[self._whole * BLOCK :])
        missing = int(self._whole * BLOCK - self._blocks[_COUNT, : self._whole].sum() + tail.sum())
        if not missing:
            return None
        found = bad[bad >= 0]
        first = int(found[0]) if len(found) else self._whole * BLOCK + int(tail.argmax())
        return first, missing

    def sample(
        self,
        axis: str = "step",
        low: float | None = None,
        high: float | None = None,
        buckets: int = BUCKETS,
    ) -> Sample:
        """Return what is worth drawing between two positions of an axis.

        Args:
            axis: ``"step"``, ``"epoch"`` or ``"time"``.
            low: start of the range; ``None`` for the beginning.
            high: end of the range; ``None`` for the end.
            buckets: at most five points and one band are kept per bucket.
        """
        self.tidy()
        x = self.column(axis)
        begin, end = self._span(x, low, high)
        total = end - begin
        if total <= 5 * buckets:
            keep, bands = np.arange(begin, end), np.empty((4, 0))
        else:
            width = 1 << int(np.ceil(np.log2(total / buckets)))
            keep, bands = self._thin(x, begin // width * width, end, width)
        y = self.values[keep]
        return Sample(x[keep].copy(), np.where(np.isfinite(y), y, np.nan), total, bands)

    def _span(self, x: np.ndarray, low: float | None, high: float | None) -> tuple[int, int]:
        """First index and end of a range, one point wider on both sides so that lines go on."""
        if low is None and high is None:
            return 0, self.size
        rising = np.maximum.accumulate(np.nan_to_num(x, nan=-np.inf))
        begin = 0 if low is None else int(np.searchsorted(rising, low)) - 1
        end = self.size if high is None else int(np.searchsorted(rising, high, "right")) + 1
        return max(0, begin), max(0, min(self.size, end))

    def _thin(
        self, x: np.ndarray, begin: int, end: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points and bands of buckets of ``width`` points (a power of two) from ``begin`` on."""
        full = (end - begin) // width
        stop = begin + full * width
        if width >= BLOCK and stop <= self._whole * BLOCK:
            ready = self._blocks[:, begin // BLOCK : stop // BLOCK]
            summed = _merged(ready, self.values, width // BLOCK)
        else:
            summed = _summed(self.values[begin:stop].reshape(-1, width), begin)
        starts = np.arange(begin, stop, width)
        lasts = starts + width - 1
        if stop < end:
            rest = _summed(self.values[stop:end].reshape(1, -1), stop)
            summed = np.concatenate([summed, rest], axis=1)
            starts, lasts = np.append(starts, stop), np.append(lasts, end - 1)
        marks = np.concatenate(
            [starts, lasts, summed[[_LOW, _HIGH, _BAD]].ravel().astype(np.int64)]
        )
        keep = np.unique(marks[marks >= 0])
        with np.errstate(invalid="ignore"):
            mean = np.where(
                summed[_COUNT] > 0, summed[_SUM] / np.maximum(1, summed[_COUNT]), np.nan
            )
        low, high = (_at(self.values, summed[row]) for row in (_LOW, _HIGH))
        return keep, np.stack([(x[starts] + x[lasts]) / 2, mean, low, high])


def _grown(array: np.ndarray, capacity: int) -> np.ndarray:
    wide = np.empty((array.shape[0], capacity))
    wide[:, : array.shape[1]] = array
    return wide


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    found = values[np.maximum(places, 0).astype(np.int64)]
    return np.where(places >= 0, found, np.nan)


def _summed(rows: np.ndarray, start: int) -> np.ndarray:
    """Per row: places of lowest, highest and first bad value (-1: none), sum and count."""
    width = rows.shape[1]
    finite = np.isfinite(rows)
    count = finite.sum(axis=1)
    places = start + width * np.arange(len(rows))
    some, bad = count > 0, count < width
    low = np.where(some, places + np.where(finite, rows, np.inf).argmin(axis=1), -1)
    high = np.where(some, places + np.where(finite, rows, -np.inf).argmax(axis=1), -1)
    first = np.where(bad, places + (~finite).argmax(axis=1), -1)
    return np.stack([low, high, first, np.where(finite, rows, 0.0).sum(axis=1), count])


def _merged(blocks: np.ndarray, values: np.ndarray, group: int) -> np.ndarray:
    """Join the figures of each ``group`` of neighbouring blocks."""
    if group == 1:
        return blocks
    parts = blocks.reshape(5, -1, group)
    row = np.arange(parts.shape[1])
    low, high = (_at(values, parts[which]) for which in (_LOW, _HIGH))
    lowest = np.where(np.isnan(low), np.inf, low).argmin(axis=1)
    highest = np.where(np.isnan(high), -np.inf, high).argmax(axis=1)
    first = (parts[_BAD] >= 0).argmax(axis=1)
    return np.stack(
        [
            parts[_LOW, row, lowest],
            parts[_HIGH, row, highest],
            parts[_BAD, row, first],
            parts[_SUM].sum(axis=1),
            parts[_COUNT].sum(axis=1),
        ]
    )
