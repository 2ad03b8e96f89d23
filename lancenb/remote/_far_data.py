"""Rows, files and tensors over a connection, both ways."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lancenb._events import done_last
from lancenb.errors import ServerUnreachable

from ._arrow import PieceFile, pieces, reader_of
from ._asking import Asking
from ._op import OPS
from ._typed import load

if TYPE_CHECKING:
    from lancenb.catalog.artifact import Artifact
    from lancenb.catalog.results import Upsert
    from lancenb.convert import ConvertReport
    from lancenb.progress import CancelToken, ProgressCallback

    from ._models import Stored, Upload
    from ._wire import Answer


class ServerFiles(str):
    """Something on the server that can be converted there: ``upload:ID``, used once."""

    label = ""

    def __repr__(self) -> str:
        return f"<ServerFiles {self.label or str(self)}>"


class FarData(Asking):
    """The verbs that stream."""

    # --- rows

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
        """Stream rows; see :meth:`lancenb.DataManager.read`."""
        given = {
            "name": name, "where": where, "columns": columns, "limit": limit, "offset": offset,
            "order_by": order_by, "version": version, "batch_rows": batch_rows,
        }  # fmt: skip
        return _stream(self._call(OPS["read"], self._sent("read", given)))

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
        """Find rows; see :meth:`lancenb.DataManager.search_rows`."""
        reader = self.read(
            name, where, columns=columns, limit=limit, offset=offset, order_by=order_by,
            version=version,
        )  # fmt: skip
        return reader.read_all()

    def upsert(
        self,
        name: str | Artifact,
        data: Any,
        *,
        key: str | Sequence[str],
        create: bool = False,
        message: str = "",
    ) -> Upsert:
        """Insert or update rows; see :meth:`lancenb.DataManager.upsert`."""
        from lancenb.catalog._upsert import as_table

        table = as_table(data)
        given = {"name": name, "key": key, "create": create, "message": message}
        sent = self._sent("upsert", given)
        return self._ask(OPS["upsert"], sent, body=lambda: pieces(table.schema, table.to_batches()))

    # --- files

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
        """Make an artefact, or its next version; see :meth:`lancenb.DataManager.convert`.

        Arrow data streams to the server. Files and folders of this machine are sent and converted
        there; what only :func:`lancenb.download` understands is downloaded by the server itself.
        Anything else in memory is made a table here first.
        """
        from ._sending import send

        common = {
            "mode": mode, "kind": kind, "description": description, "tags": tags,
            "metadata": metadata, "parents": parents, "message": message, "lineage": lineage,
        }  # fmt: skip
        with done_last(progress) as told:
            return send(self, source, name, common, options, told, cancel)

    def download(
        self,
        source: str,
        *,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> ServerFiles:
        """Let the server download a model or dataset; give the result to :meth:`convert`.

        Args:
            source: as for :func:`lancenb.download`.
            progress: told about the download in the server.
            cancel: stops it.
            **options: as for :func:`lancenb.download` (``split``, ``limit``, ...).

        Raises:
            UnsafeInput: an address that the server may not go to.
            DownloadFailed: it could not be had.
        """
        sent = {"source": str(source), "options": options}
        made: Upload = self._ask(OPS["download"], sent, progress=progress, cancel=cancel)
        files = ServerFiles(f"upload:{made.upload}")
        files.label = str(source)
        return files

    # --- tensors

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
        """Save weights; see :meth:`lancenb.DataManager.save_weights`."""
        from ._sending import send_weights

        common = {
            "mode": mode, "description": description, "tags": tags, "metadata": metadata,
            "parents": parents, "message": message,
        }  # fmt: skip
        return send_weights(self, name, state, extras, common, options)

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
        """Load weights; see :meth:`lancenb.DataManager.load_weights`."""
        from lancenb.convert.weights.load import fit_weights, stored_only
        from lancenb.convert.weights.stream import tensors_from_batches

        fit_weights({}, {}, strict=strict)  # a wrong word shows before anything is read
        given = {"name": name, "version": version, "only": _listed(only)}
        answer = self._call(OPS["read_weights"], self._sent("read_weights", given))
        stored: Stored = load(OPS["read_weights"].result, answer.value)
        metadata = {key.encode(): value.encode() for key, value in stored.metadata.items()}
        chosen = _listed(stored_only(metadata, only, strip))
        if chosen != given["only"]:
            answer.close()
            given |= {"version": stored.version, "only": chosen}
            answer = self._call(OPS["read_weights"], self._sent("read_weights", given))
        reader = _stream(answer)
        state = tensors_from_batches(reader, reader.schema.metadata)
        return fit_weights(
            state, metadata, into, uri=stored.uri, version=stored.version, strict=strict,
            strip=strip, device=device,
        )  # fmt: skip

    def _sent(self, op: str, given: Mapping[str, Any]) -> dict[str, Any]:
        from ._client import wire_argument

        return {
            key: wire_argument(OPS[op], key, value)
            for key, value in given.items()
            if value is not None or key in ("name", "where")
        }


def _listed(names: Any) -> list[str] | None:
    return [names] if isinstance(names, str) else None if names is None else list(names)


def _stream(answer: Answer) -> pa.RecordBatchReader:
    """Return a reader of an answer's Arrow stream; closing it ends the answer."""
    body: Any = answer.body if answer.body is not None else iter(())
    file = body if hasattr(body, "readinto") and hasattr(body, "tail") else _file_of(body)
    try:
        source = reader_of(file, broken=_broken)
    except BaseException:
        answer.close()
        raise

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from source
        finally:
            answer.close()

    return pa.RecordBatchReader.from_batches(source.schema, batches())


class _Watched(PieceFile):
    """A file whose last bytes are remembered, over one that reads in large blocks itself."""

    def __init__(self, file: Any):
        super().__init__(iter(()))
        self._file = file

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        filled = 0
        while filled < view.nbytes:
            count = self._file.readinto(view[filled:])
            if not count:
                break
            filled += count
        if filled:
            self.tail = (self.tail + bytes(view[max(0, filled - 8) : filled]))[-8:]
        return filled

    def drain(self) -> None:
        rest = bytearray(1 << 16)
        while self.readinto(rest):
            pass


def _file_of(body: Any) -> Any:
    return _Watched(body) if hasattr(body, "readinto") else PieceFile(body)


def _broken(what: str) -> ServerUnreachable:
    return ServerUnreachable(
        f"the answer of the server broke off: {what}", hint="ask again", details={"sent": True}
    )


def scratch(prefix: str = "lancenb-send-") -> tempfile.TemporaryDirectory[str]:
    """Return a folder for what is made here to be sent."""
    return tempfile.TemporaryDirectory(prefix=prefix)


def existing_paths(source: Any) -> list[Path]:
    """Return the paths a source names, if all of it is files or folders of this machine."""
    items = list(source) if isinstance(source, (list, tuple)) else [source]
    if not items or not all(isinstance(item, (str, os.PathLike)) for item in items):
        return []
    paths = [Path(os.fspath(item)) for item in items]
    return paths if all(path.exists() for path in paths) else []
