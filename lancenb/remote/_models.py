"""Results that exist only because there is a wire: facts instead of things that hold files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lancenb import _html
from lancenb.catalog.results import Facts

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.catalog.artifact import Artifact


@dataclass(frozen=True)
class ArtifactFacts:
    """What the registry knows of an artefact; the fields are those of ``Artifact``."""

    id: str
    name: str
    kind: str
    uri: str
    description: str
    tags: list[str]
    aliases: dict[str, int]
    metadata: dict[str, Any]
    parents: list[dict[str, Any]]
    columns: list[str]
    created: datetime
    updated: datetime
    history: list[dict[str, Any]]

    @classmethod
    def of(cls, artifact: Artifact) -> ArtifactFacts:
        """Copy them from an artefact."""
        return cls(**{name: getattr(artifact, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class ArtifactList:
    """Artefacts, and what was searched for."""

    items: list[ArtifactFacts]
    note: str = ""


@dataclass(frozen=True)
class Head:
    """What the newest version of a table is.

    Attributes:
        version: its number.
        rows: its rows.
        nbytes: size of its files in bytes.
        schema: its Arrow schema.
    """

    version: int
    rows: int
    nbytes: int
    schema: pa.Schema


@dataclass(frozen=True)
class Stored:
    """What a stream of tensors belongs to: table, version, and facts kept with the schema."""

    uri: str
    version: int
    metadata: dict[str, str]


@dataclass(frozen=True)
class Upload:
    """Files that were brought to the server.

    Attributes:
        upload: their id; ``upload:ID`` is the source to convert.
        files: how many.
        bytes: their size.
    """

    upload: str
    files: int
    bytes: int


@dataclass(frozen=True, repr=False)
class JobFacts(Facts):
    """A job in the server.

    Attributes:
        job: its id.
        op: the operation.
        name: the artefact it works on.
        state: ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        events: number of its newest event.
        started: when.
        ended: when; ``None`` while it runs.
    """

    job: str
    op: str
    name: str
    state: str
    events: int
    started: datetime
    ended: datetime | None = None

    def _title(self) -> str:
        what = f"{self.op} {self.name}".rstrip()
        ended = self.ended or self.started
        took = f" in {(ended - self.started).total_seconds():.1f} s" if self.ended else ""
        return f"<{what}: {self.state}{took}, {self.started:%Y-%m-%d %H:%M:%S}, job {self.job}>"


@dataclass(frozen=True, repr=False)
class About(Facts):
    """What a server is, and what the token may do.

    Attributes:
        version: of lancenb.
        root: where its artefacts are.
        who: name of the token.
        scope: ``"read"``, ``"write"`` or ``"admin"``.
        operations: names of the operations it knows.
        limits: what it takes on.
    """

    version: str
    root: str
    who: str
    scope: str
    operations: list[str] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)

    def _title(self) -> str:
        return f"lancenb {self.version} at {self.root}: {self.scope} as {self.who}"

    def _pairs(self) -> list[tuple[str, Any]]:
        return [("knows", _html.count(len(self.operations), "operation"))]
