"""How what is here gets to a server: streamed, sent as files, or made a table first."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lancenb.errors import InvalidArgument, InvalidName, SourceNotFound

from ._arrow import Sink, pieces
from ._codec import dump_any
from ._far_data import ServerFiles, existing_paths, scratch
from ._op import OPS

if TYPE_CHECKING:
    from lancenb.convert import ConvertReport
    from lancenb.progress import CancelToken, ProgressCallback

    from ._far_data import FarData
    from ._models import Upload

_PREPARED = ("mode", "description", "tags", "metadata", "parents", "message")


def send(
    manager: FarData,
    source: Any,
    name: str,
    common: Mapping[str, Any],
    options: Mapping[str, Any],
    progress: ProgressCallback | bool | None,
    cancel: CancelToken | None,
) -> ConvertReport:
    """Convert ``source`` behind a server, by the way that fits it."""
    from lancenb.convert._fetch import is_spec

    sent = manager._sent("write", {"name": name, **common})
    if options:
        sent["options"] = dump_any(dict(options))
    more: dict[str, Any] = {"progress": progress, "cancel": cancel}
    if isinstance(source, (pa.Table, pa.RecordBatch, pa.RecordBatchReader)):
        return _stream_rows(manager, source, sent, more)
    if isinstance(source, ServerFiles) or (isinstance(source, str) and is_spec(source)):
        return manager._ask(OPS["convert"], {**sent, "source": str(source).strip()}, **more)
    manager._ask(OPS["prepare"], {k: v for k, v in sent.items() if k in ("name", *_PREPARED)})
    paths = existing_paths(source)
    if not paths:
        return _made_here(manager, source, sent, common, options, more)
    _check(source, common.get("kind"), options)
    upload = send_files(manager, paths, progress, cancel)
    sent["lineage"] = {**(sent.get("lineage") or {}), "sent_from": [str(path) for path in paths]}
    return manager._ask(OPS["convert"], {**sent, "source": f"upload:{upload.upload}"}, **more)


def _check(source: Any, kind: str | None, options: Mapping[str, Any]) -> None:
    """Let what is plainly wrong with a source fail here, before anything is sent."""
    from lancenb.convert._convert import make_converter

    make_converter(source, kind, **options)


def _stream_rows(
    manager: FarData, source: Any, sent: dict[str, Any], more: Mapping[str, Any]
) -> ConvertReport:
    """Stream Arrow data; progress counts what was handed to the connection."""
    from lancenb.progress import Tracker

    again = not isinstance(source, pa.RecordBatchReader)
    total = source.num_rows if again else None
    facts = sent.get("lineage") or {}
    sent["lineage"] = {"source": f"the pyarrow {type(source).__name__}", **facts}

    def body() -> Iterator[Any]:
        tracker = Tracker(more["progress"], more["cancel"], total_rows=total)
        if isinstance(source, pa.RecordBatch):
            reader = pa.RecordBatchReader.from_batches(source.schema, [source])
        else:
            reader = source.to_reader() if isinstance(source, pa.Table) else source

        def counted() -> Iterator[pa.RecordBatch]:
            for batch in reader:
                tracker.advance(batch.num_rows, batch.nbytes)
                yield batch

        yield from pieces(reader.schema, counted())
        tracker.enter("done")

    return manager._ask(OPS["write"], sent, body=body, again=again)


def _made_here(
    manager: FarData,
    source: Any,
    sent: dict[str, Any],
    common: Mapping[str, Any],
    options: Mapping[str, Any],
    more: Mapping[str, Any],
) -> ConvertReport:
    """Convert in memory things here, and send the table."""
    from lancenb.convert import convert

    with scratch() as folder:
        table = Path(folder) / "made.lance"
        report = convert(
            source, table, kind=common.get("kind"), lineage=common.get("lineage"),
            **more, **options,
        )  # fmt: skip
        facts = {k: v for k, v in report.lineage.items() if k not in ("name", "actor")}
        sent = {**sent, "kind": report.kind, "lineage": dump_any(facts)}
        sent.pop("options", None)
        upload = send_files(manager, [table], None, more["cancel"])
        made = manager._ask(OPS["convert"], {**sent, "source": f"upload:{upload.upload}"}, **more)
    made.skipped, made.notes = report.skipped, [*report.notes, *made.notes]
    made.converter, made.bytes = report.converter, report.bytes
    return made


def send_weights(
    manager: FarData,
    name: Any,
    state: Any,
    extras: Mapping[str, Any] | None,
    common: Mapping[str, Any],
    options: Mapping[str, Any],
) -> ConvertReport:
    """Store tensors as a table here, send it, and let the server save what changed."""
    from lancenb.catalog._names import check_name
    from lancenb.convert.weights import save_weights
    from lancenb.convert.weights._plan import EXTRAS_KEY
    from lancenb.store import open_table

    if not isinstance(name, str) and (isinstance(state, str) or callable(name)):
        raise InvalidName(
            f"the name of an artefact is text, not {type(name).__name__}",
            hint="the name comes first: dm.save_weights(name, model)",
        )
    check_name(name)
    if isinstance(state, str) and not Path(state).exists():
        raise SourceNotFound(
            f"there is no file or folder {state!r} with weights",
            hint="give the module, its state_dict(), or the path of a checkpoint",
        )
    if common["mode"] not in ("auto", "create", "overwrite"):
        raise InvalidArgument(
            f"mode={common['mode']!r} is not one of auto, create, overwrite",
            hint="auto creates the artefact or adds its next version",
        )
    options = dict(options)
    progress, cancel = options.pop("progress", None), options.pop("cancel", None)
    asked = {"name": name, **common, "mode": "overwrite"}
    if common["mode"] == "create":
        asked["mode"] = "create"
    manager._ask(OPS["prepare"], manager._sent("prepare", asked))
    with scratch() as folder:
        table = Path(folder) / "weights.lance"
        save_weights(
            state, table, mode="create", extras=dict(extras or {}), cancel=cancel,
            **{**options, "hash": False},
        )  # fmt: skip
        metadata = open_table(table).schema.metadata or {}
        kept = json.loads(metadata.get(EXTRAS_KEY.encode(), b"{}"))
        upload = send_files(manager, [table], None, cancel)
        sent = manager._sent("save_weights", {"name": name, **common})
        sent |= {"source": f"upload:{upload.upload}", "extras": dump_any(kept)}
        if options:
            sent["options"] = dump_any(options)
        return manager._ask(OPS["save_weights"], sent, progress=progress, cancel=cancel)


def send_files(
    manager: FarData,
    paths: list[Path],
    progress: ProgressCallback | bool | None,
    cancel: CancelToken | None,
) -> Upload:
    """Bring files and folders to the server as one tar stream."""
    label = paths[0].name
    return manager._ask(
        OPS["upload"], {"label": label}, body=lambda: tar_pieces(paths, progress, cancel)
    )


def tar_pieces(
    paths: list[Path],
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> Iterator[Any]:
    """Yield a tar stream with each path below a number of its own; links are followed."""
    from lancenb.progress import Tracker

    files = [pair for number, path in enumerate(paths) for pair in _walk(path, str(number))]
    total = sum(path.stat().st_size for path, _ in files)
    tracker = Tracker(progress, cancel, total_bytes=total)
    tracker.enter("send")
    sink = Sink()
    with tarfile.open(fileobj=sink, mode="w|", dereference=True, bufsize=1 << 16) as archive:
        for path, inside in files:
            info = archive.gettarinfo(path, inside)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            with path.open("rb") as file:
                for piece in _entry(archive, info, file, sink):
                    tracker.advance(nbytes=memoryview(piece).nbytes)
                    yield piece
    yield from sink.take()


def _walk(path: Path, top: str) -> Iterator[tuple[Path, str]]:
    base = path.resolve() if path.name in ("", ".", "..") else path
    if path.is_file():
        yield path, f"{top}/{base.name}"
        return
    for found in sorted(path.rglob("*")):
        if found.is_file():
            yield found, f"{top}/{base.name}/{found.relative_to(path).as_posix()}"


def _entry(archive: tarfile.TarFile, info: tarfile.TarInfo, file: Any, sink: Sink) -> Iterator[Any]:
    """Write one file in parts, so that a large one is never held."""
    archive.addfile(info)  # the header; the content follows by hand
    left = info.size
    while left:
        block = file.read(min(left, 1 << 20))
        if not block:
            raise SourceNotFound(f"{info.name} became shorter while it was read")
        left -= len(block)
        archive.fileobj.write(block)  # type: ignore[union-attr]
        yield from sink.take()
    padding = -info.size % tarfile.BLOCKSIZE
    archive.fileobj.write(b"\0" * padding)  # type: ignore[union-attr]
    archive.offset += info.size + padding
    yield from sink.take()
