"""Rows of an artefact of which only a manager's public verbs can be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument, TagNotFound
from ._source import is_blob
from ._target import kind_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_KINDS = ("weights", "images", "text", "table")
#: Neighbours nearer than this are read in one question: reading through is cheaper than asking.
_GAP = 16


class FarSource:
    """An artefact of which only the public verbs can be used."""

    def __init__(self, artifact: Any, version: int | str | None = None):
        import pyarrow as pa

        self._artifact = artifact
        self.title = str(artifact.name)
        self.version: int | None = _number(artifact, version)
        self.schema: pa.Schema = self._search(limit=0).schema
        listed = getattr(artifact, "schema", None)
        if isinstance(listed, pa.Schema) and version is None:
            self.schema = listed
        kind = getattr(artifact, "kind", None)
        self.kind = kind if kind in _KINDS else kind_of(self.schema)
        self.uri: str | None = None
        self._total: int | None = None

    def _search(self, where: Any = None, **options: Any) -> pa.Table:
        return self._artifact.search_rows(where, version=self.version, **options)

    def count(self, where: Any = None) -> int:
        """Return how many rows there are, or match: by reading the cheapest column."""
        if where is not None:
            return self._search(where, columns=[_cheapest(self.schema)]).num_rows
        total = self._total
        if total is None:  # a version never changes
            total = self._total = int(self._search(columns=[_cheapest(self.schema)]).num_rows)
        return total

    def rows(
        self,
        offset: int = 0,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        where: Any = None,
        order_by: Any = None,
    ) -> pa.Table:
        """Return a range of rows."""
        return self._search(
            where, columns=columns, offset=offset or None, limit=limit, order_by=order_by
        )

    def take(self, positions: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Return the rows at these positions, neighbours in one question."""
        import pyarrow as pa

        wanted = [int(p) for p in positions]
        tables: list[pa.Table] = []
        place: dict[int, int] = {}
        for first, last in _runs(sorted(set(wanted))):
            found = self.rows(first, last - first + 1, list(columns))
            start = sum(t.num_rows for t in tables)
            place |= {first + i: start + i for i in range(found.num_rows)}
            tables.append(found)
        if not tables:
            return self.rows(0, 0, list(columns))
        missing = [p for p in wanted if p not in place]
        if missing:
            raise InvalidArgument(f"{self.title} has no row {missing[0]:,}")
        return pa.concat_tables(tables).take([place[p] for p in wanted])

    def positions(self, where: Any) -> np.ndarray | None:
        """Return None: a manager far away tells rows, not where they lie."""
        return None


def _number(artifact: Any, version: int | str | None) -> int:
    if version is None:
        return int(artifact.version)
    if isinstance(version, int):
        return version
    tags = getattr(artifact, "aliases", None) or {}
    if version not in tags:
        raise TagNotFound(f"{artifact.name!r} has no tag {version!r}")
    return int(tags[version])


def _cheapest(schema: pa.Schema) -> str:
    import pyarrow as pa

    for field in schema:
        if pa.types.is_integer(field.type) or pa.types.is_boolean(field.type):
            return field.name
    plain = [f for f in schema if not is_blob(f)]
    texts = [
        f.name for f in plain if not pa.types.is_nested(f.type) and "binary" not in str(f.type)
    ]
    return texts[0] if texts else plain[0].name if plain else schema.names[0]


def _runs(ordered: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of neighbours.

    >>> list(_runs([1, 2, 5, 90]))
    [(1, 5), (90, 90)]
    """
    first = last = None
    for position in ordered:
        if last is not None and first is not None and position - last > _GAP:
            yield first, last
            first = None
        first = position if first is None else first
        last = position
    if first is not None and last is not None:
        yield first, last
