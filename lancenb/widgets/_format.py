"""Numbers, sizes and cell values for people."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any


def size(nbytes: float) -> str:
    """Return a byte count with three significant digits.

    >>> size(0), size(999), size(46_827_520), size(1_234_567_890)
    ('0 B', '999 B', '46.8 MB', '1.23 GB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(nbytes) < 999.5 or unit == "TB":
            return f"{nbytes:.0f} B" if unit == "B" else f"{_three(nbytes)} {unit}"
        nbytes /= 1000
    raise AssertionError


def count(number: int) -> str:
    """Return a whole number with separators.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{number:,}"


def short_count(number: float) -> str:
    """Return a large number in a few characters.

    >>> short_count(11_689_512), short_count(950)
    ('11.7 M', '950')
    """
    for unit in ("", " k", " M", " B", " T"):
        if abs(number) < 999.5 or unit == " T":
            return f"{number:.0f}" if not unit else f"{_three(number)}{unit}"
        number /= 1000
    raise AssertionError


def _three(value: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{digits}f}"


def number(value: float | int | None) -> str:
    """Return a measured value with four significant digits.

    >>> number(0.000012345), number(1234.5678), number(float("nan")), number(7)
    ('1.234e-05', '1235', 'nan', '7')
    """
    if value is None:
        return "-"
    if isinstance(value, int):
        return count(value) if abs(value) < 10**15 else f"{value:.4g}"
    text = f"{value:.4g}"
    return "0" if text == "-0" else text


def plural(amount: int, word: str, many: str | None = None) -> str:
    """Return an amount with its noun.

    >>> plural(1, "row"), plural(1200, "row"), plural(2, "class", "classes")
    ('1 row', '1,200 rows', '2 classes')
    """
    return f"{count(amount)} {word if amount == 1 else many or word + 's'}"


def cell(value: Any, width: int = 200) -> str:
    """Return one table cell as plain text of at most ``width`` characters.

    >>> cell(b"abcd"), cell([1, 2]), cell("a" * 300, width=5)
    ('4 B of bytes', '[1, 2]', 'aaaa…')
    """
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"{size(len(value))} of bytes"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, dict)):
        text = json.dumps(_shorten(value), ensure_ascii=False, default=str)
    else:
        text = str(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _shorten(value: Any, depth: int = 0) -> Any:
    if isinstance(value, bytes):
        return f"{size(len(value))} of bytes"
    if depth > 3:
        return "…"
    if isinstance(value, dict):
        return {str(k): _shorten(v, depth + 1) for k, v in list(value.items())[:20]}
    if isinstance(value, list):
        head = [_shorten(v, depth + 1) for v in value[:20]]
        return [*head, f"… {len(value) - 20} more"] if len(value) > 20 else head
    if isinstance(value, str) and len(value) > 200:
        return value[:199] + "…"
    return value


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], width: int = 100
) -> str:
    """Return aligned columns for a plain terminal, cut to ``width`` characters a line.

    >>> print(text_table(["name", "rows"], [["a", "1"], ["bcd", "20"]], [False, True]))
    name  rows
    a        1
    bcd     20
    """
    clean = [[" ".join(str(c).split()) for c in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in clean) for i in range(len(header))]
    room = max(width - 2 * (len(widths) - 1), 8 * len(widths))
    while sum(widths) > room:
        widest = widths.index(max(widths))
        second = max((w for i, w in enumerate(widths) if i != widest), default=0)
        excess = sum(widths) - room
        widths[widest] -= max(1, min(excess, widths[widest] - second))
    clean = [
        [c if len(c) <= w else c[: w - 1] + "…" for c, w in zip(row, widths, strict=True)]
        for row in clean
    ]
    lines = []
    for row in clean:
        cells = (
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
