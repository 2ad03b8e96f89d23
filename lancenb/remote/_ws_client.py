"""Calls over WebSocket: one connection for all threads, opened when needed, again after a fork."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import pyarrow as pa

from lancenb.errors import ServerUnreachable

from ._arrow import PieceFile
from ._op import ARROW_OUT, EVENTS, Op
from ._transport import Reach
from ._wire import Answer
from ._ws_open import gone
from ._ws_socket import Exchange, Socket

_STOP_SECONDS = 3.0


class WsTransport:
    """Carries calls over WebSocket.

    Args:
        reach: how to reach the server.
    """

    def __init__(self, reach: Reach):
        self.reach = reach
        self._start()
        _ALL.add(self)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._opening: Future[Socket] | None = None

    def call(
        self,
        op: Op,
        args: dict[str, Any],
        *,
        request_id: str,
        body: Iterator[Any] | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Make one call; see :class:`~lancenb.remote._transport.Transport`."""
        seconds = self.reach.timeout if timeout is None else timeout
        fields = {
            "id": request_id, "op": op.name, "args": args, "key": idempotency_key,
            "if_match": if_match, "deadline": timeout,
        }  # fmt: skip
        envelope = {name: value for name, value in fields.items() if value is not None}
        exchange = self._connected().begin(op, envelope, seconds)
        try:
            if body is not None:
                exchange.upload(body)
            head = exchange.head()
        except BaseException:
            exchange.close()
            raise
        stream: Any = _Stream(exchange) if op.shape in (ARROW_OUT, EVENTS) else None
        if op.shape == ARROW_OUT:
            stream = _Pieces(stream)

        def release(carrier: WsTransport = self) -> None:
            exchange.close()  # and `carrier` lives until here: its end would be that of the stream

        return Answer(head.get("ok"), stream, head.get("etag"), release)

    def __del__(self) -> None:
        """End connection and thread when nobody can use them any more, without waiting."""
        loop, opening = getattr(self, "_loop", None), getattr(self, "_opening", None)
        if loop is not None and not loop.is_closed():
            farewell = _farewell(opening)
            try:
                asyncio.run_coroutine_threadsafe(farewell, loop)
            except RuntimeError:  # the loop ended a moment ago
                farewell.close()

    def close(self) -> None:
        """Close the connection; a later call opens another."""
        with self._lock:
            loop, thread, opening = self._loop, self._thread, self._opening
            self._loop = self._thread = self._opening = None
        if loop is None or thread is None:
            return
        if opening is not None and not opening.cancel() and _usable(opening):
            closing = asyncio.run_coroutine_threadsafe(opening.result().close(), loop)
            with contextlib.suppress(NotYet):
                closing.result(_STOP_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOP_SECONDS)

    def _connected(self) -> Socket:
        """Return the open connection; of many callers one opens it, and all share what becomes."""
        with self._lock:
            if self._opening is None or not _usable(self._opening):
                opening = Socket.open(self.reach, self.reach.connect_seconds)
                self._opening = asyncio.run_coroutine_threadsafe(opening, self._running())
            waiting = self._opening
        try:
            return waiting.result(self.reach.connect_seconds + 1.0)
        except NotYet:
            raise ServerUnreachable(
                f"no server answers at {self.reach.url} within "
                f"{self.reach.connect_seconds:g} seconds",
                hint="is it running, and is the address right?",
            ) from None
        except CancelledError:  # closed by another thread
            raise gone(self.reach, sent=False) from None

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_run, args=(loop,), name="lancenb-ws", daemon=True
            )
            self._thread.start()
        return self._loop

    def _after_fork(self) -> None:
        # The parent's connection goes on in the parent; closing anything here could disturb it.
        _INHERITED.append((self._loop, self._opening))
        self._start()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        # Who still waits for something hears of the end, also when closing took too long.
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    finally:
        loop.close()


async def _farewell(opening: Future[Socket] | None) -> None:
    with contextlib.suppress(Exception):
        if opening is not None and not opening.cancel() and _usable(opening):
            await opening.result().close()
    asyncio.get_running_loop().stop()


def _usable(opening: Future[Socket]) -> bool:
    """Whether a connection is there, or on its way."""
    if not opening.done():
        return True
    failed = opening.cancelled() or opening.exception() is not None
    return not failed and opening.result().broken is None


class _Stream:
    """What follows an answer; dropping it tells the server that no more is wanted."""

    def __init__(self, exchange: Exchange):
        self._exchange = exchange

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._exchange.incoming)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it where it is."""
        self._exchange.close()

    def __del__(self) -> None:
        self.close()


class _Pieces(PieceFile):
    """Pieces of an Arrow stream, one by one or as a file that is read without detours."""

    def __init__(self, stream: _Stream):
        super().__init__(stream)
        self._held = stream

    def __next__(self) -> Any:
        return next(self._held)

    def read(self, size: int = -1) -> Any:
        """Return that many bytes in memory that Arrow can use as it is."""
        if size is None or size < 0:
            return self.readall()
        buffer = pa.allocate_buffer(size)
        count = self.readinto(buffer) if size else 0
        return buffer if count == size else buffer.slice(0, count)

    def close(self) -> None:
        """End it where it is."""
        self._held.close()
        super().close()


_ALL: weakref.WeakSet[WsTransport] = weakref.WeakSet()
_INHERITED: list[Any] = []


def _after_fork() -> None:
    for transport in list(_ALL):
        transport._after_fork()


os.register_at_fork(after_in_child=_after_fork)
