"""Windows of a block shuffle: read once by runs of neighbouring rows, then served from memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import pyarrow as pa

from ._run import SeededBatch
from ._table import PinnedTable


class Windows:
    """Rows of the windows that a reader is in, as one Arrow table each.

    A window is told of before its first batch (:meth:`expect`) and read when the first of its rows
    is wanted, by one ``take`` of all its rows in stored order; rows that no window holds are taken
    one batch at a time. A window goes once all of its rows have been in a batch.

    Args:
        table: the pinned table.
        columns: columns that batches are made of.
    """

    def __init__(self, table: PinnedTable, columns: list[str]):
        self.source = table
        self.columns = columns
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[tuple[int, ...], _Window] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source, "columns": self.columns}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    @property
    def held(self) -> int:
        """Rows in memory now."""
        with self._lock:
            return sum(len(w.rows) for w in self._windows.values() if w.wanted)

    def expect(self, batch: SeededBatch, rows: np.ndarray | None) -> None:
        """Take note of the windows that begin with a batch.

        Args:
            batch: a batch that carries them.
            rows: table rows of the samples, None when they are the same.
        """
        with self._lock:
            for key, samples in batch.ahead:
                for old in [old for old in self._windows if old[:-1] != key[:-1]]:
                    del self._windows[old]  # of an iteration that was left early
                if key not in self._windows:
                    stored = samples if rows is None else np.sort(rows[samples])
                    self._windows[key] = _Window(stored)

    def done(self, batch: SeededBatch, rows: np.ndarray | None) -> None:
        """Let go of the windows whose rows have all been in a batch, read or not."""
        stored = np.asarray(batch, dtype=np.int64)
        stored = stored if rows is None else rows[stored]
        with self._lock:
            for key, window in list(self._windows.items()):
                window.left -= int(window.find(stored)[1].sum())
                if window.left <= 0:
                    del self._windows[key]

    def preload(self, batch: SeededBatch) -> None:
        """Read the windows a batch carries, unless batches turn out to need no reading at all."""
        with self._lock:
            asked = [self._windows[key] for key, _ in batch.ahead if key in self._windows]
            reading = any(w.wanted for w in self._windows.values() if w not in asked)
        for window in asked if reading else []:
            window.table(self._read_window)

    def take(self, rows: Sequence[int], columns: list[str] | None) -> Any:
        """What ``dataset.take(rows, columns)`` gives, from memory as far as windows hold it."""
        wanted = np.asarray(rows, dtype=np.int64)
        with self._lock:
            windows = list(self._windows.values())
        if columns is None or not set(columns) <= set(self.columns) or not len(wanted):
            return self._read(wanted, columns)
        parts: list[Any] = []
        places = np.full(len(wanted), -1, dtype=np.int64)
        base = 0
        for window in windows:
            at, found = window.find(wanted)
            found &= places < 0
            if found.any():
                table = window.table(self._read_window)
                parts.append(table.select(columns).take(pa.array(at[found])))
                places[found] = base + np.arange(int(found.sum()))
                base += int(found.sum())
        missing = places < 0
        if missing.any():
            parts.append(self._read(wanted[missing], columns))
            places[missing] = base + np.arange(int(missing.sum()))
        return pa.concat_tables(parts).take(pa.array(places))

    def _read_window(self, rows: np.ndarray) -> Any:
        return self._read(rows, self.columns)

    def _read(self, rows: np.ndarray, columns: list[str] | None) -> Any:
        return self.source.dataset.take(rows.tolist(), columns=columns)


class _Window:
    """Sorted row numbers and, once one of them is wanted, what is stored there."""

    def __init__(self, rows: np.ndarray):
        self.rows = rows
        self.left = len(rows)
        self.wanted = False
        self._lock = threading.Lock()
        self._table: Future[Any] = Future()

    def find(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of ``rows`` here, and which of them are here at all."""
        if not len(self.rows):
            return np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=bool)
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        return at, self.rows[at] == rows

    def table(self, read: Callable[[np.ndarray], Any]) -> Any:
        """The rows, read by the first thread that asks; the others wait for it."""
        with self._lock:
            first, self.wanted = not self.wanted, True
            table = self._table
        if first:
            try:
                table.set_result(read(self.rows))
            except BaseException as error:
                with self._lock:  # the next one who asks tries again
                    self.wanted, self._table = False, Future()
                table.set_exception(error)
        return table.result()


class _WindowedTable:
    """A pinned table whose open dataset answers ``take`` from windows; all else is the table's."""

    def __init__(self, table: PinnedTable, windows: Windows):
        self._table = table
        self._windows = windows

    def __getattr__(self, name: str) -> Any:
        if name in ("_table", "_windows"):  # not there yet while it is unpickled
            raise AttributeError(name)
        return getattr(self._table, name)

    @property
    def dataset(self) -> _WindowedDataset:
        return _WindowedDataset(self._table.dataset, self._windows)


class _WindowedDataset:
    """An open Lance dataset whose ``take`` is that of windows."""

    def __init__(self, dataset: Any, windows: Windows):
        self._dataset = dataset
        self._windows = windows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def take(self, indices: Sequence[int], columns: list[str] | None = None) -> Any:
        return self._windows.take(indices, columns)


def windowed(dataset: Any) -> tuple[Any, Windows | None]:
    """A view of a :class:`~lancenb.data.LanceTorchDataset` that reads by windows.

    Accounts of unreadable rows stay those of the data set itself.

    Returns:
        The view and its windows; the data set and None when it does not read a table.
    """
    if not isinstance(getattr(dataset, "table", None), PinnedTable):
        return dataset, None
    windows = Windows(dataset.table, list(dataset.plan.columns))
    view, view.reader = _twin(dataset), _twin(dataset.reader)
    view.table = view.reader.table = _WindowedTable(dataset.table, windows)
    return view, windows


def _twin(thing: Any) -> Any:
    """A second object over the same parts; ``copy`` would leave out what is not pickled."""
    other = object.__new__(type(thing))
    other.__dict__.update(thing.__dict__)
    return other
