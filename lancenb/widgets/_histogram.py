"""Figures and histograms of tensors, alone or two of them beside each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ._plots import bin_counts
from ._slices import SAMPLE_BYTES, read_sample, widen
from ._tensor import Figures

if TYPE_CHECKING:
    import numpy as np

#: Bars of the histogram kept; the choices shown all divide it.
FINE = 480
BINS = (24, 48, 96)
_CHUNK = 4 << 20
_KEEP = 64 << 20


@dataclass(frozen=True)
class Change:
    """How two tensors of one shape differ.

    Attributes:
        norm: Euclidean norm of the difference.
        relative: the norm by the norm before (``inf`` if that was zero).
        cosine: cosine of the angle between both, None for a zero tensor.
        largest: largest absolute difference of two values.
    """

    norm: float
    relative: float
    cosine: float | None
    largest: float


@dataclass(frozen=True)
class Measured:
    """What one look at a tensor, or at two, found.

    Attributes:
        figures: one per side.
        counts: one histogram of :data:`FINE` bars per side, over the same range.
        low: where the histograms begin; None when there is nothing to count.
        high: where they end.
        change: between both sides, when there are two of one shape.
        exact: whether every value was read.
    """

    figures: list[Figures]
    counts: list[Any]
    low: float | None
    high: float | None
    change: Change | None
    exact: bool

    def to_dict(self, bins: int) -> dict[str, Any]:
        """Return JSON-able facts with ``bins`` bars; numbers that JSON lacks become text."""
        counts = [c.reshape(bins, -1).sum(axis=1).tolist() for c in self.counts]
        figures = [{k: plain(v) for k, v in asdict(f).items()} for f in self.figures]
        change = {k: plain(v) for k, v in asdict(self.change).items()} if self.change else None
        ends = {"low": plain(self.low), "high": plain(self.high)}
        return {"figures": figures, "counts": counts, **ends, "change": change, "exact": self.exact}


def plain(value: Any) -> Any:
    """Return a number as JSON can carry it.

    >>> plain(1.5), plain(float("inf")), plain(float("nan"))
    (1.5, 'inf', 'nan')
    """
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def glance(sides: Sequence[Any], budget: int = SAMPLE_BYTES) -> Measured:
    """Measure open tensors, or evenly spaced samples of large ones."""
    share = budget // len(sides)
    exact = all(side.count * side.itemsize <= share for side in sides)
    return _measure(sides, lambda side: iter([read_sample(side, share)]), exact, lambda _: None)


def measure_all(sides: Sequence[Any], seen: Callable[[int], None] = lambda _: None) -> Measured:
    """Measure every value of open tensors, a few megabytes at a time.

    Args:
        sides: one open tensor, or two.
        seen: called with the bytes of every piece; may raise to stop.
    """
    return _measure(sides, _chunks, True, seen)


def _chunks(side: Any) -> Iterator[Any]:
    step = _CHUNK // side.itemsize
    for start in range(0, side.count, step):
        yield from side.read([(start, min(step, side.count - start))])


def _measure(
    sides: Sequence[Any], pieces: Callable[[Any], Iterator[Any]], exact: bool, seen: Any
) -> Measured:
    """Go through all pieces for the figures, then for the bars, whose range is known by then."""
    totals = [_Total() for _ in sides]
    kept = sum(side.count * side.itemsize for side in sides) <= _KEEP or not exact
    memory: list[list[Any]] = [[] for _ in sides]
    paired = len(sides) == 2 and sides[0].shape == sides[1].shape
    change = _ChangeTotal() if paired else None
    for group in _side_by_side([pieces(side) for side in sides], paired):
        for i, piece in group:
            totals[i].add(widen(piece))
            if kept:
                memory[i].append(piece)
            seen(piece.numel() * piece.element_size())
        if change is not None and len(group) == 2:
            change.add(*(_numbers(piece) for _, piece in group))
    figures = [total.figures() for total in totals]
    low = min((t.low for t in totals if t.finite), default=None)
    high = max((t.high for t in totals if t.finite), default=None)
    bars = _Bars(low, high, len(sides))
    for i, side in enumerate(sides):
        for piece in memory[i] if kept else pieces(side):
            bars.add(i, widen(piece))
            seen(0)
    shown = bars.range or (None, None)
    found = change.change() if change is not None else None
    return Measured(figures, bars.counts, *shown, found, exact)


def _side_by_side(streams: list[Iterator[Any]], paired: bool) -> Iterator[list[tuple[int, Any]]]:
    if paired:
        for first, second in zip(*streams, strict=True):
            yield [(0, first), (1, second)]
        return
    for i, stream in enumerate(streams):
        for piece in stream:
            yield [(i, piece)]


def _numbers(piece: Any) -> np.ndarray:
    """Return float64 or complex128 values."""
    import torch

    if not piece.is_complex():
        return widen(piece)
    pairs = torch.view_as_real(piece.resolve_conj()).to(torch.float64)
    return torch.view_as_complex(pairs.contiguous()).numpy()


class _Total:
    """Count, range, mean and spread of pieces, merged without losing digits."""

    def __init__(self) -> None:
        self.seen = self.finite = self.zeros = self.nan = 0
        self.low, self.high = math.inf, -math.inf
        self.mean = self.spread = 0.0

    def add(self, values: np.ndarray) -> None:
        import numpy as np

        fine = values[np.isfinite(values)]
        self.seen += values.size
        self.nan += int(np.isnan(values).sum())
        if not fine.size:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(fine.mean())
            spread = float(((fine - mean) ** 2).sum())
            total, gap = self.finite + fine.size, mean - self.mean
            self.spread += spread + gap * gap * self.finite * fine.size / total
            self.mean += gap * fine.size / total
        self.finite = total
        self.low, self.high = min(self.low, float(fine.min())), max(self.high, float(fine.max()))
        self.zeros += int((fine == 0).sum())

    def figures(self) -> Figures:
        inf = self.seen - self.finite - self.nan
        if not self.finite:
            gap = math.nan
            return Figures(gap, gap, gap, gap, 0.0, self.nan, inf, self.seen)
        std, zeros = math.sqrt(max(0.0, self.spread / self.finite)), self.zeros / self.seen
        return Figures(self.mean, std, self.low, self.high, zeros, self.nan, inf, self.seen)


class _ChangeTotal:
    def __init__(self) -> None:
        self.difference = self.before = self.after = self.product = self.largest = 0.0

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        import numpy as np

        if not a.size:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            gap = np.abs(b - a)
            self.difference += float((gap**2).sum())
            self.before += float((np.abs(a) ** 2).sum())
            self.after += float((np.abs(b) ** 2).sum())
            self.product += float(np.real(np.vdot(a, b)))
            self.largest = float(np.maximum(self.largest, gap.max()))

    def change(self) -> Change:
        norm, size, other = map(math.sqrt, (self.difference, self.before, self.after))
        relative = norm / size if size else (0.0 if norm == 0 else math.inf)
        cosine = self.product / (size * other) if size and other else None
        if cosine is not None and math.isfinite(cosine):
            cosine = max(-1.0, min(1.0, cosine))
        return Change(norm, relative, cosine, self.largest)


class _Bars:
    """Histograms over one range; a range too wide for floating point has none."""

    def __init__(self, low: float | None, high: float | None, sides: int):
        import numpy as np

        found = None if low is None or high is None else bin_counts(np.zeros(0), FINE, low, high)
        self.range = None if found is None else (float(found[1][0]), float(found[1][-1]))
        self.counts = [np.zeros(FINE, np.int64) for _ in range(sides)] if found else []

    def add(self, side: int, values: np.ndarray) -> None:
        import numpy as np

        if self.range is not None:
            fine = values[np.isfinite(values)]
            self.counts[side] += np.histogram(fine, FINE, self.range)[0]
