"""Cutting JSON into chunks of whole values, at memory speed and without parsing it.

Lines are cut at newlines (a newline never occurs inside a JSON string). The elements of an array
are found from the structure: quotes give the strings, braces outside strings the depth, and
commas at depth one the places to cut. The arithmetic is vectorised, block by block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from lancenb.errors import CorruptInput

from ._streams import count_byte

_SPACE = b" \t\r\n"
_LONGEST = 1 << 29


@dataclass(frozen=True)
class Chunk:
    """Some whole values of a file.

    Attributes:
        data: their bytes; array elements with the commas between them.
        line: line in the file where ``data`` begins, from 1.
        array: whether these are elements of an array (else one value per line).
        commas: places in ``data`` of the commas between elements.
        consumed: bytes of the file this took.
    """

    data: bytes
    line: int
    array: bool
    commas: Any = None
    consumed: int = 0


def split_lines(stream: Any, name: str, first: int, size: int) -> Iterator[Chunk]:
    """Yield chunks of whole lines, a small one first.

    Args:
        stream: has ``block(size)`` and ``consumed``.
        name: for messages.
        first: bytes of the first chunk.
        size: bytes of the others.
    """
    rest, line, before, want = b"", 1, 0, first
    while block := stream.block(want):
        cut = block.rfind(b"\n") + 1
        if not cut:
            rest += block
            _check_length(rest, name, line)
            continue
        data = b"".join((rest, memoryview(block)[:cut]))
        rest = block[cut:]
        yield Chunk(data, line, False, None, stream.consumed - before)
        before = stream.consumed
        line += count_byte(data, 10)
        want = size
    if rest.strip(_SPACE):
        yield Chunk(rest, line, False, None, stream.consumed - before)


def _check_length(rest: bytes, name: str, line: int) -> None:
    if len(rest) > _LONGEST:
        raise CorruptInput(
            f"{name}, line {line}: a value of more than {_LONGEST:,} bytes",
            hint="is this a file of one JSON value per line?",
        )


@cache
def _structure() -> Any:
    """Mark the bytes that give JSON its structure: quotes, brackets, braces, commas."""
    import numpy as np

    marks = np.zeros(256, bool)
    marks[list(b'"[]{},')] = True
    return marks


class ArraySplitter:
    """Yields chunks of whole elements of a top-level array.

    Args:
        stream: has ``block(size)`` and ``consumed``; stands before the ``[``.
        name: for messages.
        first: bytes of the first chunk.
        size: bytes of the others.
    """

    def __init__(self, stream: Any, name: str, first: int, size: int):
        self._stream = stream
        self._name = name
        self._first = first
        self._size = size
        self._in_string = 0
        self._escaped = False
        self._depth = 0
        self._line = 1
        self._before = 0

    def __iter__(self) -> Iterator[Chunk]:
        """Yield the chunks; raises when the array does not end or the file goes on after it."""
        rest, commas, want, cut_off = b"", [], self._first, False
        while block := self._stream.block(want):
            if self._depth == 0 and not (block := self._open(block)):
                continue
            cuts, end = self._scan(block)
            commas += [len(rest) + int(c) for c in cuts if end is None or c < end]
            rest += block if end is None else block[:end]
            if end is not None:
                if rest.strip(_SPACE) or cut_off or commas:
                    yield self._chunk(rest, commas)
                self._finish(block[end:])
                return
            if commas:
                last = commas.pop()
                yield self._chunk(rest[:last], commas)
                rest, commas, cut_off, want = rest[last + 1 :], [], True, self._size
            _check_length(rest, self._name, self._line)
        raise CorruptInput(
            f"{self._name} ends inside its JSON array", hint="the file is cut off; fetch it again"
        )

    def _chunk(self, data: bytes, commas: list[int]) -> Chunk:
        consumed = self._stream.consumed - self._before
        self._before = self._stream.consumed
        chunk = Chunk(data, self._line, True, commas, consumed)
        self._line += count_byte(data, 10)
        return chunk

    def _open(self, block: bytes) -> bytes:
        text = block.lstrip(_SPACE)
        self._line += block[: len(block) - len(text)].count(b"\n")
        if not text:
            return b""
        self._depth = 1
        return text[1:] or b" "

    def _scan(self, block: bytes) -> tuple[Any, int | None]:
        """Return the top-level commas of a block, and where the array ends if it does."""
        import numpy as np

        a = np.frombuffer(block, np.uint8)
        places = np.flatnonzero(_structure()[a])
        if self._escaped or b"\\" in block:
            places = places[~self._escapes(a)[places]]
        chars = a[places]
        inside = np.cumsum((chars == 34).view(np.int8), dtype=np.int8)
        inside += self._in_string
        inside &= 1
        if len(inside):
            self._in_string = int(inside[-1])
        outside = (inside == 0) & (chars != 34)
        places, chars = places[outside], chars[outside]
        step = ((chars == 91) | (chars == 123)).view(np.int8) - (
            (chars == 93) | (chars == 125)
        ).view(np.int8)
        depth = np.cumsum(step, dtype=np.int32)
        depth += self._depth
        if len(depth):
            self._depth = int(depth[-1])
        ends = places[depth <= 0]
        return places[(chars == 44) & (depth == 1)], int(ends[0]) if len(ends) else None

    def _escapes(self, a: Any) -> Any:
        """Mark the characters that a backslash escapes."""
        import numpy as np

        marked = np.zeros(len(a), bool)
        slashes = a == 92
        if self._escaped:
            marked[0] = True
            slashes[0] = False
        edge = np.diff(slashes.view(np.int8), prepend=0, append=0)
        starts, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
        odd = ends[(ends - starts) % 2 == 1]
        self._escaped = bool(len(odd) and odd[-1] == len(a))
        marked[odd[odd < len(a)]] = True
        return marked

    def _finish(self, tail: bytes) -> None:
        if tail[:1] != b"]":
            raise CorruptInput(f"{self._name}: the JSON array ends with {tail[:1]!r}, not with ']'")
        tail = tail[1:]
        while True:
            if tail.strip(_SPACE):
                raise CorruptInput(
                    f"{self._name} goes on after the end of its JSON array",
                    hint="a .json file holds one value; one value per line is called .jsonl",
                )
            tail = self._stream.block(1 << 16)
            if not tail:
                return
