"""Small drawings without a plotting library: histogram as SVG, heat map as PNG."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ._display import esc
from ._format import number, short_count
from ._thumbs import png

if TYPE_CHECKING:
    import numpy as np

#: Colour of positive and negative values; zero is transparent, so it takes the theme's background.
POSITIVE = (225, 87, 12)
NEGATIVE = (25, 118, 210)
NOT_A_NUMBER = (214, 51, 132)
#: Heat maps are reduced to at most this many cells per side.
CELLS = 192

_WIDE, _HIGH, _LEFT, _BOTTOM = 460, 190, 46, 22


def bin_counts(
    values: np.ndarray, bins: int, low: float, high: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Count ``values`` in equal bins from ``low`` to ``high``; also return the ``bins + 1`` edges.

    A range too narrow to be divided is widened; one too wide for floating point gives None.
    """
    import numpy as np

    if not math.isfinite(high - low):
        return None
    least = 4 * bins * float(np.spacing(max(abs(low), abs(high))))
    if high - low < least:
        pad = max(least, 0.5 if low == high else 0.0)
        low, high = low - pad, high + pad
    return np.histogram(np.asarray(values, np.float64), bins=bins, range=(low, high))


def histogram(
    counts: np.ndarray, low: float, high: float, *, log: bool = False, what: str = ""
) -> str:
    """Return a histogram of ``counts`` (1-D, one per equal bin between ``low`` and ``high``)."""
    values = [math.log10(1 + float(c)) if log else float(c) for c in counts]
    top = max(values, default=0.0) or 1.0
    plot_w, plot_h = _WIDE - _LEFT - 6, _HIGH - _BOTTOM - 8
    step = plot_w / max(1, len(values))
    base = 8 + plot_h
    shapes = []
    for i, (value, amount) in enumerate(zip(values, counts, strict=True)):
        if value <= 0:
            continue
        tall = max(1.0, value / top * plot_h)
        left, right = (low + (high - low) * (i + d) / len(values) for d in (0, 1))
        shapes.append(
            f'<rect class="bar" x="{_LEFT + i * step + 0.5:.2f}" y="{base - tall:.2f}" '
            f'width="{max(0.5, step - 1):.2f}" height="{tall:.2f}">'
            f"<title>{number(left)} to {number(right)}: {int(amount):,}</title></rect>"
        )
    if low < 0 < high:
        x = _LEFT - low / (high - low) * plot_w
        shapes.append(f'<line class="zero" x1="{x:.2f}" x2="{x:.2f}" y1="8" y2="{base}"/>')
    shapes.append(
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDE - 6}" y1="{base + 0.5}" y2="{base + 0.5}"/>'
    )
    ticks: list[tuple[float, str, float]] = [(_LEFT, "start", low), (_LEFT + plot_w, "end", high)]
    if low < 0 < high and 0.15 < -low / (high - low) < 0.85:
        ticks.append((_LEFT - low / (high - low) * plot_w, "middle", 0.0))
    elif high > low:
        ticks.append((_LEFT + plot_w / 2, "middle", (low + high) / 2))
    for x, anchor, value in ticks:
        shapes.append(
            f'<text x="{x:.1f}" y="{_HIGH - 6}" text-anchor="{anchor}">{esc(number(value))}</text>'
        )
    peak = short_count(float(max(counts, default=0)))
    shapes.append(f'<text x="{_LEFT - 6}" y="16" text-anchor="end">{peak}</text>')
    shapes.append(f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>')
    return (
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{esc(what)}">'
        f"<title>{esc(what)}</title>{''.join(shapes)}</svg>"
    )


def spark(counts: list[int], what: str = "") -> str:
    """Return a histogram the size of a word."""
    top = max(counts, default=0) or 1
    step = 88 / max(1, len(counts))
    shapes = "".join(
        f'<rect class="bar" x="{i * step:.2f}" y="{20 - max(1.0, c / top * 19):.2f}" '
        f'width="{max(0.5, step - 1):.2f}" height="{max(1.0, c / top * 19):.2f}"/>'
        for i, c in enumerate(counts)
        if c
    )
    return (
        f'<svg class="lnb-spark" viewBox="0 0 88 20" role="img" aria-label="{esc(what)}">'
        f"{shapes}</svg>"
    )


def reduce(matrix: np.ndarray, cells: int = CELLS) -> np.ndarray:
    """Average a 2-D array down to at most ``cells`` per side (NaN stays only where all are NaN)."""
    import numpy as np

    finite = np.isfinite(matrix)
    sums, amounts = np.where(finite, matrix, 0.0), finite.astype(np.int64)
    for axis, length in enumerate(matrix.shape):
        if length > cells:
            edges = np.linspace(0, length, cells + 1).astype(int)[:-1]
            sums = np.add.reduceat(sums, edges, axis=axis)
            amounts = np.add.reduceat(amounts, edges, axis=axis)
    return np.where(amounts > 0, sums / np.maximum(amounts, 1), np.nan)


def heat(matrix: np.ndarray, *, what: str = "") -> str:
    """Return a heat map of a 2-D array with its colour scale.

    Orange is positive, blue negative; strength is the size of the value up to its 99.5th
    percentile, zero shows the background, NaN and infinities are pink.
    """
    import numpy as np

    small = reduce(np.asarray(matrix, dtype=np.float64))
    finite = np.isfinite(small)
    top = float(np.percentile(np.abs(small[finite]), 99.5)) if finite.any() else 0.0
    top = top or (float(np.abs(small[finite]).max()) if finite.any() else 0.0)
    strength = np.where(finite, np.abs(small) / (top or 1.0), 1.0).clip(0, 1)
    colours = np.where((np.nan_to_num(small) < 0)[..., None], NEGATIVE, POSITIVE)
    colours = np.where(finite[..., None], colours, NOT_A_NUMBER)
    rgba = np.dstack([colours, np.round(strength * 255)]).astype(np.uint8)
    tall, wide = small.shape
    # Few cells are drawn larger, so that a 3 x 3 kernel does not fill the page.
    shown = min(460, max(140, wide * 6))
    ratio = matrix.shape[1] / matrix.shape[0]
    css = f"width:{shown}px;aspect-ratio:{ratio:.4g}"
    if ratio > 12:
        css = f"width:{shown}px;height:24px"
    elif ratio <= 0.25 or shown / ratio > 320:
        shown = max(24, round(320 * ratio))
        css = f"height:320px;width:{shown}px"
    picture = (
        f'<img class="lnb-heat" style="{css}" src="{png(rgba.tobytes(), wide, tall)}" '
        f'alt="{esc(what)}">'
    )
    return picture + _scale(top, bool((small[finite] < 0).any()), shown)


def _scale(top: float, signed: bool, width: int) -> str:
    def colour(rgb: tuple[int, int, int], alpha: int) -> str:
        return f"rgba({rgb[0]},{rgb[1]},{rgb[2]},{alpha})"

    clear = colour(POSITIVE, 0)
    below = [colour(NEGATIVE, 1), f"{colour(NEGATIVE, 0)} 50%", f"{clear} 50%"]
    stops = below if signed else [clear]
    gradient = ", ".join([*stops, colour(POSITIVE, 1)])
    low = f"≤ {number(-top)}" if signed else "0"
    return (
        f'<div class="lnb-scale" style="width:{width}px"><span>{esc(low)}</span>'
        f'<i style="background:linear-gradient(to right, {gradient})"></i>'
        f"<span>{esc(f'≥ {number(top)}')}</span></div>"
    )
