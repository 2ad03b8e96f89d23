"""Bytes on the wire: bodies that come in, bodies that go out, and the faults on the way."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

from ._faults import Fault

if TYPE_CHECKING:
    from ._origin import Handler

_BLOCK = 1 << 18
_TICKS = 20  # blocks a second when slow


class Incoming:
    """The body of a request, by length or in chunks, read as it is asked for.

    Args:
        stream: where the bytes come from.
        headers: request headers with lower-case names.
    """

    def __init__(self, stream: BufferedIOBase, headers: Mapping[str, str]):
        self.count = 0
        self._stream = stream
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._left = 0 if self._chunked else int(headers.get("content-length") or 0)
        self._done = not self._chunked and not self._left

    def blocks(self) -> Iterator[bytes]:
        """Yield what has not been read yet."""
        while not self._done:
            if self._chunked and not self._left and not self._next_chunk():
                return
            block = self._stream.read(min(self._left, _BLOCK))
            if not block:
                raise ConnectionAbortedError("the client left in the middle of a body")
            self._left -= len(block)
            self.count += len(block)
            if not self._left:
                self._done = not self._chunked
                if self._chunked:
                    self._stream.readline()
            yield block

    def _next_chunk(self) -> bool:
        self._left = int(self._stream.readline().split(b";")[0].strip() or b"0", 16)
        if self._left:
            return True
        self._done = True
        while self._stream.readline().strip():
            pass  # trailers
        return False

    def read(self) -> bytes:
        """Return what has not been read yet."""
        return b"".join(self.blocks())

    def drain(self) -> None:
        """Read the rest, so that the next request of this connection begins where it should."""
        for _ in self.blocks():
            pass

    def abandon(self) -> None:
        """Leave the rest unread: the connection ends here."""
        self._done = True


def hang_up(handler: Handler, *, reset: bool) -> None:
    """End the connection with FIN, or with RST."""
    handler.close_connection = True
    handler.incoming.abandon()
    handler.wfile.flush()
    if reset:
        # Closing with linger 0 sends RST once the handler has let go of the socket.
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        handler.connection.close()
    else:
        handler.connection.shutdown(socket.SHUT_RDWR)


def send_body(
    handler: Handler,
    data: bytes | Path,
    start: int,
    length: int,
    fault: Fault | None,
    *,
    chunked: bool = False,
) -> None:
    """Send ``length`` bytes of ``data`` from ``start``, with what ``fault`` does to them."""
    kind = fault.kind if fault else ""
    strike = fault.strike(length) if fault and kind in ("cut", "rst", "stall", "corrupt") else -1
    if kind == "corrupt":
        strike = min(strike, length - 1)
    block = max(1, min(_BLOCK, fault.rate // _TICKS)) if fault and kind == "slow" else _BLOCK
    at = 0
    with _open(data) as source:
        while at < length or at == strike:
            flip = at == strike and kind == "corrupt"
            if fault and at == strike:
                strike = -1
                if kind in ("cut", "rst"):
                    hang_up(handler, reset=kind == "rst")
                    return
                if kind == "stall":
                    handler.server.origin.closing.wait(fault.seconds)
                    continue
            count = min(block, (strike if at < strike else length) - at)
            piece = _read(source, start + at, count)
            if not piece:
                raise ConnectionAbortedError("the file has become shorter")
            # counted before: a client that has all of it must find it in the log
            handler.seen.sent += len(piece)
            try:
                _write(handler, piece, flip, chunked)
            except OSError:
                handler.seen.sent -= len(piece)
                raise
            at += len(piece)
            if fault and kind == "slow":
                handler.server.origin.closing.wait(len(piece) / fault.rate)
    if chunked:
        handler.wfile.write(b"0\r\n\r\n")


def _write(handler: Handler, piece: bytes, flip: bool, chunked: bool) -> None:
    if flip:
        piece = bytes([piece[0] ^ 0xFF]) + piece[1:]
    framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    handler.wfile.write(framed)


@contextmanager
def _open(data: bytes | Path) -> Iterator[bytes | int]:
    if isinstance(data, bytes):
        yield data
        return
    number = os.open(data, os.O_RDONLY)
    try:
        yield number
    finally:
        os.close(number)


def _read(source: bytes | int, offset: int, count: int) -> bytes:
    if isinstance(source, int):
        return os.pread(source, count, offset)
    return source[offset : offset + count]
