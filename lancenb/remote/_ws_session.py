"""One WebSocket connection in the server: what comes in, and what it belongs to."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lancenb.errors import (
    Busy,
    Cancelled,
    InvalidArgument,
    LancenbError,
    RequestTooLarge,
    ServerUnreachable,
)

from ._wire import error_dict
from ._ws import (
    ABORT,
    BROKEN_RULES,
    END,
    FAILED,
    SILENT,
    STOPPING,
    TOO_LARGE,
    decode,
    unpack,
)
from ._ws_flow import Outbox, Pulse
from ._ws_work import LOG, Work

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from ._limits import Limits

#: Calls of one connection at once; how many of them are worked on is the gate's affair.
MAX_CALLS = 256
#: Numbers of ended streams that are remembered: what was on its way to them is no mistake.
_ENDED = 4096
_ID = re.compile(r"[!-~]{1,128}")
_FIRST_ID = re.compile(r'\s*\{\s*"id"\s*:\s*"([!#-\[\]-~]{1,128})"')
_CLOSE_SECONDS = 1.0


class Session:
    """Serves one connection until it ends.

    Args:
        websocket: accepted already.
        dispatcher: answers calls.
        limits: sizes and times.
        token: came with the upgrade; it is checked again at every call.
        peer: address of the client, for the log.
    """

    def __init__(
        self, websocket: WebSocket, dispatcher: Any, limits: Limits, token: str | None, peer: str
    ):
        self._websocket, self._dispatcher, self._limits = websocket, dispatcher, limits
        self._token, self._peer = token, peer
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(self._send)
        self._pulse = Pulse(self._outbox)
        self._works: dict[str, Work] = {}
        self._streams: dict[int, Work] = {}
        self._ended: deque[int] = deque(maxlen=_ENDED)
        self._threads = 0
        self._closing: asyncio.Future[tuple[int, str]] = self._loop.create_future()

    async def run(self) -> None:
        """Serve until the client goes, breaks the rules or falls silent, or the server stops."""
        tasks = {
            asyncio.ensure_future(self._receive()): (1000, ""),
            asyncio.ensure_future(self._outbox.run()): (1000, ""),
            asyncio.ensure_future(self._pulse.run()): (SILENT, "no sign of life"),
        }
        try:
            done, _ = await asyncio.wait(
                [*tasks, self._closing], return_when=asyncio.FIRST_COMPLETED
            )
            if self._closing in done:
                code, reason = self._closing.result()
            else:
                ended = next(task for task in tasks if task in done)
                code, reason = _why(ended.exception()) or tasks[ended]
        finally:
            gone = ServerUnreachable("the client went away", hint="nothing of it was committed")
            for work in list(self._works.values()):
                work.abandon(gone)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        # A client that reads nothing would keep us here for ever.
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._websocket.close(code, reason), _CLOSE_SECONDS)

    def stop(self) -> None:
        """Close the connection, from any thread."""
        self._soon(self._close, STOPPING, "the server is being stopped")

    def _soon(self, what: Callable[..., Any], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody waits any more
            self._loop.call_soon_threadsafe(what, *args)

    def _close(self, code: int, reason: str) -> None:
        if not self._closing.done():
            self._closing.set_result((code, reason))

    async def _send(self, data: str | bytes) -> None:
        if isinstance(data, str):
            await self._websocket.send_text(data)
        else:
            await self._websocket.send_bytes(data)

    async def _receive(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._pulse.heard = True
            try:
                if message.get("text") is not None:
                    self._text(message["text"])
                else:
                    self._binary(message.get("bytes") or b"")
            except LancenbError as error:
                self._outbox.tell({"id": None, "error": error_dict(error)})
            await self._outbox.room()

    def _text(self, text: str) -> None:
        try:
            envelope = decode(text, self._limits.max_json)
        except LancenbError as error:
            # What cannot be parsed has an id all the same; our clients write it first.
            found = _FIRST_ID.match(text)
            if found is not None:
                self._outbox.tell({"id": found[1], "error": error_dict(error)})
            elif isinstance(error, RequestTooLarge):
                self._close(TOO_LARGE, "the text frame is too large")
            else:
                raise
            return
        if "ping" in envelope:
            self._outbox.tell({"pong": envelope["ping"]})
        elif "pong" not in envelope:
            self._of_call(envelope)

    def _of_call(self, envelope: dict[str, Any]) -> None:
        ident = envelope.get("id")
        if not isinstance(ident, str) or not _ID.fullmatch(ident):
            raise InvalidArgument(
                "a call needs an id", hint="1 to 128 printable ASCII characters without spaces"
            )
        work = self._works.get(ident)
        if "op" in envelope:
            self._begin(ident, envelope)
        elif "credit" in envelope:
            size = envelope["credit"]
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise InvalidArgument(f"credit is a positive number, not {size!r:.40}")
            if work is not None:
                work.out.grant(size)
        elif envelope.get("cancel") is True:
            if work is not None:
                self._forget(work)
                work.cancel()
        else:
            raise InvalidArgument(
                "a text frame is neither a call nor credit nor cancel", details={"id": ident}
            )

    def _begin(self, ident: str, envelope: dict[str, Any]) -> None:
        if ident in self._works:
            raise InvalidArgument(f"the id {ident!r} belongs to a call that is still open")
        try:
            if self._threads >= MAX_CALLS:
                raise _too_many()
            idle = self._limits.idle_seconds
            work = Work(envelope, self._outbox, self._token, self._peer, idle)
            if work.stream in self._streams:
                raise InvalidArgument(f"the stream {work.stream} belongs to an open call")
        except LancenbError as error:
            self._outbox.tell({"id": ident, "error": error_dict(error)})
            return
        self._works[ident] = work
        if work.stream:
            self._streams[work.stream] = work
        self._threads += 1
        work.start(
            self._dispatcher,
            ended=lambda work: self._soon(self._forget, work),
            left=lambda: self._soon(self._count),
        )

    def _count(self) -> None:
        self._threads -= 1

    def _forget(self, work: Work) -> None:
        if self._works.get(work.ident) is work:
            del self._works[work.ident]
        if self._streams.get(work.stream) is work:
            del self._streams[work.stream]
            self._ended.append(work.stream)

    def _binary(self, data: bytes) -> None:
        number, flag, piece = unpack(data)
        work = self._streams.get(number)
        if work is None or work.body is None:
            if number in self._ended:
                return
            raise InvalidArgument(f"no call sends a stream {number}", details={"stream": number})
        if flag == ABORT:
            work.body.fail(Cancelled("the client gave up in the middle of a stream"))
            return
        if len(piece) and not work.body.feed(piece, len(piece)):
            self._close(BROKEN_RULES, f"stream {number} sent more than it was granted")
        if flag == END:
            work.body.finish()


def _too_many() -> Busy:
    return Busy(
        f"{MAX_CALLS} calls of this connection are open already",
        hint="nothing was changed; try again when one of them has ended",
        details={"retry_after": 1},
    )


def _why(error: BaseException | None) -> tuple[int, str] | None:
    """Return how to close after an error that is not the client's going."""
    from starlette.websockets import WebSocketDisconnect

    if error is None or isinstance(error, (WebSocketDisconnect, OSError)):
        return None
    LOG.error("a WebSocket connection failed", exc_info=error)
    return FAILED, "the server failed"
