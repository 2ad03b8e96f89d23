"""A file on a server that Arrow reads piece by piece."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable

_FIRST = 64 << 10
_MOST = 8 << 20
_KEPT = 32 << 20


class RangeFile(io.RawIOBase):
    r"""Seek and read over a function that returns ranges.

    Reading on in small steps asks for more each time (64 KiB at first, 8 MiB at most), so that a
    few rows cost little and many cost few requests. At most 32 MiB are held.

    Args:
        read: called with offset and length, returns exactly these bytes.
        size: bytes of the whole.

    >>> data = bytes(range(256)) * 1000
    >>> file = RangeFile(lambda start, length: data[start : start + length], len(data))
    >>> _ = file.seek(-3, 2)
    >>> file.read()
    b'\xfd\xfe\xff'
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int):
        self._ask, self.size = read, size
        self._at = 0
        # by offset: the bytes, and how much to ask for when reading goes on behind them
        self._pieces: OrderedDict[int, tuple[bytes, int]] = OrderedDict()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position counted from the start, from here or from the end."""
        base = {0: 0, 1: self._at, 2: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes; fewer only at the end."""
        left = self.size - self._at
        wanted = max(0, left if size is None or size < 0 else min(size, left))
        parts = []
        while wanted:
            part = self._some(wanted)
            parts.append(part)
            self._at += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _some(self, wanted: int) -> bytes:
        step = _FIRST
        for start, (piece, later) in self._pieces.items():
            if start <= self._at < start + len(piece):
                self._pieces.move_to_end(start)
                offset = self._at - start
                return piece[offset : offset + wanted]
            if self._at == start + len(piece):
                step = later
        length = min(max(step, min(wanted, _MOST)), self.size - self._at)
        piece = self._ask(self._at, length)
        # who asks for much at a time knows what comes next, and needs no more than that
        later = step if wanted >= step else min(2 * step, _MOST)
        self._pieces[self._at] = piece, later
        while sum(len(piece) for piece, _ in self._pieces.values()) > _KEPT:
            self._pieces.popitem(last=False)
        return piece[:wanted]
