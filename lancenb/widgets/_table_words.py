"""Filters, orders and the reproducing line of Python of a table view, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lancenb.errors import ColumnNotFound
from lancenb.store import redact

from ._filter import written
from ._table_rows import Rows


def order_of(source: Any, order_by: str) -> tuple[str, str]:
    """Return column and way of ``"width desc"``; a column may be called so itself."""
    names, text = list(source.schema.names), str(order_by).strip()
    head, _, tail = text.rpartition(" ")
    name, way = (text, "asc") if text in names else (head, tail.lower())
    if way not in ("asc", "desc"):
        name, way = text, "asc"
    if name not in names:
        raise ColumnNotFound(
            f"{source.title} has no column {name!r}", hint="order_by='width desc', for instance"
        )
    return name, way


def text_of(source: Any, where: Any) -> str:
    """Return a filter as SQL text, empty for none."""
    if where is None or isinstance(where, str):
        return written((where or "").strip())
    from ..catalog.filters import to_sql

    return to_sql(where, source.schema) or ""


def code_line(rows: Rows, columns: Sequence[str], artefact: bool) -> str:
    """Return the line of Python that gives the rows a view shows."""
    source, more = rows.source, []
    if rows.where:
        more.append(f"where={rows.where!r}")
    if list(columns) != list(source.schema.names):
        more.append(f"columns={list(columns)!r}")
    if rows.order is not None:
        name, way = rows.order
        order = name if way == "asc" else f"{name} desc"
        more.append(f"order_by={order!r}")
    if source.version is not None:
        more.append(f"version={source.version}")
    if artefact:
        return f"dm.search_rows({', '.join([repr(source.title), *more])})"
    return f"lnb.TableView({', '.join([repr(redact(str(source.uri))), *more])}).rows()"
