"""Byte streams that are UTF-8 whatever the file was written in."""

from __future__ import annotations

import codecs
import io
from typing import Any

from lancenb.errors import CorruptInput, InvalidArgument

from ._encoding import SAMPLE, Guess, detect, valid_utf8
from ._sources import Piece, Raw


class Utf8Stream(io.RawIOBase):
    """Reads a piece as UTF-8 without a byte order mark.

    UTF-8 passes through unchecked (the parsers behind check it); anything else is decoded
    strictly.

    Args:
        piece: what to read.
        guess: its encoding.
        skip: bytes of UTF-8 text to leave out at the start (a header line).
    """

    def __init__(self, piece: Piece, guess: Guess, skip: int = 0):
        self._piece = piece
        self.raw_stream: Raw = piece.open()
        self._rest = b""
        self._decoder: Any = None
        self._ended = False
        if guess.name != "utf-8":
            self._decoder = codecs.getincrementaldecoder(guess.name)("strict")
        self._encoding = guess.name
        self._drop = skip
        self.raw_stream.read_full(guess.mark)

    def readable(self) -> bool:
        return True

    @property
    def consumed(self) -> int:
        """Bytes of the file read so far."""
        return self.raw_stream.consumed

    def block(self, size: int) -> bytes:
        """Return about ``size`` bytes of UTF-8; none at the end."""
        data = self._block(size)
        while self._drop and data:
            cut = min(self._drop, len(data))
            self._drop -= cut
            data = data[cut:] or self._block(size)
        return data

    def _block(self, size: int) -> bytes:
        if self._decoder is None:
            return self.raw_stream.read_full(size)
        while not self._ended:
            data = self.raw_stream.read_full(size)
            self._ended = not data
            try:
                text = self._decoder.decode(data, final=self._ended)
            except UnicodeDecodeError as error:
                raise CorruptInput(
                    f"{self._piece.name} is not valid {self._encoding}: {error.reason} near byte "
                    f"{max(0, self.consumed - len(data) + error.start):,}",
                    hint="name the encoding with encoding=, or repair the file",
                ) from None
            if text:
                return text.encode("utf-8", "surrogatepass")
        return b""

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if not self._rest:
            self._rest = self.block(max(len(view), 1 << 16))
        got = min(len(view), len(self._rest))
        view[:got] = self._rest[:got]
        self._rest = self._rest[got:]
        return got

    def close(self) -> None:
        if not self.closed:
            self.raw_stream.close()
        super().close()


def choose_encoding(piece: Piece, given: str | None) -> Guess:
    """Return the encoding of a piece: as given, or as its first 64 KiB look.

    Raises:
        InvalidArgument: ``given`` is no encoding.
        CorruptInput: UTF-8 mixed with something else.
    """
    sample = piece.head(SAMPLE)
    if given is not None:
        return _given(given, sample)
    guess = detect(sample, complete=len(sample) < SAMPLE)
    if guess.mixed:
        raise mixed(piece, sample)
    return guess


def _given(name: str, sample: bytes) -> Guess:
    try:
        canonical = codecs.lookup(name).name
    except LookupError:
        raise InvalidArgument(
            f"encoding={name!r} is not known", hint="such as 'utf-8', 'gbk', 'cp1252', 'utf-16'"
        ) from None
    if canonical in ("utf-8-sig", "utf-8"):
        return Guess("utf-8", 3 if sample.startswith(codecs.BOM_UTF8) else 0)
    if canonical in ("utf-16", "utf-32"):
        marked = detect(sample)
        return marked if marked.mark else Guess(canonical + "-le")
    return Guess(canonical)


def later_encoding(piece: Piece) -> Guess:
    """Return the encoding of a piece that began like UTF-8 but is not, after reading it all.

    Raises:
        CorruptInput: parts of it are UTF-8 beyond ASCII and parts are not.
    """
    utf8_seen = False
    carry = b""
    with piece.open() as raw:
        while block := raw.read_full(1 << 20):
            data = carry + block
            if not valid_utf8(data, complete=False):
                guess = detect(data, complete=True)
                if guess.mixed or utf8_seen or guess.name == "utf-8":
                    raise mixed(piece, data)
                return guess
            utf8_seen = utf8_seen or not data.isascii()
            carry = data[-4:] if not data.isascii() else b""
    raise mixed(piece, carry)


def mixed(piece: Piece, data: bytes) -> CorruptInput:
    """Return the error for a file that is partly UTF-8 and partly something else."""
    return CorruptInput(
        f"{piece.name} mixes encodings: part of it is UTF-8, {_where(data)} is not",
        hint="repair the file, or name one encoding with encoding= and check the text",
    )


def _where(data: bytes) -> str:
    for number, line in enumerate(data.split(b"\n"), 1):
        if not valid_utf8(line, complete=True):
            return f"line {number} ({line[:40]!r})"
    return "the rest"


def count_byte(data: bytes, byte: int) -> int:
    """Count how often a byte occurs (some times faster than ``bytes.count``)."""
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == byte))
