"""Labels of a gallery: their names, how many of each, and the condition that chooses some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ..errors import ColumnNotFound, InvalidArgument
from ._target import class_names, label_column

if TYPE_CHECKING:
    from ._source import Source

#: Label counts read one small column; beyond this many rows they are left out.
COUNT_UP_TO = 5_000_000
#: A column with more different values than this is no column of classes.
_CLASSES = 1_000
#: Distinct values are looked for among so many rows first.
_SAMPLE = 20_000


class Labels:
    """The label column of a source; ``column`` is None where there is none."""

    def __init__(self, source: Source):
        self._source = source
        self.column = label_column(source.schema)
        self.names = class_names(source.schema, self.column)

    def name(self, value: Any) -> str:
        """Return what people call a stored label; ``-`` when there is none."""
        if value is None:
            return "-"
        if isinstance(value, int) and 0 <= value < len(self.names):
            return self.names[value]
        return str(value)

    def plain(self) -> list[list[Any]]:
        """Return ``[name, None]`` for the classes known without reading anything."""
        return [[name, None] for name in self.names[:_CLASSES]]

    def counted(self) -> list[list[Any]]:
        """Return ``[name, rows]`` for every class, in the order of their values.

        Empty when there are too many rows or too many classes to be worth it, or when no text
        stands for a value (bytes, lists).
        """
        total = self._source.count()
        if self.column is not None and not _sort_of(self._kind):
            return []
        if self.column is None or not 0 < total <= COUNT_UP_TO:
            return self.plain()
        import pyarrow.compute as pc

        if total > 2 * _SAMPLE and not self.names:
            some = self._source.rows(0, _SAMPLE, [self.column])[self.column]
            if len(pc.unique(some)) > _CLASSES:
                return []
        found = pc.value_counts(self._source.rows(columns=[self.column])[self.column]).to_pylist()
        pairs = [(each["values"], int(each["counts"])) for each in found]
        pairs = [(value, n) for value, n in pairs if value is not None]
        if len(pairs) > _CLASSES:
            return []
        pairs.sort(key=lambda p: (not isinstance(p[0], int), p[0] if isinstance(p[0], int) else 0))
        if not all(isinstance(value, int) for value, _ in pairs):
            pairs.sort(key=lambda p: str(p[0]))
        return [[self.name(value), n] for value, n in pairs]

    def condition(self, chosen: Sequence[str | int]) -> str | None:
        """Return the SQL condition for labels given by name or by value.

        Raises:
            InvalidArgument: there is no such class.
            ColumnNotFound: the table has no labels.
        """
        if not chosen:
            return None
        if self.column is None:
            raise ColumnNotFound(
                f"{self._source.title} has no labels to choose by", hint="use where= instead"
            )
        from ..catalog.filters import to_sql

        values = [self._value(item) for item in chosen]
        return " OR ".join(
            f"({to_sql((self.column, '=', value), self._source.schema)})" for value in values
        )

    def _value(self, item: Any) -> Any:
        """Return the stored value that a class is called by."""
        if isinstance(item, str) and item in self.names:
            return self.names.index(item)
        sort = _sort_of(self._kind)
        known = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
        wrong = InvalidArgument(
            f"{self._source.title} has no class {item!r}", hint=f"there is {known}" if known else ""
        )
        if isinstance(item, str) and not self.names:
            try:
                return _READ[sort](item)
            except (KeyError, ValueError):
                raise wrong from None
        if isinstance(item, bool) != (sort == "bool") or not isinstance(item, int | float):
            raise wrong
        return item

    @property
    def _kind(self) -> Any:
        import pyarrow as pa

        kind = self._source.schema.field(self.column).type
        return kind.value_type if pa.types.is_dictionary(kind) else kind


def _sort_of(kind: Any) -> str:
    """Return how values of a label column are written, ``""`` where no text stands for them."""
    import pyarrow.types as pt

    for sort, fits in (
        ("bool", pt.is_boolean), ("int", pt.is_integer), ("float", pt.is_floating),
        ("date", pt.is_date), ("text", pt.is_string), ("text", pt.is_large_string),
    ):  # fmt: skip
        if fits(kind):
            return sort
    return ""


def _truth(word: str) -> bool:
    return {"true": True, "false": False}[word.lower()]


_READ: dict[str, Any] = {
    "bool": _truth, "int": int, "float": float, "date": date.fromisoformat, "text": str,
}  # fmt: skip
