"""Where an artefact came from and what was made of it: a drawing, and the same as lists."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from ._display import esc
from ._fields import button, html, row

if TYPE_CHECKING:
    from ._artefact_tabs import Page

_SHOWN = 24


def lineage(page: Page, artefact: Any) -> w.Widget:
    """Return the lineage of an artefact; its neighbours are buttons that select them."""
    graph = page.bench.manager.lineage(artefact.name)
    up, down = graph.upstream, graph.downstream
    if not (up or down or graph.origins):
        return html('<div class="lnb-empty"><p>Nothing is known about its origin.</p></div>')
    told = replace(graph, origins=[origin for origin in graph.origins if origin.sources()])
    parts: list[w.Widget] = [html(_lists(up, down)), html(told._repr_html_())]
    known = [
        node.label
        for key, node in graph.nodes.items()
        if key != graph.root and node.kind not in ("source", "deleted")
    ]
    if known:
        buttons = [
            button(name, lambda name=name: page.bench.select(name)) for name in known[:_SHOWN]
        ]
        parts.insert(1, row(html('<span class="lnb-dim">Go to</span>'), *buttons))
    made = w.VBox(parts)
    made.add_class("lnb-lineage")
    return made


def _lists(up: list[str], down: list[str]) -> str:
    pairs = [("made from", _words(up)), ("used by", _words(down))]
    cells = "".join(
        f"<div><dt>{way}</dt><dd>{esc(words)}</dd></div>" for way, words in pairs if words
    )
    return f'<dl class="lnb-stats">{cells}</dl>'


def _words(names: list[str]) -> str:
    shown = [name if len(name) <= 48 else f"{name[:20]}…{name[-26:]}" for name in names[:6]]
    return ", ".join(shown) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
