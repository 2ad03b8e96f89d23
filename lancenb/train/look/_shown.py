"""What every look has in common: tiles with captions in a notebook, words, a figure."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ... import _html
from .._ink import axes_in, ink, new_figure, png
from ._pictures import address


@dataclass(frozen=True)
class Tile:
    """A small picture.

    Attributes:
        pixels: uint8 ``(h, w, 3)``; None for a picture that cannot be read.
        caption: one line or two below it.
        words: what is to be seen, for those who do not see it.
    """

    pixels: np.ndarray | None
    caption: str
    words: str


class Look:
    """The base of all answers: tiles, a headline, facts.

    A subclass gives :meth:`_headline`, :meth:`_facts` and :meth:`_tiles`.
    """

    #: Width of a tile on the screen in CSS pixels.
    _side = 128
    #: Tiles beside each other in the figure.
    _across = 8

    def _headline(self) -> str:
        raise TypeError(f"{type(self).__name__} has no headline")

    def _facts(self) -> str:
        return ""

    def _tiles(self) -> Sequence[Tile]:
        return ()

    def figure(self, *, dark: bool = False) -> Any:
        """The picture as a :class:`matplotlib.figure.Figure`, to save or to print.

        Args:
            dark: for a dark background.
        """
        tiles = self._tiles()
        across = max(1, min(self._across, len(tiles)))
        down = max(1, -(-len(tiles) // across))
        side = 1.15 if self._across > 6 else 1.7
        figure = new_figure((max(3.2, side * across), 0.4 + (side + 0.25) * down), dark)
        figure.suptitle(self._headline(), fontsize=10, color=ink(dark))
        for at, tile in enumerate(tiles):
            axes = figure.add_subplot(down, across, at + 1)
            axes_in(axes, dark)
            axes.set_xticks([])
            axes.set_yticks([])
            if tile.pixels is not None:
                axes.imshow(tile.pixels, interpolation="nearest")
            axes.set_xlabel(tile.caption, fontsize=7, color=ink(dark))
            axes.spines[:].set_visible(False)
        return figure

    def __repr__(self) -> str:
        facts = self._facts()
        return f"<{self._headline()}{', ' + facts if facts else ''}>"

    def _repr_html_(self) -> str:
        tiles = "".join(_tile(tile, self._side) for tile in self._tiles())
        facts = f'<div style="color:{_html.PALE};font-size:12px">{escape(self._facts())}</div>'
        return (
            f'<div role="group" aria-label="{escape(self._headline())}"'
            f' style="color:{_html.INK};font:13px/1.4 {_FONT}">'
            f'<div style="font-weight:600">{escape(self._headline())}</div>{facts}'
            f'<div style="display:flex;flex-wrap:wrap;gap:10px;margin-top:8px">{tiles}</div></div>'
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self._tiles():
            bundle["image/png"] = base64.b64encode(png(self.figure())).decode()
        return bundle


_FONT = "var(--jp-ui-font-family, var(--vscode-font-family, system-ui, sans-serif))"


def _tile(tile: Tile, side: int) -> str:
    box = f"display:block;width:{side}px;height:{side}px;margin:0;border-radius:4px"
    if tile.pixels is None:
        picture = (
            f'<div style="{box};background:{_html.SHADE};color:{_html.PALE};padding:8px;'
            f'box-sizing:border-box;font-size:11px">{escape(tile.words)}</div>'
        )
    else:
        picture = (
            f'<img src="{address(tile.pixels, side)}" alt="{escape(tile.words)}" style="{box};'
            'object-fit:contain;max-width:none;image-rendering:pixelated">'
        )
    words = "<br>".join(escape(line) for line in tile.caption.split("\n"))
    return (
        f'<figure style="margin:0;width:{side}px">{picture}<figcaption style="color:{_html.INK};'
        f'font-size:12px;line-height:1.35;margin-top:3px;overflow-wrap:anywhere">{words}'
        "</figcaption></figure>"
    )
