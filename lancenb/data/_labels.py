"""Label columns as int64 ids, the stored ones; text labels by a stable list of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from ..errors import CorruptInput, InvalidArgument
from ._fields import missing, refuse_nulls, stored_class_names
from ._gone import table_reads
from ._plan import SamplePlan
from ._shown import shown
from ._table import PinnedTable

NO_LABEL = -100


def checked_names(names: Any) -> list[str] | None:
    """Names of classes as a list; None stays None.

    Raises:
        InvalidArgument: something else than a list of names.

    >>> checked_names(("cat", "dog"))
    ['cat', 'dog']
    """
    if names is None:
        return None
    if isinstance(names, (str, bytes, Mapping, Set)) or not isinstance(names, Iterable):
        raise InvalidArgument(
            f"class_names={shown(names)} is no list of names",
            hint="give them in the order of their ids: class_names=['cat', 'dog']",
        )
    return [str(name) for name in names]


class LabelReader:
    """Turns one label column into ids.

    Args:
        table: the pinned table.
        column: label column.
        names: class names in id order, or None when only ids are known.
        text: whether the column holds names instead of ids.
        lookup: new id by stored id, when the ids are counted in another list of names.
    """

    def __init__(
        self,
        table: PinnedTable,
        column: str,
        names: list[str] | None,
        text: bool,
        lookup: np.ndarray | None = None,
    ):
        self.table = table
        self.column = column
        self.names = names
        self.text = text
        self.lookup = lookup

    @classmethod
    def of(
        cls,
        table: PinnedTable,
        schema: pa.Schema,
        plan: SamplePlan,
        names: Sequence[str] | None = None,
    ) -> LabelReader | None:
        """The reader for a plan, or None when it has no label of a usable type."""
        if not plan.label_key:
            return None
        column = plan.keys[plan.label_key]
        kind = schema.field(column).type
        if isinstance(kind, pa.DictionaryType):
            kind = kind.value_type
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not text and not pa.types.is_integer(kind):
            return None
        names = checked_names(names)
        known = stored_class_names(schema, column)
        if text and names:
            known = names
        if known is None and text:
            with table_reads(table):
                values = table.dataset.to_table(columns=[column])[column]
            known = sorted(v for v in pc.unique(values).to_pylist() if v is not None)
        if known is not None and len(set(known)) != len(known):
            raise InvalidArgument("class names must differ from each other")
        reader = cls(table, column, known, text)
        return reader.renamed(names) if names else reader

    def renamed(self, names: Sequence[str]) -> LabelReader:
        """The same labels, counted in another list of names.

        Raises:
            InvalidArgument: a class of this data is not in the list.
        """
        wanted = checked_names(names) or []
        if self.names is None or wanted == self.names:
            return LabelReader(self.table, self.column, wanted, self.text, self.lookup)
        unknown = [name for name in self.names if name not in wanted]
        if unknown:
            raise InvalidArgument(
                f"'{self.table.name}' has the class {unknown[0]!r}, which is not among"
                f" {', '.join(wanted[:12])}",
                hint="use data with the same classes, or train with all of them",
            )
        if self.text:
            return LabelReader(self.table, self.column, wanted, True)
        step = np.array([wanted.index(name) for name in self.names], dtype=np.int64)
        lookup = step if self.lookup is None else step[self.lookup]
        return LabelReader(self.table, self.column, wanted, False, lookup)

    def ids(
        self, values: pa.ChunkedArray, rows: Sequence[int], *, fill: bool = False
    ) -> torch.Tensor:
        """Ids of some labels, int64.

        Args:
            values: the stored labels.
            rows: row number of each, for messages.
            fill: give rows without a label the id -100, which torch's cross entropy leaves out.

        Raises:
            CorruptInput: a row without a label, or with a name or id outside the list.
        """
        if not fill or not values.null_count:
            return torch.from_numpy(self._ids(values, rows))
        there = np.flatnonzero(~missing(values))
        found = np.full(len(values), NO_LABEL, dtype=np.int64)
        found[there] = self._ids(values.take(pa.array(there)), [rows[i] for i in there.tolist()])
        return torch.from_numpy(found)

    def _ids(self, values: pa.ChunkedArray, rows: Sequence[int]) -> np.ndarray:
        refuse_nulls(self.column, values, rows)
        if self.text:
            names = pa.array(self.names, pa.string())
            found = pc.index_in(values.cast(pa.string()), value_set=names)
            ids = found.fill_null(-1).to_numpy().astype(np.int64)
        else:
            ids = values.cast(pa.int64()).to_numpy().astype(np.int64)
        limit = len(self.lookup) if self.lookup is not None else None
        self._check(ids, limit or (len(self.names) if self.names else None), values, rows)
        return ids if self.lookup is None else self.lookup[ids]

    def _check(
        self, ids: np.ndarray, classes: int | None, values: Any, rows: Sequence[int]
    ) -> None:
        wrong = ids < 0
        if classes is not None:
            wrong |= ids >= classes
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            raise CorruptInput(
                f"row {rows[first]} of '{self.table.name}' has the label"
                f" {values[first].as_py()!r}, which is none of its {classes or 0} classes",
                hint=f'leave such rows out with a filter on "{self.column}"',
            )

    def all_ids(self, rows: np.ndarray | None, *, fill: bool = False) -> np.ndarray:
        """Ids of the chosen rows of the whole table; with ``fill`` as :meth:`ids` does."""
        with table_reads(self.table):
            values = self.table.dataset.to_table(columns=[self.column])[self.column]
        if rows is not None:
            values = values.take(pa.array(rows))
        numbers = range(len(values)) if rows is None else rows.tolist()
        return self.ids(values, numbers, fill=fill).numpy()
