"""Small pieces of HTML in JupyterLab's own colours, all text escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any

INK = "var(--jp-ui-font-color1, #222)"
PALE = "var(--jp-ui-font-color2, #666)"
LINE = "var(--jp-border-color2, #ddd)"
SHADE = "var(--jp-layout-color2, #f4f4f4)"
ACCENT = "var(--jp-brand-color1, #1976d2)"
BAD = "var(--jp-error-color1, #d32f2f)"
GOOD = "var(--jp-success-color1, #388e3c)"
CLEAR = "background:transparent"
MONO = "var(--jp-code-font-family, monospace)"

_NUMBER = re.compile(r"[-+]?(\d[\d,]*(\.\d+)?(e[-+]?\d+)?|inf|nan)( ([kMGT]?B|\(head\)))?")


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Return an HTML table; cells are text, or :class:`Raw` markup made here."""
    listed = [tuple(row) for row in rows]
    style = (
        f"padding:2px 14px 2px 0;border-bottom:1px solid {LINE};color:{INK};{CLEAR};"
        "vertical-align:top;text-align:"
    )
    sides = [
        style + ("right" if _numeric(r[i] for r in listed) else "left") for i in range(len(headers))
    ]
    head = "".join(
        f'<th scope="col" style="{side};font-weight:600">{escape(header)}</th>'
        for header, side in zip(headers, sides, strict=True)
    )
    body = "".join(
        f'<tr style="{CLEAR}">'
        + "".join(f'<td style="{s}">{text(v)}</td>' for v, s in zip(row, sides, strict=True))
        + "</tr>"
        for row in listed
    )
    title = (
        f'<caption style="text-align:left;color:{PALE};padding-bottom:4px">{escape(caption)}'
        "</caption>"
        if caption
        else ""
    )
    return (
        f'<table style="border-collapse:collapse;{CLEAR}">{title}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def facts(title: str, pairs: Iterable[tuple[str, Any]]) -> str:
    """Return a titled list of name and value."""
    rows = "".join(
        f'<tr style="{CLEAR}"><th scope="row" style="text-align:left;padding:1px 14px 1px 0;'
        f'font-weight:500;color:{PALE};{CLEAR}">{escape(key)}</th>'
        f'<td style="text-align:left;color:{INK};{CLEAR}">{text(value)}</td></tr>'
        for key, value in pairs
        if value not in (None, "", [], (), {})
    )
    return (
        f'<div style="{CLEAR};color:{INK}"><strong>{escape(title)}</strong>'
        f'<table style="border-collapse:collapse;{CLEAR}">{rows}</table></div>'
    )


class Raw(str):
    """Markup made by this package; everything else is escaped."""

    __slots__ = ()


def chips(words: Iterable[str]) -> Raw:
    """Return small labels."""
    style = (
        f"background:{SHADE};color:{INK};border:1px solid {LINE};border-radius:8px;padding:0 6px;"
        "margin-right:4px;white-space:nowrap"
    )
    return Raw("".join(f'<span style="{style}">{escape(word)}</span>' for word in words))


def lines(words: Iterable[str], *, whole: bool = False) -> Raw:
    """Return texts below each other, each broken where it is too long unless it stays ``whole``."""
    style = "white-space:nowrap" if whole else "overflow-wrap:anywhere"
    return Raw("".join(f'<div style="{style}">{escape(word)}</div>' for word in words))


def text(value: Any) -> str:
    """Return ``value`` as escaped HTML."""
    if isinstance(value, Raw):
        return value
    if value is None:
        return ""
    if isinstance(value, datetime):
        return escape(when(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(value))


def _numeric(cells: Iterable[Any]) -> bool:
    """Whether all cells that say something are numbers, or numbers with a unit."""
    said = [cell for cell in cells if cell is not None and str(cell) not in ("", "?")]
    return bool(said) and all(
        not isinstance(cell, (Raw, bool)) and _NUMBER.fullmatch(str(cell)) for cell in said
    )


def when(value: datetime) -> str:
    """Return a time for people, in UTC, to the second."""
    return value.strftime("%Y-%m-%d %H:%M:%S")


def count(number: int, unit: str) -> str:
    """Return ``number`` with its unit in singular or plural.

    >>> count(1, "row"), count(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def size(nbytes: int | None) -> str:
    """Return bytes for people.

    >>> size(1536)
    '1.5 kB'
    """
    if nbytes is None:
        return "?"
    number = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if number < (999.5 if unit == "B" else 999.95):
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def columns(rows: Sequence[Sequence[Any]]) -> str:
    """Return rows of text in aligned columns."""
    if not rows:
        return ""
    cells = [[str(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = (
        "  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True)).rstrip() for row in cells
    )
    return "\n".join(lines)
