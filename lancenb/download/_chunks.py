"""A large file as pieces that are asked for one by one, several at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from ._partial import Ranges


@dataclass
class Chunk:
    """Bytes ``start`` to ``stop`` of the file; those before ``at`` have arrived."""

    start: int
    stop: int
    at: int

    @property
    def done(self) -> bool:
        """Whether all of it is here."""
        return self.at >= self.stop


class Chunks:
    """All pieces of one file, in order; thread-safe.

    They are handed out from the beginning on, so that what has arrived is one long beginning and
    few pieces: the hash can follow closely behind.

    Args:
        total: size of the file.
        size: bytes of a piece.
        have: what is here already.

    >>> chunks = Chunks(10, 4, [(0, 3), (5, 6)])
    >>> chunks.take(), chunks.ready(), chunks.have()
    (Chunk(start=3, stop=5, at=3), 3, [(0, 3), (5, 6)])
    """

    def __init__(self, total: int, size: int, have: Ranges):
        self.total = total
        self.all = list(_layout(total, size, have))
        self._lock = threading.Lock()
        self._open = [chunk for chunk in reversed(self.all) if not chunk.done]
        self._next = 0

    def take(self) -> Chunk | None:
        """Hand out the first piece that nobody works on, None when there is none."""
        with self._lock:
            return self._open.pop() if self._open else None

    def give_back(self, chunk: Chunk) -> None:
        """Let somebody else finish this piece."""
        with self._lock:
            self._open.append(chunk)
            self._open.sort(key=lambda item: -item.start)

    def ready(self) -> int:
        """Up to where the file is here without a gap."""
        while self._next < len(self.all) and self.all[self._next].done:
            self._next += 1
        return self.all[self._next].at if self._next < len(self.all) else self.total

    def count(self) -> int:
        """Bytes that are here."""
        return sum(chunk.at - chunk.start for chunk in self.all)

    def have(self) -> Ranges:
        """Return what is here as sorted ranges."""
        ranges: Ranges = []
        for chunk in self.all:
            start, at = chunk.start, chunk.at
            if at == start:
                continue
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], at)
            else:
                ranges.append((start, at))
        return ranges


def _layout(total: int, size: int, have: Ranges) -> Iterator[Chunk]:
    position = 0
    for start, stop in [*have, (total, total)]:
        while position < start:
            end = min(start, position + size)
            yield Chunk(position, end, position)
            position = end
        if stop > start:
            yield Chunk(start, stop, stop)
        position = stop
