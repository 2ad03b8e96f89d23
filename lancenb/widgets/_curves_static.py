"""The lasting forms of training curves: SVG and text here, PNG by matplotlib without pyplot."""

from __future__ import annotations

import base64
import io
import math
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from ._curves_names import Place, place
from ._display import card, esc
from ._format import number, plural

if TYPE_CHECKING:
    from ._curves import Curves
    from ._curves_store import Run
    from ._series import Sample, Series

_WIDE, _HIGH, _LEFT, _TOP, _BOTTOM = 340, 150, 58, 6, 18
_BUCKETS = 60
_SHAPES = "osD^vP"
_TABLE_ROWS = 12


@cache
def tokens() -> str:
    """The colours of the runs as CSS: the first rule of ``static/curves.css``."""
    text = files("lancenb.widgets").joinpath("static/curves.css").read_text(encoding="utf-8")
    return text[: text.index("}") + 1]


@cache
def palette() -> list[str]:
    """The same colours for pictures that follow no theme."""
    return re.findall(r"#[0-9a-f]{6}", tokens())


def html(curves: Curves) -> str:
    """The final curves as SVG in the theme's colours, with the last values as text."""
    runs = list(curves._store.runs.values())
    if not any(run.series for run in runs):
        body = '<div class="lnb-dim">No points yet.</div>'
        return card(curves.label, [], [], body)
    parts = [f'<div class="lnb-duo">{"".join(_figures(curves, runs))}</div>', _legend(runs)]
    parts += [f'<div class="lnb-dim">{esc(note)}</div>' for note in curves._store.notes()]
    picture = card(curves.label, [], [plural(len(runs), "run")], *parts)
    return f"<style>{tokens()}</style>{picture}"


def text(curves: Curves) -> str:
    """The last values of every run, for terminals and for screen readers."""
    runs = list(curves._store.runs.values())
    lines = [f"{curves.label}: {plural(len(runs), 'run') if runs else 'no points yet'}"]
    for run in runs[:_TABLE_ROWS]:
        steps = max((int(s.size) for s in run.series.values()), default=0)
        last = [f"{metric} {number(float(s.values[-1]))}" for metric, s in run.series.items()]
        lines.append(f"{run.name}, {run.state}, {plural(steps, 'step')}: {', '.join(last)}")
    if len(runs) > _TABLE_ROWS:
        lines.append(f"and {plural(len(runs) - _TABLE_ROWS, 'more run')}")
    return "\n".join([*lines, *curves._store.notes()])


def png(curves: Curves, dpi: int = 100) -> bytes:
    """The final curves as a PNG on white."""
    from matplotlib.figure import Figure

    with curves._store.lock:
        runs = list(curves._store.runs.values())
        groups = _groups(runs)
        across = min(3, max(1, len(groups)))
        down = max(1, math.ceil(len(groups) / across))
        figure = Figure(figsize=(4.2 * across, 2.7 * down), dpi=dpi, layout="constrained")
        for at, (where, lines) in enumerate(groups):
            axes = figure.add_subplot(down, across, at + 1)
            for index, run, metric, series in lines:
                _draw(axes, curves.axis, index, len(runs), run, metric, series)
            axes.set_title(_title(where), fontsize=10, loc="left")
            axes.set_xlabel(curves.axis, fontsize=8)
            axes.tick_params(labelsize=8)
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            if where.panel in curves.log and all(s.values.min() > 0 for _, _, _, s in lines):
                axes.set_yscale("log")
            if len(lines) > 1 or len(runs) > 1:
                axes.legend(fontsize=7, frameon=False)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _draw(
    axes: Any, axis: str, index: int, count: int, run: Run, metric: str, series: Series
) -> None:
    sample = series.sample(axis)
    where = place(metric)
    scale = 100 if where.unit == "%" else 1
    words = metric if count == 1 else f"{run.name} · {metric}"
    few = len(sample.x) <= 40
    axes.plot(
        sample.x,
        scale * sample.y,
        color=palette()[index % len(palette())],
        linestyle=_dash(where.part),
        linewidth=1.2,
        marker=_SHAPES[index % len(_SHAPES)] if few or where.part in ("val", "test") else None,
        markersize=3,
        label=words.replace("_", " "),
    )


def _dash(part: str) -> str:
    return {"val": "--", "test": ":"}.get(part, "-")


def _groups(runs: list[Run]) -> list[tuple[Place, list[tuple[int, Run, str, Series]]]]:
    """Lines by panel, in the order of the panels."""
    found: dict[str, tuple[Place, list[tuple[int, Run, str, Series]]]] = {}
    for index, run in enumerate(runs):
        for metric, series in run.series.items():
            where = place(metric)
            found.setdefault(where.panel, (where, []))[1].append((index, run, metric, series))
    return sorted(found.values(), key=lambda group: group[0].order)


def _title(where: Place) -> str:
    return f"{where.title} ({where.unit})" if where.unit else where.title


def _figures(curves: Curves, runs: list[Run]) -> list[str]:
    with curves._store.lock:
        return [_figure(curves.axis, where, lines) for where, lines in _groups(runs)]


def _figure(axis: str, where: Place, lines: list[tuple[int, Run, str, Series]]) -> str:
    """One panel as SVG."""
    scale = 100 if where.unit == "%" else 1
    samples = [series.sample(axis, buckets=_BUCKETS) for *_, series in lines]
    x_low, x_high = _reach([s.x for s in samples])
    y_low, y_high = _reach([scale * s.y for s in samples])
    shapes = []
    for (index, run, metric, _), sample in zip(lines, samples, strict=True):
        way = _path(sample, scale, (x_low, x_high), (y_low, y_high))
        dash = {"val": ' stroke-dasharray="5 3"', "test": ' stroke-dasharray="1 3"'}
        shapes.append(
            f'<path d="{way}" fill="none" stroke-width="1.5"{dash.get(place(metric).part, "")} '
            f'style="stroke:var(--run-{index % len(palette())})">'
            f"<title>{esc(run.name)} {esc(metric)}</title></path>"
        )
    base = _HIGH - _BOTTOM
    words = [
        (_LEFT - 6, _TOP + 9, "end", f"{y_high:.3g}"),
        (_LEFT - 6, base, "end", f"{y_low:.3g}"),
        (_LEFT, _HIGH - 4, "start", number(x_low)),
        ((_LEFT + _WIDE) / 2, _HIGH - 4, "middle", axis),
        (_WIDE - 6, _HIGH - 4, "end", number(x_high)),
    ]
    shapes += [
        f'<text x="{x}" y="{y}" text-anchor="{side}">{esc(word)}</text>'
        for x, y, side, word in words
    ]
    what = f"{_title(where)} by {axis}, from {number(y_low)} to {number(y_high)}"
    return (
        f"<figure><figcaption>{esc(_title(where))}</figcaption>"
        f'<svg viewBox="0 0 {_WIDE} {_HIGH}" style="max-width:{_WIDE}px" role="img" '
        f'aria-label="{esc(what)}">'
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDE - 6}" y1="{base}" y2="{base}"/>'
        f"{''.join(shapes)}</svg></figure>"
    )


def _reach(columns: list[np.ndarray]) -> tuple[float, float]:
    """Lowest and highest finite number, never the same."""
    whole = np.concatenate(columns) if columns else np.empty(0)
    whole = whole[np.isfinite(whole)]
    if not len(whole):
        return 0.0, 1.0
    low, high = float(whole.min()), float(whole.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _path(
    sample: Sample, scale: float, across: tuple[float, float], up: tuple[float, float]
) -> str:
    wide, high = _WIDE - 6 - _LEFT, _HIGH - _BOTTOM - _TOP
    x = _LEFT + (sample.x - across[0]) / (across[1] - across[0]) * wide
    y = _TOP + (up[1] - scale * sample.y) / (up[1] - up[0]) * high
    words, pen = [], "M"
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if math.isnan(a + b):
            pen = "M"
            continue
        # a point between two gaps is a dot: a line of no length with round ends
        words.append(f"{pen}{a:.1f} {b:.1f}" + ("h0" if pen == "M" else ""))
        pen = "L"
    return "".join(words)


def _legend(runs: list[Run]) -> str:
    keys = []
    for index, run in enumerate(runs[:_TABLE_ROWS]):
        last = ", ".join(
            f"{metric} {number(float(series.values[-1]))}" for metric, series in run.series.items()
        )
        keys.append(
            f'<li><svg viewBox="0 0 18 10" style="display:inline-block;width:18px;height:10px" '
            f'aria-hidden="true"><path d="M1 5H17" stroke-width="2.5" '
            f'style="stroke:var(--run-{index % len(palette())})"/></svg> '
            f"{esc(run.name)}, {esc(run.state)}: {esc(last)}</li>"
        )
    if len(runs) > _TABLE_ROWS:
        keys.append(f"<li>and {plural(len(runs) - _TABLE_ROWS, 'more run')}</li>")
    if any(place(metric).part == "val" for run in runs for metric in run.series):
        keys.append('<li class="lnb-dim">dashed: validation</li>')
    return f'<ul style="list-style:none;margin:0;padding:0">{"".join(keys)}</ul>'


def bundle(curves: Curves, live: tuple[dict[str, Any], dict[str, Any]]) -> Any:
    """Add the PNG to a bundle that holds the widget, HTML and text."""
    data, metadata = live
    if any(run.series for run in curves._store.runs.values()):
        data = {**data, "image/png": base64.b64encode(png(curves)).decode()}
    return data, metadata


def display(curves: Curves) -> None:
    """Show the widget under an identity of its own, so that it can be brought up to date."""
    from IPython.display import display as publish

    data, metadata = curves._repr_mimebundle_()
    handle: Any = publish(data, metadata=metadata, raw=True, display_id=True)
    if handle is not None:
        curves._shown = [*curves._shown[-3:], handle]


def show(curves: Curves) -> None:
    """Display in a notebook; silent where there is none."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None and getattr(shell, "kernel", None) is not None:
        display(curves)
