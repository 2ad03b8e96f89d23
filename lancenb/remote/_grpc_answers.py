"""Streamed answers on the client's side: rows, events, and a limit for waiting on their start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from lancenb.errors import LancenbError, ServerError

from . import _grpc_convert as convert
from ._grpc_frames import unframe
from ._grpc_proto import HEAD, PIECE
from ._grpc_slots import camel
from ._op import Op

Failed = Callable[[Any], LancenbError]


class Watchdog:
    """Cancels a call when what it waits for takes too long.

    Args:
        call: the call.
        seconds: how long, ``None`` for as long as it takes.
        after: begin to count when this is set.
    """

    def __init__(self, call: Any, seconds: float | None, after: threading.Event | None = None):
        self._call, self._seconds, self._after = call, seconds, after
        self._over = threading.Event()
        self.fired = False

    def _watch(self) -> None:
        while self._after is not None and not self._after.wait(0.5):
            if self._over.is_set():
                return
        if not self._over.wait(self._seconds):
            self.fired = True
            self._call.cancel()

    def __enter__(self) -> Watchdog:
        if self._seconds is not None:
            threading.Thread(target=self._watch, name="lancenb-grpc-wait", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()


class _Messages:
    """The messages of a stream; ends with the server's error, can be closed in the middle."""

    def __init__(self, call: Any, failed: Failed):
        self._call, self._failed, self._over = call, failed, False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._raw()

    def _raw(self) -> bytes:
        import grpc

        if self._over:
            raise StopIteration
        try:
            return next(self._call)
        except StopIteration:
            self._over = True
            raise
        except grpc.RpcError as error:
            over, self._over = self._over, True
            if over:  # closed meanwhile, by another thread
                raise StopIteration from None
            raise self._failed(error) from None

    def close(self) -> None:
        """End the stream here; the server is told."""
        if not self._over:
            self._over = True
            self._call.cancel()


class Pieces(_Messages):
    """The pieces of an Arrow stream, after its head."""

    def __init__(self, op: Op, call: Any, failed: Failed):
        super().__init__(call, failed)
        self._op = op

    def head(self) -> Any:
        """Return what comes before the first piece.

        Raises:
            ServerError: something else comes.
        """
        try:
            field, content = unframe(self._raw(), self._parse)
        except StopIteration:
            field, content = 0, b""
        if field != HEAD:
            self.close()
            raise ServerError(
                "the server's stream has no head",
                hint="use a client of the server's version of lancenb",
            )
        return convert.response_value(self._op, content)

    def _parse(self, raw: bytes) -> tuple[int, Any]:
        message = convert.message_class(f"{camel(self._op.name)}Piece").FromString(raw)
        if message.WhichOneof("content") == "head":
            return HEAD, message.head.SerializeToString()
        return PIECE, message.arrow

    def __next__(self) -> Any:
        return unframe(self._raw(), self._parse)[1]


class Events(_Messages):
    """Events, without those that only keep the connection alive."""

    def __next__(self) -> dict[str, Any]:
        while True:
            event = convert.event_from(self._raw())
            if "seq" in event:
                return event
