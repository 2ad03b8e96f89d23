"""Operations that move rows, files or events, and those about the server itself."""

# Signatures without bodies: nothing here is ever called.
# pyright: reportReturnType=false, reportArgumentType=false

from __future__ import annotations

from typing import Any

from lancenb import errors as e
from lancenb.catalog.results import Upsert
from lancenb.convert import ConvertReport

from ._models import About, JobFacts, Stored, Upload
from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, JOB, WRITE, op

_MADE = (
    e.InvalidName,
    e.AlreadyExists,
    e.ArtifactNotFound,
    e.SchemaMismatch,
    e.CorruptInput,
    e.UnsafeInput,
    e.UnsupportedFormat,
    e.OutOfSpace,
)
_READ = (
    e.ArtifactNotFound,
    e.VersionNotFound,
    e.TagNotFound,
    e.InvalidFilter,
    e.ColumnNotFound,
)


@op("POST /artifacts/{name}/read", shape=ARROW_OUT, errors=_READ,
    example={"name": "points", "where": [["x", ">", 1]], "limit": 10})  # fmt: skip
def read(
    name: str,
    where: Any = None,
    *,
    columns: list[str] | None = None,
    limit: int | None = None,
    offset: int | None = None,
    order_by: Any = None,
    version: int | str | None = None,
    batch_rows: int | None = None,
) -> None:
    """Stream the rows that match, as an Arrow IPC stream."""


@op("POST /artifacts/{name}/weights", shape=ARROW_OUT, errors=_READ, example={"name": "resnet18"})
def read_weights(
    name: str, *, only: list[str] | None = None, version: int | str | None = None
) -> Stored:
    """Stream stored tensors with their payloads, as an Arrow IPC stream."""


@op("POST /artifacts/{name}/prepare", scope=WRITE, errors=_MADE, example={"name": "points"})
def prepare(
    name: str,
    mode: str = "create",
    description: str = "",
    tags: list[str] = (),
    metadata: dict[str, Any] | None = None,
    parents: list[Any] = (),
    message: str = "",
) -> bool:
    """Check a conversion before its files are sent; whether there is such an artefact."""


@op("POST /artifacts/{name}/rows", scope=WRITE, shape=ARROW_IN, errors=_MADE,
    example={"name": "points", "mode": "append"})  # fmt: skip
def write(
    name: str,
    *,
    mode: str = "create",
    kind: str | None = None,
    description: str = "",
    tags: list[str] = (),
    metadata: dict[str, Any] | None = None,
    parents: list[Any] = (),
    message: str = "",
    lineage: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> ConvertReport:
    """Make an artefact, or its next version, of an Arrow IPC stream; one atomic version."""


@op("POST /artifacts/{name}/upsert", scope=WRITE, shape=ARROW_IN, errors=_MADE,
    example={"name": "points", "key": "id"})  # fmt: skip
def upsert(name: str, *, key: str | list[str], create: bool = False, message: str = "") -> Upsert:
    """Insert rows whose key is new and replace those whose key is there, in one version."""


@op("POST /uploads", scope=WRITE, shape=BYTES_IN, errors=(e.UnsafeInput, e.OutOfSpace))
def upload(label: str = "") -> Upload:
    """Bring files (a tar stream) to the server, to be converted there by ``convert``."""


@op("POST /artifacts/{name}/convert", scope=WRITE, shape=JOB, errors=(*_MADE, e.SourceNotFound),
    example={"name": "drawn", "source": "synthetic:images"})  # fmt: skip
def convert(
    name: str,
    source: str,
    *,
    mode: str = "create",
    kind: str | None = None,
    description: str = "",
    tags: list[str] = (),
    metadata: dict[str, Any] | None = None,
    parents: list[Any] = (),
    message: str = "",
    lineage: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> ConvertReport:
    """Convert what the server downloads, or what was uploaded (``upload:ID``)."""


@op("POST /downloads", scope=WRITE, shape=JOB, errors=(e.DownloadFailed, e.UnsafeInput),
    example={"source": "synthetic:images", "options": {"limit": 100}})  # fmt: skip
def download(source: str, *, options: dict[str, Any] | None = None) -> Upload:
    """Download a model or dataset to the server, to be converted there by ``convert``."""


@op("POST /artifacts/{name}/save-weights", scope=WRITE, shape=JOB, errors=_MADE,
    example={"name": "net", "source": "upload:3f2a"})  # fmt: skip
def save_weights(
    name: str,
    source: str,
    *,
    mode: str = "auto",
    extras: dict[str, Any] | None = None,
    description: str = "",
    tags: list[str] = (),
    metadata: dict[str, Any] | None = None,
    parents: list[Any] = (),
    message: str = "",
    options: dict[str, Any] | None = None,
) -> ConvertReport:
    """Save uploaded tensors (a weights table, ``upload:ID``) as an artefact or its next version."""


# --- jobs, events, the server


@op("GET /jobs")
def jobs() -> list[JobFacts]:
    """List the jobs of this token."""


@op("GET /jobs/{job}", errors=(e.NotFound,), example={"job": "9f2c"})
def job(job: str) -> JobFacts:
    """Return the state of a job."""


@op("GET /jobs/{job}/events", shape=EVENTS, errors=(e.NotFound,), example={"job": "9f2c"})
def job_events(job: str, after: int = 0) -> None:
    """Follow a job: numbered progress events, then its result or its error."""


@op("POST /jobs/{job}/cancel", errors=(e.NotFound,), example={"job": "9f2c"})
def cancel_job(job: str) -> JobFacts:
    """Ask a job of this token to stop."""


@op("GET /events", shape=EVENTS)
def watch(after: int | None = None) -> None:
    """Follow what is written: numbered events with who, what, when, version before and after."""


@op("GET /about")
def about() -> About:
    """Return what this server is, and what this token may do."""
