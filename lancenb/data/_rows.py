"""Which rows a filter keeps, and how large their pictures are."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..catalog.filters import check_sql, to_sql
from ._gone import table_reads
from ._table import PinnedTable

Filter = str | Sequence[tuple[str, str, Any]]


def matching_rows(table: PinnedTable, condition: Filter) -> np.ndarray:
    """Row numbers (ascending int64) of one pinned version that satisfy a filter.

    Raises:
        InvalidFilter: the expression cannot be understood.
        ColumnNotFound: it names a column that is not there.
    """
    dataset = table.dataset
    sql = check_sql(dataset, to_sql(condition, dataset.schema))
    with table_reads(table):
        found = dataset.to_table(columns=["_rowoffset"], filter=sql)
    return np.sort(found["_rowoffset"].to_numpy().astype(np.int64))


def checked_indices(indices: Sequence[Any] | np.ndarray, total: int) -> list[int]:
    """Places of samples counted from 0; negative ones count from the end.

    Raises:
        IndexError: there is no such sample.
        TypeError: an index is no whole number.
    """
    found = []
    for index in indices:
        place = operator.index(index)
        if not -total <= place < total:
            raise IndexError(f"there is no sample {index}: the data set has {total:,}")
        found.append(place + total if place < 0 else place)
    return found


def place_array(indices: Sequence[Any] | np.ndarray, total: int) -> np.ndarray:
    """:func:`checked_indices` as an int64 array (fast for lists of plain integers)."""
    found = np.asarray(indices)
    if found.dtype.kind not in "iu" or found.ndim != 1:
        return np.array(checked_indices(indices, total), dtype=np.int64)
    if len(found) and not (-total <= found.min() and found.max() < total):
        return np.array(checked_indices(indices, total), dtype=np.int64)
    found = found.astype(np.int64)
    return np.where(found < 0, found + total, found)


def one_picture_size(table: PinnedTable, column: str) -> tuple[int, int] | None:
    """(height, width) shared by all pictures, or None when they differ.

    Tables written by lancenb say it in their columns; of others a sample of 16 rows is opened.
    """
    dataset = table.dataset
    names = set(dataset.schema.names)
    with table_reads(table):
        if {"width", "height"} <= names:
            import pyarrow.compute as pc

            seen: set[int] = set()
            sides: dict[str, int | None] = {}
            for side in ("height", "width"):
                seen = set()
                for batch in dataset.scanner(columns=[side]).to_batches():
                    bounds = pc.min_max(batch.column(side)).as_py()
                    if batch.column(side).null_count:
                        return None
                    seen |= {bounds["min"], bounds["max"]}
                sides[side] = seen.pop() if len(seen) == 1 else None
            if sides["height"] is None or sides["width"] is None:
                return None
            return sides["height"], sides["width"]
        count = dataset.count_rows()
        if not count:
            return None
        rows = sorted({int(i) for i in np.linspace(0, count - 1, min(16, count))})
        cells = dataset.take(rows, columns=[column])[column].to_pylist()
    from ._pillow import BadPicture, pillow_rgb

    try:
        shapes = {pillow_rgb(cell).shape[:2] for cell in cells}
    except BadPicture:
        return None
    return shapes.pop() if len(shapes) == 1 else None
