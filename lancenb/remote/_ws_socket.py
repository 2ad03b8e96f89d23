"""One WebSocket connection of a client, shared by the calls of all threads."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import queue
from typing import TYPE_CHECKING, Any

from lancenb.errors import Cancelled, LancenbError, ServerUnreachable, TimedOut

from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, Op
from ._transport import Reach
from ._wire import error_from
from ._ws import END, HEADER, UPLOAD_CHUNK, UPLOAD_WINDOW, WINDOW, encode
from ._ws_flow import Incoming, Outbox, Outgoing, Pulse
from ._ws_open import CLOSE_SECONDS, connected, gone

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


class Exchange:
    """A call on its way: its head, what it sends, what comes.

    Args:
        socket: carries it.
        op: the operation.
        ident: its id on the connection.
        number: its stream number.
        timeout: seconds to wait for the answer, and for each piece that follows.
    """

    def __init__(self, socket: Socket, op: Op, ident: str, number: int, timeout: float | None):
        self.ident, self.number, self.shape = ident, number, op.shape
        self.answered = False
        self._socket, self._timeout = socket, timeout
        self._over = False
        self._heads: queue.SimpleQueue[dict[str, Any] | LancenbError] = queue.SimpleQueue()
        self.out = Outgoing(socket.outbox, number, UPLOAD_WINDOW, UPLOAD_CHUNK)
        idle = timeout if op.shape == ARROW_OUT else None
        self.incoming = Incoming(WINDOW, self._grant, idle, "answer")

    def _grant(self, size: int) -> None:
        if not self._over:
            self._socket.outbox.tell({"id": self.ident, "credit": size})

    def head(self) -> dict[str, Any]:
        """Wait for the envelope of the answer.

        Raises:
            TimedOut: it took too long; the server is told to stop.
            LancenbError: what the server answered, or that it went away.
        """
        try:
            head = self._heads.get(timeout=self._timeout)
        except queue.Empty:
            raise TimedOut(
                f"no answer within {self._timeout:g} seconds",
                hint="allow more time; a write may still have been done",
            ) from None
        if isinstance(head, LancenbError):
            raise head
        return head

    def upload(self, body: Any) -> None:
        """Send the pieces; ends early when the server answered already.

        Raises:
            TimedOut: the server took nothing for too long.
            Exception: whatever ``body`` raises; the server then commits nothing.
        """
        try:
            for piece in body:
                if self.answered:
                    return
                self.out.send(piece, self._timeout)
        except BaseException as error:
            if self.answered and isinstance(error, LancenbError):
                return
            self.out.abort()
            raise
        self.out.end()

    def close(self) -> None:
        """Tell the server that nothing more is wanted, unless everything came."""
        if not self._over:
            self._over = True
            self._socket.forget(self)

    # --- called in the event loop

    def take(self, envelope: dict[str, Any], size: int) -> None:
        """Take a text frame in."""
        if "credit" in envelope:
            self.out.grant(int(envelope["credit"]))
        elif "event" in envelope:
            self.incoming.feed(envelope["event"], size)
        elif "error" in envelope:
            self.fail(error_from(envelope["error"]))
        elif "ok" in envelope:
            if self.shape not in (ARROW_OUT, EVENTS):
                self._over = True
            self.answered = True
            self._heads.put(envelope)
            # A write that was done before is answered without its data being looked at.
            self.out.fail(Cancelled("the server needs no more of the stream"))
        elif "end" in envelope:
            self._over = True
            self.incoming.finish()

    def piece(self, flag: int, data: memoryview) -> None:
        """Take a binary frame in."""
        if len(data):
            self.incoming.feed(data, len(data))
        if flag == END:
            self._over = True
            self.incoming.finish()

    def fail(self, error: LancenbError) -> None:
        """End with an error, whoever waits for whatever."""
        self._over = self.answered = True
        self._heads.put(error)
        self.out.fail(error)
        self.incoming.fail(error)


class Socket:
    """A connection; made and fed in the event loop, used from any thread."""

    def __init__(self, connection: ClientConnection, reach: Reach):
        self._connection, self._reach = connection, reach
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._exchanges: dict[str, Exchange] = {}
        self._streams: dict[int, Exchange] = {}
        self.broken: ServerUnreachable | None = None
        self.outbox = Outbox(connection.send)
        self._pulse = Pulse(self.outbox)
        connection.pulse = self._pulse  # type: ignore[attr-defined]
        self._task = asyncio.ensure_future(self._run())

    @classmethod
    async def open(cls, reach: Reach, seconds: float) -> Socket:
        """Connect.

        Raises:
            ServerUnreachable: there is no such server.
            LancenbError: why the server refused the connection.
        """
        connection = await connected(reach, seconds)
        return cls(connection, reach)

    # --- called in any thread

    def begin(self, op: Op, envelope: dict[str, Any], timeout: float | None) -> Exchange:
        """Send a call."""
        number = next(self._numbers)
        exchange = Exchange(self, op, envelope["id"], number, timeout)
        if self.broken is not None:
            exchange.fail(gone(self._reach, sent=False))
            return exchange
        if op.shape in (ARROW_IN, ARROW_OUT, BYTES_IN):
            envelope["stream"] = number
        text = encode(envelope)
        try:
            self._loop.call_soon_threadsafe(self._begin, exchange, envelope, text)
        except RuntimeError:
            exchange.fail(gone(self._reach, sent=False))
            return exchange
        if self.broken is not None:  # the loop may end without looking at it
            exchange.fail(gone(self._reach, sent=True))
        return exchange

    def forget(self, exchange: Exchange) -> None:
        """End a call from this side."""
        with contextlib.suppress(RuntimeError):  # the loop ended, and the connection with it
            self._loop.call_soon_threadsafe(self._cancel, exchange)

    # --- in the event loop

    def _begin(self, exchange: Exchange, envelope: dict[str, Any], text: str) -> None:
        if self.broken is not None:
            exchange.fail(gone(self._reach, sent=False))
            return
        if exchange.ident in self._exchanges:  # the same request, tried again beside itself
            exchange.ident = f"{exchange.ident[:100]}.{exchange.number}"
            text = encode({**envelope, "id": exchange.ident})
        self._exchanges[exchange.ident] = exchange
        self._streams[exchange.number] = exchange
        # At once, not scheduled: pieces of the stream may be scheduled already.
        self.outbox.add(text)

    def _cancel(self, exchange: Exchange) -> None:
        # Known until the server's last word on it: nobody else may have its id before. And sent at
        # once, not scheduled: a call with that id may be scheduled already.
        if self._exchanges.get(exchange.ident) is exchange:
            self.outbox.add(encode({"id": exchange.ident, "cancel": True}))

    def _forget(self, exchange: Exchange) -> None:
        self._exchanges.pop(exchange.ident, None)
        self._streams.pop(exchange.number, None)

    async def _run(self) -> None:
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._receive(), self.outbox.run(), self._pulse.run())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.broken = gone(self._reach, sent=True)
            exchanges, self._exchanges = self._exchanges, {}
            for exchange in exchanges.values():
                exchange.fail(gone(self._reach, sent=True))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._connection.transport.abort()

    async def _receive(self) -> None:
        async for message in self._connection:
            if isinstance(message, str):
                self._text(json.loads(message), len(message))
            else:
                number, flag = HEADER.unpack_from(message)
                exchange = self._streams.get(number)
                if exchange is not None:
                    exchange.piece(flag, memoryview(message)[HEADER.size :])
                    if flag == END:
                        self._forget(exchange)

    def _text(self, envelope: dict[str, Any], size: int) -> None:
        if "ping" in envelope:
            self.outbox.tell({"pong": envelope["ping"]})
        exchange = self._exchanges.get(envelope.get("id") or "")
        if exchange is None and envelope.get("id") is None and "error" in envelope:
            # A frame that the server could not make sense of: whose it was must not wait for ever.
            details = envelope["error"].get("details") or {}
            exchange = self._streams.get(details.get("stream", 0))
        if exchange is None:
            return
        exchange.take(envelope, size)
        done = "ok" in envelope and exchange.shape not in (ARROW_OUT, EVENTS)
        if done or "error" in envelope or "end" in envelope:
            self._forget(exchange)

    async def close(self) -> None:
        """Close the connection; calls that are still open fail."""
        try:
            await asyncio.wait_for(self._connection.close(), CLOSE_SECONDS)
        except TimeoutError:
            self._connection.transport.abort()
        await asyncio.wait([self._task])
