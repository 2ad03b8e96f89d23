"""Conditions on rows: labels by name, SQL as given, triples through the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ColumnNotFound, InvalidArgument, InvalidFilter
from ._target import Target

#: Characters of a filter that somebody wrote.
LONGEST = 4096


def written(where: str) -> str:
    """Return a filter that somebody wrote, unless it is too long to have been meant.

    Raises:
        InvalidFilter: it is longer than 4,096 characters.
    """
    if len(where) > LONGEST:
        raise InvalidFilter(
            f"the filter is too long: {len(where):,} characters, at most {LONGEST:,}",
            hint="a long list of values goes as a triple: where=[('id', 'in', values)]",
        )
    return where


def label_filter(
    target: Target,
    column: str | None,
    names: list[str],
    label: str | int | Sequence[str | int] | None,
) -> str | None:
    """Return the SQL condition for one or several labels, given by class name or by value."""
    if label is None:
        return None
    if column is None:
        raise ColumnNotFound(f"{target.title} has no labels to choose by")
    wanted = list(label) if isinstance(label, (list, tuple, set)) else [label]
    values: list[str] = []
    for item in wanted:
        if isinstance(item, str) and item in names:
            values.append(str(names.index(item)))
        elif isinstance(item, int) and not isinstance(item, bool):
            values.append(str(item))
        elif not names and isinstance(item, str):
            values.append("'" + item.replace("'", "''") + "'")
        else:
            known = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise InvalidArgument(f"{target.title} has no class {item!r}", hint=f"there is {known}")
    if not values:
        raise InvalidArgument("label=[] chooses nothing", hint="leave label out to see all")
    return f"`{column}` IN ({', '.join(values)})"


def combine(target: Target, where: Any, other: str | None = None) -> str | None:
    """Return ``where`` (SQL text or triples) and another SQL condition as one.

    Raises:
        InvalidFilter: the condition cannot be understood.
        ColumnNotFound: it names a column that the table does not have.
    """
    from ..catalog.filters import check_sql, to_sql
    from ._far_dataset import FarDataset

    stated = to_sql(where, target.schema)
    if not isinstance(target.dataset, FarDataset):
        stated = check_sql(target.dataset, stated)
    elif isinstance(where, str) and other is None:
        stated = where  # the server checks it, and quotes what was written
    parts = [p for p in (stated, other) if p]
    return " AND ".join(f"({p})" for p in parts) if len(parts) > 1 else parts[0] if parts else None
