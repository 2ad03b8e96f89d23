"""What every catalogue can do, here or behind a server: the interface of ``DataManager``.

A function written against :class:`Manager` works with a :class:`~lancenb.DataManager` and with what
:func:`lancenb.connect` returns alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.catalog import Artifact, DataManager
    from lancenb.catalog._verify import Examined, Verified
    from lancenb.catalog.artifact import Artifacts
    from lancenb.catalog.diff import Diff
    from lancenb.catalog.fsck import FsckReport
    from lancenb.catalog.lineage import Lineage
    from lancenb.catalog.results import (
        Cleanup,
        Deletion,
        Optimized,
        Rollback,
        RowChange,
        Upsert,
        Versions,
    )
    from lancenb.convert import ConvertReport
    from lancenb.progress import CancelToken, ProgressCallback

    from ._client import RemoteManager


@runtime_checkable
class Manager(Protocol):
    """A catalogue of artefacts; each verb is described at :class:`~lancenb.DataManager`."""

    def list(self, kind: str | None = None, tag: str | None = None) -> Artifacts:
        """List artefacts."""
        ...

    def search(
        self, text: str | None = None, *, where: str | None = None, kind: str | None = None,
        tag: str | None = None, limit: int = 100,
    ) -> Artifacts:  # fmt: skip
        """Search the catalogue."""
        ...

    def get(self, name: str | Artifact) -> Artifact:
        """Return an artefact."""
        ...

    def __getitem__(self, name: str | Artifact) -> Artifact:
        """Return an artefact."""
        ...

    def __contains__(self, name: object) -> bool:
        """Whether there is such an artefact."""
        ...

    def __iter__(self) -> Iterator[Artifact]:
        """Go through all artefacts by name."""
        ...

    def __len__(self) -> int:
        """Count the artefacts."""
        ...

    def register(
        self,
        name: str,
        uri: Any,
        *,
        kind: str | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        parents: Sequence[Any] = (),
        replace: bool = False,
    ) -> Artifact:
        """Give a table a name."""
        ...

    def examine(self, uri: Any) -> Examined:
        """Say what a table is."""
        ...

    def update(
        self, name: str | Artifact, *, description: str | None = None,
        tags: Sequence[str] | None = None, metadata: Mapping[str, Any] | None = None,
        parents: Sequence[Any] | None = None,
    ) -> Artifact:  # fmt: skip
        """Change the facts of an entry."""
        ...

    def rename(self, name: str | Artifact, new: str) -> Artifact:
        """Give another name."""
        ...

    def delete(
        self, name: str | Artifact, *, dry_run: bool = False, confirm: str | None = None,
        force: bool = False,
    ) -> Deletion:  # fmt: skip
        """Delete an artefact."""
        ...

    def lineage(self, name: str | Artifact) -> Lineage:
        """Return where it came from."""
        ...

    def versions(self, name: str | Artifact) -> Versions:
        """List versions."""
        ...

    def tags(self, name: str | Artifact) -> dict[str, int]:
        """Return tags."""
        ...

    def tag_history(self, name: str | Artifact, tag: str | None = None) -> Any:
        """Return how tags moved."""
        ...

    def tag(
        self,
        name: str | Artifact,
        tag: str,
        version: int | str | None = None,
        *,
        move: bool = True,
    ) -> int:
        """Set a tag."""
        ...

    def untag(self, name: str | Artifact, tag: str) -> None:
        """Remove a tag."""
        ...

    def rollback(self, name: str | Artifact, version: int | str, *, message: str = "") -> Rollback:
        """Go back."""
        ...

    def forward(
        self, name: str | Artifact, version: int | str | None = None, *, message: str = ""
    ) -> Rollback:
        """Undo a rollback."""
        ...

    def diff(
        self,
        name: str | Artifact,
        v1: int | str,
        v2: int | str | None = None,
        *,
        key: str | Sequence[str] | None = None,
        samples: int = 5,
    ) -> Diff:
        """Compare versions."""
        ...

    def search_rows(
        self,
        name: str | Artifact,
        where: Any = None,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | Sequence[Any] | None = None,
        version: int | str | None = None,
    ) -> pa.Table:
        """Find rows."""
        ...

    def read(
        self,
        name: str | Artifact,
        where: Any = None,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | Sequence[Any] | None = None,
        version: int | str | None = None,
        batch_rows: int | None = None,
    ) -> pa.RecordBatchReader:
        """Stream rows."""
        ...

    def get_row(
        self, name: str | Artifact, key: str, value: Any, *, version: int | str | None = None
    ) -> dict[str, Any] | None:
        """Return one row."""
        ...

    def row_history(self, name: str | Artifact, key: str, value: Any) -> Sequence[RowChange]:
        """Return the life of a row."""
        ...

    def delete_rows(self, name: str | Artifact, where: Any, *, dry_run: bool = False) -> int:
        """Delete rows."""
        ...

    def upsert(
        self, name: str | Artifact, data: Any, *, key: str | Sequence[str], create: bool = False,
        message: str = "",
    ) -> Upsert:  # fmt: skip
        """Insert or update rows."""
        ...

    def convert(
        self,
        source: Any,
        name: str,
        *,
        mode: str = "create",
        kind: str | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        parents: Sequence[Any] = (),
        message: str = "",
        lineage: Mapping[str, Any] | None = None,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> ConvertReport:
        """Make an artefact, or its next version."""
        ...

    def save_weights(
        self,
        name: str,
        state: Any,
        *,
        mode: str = "auto",
        extras: Mapping[str, Any] | None = None,
        description: str = "",
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        parents: Sequence[Any] = (),
        message: str = "",
        **options: Any,
    ) -> ConvertReport:
        """Save weights."""
        ...

    def load_weights(
        self,
        name: str | Artifact,
        into: Any = None,
        *,
        version: int | str | None = None,
        only: Sequence[str] | None = None,
        strict: str = "exact",
        strip: Sequence[str] = (),
        device: Any = "cpu",
    ) -> Any:
        """Load weights."""
        ...

    def optimize(self, name: str | Artifact) -> Optimized:
        """Compact."""
        ...

    def cleanup(
        self,
        name: str | Artifact,
        *,
        keep: int | None = None,
        older_than: timedelta | None = None,
        dry_run: bool = False,
    ) -> Cleanup:
        """Remove old versions."""
        ...

    def verify(
        self, name: str | Artifact, version: int | str | None = None, *,
        progress: ProgressCallback | bool | None = None, cancel: CancelToken | None = None,
    ) -> Verified:  # fmt: skip
        """Hash again."""
        ...

    def fsck(self, repair: bool = False, *, grace: timedelta = ...) -> FsckReport:
        """Check the root."""
        ...

    def preview(self, name: str | Artifact, **options: Any) -> Any:
        """Return a picture for notebooks."""
        ...


def _checked(local: DataManager, remote: RemoteManager) -> tuple[Manager, Manager]:
    """Let the type checker compare both with the interface."""
    return local, remote
