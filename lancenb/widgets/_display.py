"""The display object of every preview, and the card that frames it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

CONTROL = {code: " " for code in (*range(32), *range(127, 160)) if code not in (9, 10)}


def esc(value: object) -> str:
    """Return any value as text that is safe inside HTML elements and quoted attributes.

    >>> esc('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return escape(str(value).translate(CONTROL), quote=True)


@cache
def style() -> str:
    """Return the style sheet shared by all previews."""
    static = files("lancenb.widgets").joinpath("static")
    return "".join(
        static.joinpath(name).read_text(encoding="utf-8") for name in ("tokens.css", "preview.css")
    )


class Preview:
    """A finished picture of a table: HTML for notebooks, text for plain terminals.

    It holds no reference to the table. Nothing in it runs: no scripts, no outside addresses.

    Attributes:
        html: the fragment a notebook shows (it brings its own style).
        text: the same facts as plain text.
        data: the facts behind the picture, for programs.

    >>> Preview("<p>hello</p>", "hello")
    hello
    """

    def __init__(self, html: str, text: str, data: dict[str, Any] | None = None):
        self.html = html
        # File names and values may hold escape codes, which a terminal would obey.
        self.text = text.translate(CONTROL)
        self.data = data or {}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text


def card(
    title: str, chips: Iterable[str], facts: Sequence[str], *parts: str, foot: str = ""
) -> str:
    """Return the frame of a preview around ready-made HTML ``parts``.

    ``title``, ``chips`` and ``facts`` are plain text and are escaped here; ``parts`` and ``foot``
    are HTML.
    """
    head = f'<span class="lnb-title">{esc(title)}</span>'
    head += "".join(f'<span class="lnb-chip">{esc(chip)}</span>' for chip in chips if chip)
    if facts:
        head += f'<span class="lnb-dim">{esc(" · ".join(facts))}</span>'
    body = "".join(part for part in parts if part)
    if foot:
        body += f'<div class="lnb-foot">{foot}</div>'
    return (
        f"<style>{style()}</style>"
        f'<div class="lnb lnb-card" role="group" aria-label="{esc("preview of " + title)}">'
        f'<div class="lnb-head">{head}</div>{body}</div>'
    )


def heading(title: str, chips: Iterable[str], facts: Sequence[str]) -> str:
    """Return the first line of the text form."""
    return "  ".join([title, *(chip for chip in chips if chip), " · ".join(facts)]).rstrip()


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Sequence[bool],
    label: str,
    row_header: bool = True,
) -> str:
    """Return a scrolling table; ``header`` and the cells of ``rows`` are HTML."""

    def tag(name: str, html: str, right: bool, extra: str = "") -> str:
        css = ' class="lnb-n"' if right else ""
        return f"<{name}{css}{extra}>{html}</{name}>"

    head = "".join(tag("th", h, n, ' scope="col"') for h, n in zip(header, numeric, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            tag("th", c, n, ' scope="row"') if row_header and i == 0 else tag("td", c, n)
            for i, (c, n) in enumerate(zip(row, numeric, strict=True))
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="lnb-scroll" role="region" aria-label="{esc(label)}" tabindex="0">'
        f'<table class="lnb-t"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def share(fraction: float) -> str:
    """Return a small horizontal bar for a share between 0 and 1."""
    percent = min(100.0, max(0.0, 100 * fraction))
    return f'<span class="lnb-share" aria-hidden="true"><i style="width:{percent:.1f}%"></i></span>'


def bars(items: Sequence[tuple[str, int]], unit: Callable[[int], str] = "{:,}".format) -> str:
    """Return one horizontal bar per named amount (names are escaped here)."""
    top = max((n for _, n in items), default=1) or 1
    rows = "".join(
        f'<span title="{esc(name)}">{esc(name)}</span>{share(n / top)}<span>{esc(unit(n))}</span>'
        for name, n in items
    )
    return f'<div class="lnb-bars">{rows}</div>'


def stats(items: Iterable[tuple[str, str]]) -> str:
    """Return a row of named figures (escaped here)."""
    cells = "".join(
        f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>" for name, value in items
    )
    return f'<dl class="lnb-stats">{cells}</dl>'
