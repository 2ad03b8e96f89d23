"""The still form of a table view: its first rows and, once measured, figures per column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._display import card, esc, heading
from ._format import cell, count, plural, text_table
from ._source import is_blob
from ._table import figures_table, rows_table
from ._table_page import readable
from ._values import values_of
from ._view import sentence

if TYPE_CHECKING:
    from .table_view import TableView

_ROWS = 10


def static_form(view: TableView) -> tuple[str, str]:
    """Return the first rows as HTML and text; the reason where they cannot be read any more."""
    schema = view.source.schema
    columns = [view.columns[p] for p in view.shown]
    fields = [
        f for f in (schema.field(c["name"]) for c in columns) if not is_blob(f) and readable(f.name)
    ]
    facts = [plural(view.total, "row")]
    facts += [f"{count(view.count)} match"] if view.where else []
    facts += [plural(len(schema.names), "column")]
    names = [field.name for field in fields]
    try:
        table = view._rows.page(0, _ROWS, names)[1] if fields and view.count else None
    except Exception as error:
        html = card(view.title, view.chips, facts, foot=esc(sentence(error)))
        return html, heading(view.title, view.chips, facts) + "\n" + sentence(error)
    taken = [values_of(table[name]) for name in names] if table is not None else []
    records = [dict(zip(names, row, strict=True)) for row in zip(*taken, strict=True)]
    foot = f"Rows 1-{len(records)} of {count(view.count)}." if records else _nothing(view)
    hidden = len(schema.names) - len(fields)
    foot += f" {plural(hidden, 'column')} not shown." if hidden else ""
    figures = [_figure(c, view.stats[str(p)]) for c, p in zip(columns, view.shown, strict=True)
               if str(p) in view.stats]  # fmt: skip
    fold = f"<details><summary>Columns in figures</summary>{figures_table(figures)}</details>"
    html = card(
        view.title, view.chips, facts, rows_table(fields, records) if records else "",
        fold if figures else "", foot=esc(foot),
    )  # fmt: skip
    lines = [heading(view.title, view.chips, facts)]
    if records:
        right = [c["num"] for c in columns if c["name"] in names]
        lines.append(text_table(names, [[cell(r[n], 60) for n in names] for r in records], right))
    return html, "\n".join([*lines, foot])


def _nothing(view: TableView) -> str:
    if not view.columns:
        return "The table has no columns."
    return "No row matches." if view.total else "The table is empty."


def _figure(column: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return measured figures as a row of the table that previews show."""
    top = f"{facts['top'][0][0]} ({count(facts['top'][0][1])} times)" if facts["top"] else ""
    about = "≈ " if facts["approx"] else ""
    unit = " characters" if facts["role"] == "text" else ""
    mean = facts.get("mean", "") + (unit if "mean" in facts else "")
    if facts["role"] == "bool" and facts["known"]:
        mean = f"{100 * facts['true'] / facts['known']:.3g} % true"
    return {
        "column": column["name"], "type": column["type"],
        "nulls": facts["nulls"] / max(1, facts["rows"]),
        "distinct": f"{about}{count(facts['distinct'])}",
        "min": "" if unit else cell(facts.get("min", ""), 24),
        "max": "" if unit else cell(facts.get("max", ""), 24),
        "mean": mean, "top": top, "bins": [] if unit else facts["bars"],
    }  # fmt: skip
