"""Operations that are more than a method of the data manager, and how each is recovered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lancenb.errors import InvalidArgument, UnknownOption

from ._arrow import eager, pieces, reader_of
from ._binding import etag_with_head
from ._context import Context
from ._models import About, Head, JobFacts, Stored, Upload
from ._uploads import PREFIX
from ._wire import Answer

#: Handlers by operation: called with the context and the arguments; work of jobs also gets
#: ``progress`` and ``cancel``.
HANDLERS: dict[str, Callable[..., Any]] = {}


def handler(function: Callable[..., Any]) -> Callable[..., Any]:
    """Answer the operation of the function's name with it."""
    HANDLERS[function.__name__] = function
    return function


@handler
def head(ctx: Context, name: str) -> Answer:
    """Open the newest version once, so that its facts belong together."""
    artifact = ctx.manager.get(name)
    facts = Head(artifact.version, artifact.rows, artifact.nbytes, artifact.schema)
    return Answer(facts, etag=etag_with_head(artifact))


@handler
def content_hash(ctx: Context, name: str) -> str | None:
    """Hash what the head holds."""
    return ctx.manager.get(name).content_hash


@handler
def read(
    ctx: Context,
    name: str,
    where: Any = None,
    columns: Any = None,
    limit: int | None = None,
    offset: int | None = None,
    order_by: Any = None,
    version: int | str | None = None,
    batch_rows: int | None = None,
) -> Answer:
    """Stream rows; the scan ends with the stream."""
    query = ctx.manager._query(name, where, columns, limit, offset, order_by, version)
    return Answer(body=eager(pieces(*ctx.manager._stream(query, batch_rows))))


@handler
def read_weights(
    ctx: Context, name: str, only: list[str] | None = None, version: int | str | None = None
) -> Answer:
    """Stream tensors."""
    from lancenb.catalog._names import a_kind
    from lancenb.convert.weights.stream import stream_schema, weights_batches

    artifact = ctx.manager.get(name)
    if artifact.kind != "weights":
        raise InvalidArgument(
            f"{artifact.name!r} holds {a_kind(artifact.kind)}, not weights",
            hint="dm.list(kind='weights') shows the models",
        )
    dataset = ctx.manager.dataset(name, version)
    metadata = {k.decode(): v.decode() for k, v in (dataset.schema.metadata or {}).items()}
    stored = Stored(str(dataset.uri), int(dataset.version), metadata)
    stream = pieces(stream_schema(dataset), weights_batches(dataset, only=only))
    return Answer(value=stored, body=eager(stream))


@handler
def write(ctx: Context, name: str, options: dict[str, Any] | None = None, **common: Any) -> Any:
    """Make a version of an Arrow stream."""
    reader = ctx.house.confined.rows(reader_of(ctx.body, strange=True))
    return ctx.manager.convert(reader, name, **common, **(options or {}))


@handler
def prepare(ctx: Context, name: str, **asked: Any) -> bool:
    """Check what can be checked before anything is sent."""
    return ctx.manager._prepare(name, **asked)[0]


@handler
def upsert(ctx: Context, name: str, **options: Any) -> Any:
    """Merge an Arrow stream by key."""
    reader = ctx.house.confined.rows(reader_of(ctx.body, strange=True))
    table = reader.read_all()  # before its turn: a slow sender keeps nobody waiting
    with ctx.house.turns.take(name):
        return ctx.manager.upsert(name, table, **options)


@handler
def upload(ctx: Context, label: str = "") -> Upload:
    """Take files."""
    return ctx.house.uploads.receive(ctx.principal.id, ctx.body)


@handler
def convert(
    ctx: Context,
    name: str,
    source: str,
    *,
    progress: Any,
    cancel: Any,
    options: dict[str, Any] | None = None,
    **common: Any,
) -> Any:
    """Convert an upload, or what the server downloads under its policy."""
    common |= {"progress": progress, "cancel": cancel, **(options or {})}
    if source.startswith(PREFIX):
        ident = ctx.house.confined.upload(source.removeprefix(PREFIX), "source")
        with ctx.house.uploads.use(ident, ctx.principal.id) as found, _as_sent(found, common):
            return ctx.manager.convert(found, name, **common)
    found = _downloaded(ctx, source, {}, progress, cancel)
    return ctx.manager.convert(found, name, **common)


def _as_sent(found: Any, common: dict[str, Any]) -> Any:
    """Let files be recorded by the paths their owner knows, not by where they were unpacked."""
    from lancenb.convert._shown import shown_as

    facts = dict(common.get("lineage") or {})
    names = facts.pop("sent_from", None)
    common["lineage"] = facts or None
    places = found if isinstance(found, list) else [found]
    if not isinstance(names, list) or len(names) != len(places):
        names = [getattr(place, "name", "") for place in places]
    return shown_as({str(place): str(name) for place, name in zip(places, names, strict=True)})


def _downloaded(
    ctx: Context, source: str, options: dict[str, Any], progress: Any, cancel: Any
) -> Any:
    from lancenb.download import download as fetch

    spec = ctx.house.confined.source(source)
    policy = ctx.house.confined.policy
    return fetch(spec, policy=policy, progress=progress, cancel=cancel, **options)


@handler
def download(
    ctx: Context,
    source: str,
    *,
    progress: Any,
    cancel: Any,
    options: dict[str, Any] | None = None,
) -> Upload:
    """Download to the server and keep it there to be converted."""
    found = _downloaded(ctx, source, ctx.house.confined.options(options or {}), progress, cancel)
    size = int(getattr(found, "nbytes", 0) or 0)
    return Upload(ctx.house.uploads.hold(ctx.principal.id, found), 1, size)


@handler
def save_weights(
    ctx: Context,
    name: str,
    source: str,
    *,
    progress: Any,
    cancel: Any,
    options: dict[str, Any] | None = None,
    **common: Any,
) -> Any:
    """Save uploaded tensors; only those that changed are stored again."""
    from lancenb.convert.weights import load_tensors

    if unknown := (options or {}).keys() - {"hash"}:
        raise UnknownOption(f"save_weights has no option {min(unknown)!r}", hint="it takes: hash")
    ident = ctx.house.confined.upload(source.removeprefix(PREFIX), "source")
    with ctx.house.uploads.use(ident, ctx.principal.id) as found:
        common |= {"progress": progress, "cancel": cancel, **(options or {})}
        ctx.house.confined.table(found)
        return ctx.manager.save_weights(name, load_tensors(str(found)), **common)


@handler
def jobs(ctx: Context) -> list[JobFacts]:
    """List the caller's jobs."""
    return ctx.house.jobs.list(ctx.owner)


@handler
def job(ctx: Context, job: str) -> JobFacts:
    """Look at one."""
    return ctx.house.jobs.facts(job, ctx.owner)


@handler
def job_events(ctx: Context, job: str, after: int = 0) -> Answer:
    """Follow one."""
    return Answer(body=ctx.house.jobs.events(job, ctx.owner, after))


@handler
def cancel_job(ctx: Context, job: str) -> JobFacts:
    """Stop one."""
    return ctx.house.jobs.cancel(job, ctx.owner)


@handler
def watch(ctx: Context, after: int | None = None) -> Answer:
    """Follow what is written, from now on unless told otherwise."""
    feed, house = ctx.house.feed, ctx.house
    begin = feed.seq if after is None else after

    def events() -> Iterator[dict[str, Any]]:
        yield {"seq": begin, "event": "ready", "data": {}}
        yield from feed.follow(begin, lambda: house.closing)

    return Answer(body=events())


@handler
def about(ctx: Context) -> About:
    """Say what this is."""
    from lancenb import __version__
    from lancenb.store import redact

    from ._ops import OPS

    limits = ctx.house.limits
    shown = {key: value for key, value in vars(limits).items() if isinstance(value, (int, float))}
    root = redact(ctx.manager.store.uri)
    return About(__version__, root, ctx.principal.name, ctx.principal.scope, sorted(OPS), shown)
