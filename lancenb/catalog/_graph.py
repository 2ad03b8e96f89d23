"""Drawing a lineage as SVG."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING

from .. import _html

if TYPE_CHECKING:
    from .lineage import Lineage


def svg(graph: Lineage) -> str:
    """Draw the graph in layers, from origins at the left to what was made at the right."""
    depth = {graph.root: 0}
    depth |= {key: -d for key, d in graph._walk("up").items()}
    depth |= {key: d for key, d in graph._walk("down").items()}
    layers: dict[int, list[str]] = defaultdict(list)
    for key, at in depth.items():
        layers[at].append(key)
    left = min(layers)
    wide, high, gap_x, gap_y = 190, 34, 60, 14
    tallest = max(len(keys) for keys in layers.values())
    height = tallest * (high + gap_y) + gap_y
    width = (max(layers) - left + 1) * (wide + gap_x)
    place: dict[str, tuple[float, float]] = {}
    for at, keys in layers.items():
        top = (height - len(keys) * (high + gap_y) + gap_y) / 2
        for row, key in enumerate(keys):
            place[key] = ((at - left) * (wide + gap_x) + 10, top + row * (high + gap_y))
    parts = []
    for edge in graph.edges:
        if edge.child in place and edge.parent in place:
            (px, py), (cx, cy) = place[edge.parent], place[edge.child]
            x1, y1, x2, y2 = px + wide, py + high / 2, cx, cy + high / 2
            middle = (x1 + x2) / 2
            title = escape(edge.relation + (f", version {edge.version}" if edge.version else ""))
            parts.append(
                f'<path d="M{x1},{y1} C{middle},{y1} {middle},{y2} {x2},{y2}" fill="none" '
                f'stroke="{_html.PALE}"><title>{title}</title></path>'
            )
    for key, (x, y) in place.items():
        node = graph.nodes[key]
        label = node.label if len(node.label) <= 26 else "…" + node.label[-25:]
        edge_color = _html.ACCENT if key == graph.root else _html.LINE
        dash = ' stroke-dasharray="4 3"' if node.kind in ("source", "deleted") else ""
        parts.append(
            f'<g><title>{escape(node.label)} ({escape(node.kind)})</title><rect x="{x}" y="{y}" '
            f'width="{wide}" height="{high}" rx="6" fill="{_html.SHADE}" stroke="{edge_color}"'
            f'{dash}/><text x="{x + 8}" y="{y + 21}" font-size="12" fill="{_html.INK}">'
            f"{escape(label)}</text></g>"
        )
    words = escape(f"Lineage of {graph.name}")
    return (
        f'<div style="overflow-x:auto"><svg role="img" aria-label="{words}" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" '
        f'style="{_html.CLEAR};font-family:var(--jp-ui-font-family, sans-serif)">'
        f"{''.join(parts)}</svg></div>"
    )
