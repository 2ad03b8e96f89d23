"""HTTP on a connection, as uvicorn speaks it, with patience that ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from lancenb.errors import InvalidArgument, LancenbError, RequestTooLarge, TimedOut

from ._http_wire import problem

if TYPE_CHECKING:
    from ._limits import Limits

#: Bytes of an answer that may wait for the client before the next piece has to: few, because what
#: waits is copied once more; the kernel buffers the rest.
_HIGH, _LOW = 64 << 10, 16 << 10


class _Held:
    """A transport that sends the head of an answer together with what follows it.

    uvicorn writes them apart, and a client would be woken twice for a small answer.
    """

    def __init__(self, transport: Any):
        self.real, self._head = transport, b""
        self.expects_head = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def write(self, data: Any) -> None:
        """Send, or keep until there is more."""
        if self.expects_head and not data.startswith(b"HTTP/1.1 100 "):
            self.expects_head, self._head = False, data
        elif self._head:
            head, self._head = self._head, b""
            self.real.write(b"".join((head, data)))
        else:
            self.real.write(data)

    def close(self) -> None:
        """Send what was kept, and hang up."""
        if self._head:
            head, self._head = self._head, b""
            self.real.write(head)
        self.real.close()


class Protocol(HttpToolsProtocol):
    """One connection: headers have to come soon, and not to be too large."""

    limits: Limits
    _timer: asyncio.TimerHandle | None = None
    _size = 0
    _in_head = True
    _refused = False

    @classmethod
    def within(cls, limits: Limits) -> type[Protocol]:
        """Return the class for servers with these limits."""
        return type("Protocol", (cls,), {"limits": limits})

    def connection_made(self, transport: Any) -> None:
        """Take a connection, unless there are too many."""
        super().connection_made(_Held(transport))  # type: ignore[arg-type]
        transport.set_write_buffer_limits(_HIGH, _LOW)
        if len(self.connections) > self.limits.max_sockets:
            self._refuse(429, _full(self.limits.max_sockets))
            return
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._head_is_there()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Be ready for the next answer."""
        cast("_Held", self.transport).expects_head = True
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand over the connection as it is."""
        self._head_is_there()
        self.transport = cast("_Held", self.transport).real
        super().handle_websocket_upgrade()

    def _wait_for_head(self) -> None:
        self._size, self._in_head = 0, True
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.header_seconds, self._too_slow)

    def _head_is_there(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        seconds = self.limits.header_seconds
        self._refuse(408, TimedOut(f"the request did not come within {seconds:g} seconds"))

    def on_message_begin(self) -> None:
        """Start the clock."""
        super().on_message_begin()
        self._wait_for_head()

    def on_url(self, url: bytes) -> None:
        """Measure the address."""
        self._grown(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Measure a header."""
        self._grown(len(name) + len(value) + 4)
        super().on_header(name, value)

    def _grown(self, size: int) -> None:
        self._size += size
        if self._size > self.limits.max_header and not self._refused:
            limit = self.limits.max_header
            self._refuse(431, RequestTooLarge(f"the headers hold more than {limit:,} bytes"))

    def on_headers_complete(self) -> None:
        """Begin with the request, if it may be one."""
        self._head_is_there()
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of its body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note its end."""
        if not self._refused:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take what came; a header that does not end is measured, too."""
        if self._refused or self.parser is None:
            return
        headed = self._in_head
        super().data_received(data)
        if headed and self._in_head:
            self._unended = getattr(self, "_unended", 0) + len(data)
            if self._unended > 2 * self.limits.max_header:
                self._size = self.limits.max_header
                self._grown(1)
        else:
            self._unended = 0

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, InvalidArgument("this is no HTTP request"))

    def _refuse(self, status: int, error: LancenbError) -> None:
        """Answer before there is a request, and hang up."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._head_is_there()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer is under way: nothing can be said in its middle
            return
        _, body, headers = problem(error, status)
        headers |= {"content-length": str(len(body)), "connection": "close"}
        lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + body)
        self.transport.close()


def _full(most: int) -> LancenbError:
    from lancenb.errors import Busy

    return Busy(f"the server has {most} connections, the most it takes", hint="try again")
