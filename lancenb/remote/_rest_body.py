"""Bodies of the namespace: JSON and Arrow streams in, Arrow files out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lancenb.errors import CorruptInput, LancenbError, RequestTooLarge, ServerUnreachable

from ._arrow import PieceFile, Sink, reader_of
from ._http_stream import Inlet, arriving
from ._limits import metered
from ._wire import PIECE

if TYPE_CHECKING:
    from starlette.requests import Request

    from ._limits import Limits

#: Seconds for which the rest of an unwanted body is read: clients read no answer while they send.
_DRAINED = 5.0


class Body:
    """The body of a request, which is read in one way or another, or not at all.

    Args:
        request: whose body.
        limits: what it must keep to.
    """

    def __init__(self, request: Request, limits: Limits):
        self._request, self._limits = request, limits
        self._inlet: Inlet | None = None
        self._pump: asyncio.Task[None] | None = None
        self._pieces = arriving(request.receive, limits.idle_seconds)

    async def json(self) -> bytes:
        """Return a small body as a whole.

        Raises:
            RequestTooLarge: it is not small.
            TimedOut: it does not go on.
        """
        out = bytearray()
        async for piece in self._pieces:
            out += piece
            if len(out) > self._limits.max_json:
                raise RequestTooLarge(
                    f"the JSON body is longer than {self._limits.max_json:,} bytes"
                )
        return bytes(out)

    def open(self) -> None:
        """Begin to receive, for :meth:`rows` in another thread."""
        self._inlet = Inlet(self._request.receive, self._limits.idle_seconds)
        self._pump = asyncio.create_task(self._inlet.pump())

    def rows(self) -> pa.RecordBatchReader:
        """Return the rows of an Arrow IPC stream, batch by batch as they arrive.

        Raises:
            CorruptInput: it is none; while reading, that it is damaged or ends too early.
            RequestTooLarge: while reading, that it is too long.
        """
        assert self._inlet is not None
        with _damage():
            file = _File(metered(_whole(self._inlet), self._limits.max_body))
            # Offsets that lead out of a buffer would be followed by whoever reads the rows.
            reader = reader_of(file, strange=True)

        def batches() -> Iterator[pa.RecordBatch]:
            while True:
                with _damage():
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    async def close(self) -> None:
        """Let go of it; what nobody read is received for a moment, so that the sender listens."""
        with contextlib.suppress(TimeoutError, LancenbError):
            async with asyncio.timeout(_DRAINED):
                if self._inlet is not None and self._pump is not None:
                    await self._inlet.discard(self._pump)
                else:
                    async for _ in self._pieces:
                        pass


class _File(PieceFile):
    """Gives no room to bytes before they are there: a message may claim any length."""

    def read(self, size: int = -1) -> bytes:
        out = bytearray()
        while len(out) < size:
            piece = super().read(min(size - len(out), PIECE))
            out += piece
            if not piece:
                break
        return bytes(out) if size >= 0 else super().read(size)


def _whole(pieces: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except ServerUnreachable:
        raise CorruptInput(
            "the connection ended before the body did", hint="nothing was changed"
        ) from None


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, MemoryError) as error:
        text = " ".join(str(error).split())[:160]
        raise CorruptInput(
            f"the body is no whole Arrow IPC stream: {text}",
            hint="pyarrow.ipc.new_stream writes one; nothing was changed",
        ) from None


def arrow_file(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    """Yield an Arrow IPC file in pieces, one batch in memory at a time."""
    sink = Sink()
    with pa.ipc.new_file(pa.PythonFile(sink, mode="w"), schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            if sink.size >= PIECE // 2:
                yield from _taken(sink)
    yield from _taken(sink)


def _taken(sink: Any) -> Iterator[bytes]:
    return (bytes(piece) for piece in sink.take())
