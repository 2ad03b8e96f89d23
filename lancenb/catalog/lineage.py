"""Where an artefact came from, and what was made of it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from lancenb.errors import LancenbError

from . import _html
from ._log import properties_of

if TYPE_CHECKING:
    from ._base import CatalogBase
    from ._entry import Entry

_MAX_VERSIONS = 200


@dataclass(frozen=True)
class Edge:
    """``child`` was made from ``parent``; both are keys of :attr:`Lineage.nodes`."""

    child: str
    parent: str
    relation: str = "made from"
    version: int | None = None


@dataclass(frozen=True)
class Node:
    """An artefact (``kind`` is its kind) or something outside (``kind`` is ``"source"``)."""

    label: str
    kind: str


@dataclass(repr=False)
class Lineage:
    """A graph around one artefact.

    Attributes:
        name: the artefact in the middle.
        root: its key in ``nodes``.
        nodes: artefacts and outside sources by key.
        edges: who was made from whom.
    """

    name: str
    root: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    @property
    def upstream(self) -> list[str]:
        """Labels of everything it was made from, nearest first."""
        return [self.nodes[key].label for key in self._walk("up")]

    @property
    def downstream(self) -> list[str]:
        """Labels of everything made from it, nearest first."""
        return [self.nodes[key].label for key in self._walk("down")]

    def _next(self, key: str, way: str) -> list[Edge]:
        side = "child" if way == "up" else "parent"
        return [edge for edge in self.edges if getattr(edge, side) == key]

    def _walk(self, way: str) -> dict[str, int]:
        """Return keys by distance from the root, the root left out."""
        seen, layer, depth = {self.root: 0}, [self.root], 0
        while layer:
            depth += 1
            found = []
            for key in layer:
                for edge in self._next(key, way):
                    other = edge.parent if way == "up" else edge.child
                    if other not in seen:
                        seen[other] = depth
                        found.append(other)
            layer = found
        del seen[self.root]
        return seen

    def to_dict(self) -> dict[str, Any]:
        """Return the graph as plain JSON-able values."""
        return {
            "name": self.name,
            "nodes": [{"key": k, "label": n.label, "kind": n.kind} for k, n in self.nodes.items()],
            "edges": [edge.__dict__ for edge in self.edges],
        }

    def __repr__(self) -> str:
        lines = [self.name]
        for way, title in (("up", "made from"), ("down", "used by")):
            if self._next(self.root, way):
                lines.append(f"  {title}:")
                lines += self._tree(self.root, way, 2, {self.root})
        if len(lines) == 1:
            lines.append("  nothing known about its origin")
        return "\n".join(lines)

    def _tree(self, key: str, way: str, depth: int, seen: set[str]) -> list[str]:
        lines = []
        for edge in self._next(key, way):
            other = edge.parent if way == "up" else edge.child
            version = f" v{edge.version}" if edge.version is not None and way == "up" else ""
            relation = "" if edge.relation in ("made from", "source") else f" ({edge.relation})"
            again = " …" if other in seen else ""
            lines.append("  " * depth + f"- {self.nodes[other].label}{version}{relation}{again}")
            if other not in seen:
                lines += self._tree(other, way, depth + 1, seen | {other})
        return lines

    def _repr_html_(self) -> str:
        return _svg(self)


def trace(manager: CatalogBase, entry: Entry) -> Lineage:
    """Collect the graph around ``entry``."""
    entries = {other.id: other for other in manager._entries()}
    graph = Lineage(entry.name, entry.id, {entry.id: Node(entry.name, entry.kind)})
    todo, done = [entry], {entry.id}
    while todo:
        current = todo.pop(0)
        for edge in _parents(manager, current, graph.nodes, entries):
            if edge not in graph.edges:
                graph.edges.append(edge)
            if edge.parent in entries and edge.parent not in done:
                done.add(edge.parent)
                todo.append(entries[edge.parent])
    children = defaultdict(list)
    for other in entries.values():
        for parent in other.parents:
            if parent.get("id"):
                children[parent["id"]].append((other, parent))
    todo, done = [entry], {entry.id}
    while todo:
        current = todo.pop(0)
        for child, parent in children[current.id]:
            graph.nodes.setdefault(child.id, Node(child.name, child.kind))
            edge = Edge(child.id, current.id, str(parent["relation"]), parent.get("version"))
            if edge not in graph.edges:
                graph.edges.append(edge)
            if child.id not in done:
                done.add(child.id)
                todo.append(child)
    return graph


def _parents(
    manager: CatalogBase, entry: Entry, nodes: dict[str, Node], entries: dict[str, Entry]
) -> list[Edge]:
    noted, sources = _recorded(manager, entry)
    edges = []
    for parent in [*entry.parents, *noted]:
        relation, version = str(parent.get("relation", "made from")), parent.get("version")
        key = str(parent.get("id") or parent.get("uri") or parent.get("name"))
        known = entries.get(key)
        if known is not None:
            nodes.setdefault(key, Node(known.name, known.kind))
        elif parent.get("name"):
            nodes.setdefault(key, Node(f"{parent['name']} (deleted)", "deleted"))
        else:
            nodes.setdefault(key, Node(key, "source"))
        edges.append(Edge(entry.id, key, relation, version))
    for source in sources:
        nodes.setdefault(source, Node(source, "source"))
        edges.append(Edge(entry.id, source, "source"))
    return list(dict.fromkeys(edges))


def _recorded(manager: CatalogBase, entry: Entry) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the parents and outside sources that the table's own versions recorded."""
    parents: list[dict[str, Any]] = []
    sources: dict[str, None] = {}
    try:
        head = manager._open(entry)
        numbers = [int(ref["version"]) for ref in head.version_refs()][-_MAX_VERSIONS:]
        for number in numbers:
            properties = properties_of(head, number)
            for edge in _json(properties.get("lancenb.parents"), []):
                if isinstance(edge, dict) and edge not in parents:
                    parents.append(edge)
            for label in _labels(_json(properties.get("lancenb.source"), None)):
                sources[label] = None
    except (LancenbError, OSError, ValueError):
        pass  # a table that cannot be read has nothing to tell
    return parents, list(sources)


def _json(text: str | None, default: Any) -> Any:
    if not text:
        return default
    try:
        return json.loads(text)
    except ValueError:
        return text if default is None else default


def _labels(source: Any) -> list[str]:
    from lancenb.store import redact

    if isinstance(source, str):
        return [redact(source)]
    if isinstance(source, dict):
        for key in ("uri", "url", "source", "spec", "repo_id", "path"):
            if isinstance(source.get(key), str):
                return [redact(source[key])]
    if isinstance(source, list):
        found = [label for item in source[:20] for label in _labels(item)]
        return found if len(source) <= 20 else [*found, f"and {len(source) - 20} more"]
    return []


def _svg(graph: Lineage) -> str:
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
        f'style="background:{_html.PAPER};font-family:var(--jp-ui-font-family, sans-serif)">'
        f"{''.join(parts)}</svg></div>"
    )
