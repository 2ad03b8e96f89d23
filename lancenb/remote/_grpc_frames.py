"""Messages that hold one piece of a stream, made and taken apart without building messages.

On the wire such a message is a tag, a length and the bytes themselves. Doing that here saves two
copies of every piece.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._wire import PIECE

#: A slow stream is handed on at least so often.
_SECONDS = 0.05


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def frame(field: int, *parts: Any) -> bytes:
    """Return a message with one field of bytes (or of a message)."""
    size = sum(memoryview(part).nbytes for part in parts)
    return b"".join((bytes((field << 3 | 2,)), _varint(size), *parts))


def flag(field: int) -> bytes:
    """Return a message with one field that is true."""
    return bytes((field << 3, 1))


def unframe(raw: bytes, parse: Callable[[bytes], tuple[int, Any]]) -> tuple[int, Any]:
    """Return number and content of the one field of a message.

    Args:
        raw: the message.
        parse: does the same for one that is written in another way.
    """
    if len(raw) > 1 and raw[0] & 7 == 2 and raw[0] < 0x80:
        size, shift, at = 0, 0, 1
        while at < len(raw) and shift < 35:
            byte = raw[at]
            size |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        if at + size == len(raw) and raw[at - 1] < 0x80:
            return raw[0] >> 3, memoryview(raw)[at:]
    return parse(raw)


def frames(field: int, pieces: Iterable[Any]) -> Iterator[bytes]:
    """Yield messages of about 1 MiB from pieces of any size."""
    parts: list[Any] = []
    size, since = 0, time.monotonic()
    for piece in pieces:
        view = memoryview(piece).cast("B") if len(piece) else memoryview(b"")
        for start in range(0, view.nbytes, PIECE):
            part = view[start : start + PIECE]
            if size + part.nbytes > PIECE:
                yield frame(field, *parts)
                parts, size, since = [], 0, time.monotonic()
            parts.append(part)
            size += part.nbytes
        if parts and (size >= PIECE or time.monotonic() - since > _SECONDS):
            yield frame(field, *parts)
            parts, size, since = [], 0, time.monotonic()
    if parts:
        yield frame(field, *parts)
