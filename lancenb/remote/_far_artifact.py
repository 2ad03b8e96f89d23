"""An artefact behind a server: the same facts and verbs, no files."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lancenb.catalog.artifact import Artifact
from lancenb.errors import LocalOnly

if TYPE_CHECKING:
    import pyarrow as pa

    from ._client import RemoteManager
    from ._models import ArtifactFacts, Head


class RemoteArtifact(Artifact):
    """An artefact of a server's catalogue; see :class:`~lancenb.Artifact`.

    ``version``, ``rows``, ``nbytes`` and ``schema`` are asked for once, together.
    """

    def __init__(self, manager: RemoteManager, facts: ArtifactFacts):
        self._manager: Any = manager
        for name in type(facts).__dataclass_fields__:
            setattr(self, name, getattr(facts, name))

    def __getattr__(self, name: str) -> Any:
        if name in ("manager", "store"):
            raise AttributeError(f"an artefact behind a server has no {name!r}")
        raise AttributeError(name)

    @cached_property
    def _head(self) -> Head:
        return self._manager._head_of(self.name)

    @property
    def version(self) -> int:
        """Number of the head version."""
        return self._head.version

    @cached_property
    def rows(self) -> int:
        """Rows of the head (tensors, for weights)."""
        return self._head.rows

    @cached_property
    def nbytes(self) -> int:
        """Size of the head's files in bytes."""
        return self._head.nbytes

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the head."""
        return self._head.schema

    @cached_property
    def content_hash(self) -> str | None:
        """SHA-256 over the content hashes of the head's rows, ``None`` when rows have none."""
        return self._manager._hash_of(self.name)

    def dataset(self, version: int | str | None = None) -> Any:
        """Raise: a Lance dataset opens only where its files are.

        Raises:
            LocalOnly: always.
        """
        raise no_dataset(self.name)


def no_dataset(name: str) -> LocalOnly:
    """Return the error for asking a server for a Lance dataset."""
    return LocalOnly(
        f"the Lance dataset of {name!r} opens only where its files are",
        hint=f"dm.read({name!r}) streams its rows from the server; "
        "lnb.fit and LanceTorchDataset run where the store is",
    )
