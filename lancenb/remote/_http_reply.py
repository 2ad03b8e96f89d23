"""Answers on their way to an HTTP client: JSON, Arrow streams, events."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

from lancenb.errors import TimedOut

from ._http_stream import Outlet
from ._http_wire import FAILED, HEAD_VALUE, JSON, SSE, dumps, problem
from ._wire import ARROW, Answer, error_dict

Send = Callable[[Any], Awaitable[None]]

#: Seconds for which a request is read on after its answer: a connection that is closed while the
#: client still sends takes the answer away from it.
_LINGER = 20.0
#: Bytes of one header; longer ones are repeated, to be joined.
_LINE = 32_000
_COMMON = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"private, no-cache")]


class Reply:
    """The answer to one request.

    Args:
        send: where messages to the client go.
        receive: where those of the client come from.
        request_id: goes back with the answer.
    """

    def __init__(self, send: Send, receive: Any, request_id: str, *, has_body: bool = False):
        self._send, self._receive = send, receive
        self.started, self.unread = False, has_body
        #: Reads on, to nowhere, what is left of the request.
        self.rest: Callable[[], Awaitable[None]] = self._read_on
        self.headers: dict[str, str] = {"x-request-id": request_id}

    async def receive(self) -> Any:
        """Return the next message of the client."""
        message = await self._receive()
        if not message.get("more_body", False):
            self.unread = False
        return message

    async def _read_on(self) -> None:
        while self.unread:
            await self.receive()

    async def _start(
        self, status: int, headers: Mapping[str, str], more: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        self.started = True
        pairs = [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in {**self.headers, **headers}.items()
        ]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*_COMMON, *pairs, *more]}
        )

    async def _body(self, data: Any, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(
        self, status: int, body: bytes, headers: Mapping[str, str], *, linger: bool = True
    ) -> None:
        """Send an answer of a known length, and then read what is left of the request.

        Args:
            status: HTTP status.
            body: what to send.
            headers: headers of its own.
            linger: whether a client that still sends is worth waiting for.
        """
        unread = self.unread
        more = {"connection": "close"} if unread else {}
        if status != 304:
            more["content-length"] = str(len(body))
        await self._start(status, {**headers, **more})
        await self._body(body, unread)
        if unread:
            if linger:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(_LINGER):
                        await self.rest()
            await self._body(b"", False)

    async def value(self, answer: Answer) -> None:
        """Send a JSON answer."""
        await self.whole(200, dumps(answer.value), {"content-type": JSON})

    async def error(self, error: BaseException, status: int | None = None) -> None:
        """Send an error."""
        code, body, headers = problem(error, status)
        await self.whole(code, body, headers, linger=not isinstance(error, TimedOut))

    async def arrow(self, answer: Answer) -> None:
        """Send an Arrow stream; it breaks off, without its end, when making it fails."""
        outlet = Outlet(answer)
        try:
            piece = await outlet.next()  # an error now is still an answer
            await self._start(200, {"content-type": ARROW}, _head(answer.value))
            async with self._watched(outlet):
                while piece is not None:
                    await self._body(piece, True)
                    outlet.sent()
                    piece = await outlet.next()
                await self._body(b"", False)
        finally:
            outlet.close()

    async def events(self, answer: Answer) -> None:
        """Send events as they come."""
        outlet = Outlet(answer)
        try:
            await self._start(200, {"content-type": SSE, "x-accel-buffering": "no"})
            async with self._watched(outlet):
                await self._body(b": open\n\n", True)
                while (event := await self._next_event(outlet)) is not None:
                    await self._body(event_text(event), True)
                    outlet.sent()
                await self._body(b"", False)
        finally:
            outlet.close()

    async def _next_event(self, outlet: Outlet) -> Any:
        try:
            return await outlet.next()
        except Exception as error:
            await self._body(event_text({"event": FAILED, "data": error_dict(error)}), True)
            return None

    @contextlib.asynccontextmanager
    async def _watched(self, outlet: Outlet) -> AsyncIterator[None]:
        """End the stream when the client goes away."""

        async def watch() -> None:
            while (await self.receive())["type"] != "http.disconnect":
                pass
            outlet.stop()

        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()


def _head(value: Any) -> list[tuple[bytes, bytes]]:
    """Return the headers with what is known before a stream; clients refuse lines that are long."""
    text, name = base64.b64encode(dumps(value)), HEAD_VALUE.lower().encode()
    return [(name, text[at : at + _LINE]) for at in range(0, len(text), _LINE)]


def event_text(event: Mapping[str, Any]) -> bytes:
    """Return an event as server-sent text."""
    if event["event"] == "ping":
        return b": ping\n\n"
    number = f"id: {event['seq']}\n" if "seq" in event else ""
    return f"{number}event: {event['event']}\ndata: ".encode() + dumps(event["data"]) + b"\n\n"
