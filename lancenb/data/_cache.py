"""Columns and small decoded pictures kept in memory that worker processes share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..errors import CorruptInput
from ._fields import column_values
from ._gone import table_reads
from ._labels import LabelReader
from ._shared import SharedArray
from ._table import PinnedTable

Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]


class PictureCache:
    """Pictures of one size in one uint8 tensor, filled as they are first read.

    Args:
        rows: number of pictures.
        height: pixels.
        width: pixels.
    """

    def __init__(self, rows: int, height: int, width: int):
        self._images = SharedArray((rows, 3, height, width), torch.uint8)
        self._known = SharedArray((rows,), torch.bool)
        self.usable = True
        self._complete = False

    @property
    def images(self) -> torch.Tensor:
        """uint8 ``(rows, 3, height, width)``; only known rows have a meaning."""
        return self._images.tensor

    @property
    def known(self) -> torch.Tensor:
        """Which rows have been read."""
        return self._known.tensor

    def missing(self, rows: torch.Tensor) -> torch.Tensor:
        """Those of ``rows`` that have not been read yet."""
        if self._complete:
            return rows[:0]
        found = rows[~self.known[rows]]
        if not len(found):
            self._complete = bool(self.known.all())
        return found

    def put(self, row: int, image: torch.Tensor) -> None:
        """Keep one picture; a surprising size (a turned photograph) ends the caching."""
        if image.shape != self.images.shape[1:]:
            self.usable = False
            return
        self.images[row] = image
        self.known[row] = True


@dataclass
class SampleCache:
    """What is kept of a data set, by place of the sample.

    Attributes:
        pictures: decoded pictures, by sample key (one at most).
        columns: tensors of the other sample keys.
    """

    pictures: dict[str, PictureCache] = field(default_factory=dict)
    columns: dict[str, SharedArray] = field(default_factory=dict)

    @property
    def picture(self) -> PictureCache | None:
        """The cached pictures, while they can be used."""
        return next((kept for kept in self.pictures.values() if kept.usable), None)


def row_bytes(layout: Layout) -> int:
    """Bytes of one row of some columns."""
    return sum(dtype.itemsize * math.prod(shape) for dtype, shape in layout.values())


def scanned_columns(
    table: PinnedTable, keys: dict[str, str], layout: Layout, rows: np.ndarray | None
) -> dict[str, SharedArray]:
    """Read columns of one shape per row by one scan; those with missing values are left out.

    Args:
        table: what to read.
        keys: ``{key: column}``.
        layout: dtype and shape per key.
        rows: row number of each sample, None for all rows in order.
    """
    count = int(table.dataset.count_rows()) if rows is None else len(rows)
    found = {key: SharedArray((count, *shape), kind) for key, (kind, shape) in layout.items()}
    whole = set(found)
    columns = list(dict.fromkeys(keys[key] for key in found))
    for places, within, batch in _pieces(table, columns, rows):
        for key in sorted(whole):
            part = pa.chunked_array([batch.column(keys[key])])
            if within is not None:
                part = part.take(within)
            if part.null_count:
                whole.discard(key)
                continue
            try:
                values = column_values(keys[key], part, range(len(part)))
            except CorruptInput:  # said again, with the right row, when that row is asked for
                whole.discard(key)
                continue
            assert isinstance(values, torch.Tensor)
            found[key].tensor[places] = values
    return {key: found[key] for key in found if key in whole}


def _pieces(
    table: PinnedTable, columns: Sequence[str], rows: np.ndarray | None
) -> Iterator[tuple[Any, Any, pa.RecordBatch]]:
    """(places of samples, rows within the batch or None for all, batch) of one scan."""
    order = None if rows is None else np.argsort(rows, kind="stable")
    ascending = rows[order] if rows is not None else None
    start = 0
    with table_reads(table):
        for batch in table.dataset.scanner(columns=list(columns)).to_batches():
            stop = start + batch.num_rows
            if order is None or ascending is None:
                yield slice(start, stop), None, batch
            else:
                low, high = np.searchsorted(ascending, [start, stop])
                if high > low:
                    within = pa.array(ascending[low:high] - start)
                    yield torch.from_numpy(order[low:high]), within, batch
            start = stop


def label_ids(labels: LabelReader, rows: np.ndarray | None) -> SharedArray | None:
    """All label ids of the samples, or None when one of them is missing or wrong."""
    try:
        ids = labels.all_ids(rows)
    except CorruptInput:  # said again, with the right row, when that row is asked for
        return None
    kept = SharedArray((len(ids),), torch.int64)
    kept.tensor.copy_(torch.from_numpy(ids))
    return kept
