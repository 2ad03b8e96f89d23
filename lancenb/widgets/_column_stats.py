"""Figures per column in one pass over Arrow batches: nulls, distinct values, range, histogram."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ._distinct import Distinct
from ._format import cell, number
from ._table import _is_cheap, _is_number
from ._table_cells import exact
from ._values import value_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from lancenb.progress import CancelToken, Progress

#: Bars kept while counting (their width doubles as values outside arrive) and bars drawn.
_FINE, BARS = 256, 24
#: Most frequent values are known while a column has at most so many different ones.
_TALLY, _TOP = 2_000, 5


def measurable(kind: pa.DataType) -> bool:
    """Tell whether figures of such a column are cheap: no payloads, nothing nested."""
    return _is_cheap(kind)


class Bins:
    """A histogram whose range grows with the values: counts stay exact, bars get wider."""

    def __init__(self) -> None:
        self.counts: np.ndarray | None = None
        self.low = self.width = self.step = 0.0
        self.ends = (math.inf, -math.inf)

    def add(self, values: np.ndarray, step: float = 0.0) -> None:
        """Count finite values; ``step`` is the least width of a bar (1 for whole numbers)."""
        import numpy as np

        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self.step, self.ends = step, (min(self.ends[0], low), max(self.ends[1], high))
        if self.counts is None:
            self._begin(low, high, step)
        if not self._reach(low, high) or self.counts is None:
            self.counts, self.width = np.zeros(0, np.int64), 0.0
            return
        place = ((values - self.low) / self.width).astype(np.intp).clip(0, _FINE - 1)
        self.counts += np.bincount(place, minlength=_FINE)

    def _begin(self, low: float, high: float, step: float) -> None:
        import numpy as np

        spread = max((high - low) / _FINE, step, 8 * float(np.spacing(max(abs(low), abs(high)))))
        # A hair wider, so that the largest value falls into the last bar and not behind it.
        self.low, self.width = low, spread if step else spread * (1 + 1e-9)
        self.counts = np.zeros(_FINE, np.int64)

    def _reach(self, low: float, high: float) -> bool:
        """Widen until ``low`` and ``high`` fit; False where floating point cannot."""
        import numpy as np

        assert self.counts is not None
        while self.width and math.isfinite(self.width):
            up = high >= self.low + self.width * _FINE
            if not up and low >= self.low:
                return True
            halves = self.counts.reshape(-1, 2).sum(axis=1)
            blank = np.zeros(_FINE // 2, np.int64)
            if not up:
                self.low -= self.width * _FINE
            self.counts = np.concatenate([halves, blank] if up else [blank, halves])
            self.width *= 2
        return False

    def bars(self) -> tuple[list[int], float, float]:
        """Return at most :data:`BARS` counts with the range they span."""
        import numpy as np

        if self.counts is None or not self.counts.any():
            return [], 0.0, 0.0
        used = np.flatnonzero(self.counts)
        first, last = int(used[0]), int(used[-1]) + 1
        edges = self.low + np.arange(first, last + 1) * self.width
        if self.step and self.width == self.step:
            # Whole numbers: every bar holds equally many of them.
            most = last - first
            group = min(range(-(-most // BARS), most // 10 + 2), key=lambda g: -most % g)
            part = np.r_[self.counts[first:last], np.zeros(-most % group, np.int64)]
            return part.reshape(-1, group).sum(axis=1).tolist(), edges[0], edges[-1]
        if last - first <= BARS:
            return self.counts[first:last].tolist(), edges[0], edges[-1]
        # Bars of equal width over what is used: a narrow bar shares its count by its parts.
        edges[0], edges[-1] = max(edges[0], self.ends[0]), min(edges[-1], self.ends[1] + self.step)
        cuts = np.linspace(edges[0], edges[-1], BARS + 1)
        below = np.interp(cuts, edges, np.r_[0, np.cumsum(self.counts[first:last])])
        return np.diff(np.round(below)).astype(int).tolist(), edges[0], edges[-1]


class ColumnStats:
    """Figures of one column, batch by batch.

    >>> import pyarrow as pa
    >>> seen = ColumnStats(pa.field("n", pa.int64()))
    >>> seen.add(pa.array([3, None, 1])); facts = seen.facts()
    >>> facts["nulls"], facts["distinct"], facts["min"], facts["max"], facts["mean"]
    (1, 2, '1', '3', '2')
    """

    def __init__(self, field: pa.Field):
        import pyarrow.types as pt

        kind = field.type.value_type if pt.is_dictionary(field.type) else field.type
        self.field, self.kind = field, kind
        self.role = "number" if _is_number(kind) else "time"
        if pt.is_boolean(kind):
            self.role = "bool"
        elif pt.is_string(kind) or pt.is_large_string(kind):
            self.role = "text"
        self.rows = self.nulls = self.not_finite = self.true = self.words = 0
        self._low: pa.Scalar | None = None
        self._high: pa.Scalar | None = None
        self._sum, self._finite = 0.0, 0
        self._distinct, self._bins = Distinct(), Bins()
        self._tally: Counter[Any] | None = Counter()

    def add(self, values: pa.Array) -> None:
        """Take in one batch."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self.rows += len(values)
        if pa.types.is_dictionary(values.type):
            values = values.cast(self.kind)
        self.nulls += values.null_count
        present = values.drop_null()
        if not len(present):
            return
        if self.role == "bool":
            self.true += pc.sum(present).as_py() or 0
            return
        self._distinct.add(present)
        self._count_values(present)
        if self.role == "text":
            lengths = pc.utf8_length(present)
            self.words += pc.sum(pc.count_substring_regex(present, r"\S+")).as_py() or 0
            self._measure(lengths.to_numpy(zero_copy_only=False), 1.0)
            self._widen(lengths)
        elif self.role == "number":
            self._numbers(present)
        else:
            ticks = _ticks(present)
            self._measure(ticks.to_numpy(zero_copy_only=False).astype("float64"), 1.0)
            self._widen(ticks)

    def _numbers(self, present: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_floating(self.kind):
            if pa.types.is_float16(self.kind):
                present = present.cast(pa.float32())
            present = present.filter(pc.is_finite(present))
            self._measure(present.to_numpy(zero_copy_only=False).astype("float64"))
        elif pa.types.is_decimal(self.kind):
            self._measure(present.cast(pa.float64()).to_numpy(zero_copy_only=False))
        else:
            self._measure(present.to_numpy(zero_copy_only=False).astype("float64"), 1.0)
        self._widen(present)

    def _measure(self, values: np.ndarray, step: float = 0.0) -> None:
        self._sum += float(values.sum())
        self._finite += values.size
        self._bins.add(values, step)

    def _widen(self, present: pa.Array) -> None:
        import pyarrow.compute as pc

        if not len(present):
            return
        ends = pc.min_max(present)
        low, high = ends["min"], ends["max"]
        self._low = low if self._low is None or pc.less(low, self._low).as_py() else self._low
        higher = self._high is None or pc.greater(high, self._high).as_py()
        self._high = high if higher else self._high

    def _count_values(self, present: pa.Array) -> None:
        if self._tally is None:
            return
        found = present.value_counts()
        if len(found) > _TALLY:
            self._tally = None
            return
        for value, times in zip(found.field("values"), found.field("counts"), strict=True):
            self._tally[value] += times.as_py()
        if len(self._tally) > _TALLY:
            self._tally = None

    def facts(self) -> dict[str, Any]:
        """Return the figures so far, ready for JSON."""
        known = self.rows - self.nulls
        distinct, sure = self._distinct.count()
        distinct = min(distinct, known)
        facts: dict[str, Any] = {
            "role": self.role, "rows": self.rows, "nulls": self.nulls, "distinct": distinct,
            "approx": not sure, "bars": [], "ends": [], "top": self._top(),
        }  # fmt: skip
        if self.role == "bool":
            facts.update(distinct=(self.true > 0) + (self.true < known) if known else 0)
            facts.update(true=self.true, known=known)
            return facts
        if self.role == "number" and known > self._finite:
            facts["odd"] = known - self._finite
        if self._low is not None and self._high is not None:
            facts.update(min=self._said(self._low), max=self._said(self._high))
        mean = self._sum / self._finite if self._finite else None
        if mean is not None and self.role != "time":
            facts["mean"] = f"{mean:.6g}"
        if self.role == "text" and known:
            facts["words"] = number(self.words / known)
        bars, low, high = self._bins.bars()
        if len(bars) > 1:
            facts.update(bars=bars, ends=[float(low), float(high)])
        return facts

    def _said(self, end: pa.Scalar) -> str:
        import pyarrow as pa

        return exact(
            pa.scalar(end.as_py(), end.type).cast(self.kind) if self.role == "time" else end
        )

    def _top(self) -> list[tuple[str, int]]:
        if not self._tally or self._tally.most_common(1)[0][1] < 2:
            return []
        common = self._tally.most_common(_TOP)
        return [(cell(value_of(value), 40), times) for value, times in common if times > 1]


def _ticks(present: pa.Array) -> pa.Array:
    import pyarrow as pa

    return present.view(pa.int32() if present.type.bit_width == 32 else pa.int64())


def measure(
    batches: Iterable[pa.RecordBatch],
    fields: Sequence[pa.Field],
    total: int,
    *,
    progress: Any = None,
    cancel: CancelToken | None = None,
    tell: Any = None,
) -> dict[str, dict[str, Any]]:
    """Return the figures of ``fields`` over ``batches``, by column name.

    Args:
        batches: Arrow batches that hold the columns.
        fields: the columns to measure.
        total: rows expected.
        progress: callback of a :class:`~lancenb.Job`.
        cancel: token of that job.
        tell: called now and then with the figures so far.

    Raises:
        Cancelled: a stop was asked for.
    """
    from lancenb.progress import Tracker

    def heard(event: Progress) -> None:
        if progress:
            progress(event)
        if tell:
            tell({c.field.name: c.facts() for c in columns})

    columns = [ColumnStats(field) for field in fields]
    # Figures travel with the events, so there are few: twice a second.
    tracker = Tracker(heard, cancel, total_rows=total, per_second=2)
    tracker.enter("measure")
    for batch in batches:
        for column in columns:
            column.add(batch.column(batch.schema.get_field_index(column.field.name)))
        tracker.advance(batch.num_rows, batch.nbytes)
    return {c.field.name: c.facts() for c in columns}
