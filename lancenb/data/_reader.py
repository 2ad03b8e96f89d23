"""Reads and decodes rows of a pinned table; keeps account of the unreadable ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import get_worker_info

from ..errors import CorruptInput
from ..store import lance_errors
from ._decode import BadPicture, decode_rgb
from ._fields import column_values
from ._labels import LabelReader
from ._plan import SamplePlan
from ._table import PinnedTable

_WORKER_SLOTS = 64


class BadRow(NamedTuple):
    """A row that could not be read: its number, its source path and why."""

    row: int
    path: str
    reason: str


class RowReader:
    """Reads rows by number, one ``take`` per call.

    Args:
        table: the pinned table.
        plan: what a sample is made of.
        pictures: columns to decode.
        labels: reader of the label column, if any.
        on_error: ``"raise"`` or ``"skip"`` unreadable pictures.
    """

    def __init__(
        self,
        table: PinnedTable,
        plan: SamplePlan,
        pictures: set[str],
        labels: LabelReader | None,
        on_error: str,
    ):
        self.table = table
        self.plan = plan
        self.pictures = pictures
        self.labels = labels
        self.on_error = on_error
        self.bad: dict[int, BadRow] = {}
        # one slot per worker, in shared memory: workers cannot hand rows back, but they can count
        self.worker_bad = torch.zeros(_WORKER_SLOTS, dtype=torch.int64).share_memory_()

    def fresh(self) -> RowReader:
        """The same reader with empty accounts."""
        return RowReader(self.table, self.plan, self.pictures, self.labels, self.on_error)

    def read(
        self, rows: Sequence[int], bad: list[BadRow] | None = None
    ) -> list[dict[str, Any] | None]:
        """Read rows in the order given; unreadable ones are None unless they raise.

        Args:
            rows: row numbers of the table.
            bad: collects unreadable rows instead of raising or counting them.

        Raises:
            CorruptInput: an unreadable picture with ``on_error="raise"``, or a missing value.
        """
        if not rows:
            return []
        with lance_errors(self.table.uri, self.table.store):
            taken = self.table.dataset.take(list(rows), columns=list(self.plan.columns))
        samples: list[dict[str, Any] | None] = [{} for _ in rows]
        for key, column in self.plan.keys.items():
            values: Sequence[Any] | torch.Tensor
            if self.labels is not None and key == self.plan.label_key:
                values = self.labels.ids(taken[column], rows)
            elif column in self.pictures:
                values = self._decoded(taken[column].to_pylist(), rows, bad)
            else:
                values = column_values(column, taken[column], rows)
            for number, value in enumerate(values):
                sample = samples[number]
                if value is _BAD:
                    samples[number] = None
                elif sample is not None:
                    sample[key] = value
        return samples

    def _decoded(
        self, cells: list[Any], rows: Sequence[int], bad: list[BadRow] | None
    ) -> list[Any]:
        found: list[Any] = []
        for cell, row in zip(cells, rows, strict=True):
            try:
                found.append(decode_rgb(cell))
            except BadPicture as error:
                self._met(BadRow(row, self._path(row), str(error)), bad)
                found.append(_BAD)
        return found

    def _path(self, row: int) -> str:
        if "path" not in self.table.dataset.schema.names:
            return ""
        with lance_errors(self.table.uri, self.table.store):
            found = self.table.dataset.take([row], columns=["path"])
        return str(found["path"][0].as_py() or "")

    def _met(self, found: BadRow, collect: list[BadRow] | None) -> None:
        worker = get_worker_info()
        if collect is not None:
            collect.append(found)
        elif self.on_error == "raise":
            raise self.corrupt(found)
        elif worker is not None:
            self.worker_bad[worker.id % _WORKER_SLOTS] += 1
        else:
            self.bad[found.row] = found

    def corrupt(self, bad: BadRow) -> CorruptInput:
        """The error that names an unreadable row."""
        where = f" ('{bad.path}')" if bad.path else ""
        return CorruptInput(
            f"row {bad.row}{where} of '{self.table.name}' is no readable image: {bad.reason}",
            hint="on_error='skip' leaves such rows out; .check() lists them all",
            details={"row": bad.row, "path": bad.path},
        )


_BAD = object()
