"""The converter for text: plain text, delimited text, JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from lancenb.convert._base import Converter, ConvertReport, Existing, Plan
from lancenb.convert.archive import Limits
from lancenb.errors import InvalidArgument

from ._csv import CsvFamily, CsvOptions
from ._csv_types import NULLS
from ._json import JsonFamily
from ._json_read import JsonOptions
from ._learned import Learned, PlanAgain
from ._lines import LinesFamily
from ._plan import Family, family_plan
from ._sources import Piece, find_pieces

FORMAT_OF = {
    **dict.fromkeys(("csv", "tsv", "tab", "dat", "psv"), "csv"),
    **dict.fromkeys(("json", "geojson", "jsonl", "ndjson"), "json"),
    **dict.fromkeys(("txt", "md", "text", "log", "rst", "srt", ""), "txt"),
}
_FORMATS = ("txt", "csv", "tsv", "json", "jsonl")

_COCO = {"images", "annotations", "categories"}
_COCO_NOTE = (
    "these are annotations in COCO's form, taken as plain JSON; convert the folder of their "
    "pictures with annotations=FILE for a table of pictures with objects"
)


class TextConverter(Converter):
    r"""Converts ``.txt``, ``.csv``, ``.tsv``, ``.json``, ``.jsonl`` and ``.ndjson`` to Lance.

    One file, a list, a pattern or a folder becomes one table; gzip is seen through. Everything is
    streamed. A surprise late in a file (a word in a column of numbers, Latin-1 in what began
    like UTF-8, a new key) makes it start again with what it learned; nothing of the first try
    remains.

    * **Plain text**: one column ``text``. Lines are those of :meth:`str.splitlines`; blank lines
      are kept as ``""``.
    * **Delimited text**: RFC 4180 with CR, LF or CRLF, quoted newlines, and a delimiter of
      comma, tab, semicolon or bar. Types: int64, bool, date32, timestamp, float64, else text; a
      number type is only taken when no digit is lost (``00501`` and integers beyond 64 bits
      stay text). When later rows or files disagree: int64 + float64 = float64, anything else =
      text as written. A repeated column name becomes ``name_2``.
    * **JSON**: strict RFC 8259. Objects are rows and their keys columns; other values go to a
      column ``value``. Where values disagree: int + float = float64, different scalars = text as
      written, a list or object against something else = JSON text (the field metadata
      ``lancenb.encoding`` says so). Missing keys are null; of a repeated key the last counts.

    Args:
        format: ``"txt"``, ``"csv"``, ``"tsv"``, ``"json"`` or ``"jsonl"`` instead of by suffix.
        encoding: name of the encoding; by default found out (JSON: UTF-8 or a byte order mark).
        rows: for plain text, ``"line"`` or ``"file"``.
        skip_blank: for plain text, leave blank lines out.
        delimiter: for delimited text; by default found out.
        quote: the quote character, ``""`` when quotes mean nothing.
        header: whether the first row holds names; ``"auto"`` takes it for data when it has numbers
            where the rows below have numbers.
        columns: names for the columns.
        types: ``{column: Arrow type or its name}``; these are never promoted.
        null_values: texts that mean null, in text columns too (by default ``""``, ``NA``,
            ``NULL`` ... mean null in columns of other types only).
        ragged: rows of a wrong width: ``"raise"``, ``"skip"`` (reported) or ``"pad"`` (short ones).
        field: for JSON, the list inside the top-level object, such as ``"data.items"``.
        allow_nan: for JSON, take ``NaN`` and ``Infinity``.
        on_conflict: ``"promote"`` as said above, or ``"raise"`` naming file, line and column.
        provenance: add the columns ``_source`` (file) and ``_row`` (row in the file, from 0).
        limits: for gzip, see :class:`~lancenb.convert.archive.Limits`.

    Raises:
        InvalidArgument: an option has an impossible value.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.csv").write_text("zip;n\n00501;1\n90210;2.5\n")
    >>> [str(f.type) for f in TextConverter().plan(folder / "a.csv").schema]
    ['string', 'double']
    """

    kind: ClassVar[str] = "text"

    def __init__(
        self,
        *,
        format: str | None = None,
        encoding: str | None = None,
        rows: str = "line",
        skip_blank: bool = False,
        delimiter: str | None = None,
        quote: str = '"',
        header: bool | str = "auto",
        columns: Sequence[str] | None = None,
        types: Mapping[str, Any] | None = None,
        null_values: Sequence[str] | None = None,
        ragged: str = "raise",
        field: str | None = None,
        allow_nan: bool = False,
        on_conflict: str = "promote",
        provenance: bool = False,
        limits: Limits | None = None,
    ):
        _one_of("format", format, (None, *_FORMATS))
        _one_of("rows", rows, ("line", "file"))
        _one_of("header", header, ("auto", True, False))
        _one_of("ragged", ragged, ("raise", "skip", "pad"))
        _one_of("on_conflict", on_conflict, ("promote", "raise"))
        for name, value in (("delimiter", delimiter), ("quote", quote or None)):
            if value is not None and (len(value) != 1 or ord(value) > 127):
                raise InvalidArgument(f"{name}={value!r} is not one ASCII character")
        self._format = format
        self._encoding = encoding
        self._rows = rows
        self._skip_blank = skip_blank
        self._provenance = provenance
        self._limits = limits or Limits()
        self._csv = CsvOptions(
            delimiter="\t" if format == "tsv" and delimiter is None else delimiter,
            quote=quote,
            header=header,
            columns=list(columns) if columns is not None else None,
            types=dict(types or {}),
            nulls=NULLS if null_values is None else ("", *null_values),
            text_nulls=null_values is not None,
            ragged=ragged,
            on_conflict=on_conflict,
        )
        self._json = JsonOptions(field, allow_nan, on_conflict)
        self._learned = Learned()

    def convert(self, source: Any, uri: Any, **options: Any) -> ConvertReport:
        """Convert ``source`` to the Lance table at ``uri``; see :meth:`Converter.convert`."""
        self.forget()
        return super().convert(source, uri, **options)

    def forget(self) -> None:
        """Forget what was learned about the files of an earlier conversion."""
        self._learned = Learned()

    def _learn(self, found: Iterable[Learned]) -> PlanAgain:
        """Take over what other readers of the files found; return the call for a new plan."""
        for learned in found:
            self._learned.merge(learned)
        return self._learned.again("a file holds what its beginning did not show")

    def plan(self, source: Any, *, existing: Existing | None = None) -> Plan:
        """Look at the files and say what would be written; see :meth:`Converter.plan`."""
        pieces, skipped = find_pieces(source, self._takes, limits=self._limits)
        return self.plan_pieces(pieces, skipped, existing)

    def plan_pieces(
        self,
        pieces: list[Piece],
        skipped: list[tuple[str, str]],
        existing: Existing | None = None,
        on_close: Any = None,
    ) -> Plan:
        """Return the plan for pieces found already (files, or members of an archive)."""
        chosen, kept, left_out = self._same_format(pieces)
        target = existing.schema if existing is not None and existing.mode == "append" else None
        family = self._settled(chosen, kept, target)
        options = {"format": chosen}
        if self._encoding:
            options["encoding"] = self._encoding
        plan = family_plan(
            family,
            kept,
            provenance=self._provenance,
            skipped=[*skipped, *left_out],
            options=options,
            on_close=on_close,
        )
        if chosen == "json" and set(plan.schema.names) >= _COCO:
            plan.notes.append(_COCO_NOTE)
        return plan

    def _takes(self, suffix: str) -> bool:
        return suffix in FORMAT_OF and suffix != ""

    def _same_format(self, pieces: list[Piece]) -> tuple[str, list[Piece], list[tuple[str, str]]]:
        """Choose the format most files have; files of others are left out and reported."""
        if self._format is not None:
            return FORMAT_OF[self._format], [self._renamed(p) for p in pieces], []
        formats = Counter(self.format_of(p) for p in pieces)
        chosen = max(formats, key=lambda f: (formats[f], f != "txt"))
        kept = [p for p in pieces if self.format_of(p) == chosen]
        left_out = [
            (p.name, f"other files of this source hold {chosen}; pass format= to choose")
            for p in pieces
            if self.format_of(p) != chosen
        ]
        return chosen, kept, left_out

    def format_of(self, piece: Piece) -> str:
        """Return ``"csv"``, ``"json"`` or ``"txt"`` for a piece, by suffix, else by content."""
        if piece.suffix in FORMAT_OF and piece.suffix != "":
            return FORMAT_OF[piece.suffix]
        return "json" if piece.head(64).lstrip()[:1] in (b"{", b"[") else "txt"

    def _renamed(self, piece: Piece) -> Piece:
        from dataclasses import replace

        return replace(piece, suffix=self._format or piece.suffix)

    def _settled(self, chosen: str, pieces: list[Piece], target: Any) -> Family:
        """Return the family once a look at the files teaches nothing new."""
        for _attempt in range(4 + 2 * len(pieces)):
            try:
                return self._family(chosen, pieces, target)
            except PlanAgain:
                continue
        return self._family(chosen, pieces, target)

    def _family(self, chosen: str, pieces: list[Piece], target: Any) -> Family:
        if chosen == "csv":
            return CsvFamily(pieces, self._encoding, self._csv, self._learned, target)
        if chosen == "json":
            return JsonFamily(pieces, self._encoding, self._json, self._learned, target)
        return LinesFamily(pieces, self._encoding, self._rows, self._skip_blank, self._learned)


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if value not in allowed:
        listed = ", ".join(repr(a) for a in allowed if a is not None)
        raise InvalidArgument(f"{name}={value!r} is not one of {listed}")
