"""Plain text: a row per line or a row per file."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lancenb.convert._share import ALL
from lancenb.errors import CorruptInput, UnsupportedFormat

from ._encoding import Guess
from ._learned import Learned
from ._sources import Piece, refuse_strangers
from ._streams import Utf8Stream, choose_encoding, later_encoding

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 1 << 22
_LONGEST = 1 << 28


class LinesFamily:
    """Text files that become a table with the one column ``text``.

    Lines are those of :meth:`str.splitlines`: all Unicode line ends count and are left out; blank
    lines are kept as empty strings unless ``skip_blank``.

    Args:
        pieces: the files.
        encoding: given instead of guessed.
        rows: ``"line"`` or ``"file"``.
        skip_blank: leave out lines of white space only.
        learned: facts from earlier tries.
    """

    kind = "text"

    def __init__(
        self,
        pieces: list[Piece],
        encoding: str | None,
        rows: str,
        skip_blank: bool,
        learned: Learned,
    ):
        import pyarrow as pa

        self.skipped: list[tuple[str, str]] = []
        self._rows = rows
        self._skip_blank = skip_blank
        self._learned = learned
        self._given = encoding is not None
        self._files: list[tuple[Piece, Guess]] = []
        for piece in pieces:
            refuse_strangers(piece, "txt")
            guess = learned.encodings.get(piece.name) or choose_encoding(piece, encoding)
            self._files.append((piece, guess))
        self.schema = pa.schema([("text", pa.string())])

    def batches(self, chosen: slice = ALL) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
        """Yield batches of the chosen pieces; see :meth:`Family.batches`."""
        import pyarrow as pa

        for piece, guess in self._files[chosen]:
            texts = self._whole if self._rows == "file" else self._split
            for lines, took in texts(piece, guess):
                batch = pa.RecordBatch.from_arrays(
                    [pa.array(lines, pa.string())], schema=self.schema
                )
                yield piece, batch, took

    def _texts(self, piece: Piece, guess: Guess) -> Iterator[tuple[str, int]]:
        decoder = codecs.getincrementaldecoder("utf-8")()
        before = 0
        with Utf8Stream(piece, guess) as stream:
            while block := stream.block(_BLOCK):
                try:
                    text = decoder.decode(block)
                except UnicodeDecodeError:
                    raise self._not_utf8(piece, guess) from None
                yield text, stream.consumed - before
                before = stream.consumed
            try:
                decoder.decode(b"", True)
            except UnicodeDecodeError:
                raise self._not_utf8(piece, guess) from None

    def _not_utf8(self, piece: Piece, guess: Guess) -> Exception:
        if guess.name == "utf-8" and not self._given and piece.name not in self._learned.encodings:
            self._learned.encodings[piece.name] = later_encoding(piece)
            return self._learned.again(f"{piece.name} is not UTF-8 throughout")
        return CorruptInput(
            f"{piece.name} is not valid {guess.name}", hint="name the encoding with encoding="
        )

    def _split(self, piece: Piece, guess: Guess) -> Iterator[tuple[list[str], int]]:
        rest = ""
        for text, took in self._texts(piece, guess):
            lines = (rest + text).splitlines(keepends=True)
            # The last line may go on; a CR at the end may be half of a CRLF.
            rest = "" if not lines or lines[-1].endswith("\n") else lines.pop()
            if len(rest) > _LONGEST:
                raise UnsupportedFormat(
                    f"{piece.name} has a line of more than {_LONGEST:,} characters",
                    hint='rows="file" makes one row of a file',
                )
            yield self._kept("".join(lines).splitlines()), took
        if rest:
            yield self._kept(rest.splitlines()), 0

    def _kept(self, lines: list[str]) -> list[str]:
        return [line for line in lines if line.strip()] if self._skip_blank else lines

    def _whole(self, piece: Piece, guess: Guess) -> Iterator[tuple[list[str], int]]:
        parts, took, size = [], 0, 0
        for text, bytes_ in self._texts(piece, guess):
            parts.append(text)
            took += bytes_
            size += len(text)
            if size > _LONGEST:
                raise UnsupportedFormat(
                    f"{piece.name} has more than {_LONGEST:,} characters, too many for one row",
                    hint='rows="line" makes a row of each line',
                )
        yield ["".join(parts)], took
