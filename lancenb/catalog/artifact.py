"""One artefact of the catalogue, and lists of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from lancenb import _hooks
from lancenb.errors import LancenbError

from .. import _html
from ._stats import head_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from ._entry import Entry
    from .diff import Diff
    from .lineage import Lineage
    from .manager import DataManager
    from .results import Rollback, Versions

_SHOWN = 50


class Parent(TypedDict, total=False):
    """A lineage edge: what an artefact was made from.

    Keys: ``name`` and ``id`` (or ``uri`` for something outside), ``version``, ``relation``.
    """

    name: str
    id: str
    uri: str
    version: int | None
    relation: str


class Artifact:
    """A model, dataset or table: its registry entry, and its Lance table opened when needed.

    The entry is as of the moment it was fetched; ``version``, ``rows``, ``nbytes`` and ``schema``
    are read once from the head of the table. Get a new one (``dm[name]``) to see later changes.

    Attributes:
        name: its name.
        kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"``.
        uri: the Lance table.
        description: free text.
        tags: labels.
        aliases: Lance tags and the versions they point at.
        metadata: JSON-able facts.
        parents: what it was made from.
        created: when it was registered.
        updated: when the entry was last changed.
        manager: the data manager it came from.
        store: the store that manager works on.
    """

    def __init__(self, manager: DataManager, entry: Entry):
        self._manager, self._entry = manager, entry
        self.manager, self.store = manager, manager.store
        self.id = entry.id
        self.name: str = entry.name
        self.kind: str = entry.kind
        self.uri: str = manager._place(entry)
        self.description: str = entry.description
        self.tags: list[str] = list(entry.tags)
        self.aliases: dict[str, int] = dict(entry.aliases)
        self.metadata: dict[str, Any] = dict(entry.metadata)
        self.parents: list[dict[str, Any]] = [dict(parent) for parent in entry.parents]
        self.columns: list[str] = list(entry.columns)
        self.created: datetime = entry.created
        self.updated: datetime = entry.updated
        self.history: list[dict[str, Any]] = [dict(item) for item in entry.history]

    @cached_property
    def _head(self) -> Any:
        return self._manager._open(self._entry)

    @property
    def version(self) -> int:
        """Number of the head version."""
        return int(self._head.version)

    @cached_property
    def rows(self) -> int:
        """Rows of the head (tensors, for weights)."""
        return int(self._head.count_rows())

    @cached_property
    def nbytes(self) -> int:
        """Size of the head's files in bytes."""
        return head_bytes(self._manager.store, self._head, self.uri)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the head."""
        return self._head.schema

    @cached_property
    def content_hash(self) -> str | None:
        """SHA-256 over the content hashes of the head's rows, ``None`` when rows have none."""
        from ._stats import content_hash

        if self._entry.content_hash and self._entry.hash_version == self.version:
            return self._entry.content_hash
        return content_hash(self._head)

    def dataset(self, version: int | str | None = None) -> Any:
        """Open the Lance dataset, pinned; see :meth:`DataManager.dataset`."""
        return self._manager.dataset(self.name, version)

    def versions(self) -> Versions:
        """List versions; see :meth:`DataManager.versions`."""
        return self._manager.versions(self.name)

    def tag(self, tag: str, version: int | str | None = None, *, move: bool = True) -> int:
        """Point a tag at a version; see :meth:`DataManager.tag`."""
        return self._manager.tag(self.name, tag, version, move=move)

    def untag(self, tag: str) -> None:
        """Remove a tag; see :meth:`DataManager.untag`."""
        self._manager.untag(self.name, tag)

    def rollback(self, version: int | str) -> Rollback:
        """Make an older version the head again; see :meth:`DataManager.rollback`."""
        return self._manager.rollback(self.name, version)

    def forward(self, version: int | str | None = None) -> Rollback:
        """Undo a rollback; see :meth:`DataManager.forward`."""
        return self._manager.forward(self.name, version)

    def diff(
        self, v1: int | str, v2: int | str | None = None, *, key: str | list[str] | None = None
    ) -> Diff:
        """Compare two versions; see :meth:`DataManager.diff`."""
        return self._manager.diff(self.name, v1, v2, key=key)

    def lineage(self) -> Lineage:
        """Return where it came from and what was made of it; see :meth:`DataManager.lineage`."""
        return self._manager.lineage(self.name)

    def search_rows(self, where: Any = None, **options: Any) -> pa.Table:
        """Find rows; see :meth:`DataManager.search_rows`."""
        return self._manager.search_rows(self.name, where, **options)

    def read(self, where: Any = None, **options: Any) -> pa.RecordBatchReader:
        """Read rows as a stream; see :meth:`DataManager.read`."""
        return self._manager.read(self.name, where, **options)

    def load_weights(self, into: Any = None, **options: Any) -> Any:
        """Load stored weights; see :meth:`DataManager.load_weights`."""
        return self._manager.load_weights(self.name, into, **options)

    def to_datasets(self, **options: Any) -> Any:
        """Return the rows to ``datasets``; see :func:`lancenb.convert.to_datasets`."""
        from lancenb.convert import to_datasets

        return to_datasets(self, **options)

    def preview(self, **options: Any) -> Any:
        """Return a picture of the content for notebooks."""
        return _hooks.call("preview", self, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the registry's facts as plain JSON-able values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "uri": self.uri,
            "description": self.description,
            "tags": self.tags,
            "aliases": self.aliases,
            "metadata": self.metadata,
            "parents": self.parents,
            "columns": self.columns,
            "created": self.created.isoformat(),
            "updated": self.updated.isoformat(),
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and (other.id, other.uri) == (self.id, self.uri)

    def __hash__(self) -> int:
        return hash((self.id, self.uri))

    def _facts(self) -> list[tuple[str, Any]]:
        try:
            state: list[tuple[str, Any]] = [
                ("version", f"{self.version}"),
                ("rows", f"{self.rows:,}"),
                ("size", _html.size(self.nbytes)),
            ]
        except LancenbError as error:
            state = [("problem", error.message)]
        aliases = ", ".join(f"{tag} → {v}" for tag, v in self.aliases.items())
        parents = ", ".join(parent_label(parent) for parent in self.parents)
        return [
            ("kind", self.kind),
            *state,
            ("description", self.description),
            ("tags", aliases),
            ("labels", ", ".join(self.tags)),
            ("made from", parents),
            ("metadata", _short(", ".join(f"{k}={v}" for k, v in self.metadata.items()))),
            ("columns", ", ".join(self.columns[:20]) + (" …" if len(self.columns) > 20 else "")),
            ("created", _html.when(self.created)),
            ("table", self.uri),
        ]

    def __repr__(self) -> str:
        lines = [f"<Artifact {self.name}>"]
        return "\n".join(lines + [f"  {k}: {v}" for k, v in self._facts() if v])

    def _repr_html_(self) -> str:
        return _html.facts(self.name, self._facts())


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."


def parent_label(parent: Mapping[str, Any]) -> str:
    """Return a lineage edge as short text."""
    text = str(parent.get("name") or parent.get("uri") or "?")
    if parent.get("version") is not None:
        text += f" v{parent['version']}"
    return f"{text} ({parent['relation']})" if parent.get("relation") else text


class Artifacts(list[Artifact]):
    """A list of artefacts that shows itself as a table.

    Args:
        items: the artefacts.
        note: a line shown above, such as what was searched for.
    """

    def __init__(self, items: Iterable[Artifact] = (), note: str = ""):
        super().__init__(items)
        self.note = note

    @property
    def names(self) -> list[str]:
        """Their names, in order."""
        return [artifact.name for artifact in self]

    _HEADERS = ("name", "kind", "version", "rows", "tags", "labels", "description")

    def _rows(self) -> list[tuple[str, ...]]:
        def row(artifact: Artifact) -> tuple[str, ...]:
            try:
                state = (str(artifact.version), f"{artifact.rows:,}")
            except LancenbError:
                state = ("?", "?")
            aliases = ", ".join(f"{tag} → {v}" for tag, v in artifact.aliases.items())
            words = " ".join(artifact.description.split())
            return (
                *(artifact.name, artifact.kind, *state, aliases, ", ".join(artifact.tags)),
                words if len(words) <= 60 else words[:57] + "...",
            )

        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(row, self[:_SHOWN]))

    def _caption(self) -> str:
        text = f"{len(self)} artefact{'s' * (len(self) != 1)}"
        if self.note:
            text += f" · {self.note}"
        return text if len(self) <= _SHOWN else f"{text} · the first {_SHOWN} are shown"

    def __repr__(self) -> str:
        if not self:
            return self._caption()
        return f"{self._caption()}\n{_html.columns([self._HEADERS, *self._rows()])}"

    def _repr_html_(self) -> str:
        return _html.table(self._HEADERS, self._rows(), self._caption())
