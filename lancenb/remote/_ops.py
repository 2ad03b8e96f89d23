"""The table of operations: what a catalogue can do over a wire, each declared in one place.

HTTP routes and their documentation, gRPC methods, WebSocket messages, the server's checks and the
client's verbs all come from these signatures. To add an operation, declare it here (or in a module
imported at the end); where its name is a method of :class:`~lancenb.DataManager` nothing else is
needed, otherwise a handler of that name goes into ``_handlers``.
"""

# Signatures without bodies: nothing here is ever called.
# pyright: reportReturnType=false, reportArgumentType=false

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lancenb import errors as e
from lancenb.catalog._verify import Examined, Verified
from lancenb.catalog.artifact import Artifact, Artifacts
from lancenb.catalog.diff import Diff
from lancenb.catalog.fsck import FsckReport
from lancenb.catalog.lineage import Lineage
from lancenb.catalog.results import (
    Cleanup,
    Deletion,
    Optimized,
    Rollback,
    RowChange,
    Versions,
)

from ._models import Head
from ._op import ADMIN, JOB, OPS, WRITE, Op, op

__all__ = ["OPS", "Op"]

_NAMED = (e.ArtifactNotFound, e.InvalidName)
_PINNED = (*_NAMED, e.VersionNotFound, e.TagNotFound)
_FILTERED = (*_PINNED, e.InvalidFilter, e.ColumnNotFound)
_CHANGED = (*_NAMED, e.Conflict, e.StoreNotWritable)


# --- the catalogue


@op("GET /artifacts", name="list", example={"kind": "weights"})
def list_artifacts(kind: str | None = None, tag: str | None = None) -> Artifacts:
    """List artefacts by name, or those of a kind or with a tag."""


@op("POST /search", errors=(e.InvalidFilter, e.ColumnNotFound), example={"text": "resnet"})
def search(
    text: str | None = None,
    *,
    where: str | None = None,
    kind: str | None = None,
    tag: str | None = None,
    limit: int = 100,
) -> Artifacts:
    """Search the catalogue by words and by an SQL condition on its facts."""


@op("GET /artifacts/{name}", errors=_NAMED, example={"name": "resnet18"})
def get(name: str) -> Artifact:
    """Return the facts of an artefact."""


@op("GET /artifacts/{name}/head", errors=_NAMED, example={"name": "resnet18"})
def head(name: str) -> Head:
    """Return version, rows, size and schema of the head of an artefact."""


@op("GET /artifacts/{name}/content-hash", errors=_NAMED, example={"name": "resnet18"})
def content_hash(name: str) -> str | None:
    """Return the SHA-256 over the content hashes of the head's rows, null when they have none."""


@op("POST /artifacts/{name}/register", scope=WRITE,
    errors=(e.InvalidName, e.AlreadyExists, e.NotFound, e.UnsafeInput),
    example={"name": "points", "uri": "datasets/points.lance"})  # fmt: skip
def register(
    name: str,
    uri: str,
    *,
    kind: str | None = None,
    description: str = "",
    tags: list[str] = (),
    metadata: dict[str, Any] | None = None,
    parents: list[Any] = (),
    replace: bool = False,
) -> Artifact:
    """Give a Lance table inside the server's root a name."""


@op("PATCH /artifacts/{name}", scope=WRITE, errors=_CHANGED,
    example={"name": "resnet18", "description": "trained on shapes"})  # fmt: skip
def update(
    name: str,
    *,
    description: str | None = None,
    tags: list[str] | None = None,
    metadata: dict[str, Any] | None = None,
    parents: list[Any] | None = None,
) -> Artifact:
    """Change description, labels, metadata or parents of an artefact."""


@op("POST /artifacts/{name}/rename", scope=WRITE, errors=(*_CHANGED, e.AlreadyExists),
    example={"name": "net", "new": "resnet18"})  # fmt: skip
def rename(name: str, new: str) -> Artifact:
    """Give an artefact another name."""


@op("POST /artifacts/{name}/delete", scope=WRITE,
    errors=(*_CHANGED, e.ConfirmationRequired, e.Protected),
    example={"name": "old-set", "dry_run": True})  # fmt: skip
def delete(
    name: str, *, dry_run: bool = False, confirm: str | None = None, force: bool = False
) -> Deletion:
    """Delete an artefact with all its versions, or say what that would free."""


@op("GET /artifacts/{name}/lineage", errors=_NAMED, example={"name": "resnet18"})
def lineage(name: str) -> Lineage:
    """Return where an artefact came from and what was made of it."""


@op("POST /examine", errors=(e.NotFound, e.UnsafeInput), example={"uri": "datasets/x.lance"})
def examine(uri: str) -> Examined:
    """Say what a table inside the server's root is, before it is registered."""


# --- versions and tags


@op("GET /artifacts/{name}/versions", errors=_NAMED, example={"name": "resnet18"})
def versions(name: str) -> Versions:
    """List the versions of an artefact, oldest first."""


@op("GET /artifacts/{name}/tags", errors=_NAMED, example={"name": "resnet18"})
def tags(name: str) -> dict[str, int]:
    """Return the tags of an artefact and the versions they point at."""


@op("GET /artifacts/{name}/tag-history", errors=_NAMED, example={"name": "resnet18"})
def tag_history(name: str, tag: str | None = None) -> list[dict[str, Any]]:
    """Return how tags were set, moved and removed."""


@op("PUT /artifacts/{name}/tags/{tag}", scope=WRITE,
    errors=(*_PINNED, e.AlreadyExists, e.Conflict),
    example={"name": "resnet18", "tag": "prod", "version": 2})  # fmt: skip
def tag(name: str, tag: str, version: int | str | None = None, *, move: bool = True) -> int:
    """Point a tag at a version."""


@op("DELETE /artifacts/{name}/tags/{tag}", scope=WRITE, errors=(*_NAMED, e.TagNotFound),
    example={"name": "resnet18", "tag": "prod"})  # fmt: skip
def untag(name: str, tag: str) -> None:
    """Remove a tag."""


@op("POST /artifacts/{name}/rollback", scope=WRITE, errors=(*_PINNED, e.Conflict),
    example={"name": "resnet18", "version": 1})  # fmt: skip
def rollback(name: str, version: int | str, *, message: str = "") -> Rollback:
    """Make an older version the head again."""


@op("POST /artifacts/{name}/forward", scope=WRITE, errors=(*_PINNED, e.Conflict),
    example={"name": "resnet18"})  # fmt: skip
def forward(name: str, version: int | str | None = None, *, message: str = "") -> Rollback:
    """Undo a rollback."""


@op("POST /artifacts/{name}/diff", shape=JOB, errors=_PINNED,
    example={"name": "resnet18", "v1": 1, "v2": 2})  # fmt: skip
def diff(
    name: str,
    v1: int | str,
    v2: int | str | None = None,
    *,
    key: str | list[str] | None = None,
    samples: int = 5,
) -> Diff:
    """Compare two versions of an artefact."""


# --- rows


@op("POST /artifacts/{name}/row", errors=_FILTERED,
    example={"name": "points", "key": "id", "value": 2})  # fmt: skip
def get_row(
    name: str, key: str, value: Any, *, version: int | str | None = None
) -> dict[str, Any] | None:
    """Return the one row with that key, null if there is none."""


@op("POST /artifacts/{name}/row/history", errors=_FILTERED,
    example={"name": "points", "key": "id", "value": 2})  # fmt: skip
def row_history(name: str, key: str, value: Any) -> list[RowChange]:
    """Return when a row was added, changed and removed."""


@op("POST /artifacts/{name}/rows/delete", scope=WRITE, errors=(*_FILTERED, e.Conflict),
    example={"name": "points", "where": [["x", ">", 1]], "dry_run": True})  # fmt: skip
def delete_rows(name: str, where: Any, *, dry_run: bool = False) -> int:
    """Delete the rows that match, as a new version, or count them."""


# --- care


@op("POST /artifacts/{name}/optimize", scope=WRITE, shape=JOB, errors=_CHANGED,
    example={"name": "points"})  # fmt: skip
def optimize(name: str) -> Optimized:
    """Compact small files."""


@op("POST /artifacts/{name}/cleanup", scope=WRITE, shape=JOB, errors=_CHANGED,
    example={"name": "points", "keep": 5, "dry_run": True})  # fmt: skip
def cleanup(
    name: str,
    *,
    keep: int | None = None,
    older_than: timedelta | None = None,
    dry_run: bool = False,
) -> Cleanup:
    """Remove old versions, or say what that would free."""


@op("POST /artifacts/{name}/verify", shape=JOB, errors=_PINNED, example={"name": "resnet18"})
def verify(name: str, version: int | str | None = None) -> Verified:
    """Hash again what an artefact holds."""


@op("POST /fsck", scope=ADMIN, shape=JOB, example={"repair": False})
def fsck(repair: bool = False, *, grace: timedelta = timedelta(days=1)) -> FsckReport:
    """Check the whole root for debris and damage."""


from . import _ops_streams as _ops_streams  # noqa: E402
