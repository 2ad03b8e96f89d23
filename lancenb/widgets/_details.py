"""What the catalogue says about an artefact, as a form shows it, and what was changed in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def edge_word(edge: Mapping[str, Any]) -> str:
    """Return what an artefact was made from as one word.

    >>> edge_word({"name": "cats", "id": "01", "version": 3, "relation": "made from"})
    'cats@3'
    """
    name = str(edge.get("name") or edge.get("uri"))
    return name if edge.get("version") is None else f"{name}@{edge['version']}"


@dataclass(frozen=True)
class Details:
    """The details of an artefact that a form edits; of none when ``name`` is empty."""

    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, artefact: Any) -> Details:
        """Take them from an artefact."""
        edges = {edge_word(edge): dict(edge) for edge in artefact.parents}
        return cls(
            artefact.name,
            artefact.description,
            tuple(artefact.tags),
            dict(artefact.metadata),
            edges,
        )

    def shown(self) -> dict[str, Any]:
        """Return what the fields of a form hold (metadata left out)."""
        return {
            "description": self.description,
            "tags": list(self.tags),
            "parents": list(self.parents),
        }

    def changed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments for ``update`` that differ; a fact taken out becomes ``None``.

        Edges that stay keep what they said about the relation.

        >>> Details("cats", metadata={"a": 1, "b": 2}).changed({"metadata": {"a": 1}})
        {'metadata': {'b': None}}
        """
        found = {n: v for n, v in values.items() if n in ("description", "tags")}
        found = {n: v for n, v in found.items() if v != self.shown()[n]}
        facts = values.get("metadata", self.metadata)
        edits = {k: v for k, v in facts.items() if k not in self.metadata or self.metadata[k] != v}
        edits |= {k: None for k in self.metadata if k not in facts}
        if edits:
            found["metadata"] = edits
        words = values.get("parents", list(self.parents))
        if list(words) != list(self.parents):
            found["parents"] = [self.parents.get(word, word) for word in words]
        return found
