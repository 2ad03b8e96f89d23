"""The static form of a tensor browser: the list, and the tensor that is selected."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from ..errors import LancenbError
from ._display import card, esc, heading, table
from ._format import number, plural, text_table
from ._plots import heat, histogram
from ._slices import dims
from ._tensor import named_figures
from ._tensor_look import figures_of, read_heats, subtract
from ._tensor_rows import Row, open_sides
from ._weights import TEXT_ROWS, draw_list

if TYPE_CHECKING:
    from .tensor_browser import TensorBrowser

_ROWS = 200


def static(browser: TensorBrowser) -> tuple[str, str]:
    """Return the browser as HTML and text, reading no more than the selected tensor's sample."""
    html, text = _changes(browser) if browser.sides else _list(browser)
    row = None if browser.selected is None else browser._by_name.get(browser.selected)
    if row is None:
        return html, text
    try:
        more_html, more_text = _selected(browser, row)
    except LancenbError as error:
        return html, f"{text}\n{error.message}"
    return more_html, f"{text}\n\n{more_text}"


def _list(browser: TensorBrowser) -> tuple[str, str]:
    source = browser._sources[0]
    shown = draw_list(source, source.records(), rows=_ROWS)
    return shown.html, shown.text


def _changes(browser: TensorBrowser) -> tuple[str, str]:
    known = {name: change for name, _, change in browser._learnt}
    rows = [r for r in browser._rows if r.what != "same"]

    def cells(row: Row) -> list[str]:
        change = known.get(row.name)
        shown = "" if change is None else number(float(change))
        return [row.name, row.what, dims(row.shape), row.dtype, shown]

    header = ["tensor", "what", "shape", "dtype", "relative change"]
    numeric = [False, False, False, False, True]
    drawn = [cells(row) for row in rows[:_ROWS]]
    body = table(
        header,
        [[esc(c) for c in row] for row in drawn],
        numeric=numeric,
        label="tensors that differ",
    )
    foot = f"{plural(len(rows) - _ROWS, 'more tensor')} not shown." if len(rows) > _ROWS else ""
    lines = [heading(browser.title, browser.chips, [browser.facts])]
    if rows:
        lines.append(text_table(header, drawn[:TEXT_ROWS], [False] * 5))
    if len(rows) > TEXT_ROWS:
        lines.append(f"... {plural(len(rows) - TEXT_ROWS, 'more tensor')}")
    html = card(browser.title, browser.chips, [browser.facts], body if rows else "", foot=foot)
    return html, "\n".join(lines)


def _selected(browser: TensorBrowser, row: Row) -> tuple[str, str]:
    """Draw the selected tensor, from what is known of it or a sample."""
    cut, drawings = browser._cut(row), []
    with ExitStack() as stack:
        sides = [stack.enter_context(closing(x)) for x in open_sides(browser._sources, row)]
        found = browser._exact.get(row.name) or figures_of(sides, row)
        heats = read_heats(sides, row, cut)
    facts = [dims(row.shape), row.dtype, plural(row.count, "value")]
    title = f"{browser.title} · {row.name}"
    lines = [heading(title, browser.chips, facts)]
    names = browser.sides if len(heats) == 2 else [""]
    if found is not None and row.count:
        header = ["", *(name for name, _ in named_figures(found.figures[0]))]
        rows = [
            [side, *(value for _, value in named_figures(figures))]
            for side, figures in zip(names, found.figures, strict=False)
        ]
        drawings.append(
            table(header, [[esc(c) for c in r] for r in rows],
                  numeric=[False] + [True] * (len(header) - 1), label="figures")
        )  # fmt: skip
        lines.append(text_table(header, rows, [False] + [True] * (len(header) - 1)))
    drawings.append(f'<div class="lnb-duo">{"".join(_pictures(browser, row, found, heats))}</div>')
    foot = "" if found is None or found.exact else "Figures from evenly spaced values."
    if found is not None and found.change is not None:
        change = found.change
        words = f"relative change {number(change.relative)}, largest {number(change.largest)}"
        lines.append(words)
        foot = f"{words}. {foot}"
    return card(title, browser.chips, facts, *drawings, foot=esc(foot)), "\n".join(lines)


def _pictures(browser: TensorBrowser, row: Row, found: Any, heats: list[Any]) -> list[str]:
    out = []
    names = browser.sides if len(heats) == 2 else [""]
    if found is not None and found.low is not None:
        bars = [c.reshape(browser.bins, -1).sum(axis=1) for c in found.counts]
        for side, counts in zip(names, bars, strict=False):
            caption = f"Histogram of values {side}".rstrip()
            drawing = histogram(counts, found.low, found.high, log=browser.log, what=caption)
            out.append(f"<figure><figcaption>{esc(caption)}</figcaption>{drawing}</figure>")
    maps = [(f"Heat map {side}".rstrip(), h.cells) for side, h in zip(names, heats, strict=False)]
    if len(heats) == 2:
        maps.append(("Difference", subtract(heats[0].cells, heats[1].cells)))
    for caption, cells in maps:
        if cells.size:
            picture = heat(cells, what=f"{caption} of {row.name}")
            out.append(f"<figure><figcaption>{esc(caption)}</figcaption>{picture}</figure>")
    return out
