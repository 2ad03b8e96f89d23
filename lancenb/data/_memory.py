"""Decides once which parts of a data set are kept in memory, and keeps them."""

from __future__ import annotations

import threading
from multiprocessing.context import get_spawning_popen
from numbers import Real
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument
from ._cache import Layout, PictureCache, SampleCache, label_ids, row_bytes, scanned_columns
from ._fields import fixed_layout
from ._shown import shown

if TYPE_CHECKING:
    from .dataset import LanceTorchDataset

_GLANCES = 16  # a look at some rows is no reason to read the table


class SampleMemory:
    """What is kept of one selection of rows; views and copies with another transform share it.

    A process that is being spawned gets the same memory, so that workers read each row once
    between them; any other pickle holds nothing.

    Args:
        mode: True, False or ``"auto"``.
        limit: bytes for ``"auto"``.

    Raises:
        InvalidArgument: a limit that is no number of bytes.
    """

    def __init__(self, mode: bool | str, limit: float):
        number = isinstance(limit, Real) and not isinstance(limit, bool)
        if not number or not limit >= 0:  # nor NaN
            raise InvalidArgument(
                f"cache_limit is a number of bytes, not {shown(limit)}",
                hint="cache=True has no limit, and cache=False keeps nothing",
            )
        self.mode = mode
        self.limit = limit
        self._lock = threading.Lock()
        self._cache: SampleCache | None = None
        self._tried = False
        self._asked = 0

    def empty(self) -> SampleMemory:
        """Memory for another selection of rows."""
        return SampleMemory(self.mode, self.limit)

    def asked(self, data: LanceTorchDataset, rows: int) -> SampleCache | None:
        """:meth:`ready` once more than a few single rows were asked for."""
        self._asked += rows
        return self.ready(data) if rows > 1 or self._asked > _GLANCES else self._cache

    def ready(self, data: LanceTorchDataset) -> SampleCache | None:
        """What is kept, read by one scan at the first call; None when nothing is."""
        if self._tried or not self.mode:
            return self._cache
        with self._lock:
            if not self._tried:
                self._cache = self._filled(data)
                self._tried = True
        return self._cache

    def _filled(self, data: LanceTorchDataset) -> SampleCache | None:
        cache = SampleCache()
        count = len(data)
        layout = _layout(data)
        labelled = data.labels_reader is not None and data.plan.label_key in data.plan.keys
        used = count * (row_bytes(layout) + 8 * labelled)
        if count and self._room(used):
            keys = data.plan.keys
            cache.columns = dict(scanned_columns(data.table, keys, layout, data.rows))
            ids = label_ids(data.labels_reader, data.rows) if data.labels_reader else None
            if labelled and ids is not None:
                cache.columns[data.plan.label_key] = ids
        image = data.plan.image_key
        size = data.picture_size if count and image and self.mode else None
        if size and self._room(used + count * 3 * size[0] * size[1]):
            cache.pictures[image] = PictureCache(count, *size)
        return cache if cache.columns or cache.pictures else None

    def _room(self, nbytes: int) -> bool:
        return self.mode is True or nbytes <= self.limit

    def __getstate__(self) -> dict[str, Any]:
        state = {"mode": self.mode, "limit": self.limit, "_cache": None, "_tried": False}
        state |= {"_asked": 0}
        if get_spawning_popen() is not None:
            state |= {"_cache": self._cache, "_tried": self._tried}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def _layout(data: LanceTorchDataset) -> Layout:
    """Keys that are read by a scan: tensors of one shape without missing values."""
    schema = data.table.dataset.schema
    found: Layout = {}
    for key, column in data.plan.keys.items():
        special = column in data.pictures or (data.labels_reader and key == data.plan.label_key)
        filled = data.reader.masked is not None and key in data.reader.masked
        layout = None if special or filled else fixed_layout(schema.field(column).type)
        if layout is not None:
            found[key] = layout
    return found
