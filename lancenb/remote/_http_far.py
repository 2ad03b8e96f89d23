"""What an HTTP server streams back: an Arrow stream as a file, events as they come."""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from lancenb.errors import LancenbError, ServerUnreachable

from ._http_connection import hang_up
from ._http_wire import FAILED, loads
from ._wire import error_from

_TRIES, _PAUSE = 3, 0.1
#: A line of an event cannot be longer.
_MAX_EVENT = 64 << 20


class ArrowFile(io.RawIOBase):
    """The body of an answer, read straight into the memory where it is wanted.

    Attributes:
        tail: the last bytes read, by which an Arrow stream shows that it is whole.

    Args:
        response: the answer.
        failed: makes one of our errors of what goes wrong.
    """

    def __init__(self, response: Any, failed: Callable[[Exception], LancenbError]):
        super().__init__()
        # urllib3's own read copies every byte once more than that of the response beneath it.
        raw = getattr(response, "_fp", None)
        self._raw = raw if isinstance(raw, http.client.HTTPResponse) else response
        self._response, self._failed = response, failed
        self.tail = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill ``target``; less only at the end."""
        view = memoryview(target).cast("B")
        filled = 0
        try:
            while filled < view.nbytes:
                count = self._raw.readinto(view[filled:])
                if not count:
                    self._response.release_conn()
                    break
                filled += count
        except Exception as error:
            hang_up(self._response)
            raise self._failed(error) from None
        if filled:
            self.tail = (self.tail + bytes(view[max(0, filled - 8) : filled]))[-8:]
        return filled

    def read(self, size: int = -1) -> Any:
        """Return that many bytes in memory that Arrow can use as it is."""
        if size is None or size < 0:
            return self.readall()
        buffer = pa.allocate_buffer(size)
        count = self.readinto(buffer) if size else 0
        return buffer if count == size else buffer.slice(0, count)

    def drain(self) -> None:
        """Read to the end, so that the connection can be used again."""
        rest = bytearray(1 << 16)
        while self.readinto(rest):
            pass

    def close(self) -> None:
        """Let go of the connection; one in the middle of a stream is of no more use."""
        if not self.closed:
            super().close()
            if not getattr(self._raw, "closed", False):
                hang_up(self._response)


class Events:
    """Events of a server, taken up again after the last one seen when the connection breaks.

    Args:
        connect: asks for the events after a number (``None``: from the beginning of the answer).
        failed: makes one of our errors of what goes wrong.
    """

    def __init__(
        self, connect: Callable[[int | None], Any], failed: Callable[[Exception], LancenbError]
    ):
        self._connect, self._failed = connect, failed
        self._last: int | None = None
        self._closed = False
        self._response: Any = connect(None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        tries = 0
        while not self._closed:
            try:
                if self._response is None:
                    self._response = self._connect(self._last)
                    if self._closed:  # meanwhile, when there was no answer to hang up on
                        hang_up(self._response)
                        return
                for event in parsed(self._lines()):
                    if event["event"] == FAILED:
                        raise error_from(event["data"])
                    tries, self._last = 0, event.get("seq", self._last)
                    yield event
                    if self._closed:
                        break
                return
            except ServerUnreachable:
                if self._closed:
                    return
                hang_up(self._response)
                self._response = None
                tries += 1
                if tries > _TRIES:
                    raise
                time.sleep(_PAUSE * 2 ** (tries - 1))

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        while True:
            try:
                piece = self._response.read1(1 << 16, decode_content=False)
            except Exception as error:
                raise self._failed(error) from None
            if not piece:
                if rest:
                    raise self._failed(ConnectionError())
                self._response.release_conn()
                return
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _MAX_EVENT:
                raise self._failed(ConnectionError())
            yield from lines

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        hang_up(self._response)


def parsed(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream of server-sent text, without its comments."""
    fields: dict[bytes, bytes] = {}
    for line in lines:
        line = line.removesuffix(b"\r")
        if line.startswith(b":"):
            continue
        if line:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            fields[name] = fields[name] + b"\n" + value if name in fields else value
        elif fields:
            event = {
                "event": fields.get(b"event", b"message").decode(),
                "data": loads(fields.get(b"data", b"null"), _MAX_EVENT),
            }
            if b"id" in fields:
                event["seq"] = int(fields[b"id"])
            fields = {}
            yield event
