"""Where an artefact came from, and what was made of it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.errors import LancenbError
from lancenb.store import redact_facts

from ._graph import svg
from ._log import in_utc, properties_of
from ._origins import Origin, html_table, origin_of, text_lines

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
        origins: per version of the artefact (the newest 200) its recorded sources: files with
            their sha256, download, converter and options; oldest first.
    """

    name: str
    root: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

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
            "edges": [dict(edge.__dict__) for edge in self.edges],
            "origins": [origin.to_dict() for origin in self.origins],
        }

    def __repr__(self) -> str:
        lines = [self.name]
        for way, title in (("up", "made from"), ("down", "used by")):
            if self._next(self.root, way):
                lines.append(f"  {title}:")
                lines += self._tree(self.root, way, 2, {self.root})
        lines += text_lines(self.origins)
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
        return svg(self) + html_table(self.origins)


def trace(manager: CatalogBase, entry: Entry) -> Lineage:
    """Collect the graph around ``entry``."""
    entries = {other.id: other for other in manager._entries()}
    graph = Lineage(entry.name, entry.id, {entry.id: Node(entry.name, entry.kind)})
    todo, done = [entry], {entry.id}
    while todo:
        current = todo.pop(0)
        noted, origins = _recorded(manager, current)
        if current is entry:
            graph.origins = origins
        for edge in _parents(current, noted, origins, graph.nodes, entries):
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
    entry: Entry,
    noted: list[dict[str, Any]],
    origins: list[Origin],
    nodes: dict[str, Node],
    entries: dict[str, Entry],
) -> list[Edge]:
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
    for source in dict.fromkeys(label for origin in origins for label in origin.labels):
        nodes.setdefault(source, Node(source, "source"))
        edges.append(Edge(entry.id, source, "source"))
    return list(dict.fromkeys(edges))


def _recorded(manager: CatalogBase, entry: Entry) -> tuple[list[dict[str, Any]], list[Origin]]:
    """Return the parents and origins that the table's own versions recorded, oldest first."""
    from lancenb.store import lance_errors

    parents: list[dict[str, Any]] = []
    origins: list[Origin] = []
    try:
        head = manager._open(entry)
        with lance_errors(manager._uri(entry), manager.store):
            listed = head.versions()[-_MAX_VERSIONS:]
    except (LancenbError, OSError, ValueError):
        return parents, origins  # a table that cannot be read has nothing to tell
    for facts in listed:
        try:
            properties = properties_of(head, int(facts["version"]))
        except (LancenbError, OSError, ValueError):
            continue  # this version was cleaned up meanwhile
        parents += [e for e in _edges(properties.get("lancenb.parents")) if e not in parents]
        origin = origin_of(int(facts["version"]), in_utc(facts["timestamp"]), properties)
        if origin is not None:
            origins.append(origin)
    return parents, origins


def _edges(text: str | None) -> list[dict[str, Any]]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return (
        [redact_facts(e) for e in found if isinstance(e, dict)] if isinstance(found, list) else []
    )
