"""The byte stream under the CSV parser: it watches for what the parser would not tell us."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from lancenb.errors import CorruptInput

from ._dialect import Dialect
from ._encoding import Guess
from ._sources import Piece
from ._streams import Utf8Stream, count_byte

_SLICE = 1 << 16


class Watched(io.RawIOBase):
    """UTF-8 bytes of the data rows, with an eye on quotes and leading zeros.

    Attributes:
        zeros: a cell beginning with a zero and another digit went by.
        odd_quotes: the number of quote characters so far is odd.
    """

    def __init__(self, piece: Piece, guess: Guess, dialect: Dialect, *, watch_zeros: bool):
        self._stream = Utf8Stream(piece, guess, dialect.skip)
        self._quote = ord(dialect.quote)
        self._delimiter = ord(dialect.delimiter)
        self._watch = watch_zeros
        self._tail = b"\n"
        self.zeros = False
        self.odd_quotes = False

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far."""
        return self._stream.consumed

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.block(size if size and size > 0 else 1 << 20)
        if data and count_byte(data, self._quote) % 2:
            self.odd_quotes = not self.odd_quotes
        if self._watch and not self.zeros and data:
            self.zeros = leading_zero(self._tail + data, self._delimiter)
            self._tail = (self._tail + data[-3:])[-3:]
        return data

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def leading_zero(data: bytes, delimiter: int) -> bool:
    """Whether some cell starts with ``0`` and a second digit or an ``x``.

    A sign, a blank or a quote may come before.
    """
    import numpy as np

    # One byte more in front, so that the second one has two before it.
    whole = np.frombuffer(data[:1] + data, np.uint8)
    # Slices that fit the cache; they overlap by the bytes that a match may reach back.
    edge, sign = np.zeros(256, bool), np.zeros(256, bool)
    edge[[delimiter, 10, 13, 34]] = True
    sign[list(b" \t+-")] = True
    for start in range(0, max(len(whole) - 3, 0), _SLICE):
        a = whole[start : start + _SLICE + 3]
        after = a[3:]
        hits = (after - np.uint8(48)) < 10
        hits |= (after | np.uint8(32)) == 120
        hits &= a[2:-1] == 48
        at = np.flatnonzero(hits)
        if bool(np.any(edge[a[at + 1]] | (sign[a[at + 1]] & edge[a[at]]))):
            return True
    return False


class Padded(io.RawIOBase):
    """The same rows with short ones filled up with empty cells (slow: every row is rewritten)."""

    def __init__(self, inner: Watched, dialect: Dialect, width: int):
        self._inner = inner
        self._rows = _padded_lines(inner, dialect, width)
        self._rest = b""
        self.consumed = 0

    def readable(self) -> bool:
        return True

    @property
    def zeros(self) -> bool:
        """See :class:`Watched`."""
        return self._inner.zeros

    @property
    def odd_quotes(self) -> bool:
        """See :class:`Watched`."""
        return self._inner.odd_quotes

    def read(self, size: int = -1) -> bytes:
        size = size if size and size > 0 else 1 << 20
        parts, got = [self._rest], len(self._rest)
        while got < size and (block := next(self._rows, b"")):
            parts.append(block)
            got += len(block)
        data = b"".join(parts)
        self._rest = data[size:]
        self.consumed = self._inner.consumed
        return data[:size]

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


def _padded_lines(inner: Watched, dialect: Dialect, width: int) -> Iterator[bytes]:
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter=dialect.delimiter, quotechar=dialect.quote, lineterminator="\n"
    )
    for _line, row in rows_with_lines(inner, dialect):
        writer.writerow(row + [""] * (width - len(row)))
        if out.tell() > 1 << 18:
            yield out.getvalue().encode("utf-8")
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode("utf-8")


def rows_with_lines(stream: Any, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield ``(line, cells)``; lines count from 1 at the first row of data."""
    reader = csv.reader(_text(stream), delimiter=dialect.delimiter, quotechar=dialect.quote)
    before = 0
    for row in reader:
        if row:
            yield before + 1, row
        before = reader.line_num


def _text(stream: Any) -> io.TextIOWrapper:
    reader = io.BufferedReader(_Reader(stream))
    return io.TextIOWrapper(reader, encoding="utf-8", errors="replace", newline="")


class _Reader(io.RawIOBase):
    """Gives a stream that only has ``read`` the shape that the text layer wants."""

    def __init__(self, stream: Any):
        self._stream = stream
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        self._rest = self._rest or self._stream.read(1 << 18)
        got = min(len(view), len(self._rest))
        view[:got] = self._rest[:got]
        self._rest = self._rest[got:]
        return got


def header_lines(piece: Piece, guess: Guess, dialect: Dialect) -> int:
    """Count the lines before the first row of data."""
    if not dialect.skip:
        return 0
    with Utf8Stream(piece, guess) as stream:
        head = b""
        while len(head) < dialect.skip and (block := stream.block(1 << 16)):
            head += block
    text = head[: dialect.skip].decode("utf-8", "replace")
    return sum(1 for _ in io.StringIO(text, newline=""))


def unclosed_quote(piece: Piece, guess: Guess, dialect: Dialect) -> CorruptInput | None:
    """Return the error for a file that ends inside a quoted cell, ``None`` when it does not."""
    offset = header_lines(piece, guess, dialect)
    last = 0
    with Watched(piece, guess, dialect, watch_zeros=False) as stream:
        reader = csv.reader(
            _text(stream), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True
        )
        try:
            for _row in reader:
                last = reader.line_num
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return CorruptInput(
                    f"{piece.name}, line {offset + last + 1}: a quoted cell that starts here is "
                    "never closed",
                    hint='repair the file, or pass quote="" if quotes mean nothing in it',
                )
    return None
