"""Figures of matplotlib without pyplot, so that no state is shared and no window opens."""

from __future__ import annotations

import io
from typing import Any

_LIGHT = {"paper": "#ffffff", "ink": "#222222"}
_DARK = {"paper": "#111111", "ink": "#e0e0e0"}


def new_figure(size: tuple[float, float], dark: bool = False) -> Any:
    """A figure of ``size`` inches on white or on near black."""
    from matplotlib.figure import Figure

    colours = _DARK if dark else _LIGHT
    return Figure(figsize=size, dpi=110, layout="constrained", facecolor=colours["paper"])


def axes_in(axes: Any, dark: bool) -> None:
    """Give axes the colours of their figure, with small words."""
    colours = _DARK if dark else _LIGHT
    axes.set_facecolor(colours["paper"])
    axes.tick_params(colors=colours["ink"], labelsize=8)
    for part in (axes.title, axes.xaxis.label, axes.yaxis.label):
        part.set_color(colours["ink"])
        part.set_fontsize(9)
    for spine in axes.spines.values():
        spine.set_color(colours["ink"])
        spine.set_linewidth(0.6)


def ink(dark: bool) -> str:
    """The colour of text."""
    return (_DARK if dark else _LIGHT)["ink"]


def png(figure: Any) -> bytes:
    """A figure as a PNG file."""
    out = io.BytesIO()
    figure.savefig(out, format="png", facecolor=figure.get_facecolor())
    return out.getvalue()
