"""The rows a table view shows: a source, filtered and in order, read page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument
from ._format import count

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Sorting reads one column whole and keeps eight bytes per row; beyond this it is refused.
SORT_ROWS = 10_000_000
#: Text sorts slower and is held in memory.
SORT_TEXT_ROWS = 3_000_000
#: A manager far away sorts by itself, for every page anew.
SORT_FAR_ROWS = 200_000
_BATCH = 16_384


class Rows:
    """Rows of ``source`` that match ``where``, ordered by one column.

    Args:
        source: see ``_source.py``.
        where: SQL text, triples or None.
        order: name of a column and ``"asc"`` or ``"desc"``, or None for the table's order.

    Raises:
        InvalidFilter: the filter cannot be understood.
        InvalidArgument: too many rows to sort.
    """

    def __init__(self, source: Any, where: Any = None, order: tuple[str, str] | None = None):
        self.source, self.where, self.order = source, where, order
        self._places: np.ndarray | None = None
        if where is not None:
            self._places = source.positions(where)
        known = self._places is not None
        self.count = len(self._places) if self._places is not None else source.count(where)
        self.far = not hasattr(source, "dataset")
        if order is not None and self.count:
            self._refuse(order[0])
            if known or (where is None and not self.far):
                self._places = self._sorted(order)

    @property
    def numbered(self) -> bool:
        """Whether :meth:`page` numbers rows by their place in the table, not in this view."""
        return self._places is not None or (self.where is None and self.order is None)

    def page(
        self, offset: int, limit: int | None, columns: Sequence[str]
    ) -> tuple[list[int], pa.Table]:
        """Return the numbers and the rows from ``offset`` on."""
        end = self.count if limit is None else min(self.count, offset + limit)
        if self._places is not None:
            numbers = self._places[offset:end].tolist()
            return numbers, self.source.take(numbers, columns)
        # Lance cannot put no rows in order
        order = f"{self.order[0]} {self.order[1]}" if self.order and end > offset else None
        table = self.source.rows(
            offset, max(0, end - offset), columns, where=self.where, order_by=order
        )
        return list(range(offset, offset + table.num_rows)), table

    def numbered_rows(self, numbers: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Return rows by the numbers that :meth:`page` gave."""
        import pyarrow as pa

        if self.numbered or not numbers:
            return self.source.take(numbers, columns)
        return pa.concat_tables([self.page(number, 1, columns)[1] for number in numbers])

    def batches(self, columns: Sequence[str], limit: int) -> Iterator[pa.RecordBatch]:
        """Yield at most ``limit`` rows in the table's order, filtered, in small batches."""
        names = list(columns)
        if not self.far:
            from ._filter import combine

            condition = combine(self.source.target, self.where)
            scanner = self.source.dataset.scanner(
                columns=names, filter=condition, limit=limit, batch_size=_BATCH
            )
            yield from scanner.to_batches()
            return
        limit = min(limit, self.count)
        for start in range(0, limit, _BATCH):
            part = self.source.rows(start, min(_BATCH, limit - start), names, where=self.where)
            yield from part.to_batches()

    def _refuse(self, name: str) -> None:
        import pyarrow.types as pt

        if name not in self.source.schema.names:
            raise InvalidArgument(f"{self.source.title} has no column {name!r} to sort by")
        kind = self.source.schema.field(name).type
        if not sortable(kind):
            raise InvalidArgument(f"values of {name!r} ({kind}) have no order")
        most = SORT_ROWS if not pt.is_string(kind) else SORT_TEXT_ROWS
        if self.far:
            most = SORT_FAR_ROWS
        if self.count > most:
            raise InvalidArgument(
                f"{count(self.count)} rows are too many to sort by {name!r}: the limit is "
                f"{count(most)}",
                hint="filter first; sorting reads the whole column into memory",
            )

    def _sorted(self, order: tuple[str, str]) -> np.ndarray:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.source.rows(0, None, [order[0]], where=self.where)[order[0]]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        keys = [("key", "ascending" if order[1] == "asc" else "descending")]
        table = pa.table({"key": column})
        places = pc.sort_indices(table, sort_keys=keys).to_numpy()
        known = self._places if self._places is not None else np.arange(self.count)
        return known[places]


def sortable(kind: pa.DataType) -> bool:
    """Tell whether rows can be put in order by such a column."""
    import pyarrow.types as pt

    if pt.is_dictionary(kind):
        return sortable(kind.value_type)
    return not (
        pt.is_nested(kind)
        or pt.is_binary(kind)
        or pt.is_large_binary(kind)
        or pt.is_fixed_size_binary(kind)
        or pt.is_null(kind)
        or pt.is_interval(kind)
        or pt.is_float16(kind)  # Arrow does not sort it
        or hasattr(kind, "extension_name")
    )
