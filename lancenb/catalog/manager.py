"""The data manager: all verbs of the catalogue on one object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, LancenbError

from .. import _html
from ._base import CatalogBase
from ._edges import check_count
from ._find import Finding
from ._make import Making
from ._read import Reading
from ._upkeep import Upkeep
from ._upsert import Upserting
from ._verify import Verifying
from ._versions import Versioning

if TYPE_CHECKING:
    from .artifact import Artifact
    from .diff import Diff


_HINT = "dm.convert(source, name) adds weights, images, text or a table"
_EMPTY = f"0 artefacts; {_HINT}"


class DataManager(Making, Verifying, Finding, Reading, Upserting, Versioning, Upkeep):
    """Weights and datasets under one root, by name, with versions, tags and lineage.

    Every artefact is one Lance table; its versions, tags and rollbacks are Lance's own. The names
    are kept in one small table, ``registry.lance``, changed only by compare-and-swap, so that
    several processes and machines can share a root, on disk or on S3. A manager can be used from
    several threads and can be pickled. Making one touches nothing.

    Args:
        root: folder, ``"s3://bucket/prefix"`` or a :class:`~lancenb.Store`.
        actor: name noted in histories; ``user@host`` when ``None``.
        **store_options: options of :class:`~lancenb.Store` (endpoint, access_key, ...).

    Raises:
        UnknownOption: an option the store does not know.

    >>> import tempfile, pyarrow as pa, lancenb
    >>> dm = lancenb.DataManager(tempfile.mkdtemp())
    >>> dm.upsert("points", [{"id": 1, "x": 0.5}, {"id": 2, "x": 1.5}], key="id", create=True)
    points: 2 rows inserted, 0 updated (version 1)
    >>> dm.search_rows("points", [("x", ">", 1)]).to_pylist()
    [{'id': 2, 'x': 1.5}]
    >>> dm.upsert("points", {"id": 2, "x": 9.0}, key="id").version
    2
    >>> tuple(dm.rollback("points", 1))
    (1, 2, 3)
    """

    def diff(
        self,
        name: str | Artifact,
        v1: int | str,
        v2: int | str | None = None,
        *,
        key: str | Sequence[str] | None = None,
        samples: int = 5,
    ) -> Diff:
        """Compare two versions of an artefact.

        Tables: columns added, removed, retyped; rows added and removed (by their content), and
        changed when ``key`` says which column identifies a row. Weights: tensors added, removed,
        changed, with norm of the difference, relative to the norm before, and cosine.

        Args:
            name: the artefact.
            v1: a version number or tag.
            v2: another; the head when ``None``.
            key: column or columns that identify a row.
            samples: how many rows of each sort to show.

        Raises:
            VersionNotFound: no such version.
            InvalidArgument: the key is not unique.
        """
        from ._weightsdiff import diff_weights
        from .diff import diff_tables

        entry = self._entry(name)
        samples = check_count("samples", samples)
        before, after = self._open(entry, v1), self._open(entry, v2)
        if entry.kind == "weights":
            if key is not None:
                raise InvalidArgument("weights are compared by tensor name; leave key out")
            return diff_weights(entry.name, before, after)
        return diff_tables(entry.name, entry.kind, before, after, key=key, samples=samples)

    def preview(self, name: str | Artifact, **options: Any) -> Any:
        """Return a picture of an artefact for notebooks; see :func:`lancenb.preview`.

        Raises:
            ArtifactNotFound: with a suggestion.
        """
        return self._artifact(self._entry(name)).preview(**options)

    def _counts(self) -> str:
        kinds = Counter(entry.kind for entry in self._entries())
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        return f"{_html.count(sum(kinds.values()), 'artefact')} ({listed})" if listed else _EMPTY

    def __repr__(self) -> str:
        try:
            state = self._counts()
        except LancenbError as error:
            state = error.message
        return f"<DataManager {_root(self)}: {state}>"

    def _repr_html_(self) -> str:
        try:
            listed = self.list()
        except LancenbError as error:
            return _html.facts(f"DataManager {_root(self)}", [("problem", error.message)])
        if not listed:
            return _html.facts(f"DataManager {_root(self)}", [("empty", _HINT)])
        return _html.facts(f"DataManager {_root(self)}", []) + listed._repr_html_()

    def __bool__(self) -> bool:
        return True  # an empty catalogue is still a catalogue

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataManager) and other.store == self.store

    def __hash__(self) -> int:
        return hash(self.store)

    def __getstate__(self) -> dict[str, Any]:
        return {"store": self.store, "actor": self.actor, "registry": self.registry}


def _call_it_by_its_name() -> None:
    """Let Python's own TypeErrors say ``DataManager.convert()``, not where it was written."""
    for base in DataManager.__mro__[1:-1]:
        for name, member in vars(base).items():
            if not name.startswith("_") and isinstance(member, FunctionType):
                member.__qualname__ = f"{DataManager.__qualname__}.{name}"
                member.__module__ = __name__
    CatalogBase.__init__.__qualname__ = f"{DataManager.__qualname__}.__init__"


_call_it_by_its_name()


def _root(manager: DataManager) -> str:
    from lancenb.store import redact

    return redact(manager.store.uri.removeprefix("shared-"))
