"""Delimiter and header of delimited text, found by looking at the first rows."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DELIMITERS = (",", "\t", ";", "|")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_YEAR = re.compile(r"(1[89]|20)\d\d")
_MISSING = ("\\N", "NA", "NULL", "null", "NaN", "nan")

csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Attributes:
        delimiter: one character between cells.
        quote: the quote character.
        header: whether the first row names the columns.
        names: column names as written (``c0``, ``c1`` ... without a header).
        skip: bytes of UTF-8 before the first row of data.
    """

    delimiter: str
    quote: str
    header: bool
    names: list[str]
    skip: int


def rows_of(text: str, delimiter: str, quote: str = '"') -> Iterator[list[str]]:
    """Yield rows of cells, blank lines left out; only CR, LF and CRLF end a line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    for row in reader:
        if row:
            yield row


def find_dialect(
    text: str,
    *,
    suffix: str = "",
    delimiter: str | None = None,
    quote: str = '"',
    header: bool | str = "auto",
    columns: Sequence[str] | None = None,
    complete: bool = True,
) -> Dialect | None:
    r"""Return the dialect of a file, ``None`` when it holds no row at all.

    Args:
        text: the start of the file.
        suffix: ``"tsv"`` makes a tab the first guess.
        delimiter: given instead of guessed.
        quote: quote character.
        header: ``True``, ``False`` or ``"auto"``.
        columns: names to use; the first row is then data unless ``header=True``.
        complete: whether ``text`` is the whole file.

    The first row is taken for data, not for names, when it holds numbers in columns that hold
    numbers further down, unless all of them look like years. A table of text only cannot be
    judged: its first row is taken for names.

    >>> find_dialect("id;name\n1;é\n").names
    ['id', 'name']
    """
    if delimiter is None:
        delimiter = _guess_delimiter(text, suffix, quote, complete)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote)
    first = next((row for row in reader if row), None)
    if first is None:
        return None
    lines = reader.line_num
    if header == "auto":
        body = _sample(text, delimiter, quote, complete)[1:]
        has_header = columns is None and not _looks_like_data(first, body)
    else:
        has_header = bool(header)
    names = list(columns) if columns is not None else first
    if not has_header and columns is None:
        names = [f"c{i}" for i in range(len(first))]
    skip = 0
    if has_header:
        source = io.StringIO(text, newline="")
        skip = sum(len(next(source).encode("utf-8", "surrogatepass")) for _ in range(lines))
    return Dialect(delimiter, quote, has_header, names, skip)


def _sample(
    text: str, delimiter: str, quote: str, complete: bool, limit: int = 200
) -> list[list[str]]:
    rows = []
    for row in rows_of(text, delimiter, quote):
        rows.append(row)
        if len(rows) > limit:
            break
    else:
        if not complete and len(rows) > 1:
            rows.pop()
    return rows


def _guess_delimiter(text: str, suffix: str, quote: str, complete: bool) -> str:
    """Choose the delimiter that cuts most rows into the same number of cells, more than one."""
    order = (
        ("\t", *(d for d in _DELIMITERS if d != "\t")) if suffix in ("tsv", "tab") else _DELIMITERS
    )
    best, best_score = order[0], 0.0
    for delimiter in order:
        widths = Counter(len(row) for row in _sample(text, delimiter, quote, complete))
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        score = count / widths.total() if width > 1 else 0.0
        if score > best_score + 1e-9:
            best, best_score = delimiter, score
    return best


def _looks_like_data(first: list[str], body: list[list[str]]) -> bool:
    numbers = [i for i, cell in enumerate(first) if _is_number(cell)]
    if not numbers and not any(cell.strip() in _MISSING for cell in first):
        return False
    if not body:
        return True
    if numbers and all(_YEAR.fullmatch(first[i].strip()) for i in numbers):
        return False
    fitting = [i for i in numbers if _column_is_numeric(body, i)]
    return bool(fitting) or (bool(numbers) and len(numbers) == len(first))


def _column_is_numeric(body: list[list[str]], index: int) -> bool:
    cells = [row[index].strip() for row in body if index < len(row)]
    filled = [cell for cell in cells if cell and cell not in _MISSING]
    return bool(filled) and all(_is_number(cell) for cell in filled)


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell.strip()) is not None
