"""Finding artefacts: by name, kind, tag, text and conditions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, LancenbError

from ._base import CatalogBase
from ._edges import check_count
from ._entry import Entry
from .artifact import Artifact, Artifacts
from .where import columns_of, parse

if TYPE_CHECKING:
    from .lineage import Lineage

KINDS = ("weights", "images", "text", "table")
_FROM_TABLE = {"version", "rows", "bytes"}


class Finding(CatalogBase):
    """Looking artefacts up."""

    def get(self, name: str | Artifact) -> Artifact:
        """Return an artefact.

        Raises:
            ArtifactNotFound: there is none of that name; the hint names the nearest.
        """
        return self._artifact(self._entry(name))

    def __getitem__(self, name: str | Artifact) -> Artifact:
        if isinstance(name, tuple):
            raise InvalidArgument(
                "dm[...] takes one name", hint="dm.dataset(name, version) opens an older version"
            )
        return self.get(name)

    def _ipython_key_completions_(self) -> Sequence[str]:
        """Names to complete ``dm["...`` with."""
        try:
            return [entry.name for entry in self._entries()]
        except LancenbError:
            return []

    def __contains__(self, name: object) -> bool:
        text = getattr(name, "name", name)
        return any(entry.name == text for entry in self._entries())

    def __iter__(self) -> Iterator[Artifact]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._entries())

    def list(self, kind: str | None = None, tag: str | None = None) -> Artifacts:
        """Return all artefacts by name, or those of a kind or with a tag.

        Args:
            kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"``.
            tag: a label or an alias.

        Raises:
            InvalidArgument: there is no such kind.
        """
        _check_kind(kind)
        found = [entry for entry in self._entries() if _fits(entry, kind, tag)]
        note = " ".join(f"{k}={v}" for k, v in (("kind", kind), ("tag", tag)) if v)
        return Artifacts((self._artifact(entry) for entry in found), note)

    def search(
        self,
        text: str | None = None,
        *,
        where: str | None = None,
        kind: str | None = None,
        tag: str | None = None,
        limit: int = 100,
    ) -> Artifacts:
        """Search the catalogue; results carry their aliases.

        Args:
            text: words that must all occur, whatever the case, in name, description, labels,
                aliases, metadata or column names; hits in names come first.
            where: a condition such as ``"kind = 'weights' AND metadata.acc > 0.9"``; see
                :mod:`lancenb.catalog.where` for the dialect. ``rows``, ``version`` and ``bytes``
                are read from the tables.
            kind: only this kind.
            tag: only with this label or alias.
            limit: at most so many.

        Raises:
            InvalidFilter: the condition makes no sense; says where.
            ColumnNotFound: it names something the catalogue does not keep.
        """
        limit = check_count("limit", limit)
        _check_kind(kind)
        words = (text or "").lower().split()
        test = parse(where) if where is not None else None
        needs = columns_of(where) & _FROM_TABLE if where is not None else set()
        scored: list[tuple[int, str, Entry]] = []
        for entry in self._entries():
            if not _fits(entry, kind, tag):
                continue
            score = _score(entry, words)
            if score is not None and (test is None or test(self._row(entry, needs))):
                scored.append((-score, entry.name, entry))
        scored.sort(key=lambda item: item[:2])
        note = " · ".join(part for part in (text, where) if part)
        return Artifacts((self._artifact(item[2]) for item in scored[:limit]), note)

    def _row(self, entry: Entry, needs: set[str]) -> dict[str, Any]:
        row: dict[str, Any] = {
            **{name: getattr(entry, name) for name in ("id", "name", "kind", "description")},
            **{name: getattr(entry, name) for name in ("metadata", "aliases", "content_hash")},
            **{name: getattr(entry, name) for name in ("created", "updated")},
            "uri": self._uri(entry),
            "tags": list(entry.tags),
            "columns": list(entry.columns),
            "parents": [str(edge.get("name") or edge.get("uri")) for edge in entry.parents],
        }
        if needs:
            artifact = self._artifact(entry)
            try:
                row["version"] = artifact.version
                row["rows"] = artifact.rows if "rows" in needs else None
                row["bytes"] = artifact.nbytes if "bytes" in needs else None
            except LancenbError:
                pass  # a table that cannot be opened has no figures, as null in SQL
        return row

    def lineage(self, name: str | Artifact) -> Lineage:
        """Return where an artefact came from and what was made of it.

        Parents noted in the registry and with single versions both count, and so do the files
        and addresses that converters recorded.
        """
        from .lineage import trace

        return trace(self, self._entry(name))


def _check_kind(kind: object) -> None:
    if kind is not None and kind not in KINDS:
        raise InvalidArgument(f"there is no kind {kind!r}", hint=f"the kinds: {', '.join(KINDS)}")


def _fits(entry: Entry, kind: str | None, tag: str | None) -> bool:
    if kind is not None and entry.kind != kind:
        return False
    return tag is None or tag in entry.tags or tag in entry.aliases


def _score(entry: Entry, words: list[str]) -> int | None:
    """Return how well an entry matches, ``None`` when a word is missing."""
    fields = (
        (16, entry.name),
        (8, " ".join((*entry.tags, *entry.aliases))),
        (4, entry.description),
        (2, json.dumps(entry.metadata, ensure_ascii=False) if entry.metadata else ""),
        (1, " ".join(entry.columns)),
    )
    total = 0
    for word in words:
        points = [weight for weight, text in fields if word in text.lower()]
        if not points:
            return None
        total += max(points)
    return total
