"""The parts of a table with a column ``split``: training, validation and test rows."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..catalog.filters import to_sql
from ..convert.images._layout import SPLITS
from ._gone import table_reads
from ._words import listed
from .mixing import MixedDataset

SPLIT = "split"
_MEANT = {"train": "train", "val": "validation", "test": "test"}
#: Values of the column, in lower case, by part.
_PARTS = {part: [n for n, m in SPLITS.items() if m == meant] for part, meant in _MEANT.items()}
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_NAMED = re.compile(rf"(?<![\w.]){SPLIT}(?!\w)", re.IGNORECASE)


def split_rows(data: Any) -> dict[str, np.ndarray] | None:
    """Which samples of a data set are for training, validation and testing.

    A column ``split`` says so, as :func:`lancenb.convert` makes it of a folder with ``train``,
    ``val`` and ``test``. Rows with another value, or none, belong to no part.

    Args:
        data: a :class:`~lancenb.data.LanceTorchDataset`. One whose rows were chosen by hand (by
            ``.subset(...)``, or by a filter that names ``split``) is taken as it is.

    Returns:
        Places of samples, ascending int64, by ``"train"``, ``"val"`` and ``"test"`` where there
        are such rows: ``data.subset(split_rows(data)["train"])``. None where the rows are not told
        apart: no such column, no training rows in it, or nothing else.
    """
    values = None if getattr(data, "by_hand", True) else _values(data)
    if values is None:
        return None
    if data.rows is not None:
        values = values.take(pa.array(data.rows))
    lower = pc.utf8_lower(values)
    found = {}
    for part, names in _PARTS.items():
        rows = np.flatnonzero(pc.is_in(lower, value_set=pa.array(names)).to_numpy())
        if len(rows):
            found[part] = rows
    return None if len(found.get("train", ())) in (0, len(data)) else found


def split_values(data: Any) -> str:
    """What stands in the column ``split`` of the whole table, for hints; empty without one."""
    values = _values(data) if hasattr(data, "table") else None
    if values is None or not len(values):
        return ""
    names = sorted({repr(name) for name in pc.unique(values).to_pylist() if name is not None})
    return f"its column split has the values {listed(names)}"


def tell_mixed(data: Any) -> None:
    """Warn of a mixture to train on whose sources have rows that are kept for something else.

    Args:
        data: what is trained on, as the caller of the caller's caller gave it.
    """
    for source in data.sources if isinstance(data, MixedDataset) else ():
        parts = split_rows(source)
        if parts is None:
            continue
        others = " and ".join(_MEANT[part] for part in parts if part != "train") or "other"
        warnings.warn(
            f"the mixture trains on the {others} rows of '{source.name}' as well, which its"
            f" column {SPLIT} tells apart; give it the training rows alone: LanceTorchDataset(...,"
            f" filter=\"{SPLIT} = 'train'\")",
            stacklevel=4,
        )


def names_split(condition: Any, schema: pa.Schema) -> bool:
    """Whether a filter speaks of the column ``split``, so that its rows were chosen by hand.

    >>> names_split("split != 'test'", pa.schema({})), names_split("kind = 'split'", pa.schema({}))
    (True, False)
    """
    return bool(_NAMED.search(_QUOTED.sub("", to_sql(condition, schema) or "")))


def _values(data: Any) -> Any | None:
    """The column ``split`` of the whole table, when it is text."""
    schema = data.table.dataset.schema
    if SPLIT not in schema.names:
        return None
    kind = schema.field(SPLIT).type
    kind = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
    if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
        return None
    with table_reads(data.table):
        return data.table.dataset.to_table(columns=[SPLIT])[SPLIT].cast(pa.string())
