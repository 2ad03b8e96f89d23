"""Reads and decodes rows of a pinned table; keeps account of the unreadable ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import get_worker_info

from ..errors import CorruptInput
from ._cells import Cell, cells_of
from ._decode import BadPicture, PictureDecoder
from ._fields import column_values, missing
from ._gone import table_reads
from ._labels import LabelReader
from ._plan import SamplePlan
from ._sheet import PictureSheet
from ._table import PinnedTable
from ._tokens import Ragged, TextEncoder, TokenSample

_WORKER_SLOTS = 64

Values = dict[str, Sequence[Any] | torch.Tensor]


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
        decoder: decodes pictures.
        encoder: tokenizes the text column, if any.
        masked: keys whose missing values are filled, with a ``<key>_mask`` beside; None to raise.
    """

    def __init__(
        self,
        table: PinnedTable,
        plan: SamplePlan,
        pictures: set[str],
        labels: LabelReader | None,
        on_error: str,
        decoder: PictureDecoder | None = None,
        encoder: TextEncoder | None = None,
        masked: Collection[str] | None = None,
    ):
        self.table = table
        self.plan = plan
        self.pictures = pictures
        self.labels = labels
        self.on_error = on_error
        self.decoder = decoder or PictureDecoder()
        self.encoder = encoder
        self.masked = masked
        self.bad: dict[int, BadRow] = {}
        # one slot per worker, in shared memory: workers cannot hand rows back, but they can count
        slots = torch.zeros(_WORKER_SLOTS, dtype=torch.int64, device="cpu")
        self.worker_bad = slots.share_memory_()

    def fresh(self) -> RowReader:
        """The same reader with empty accounts."""
        return RowReader(
            self.table,
            self.plan,
            self.pictures,
            self.labels,
            self.on_error,
            self.decoder,
            self.encoder,
            self.masked,
        )

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
        if not len(rows):
            return []
        return samples_of(self.values(rows, self.plan.keys, bad), len(rows))

    def values(
        self,
        rows: Sequence[int],
        keys: Collection[str],
        bad: list[BadRow] | None = None,
        sheet: PictureSheet | None = None,
        *,
        ascending: bool = False,
    ) -> Values:
        """Values of some sample keys, row by row, by one ``take``.

        Args:
            rows: row numbers of the table.
            keys: sample keys.
            bad: collects unreadable rows instead of raising or counting them.
            sheet: takes the first picture of each sample, which gives None here.
            ascending: read in stored order, which is cheaper; the result is in the order given.
        """
        columns = list(dict.fromkeys(self.plan.keys[key] for key in keys))
        order = np.argsort(rows, kind="stable") if ascending else None
        read = list(rows) if order is None else np.asarray(rows)[order].tolist()
        with table_reads(self.table):
            taken = self.table.dataset.take(read, columns=columns)
        places = None if order is None else np.argsort(order).tolist()
        found: Values = {}
        for key in keys:
            column = self.plan.keys[key]
            if column in self.pictures:
                cells = _placed(cells_of(taken[column]), places)
                found[key] = self._seen(cells, rows, bad, sheet if key == self._image else None)
            else:
                found.update(self._plain(key, taken[column], read, places))
        return found

    @property
    def _image(self) -> str:
        return self.plan.image_key

    def _plain(self, key: str, column: Any, read: Sequence[int], places: Any) -> Values:
        fill = self.masked is not None
        found: Values = {}
        values: Sequence[Any] | torch.Tensor
        if self.encoder is not None and key == self.encoder.key:
            for name, part in self.encoder.encode(column.to_pylist(), read, fill).items():
                found[name] = Ragged(_placed(part, places), part.pad)
        elif self.labels is not None and key == self.plan.label_key:
            found[key] = _placed(self.labels.ids(column, read, fill=fill), places)
        else:
            values = column_values(self.plan.keys[key], column, read, fill=fill)
            found[key] = _placed(values, places)
        if self.masked is not None and key in self.masked:
            found[f"{key}_mask"] = _placed(torch.from_numpy(~missing(column)), places)
        return found

    def _seen(
        self,
        cells: Sequence[Cell | None],
        rows: Sequence[int],
        bad: list[BadRow] | None,
        sheet: PictureSheet | None,
    ) -> list[Any]:
        found: list[Any] = []
        for number, (cell, row) in enumerate(zip(cells, rows, strict=True)):
            try:
                found.append(self.decoder(cell) if sheet is None else sheet.look(cell, number))
            except BadPicture as error:
                self._met(BadRow(int(row), self._path(int(row)), str(error)), bad)
                found.append(BAD)
            except Exception as error:  # of a transform
                self.note(error, row)
                raise
        return found

    def _path(self, row: int) -> str:
        if "path" not in self.table.dataset.schema.names:
            return ""
        with table_reads(self.table):
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

    def note(self, error: Exception, row: int) -> None:
        """Say in an error of somebody else at which row it happened."""
        error.add_note(f"this was at row {row} of '{self.table.name}'")

    def corrupt(self, bad: BadRow) -> CorruptInput:
        """The error that names an unreadable row."""
        where = f" ('{bad.path}')" if bad.path else ""
        return CorruptInput(
            f"row {bad.row}{where} of '{self.table.name}' is no readable image: {bad.reason}",
            hint="on_error='skip' leaves such rows out; .check() lists them all",
            details={"row": bad.row, "path": bad.path},
        )


BAD = object()


def samples_of(values: Values, count: int) -> list[dict[str, Any] | None]:
    """Values by key to samples; None where a picture could not be read."""
    pads = {key: part.pad for key, part in values.items() if isinstance(part, Ragged)}
    shown = {key: [_whole_numbers(row) for row in values[key]] for key in pads}
    samples: list[dict[str, Any] | None] = []
    for number in range(count):
        sample = {key: shown.get(key, part)[number] for key, part in values.items()}
        if any(value is BAD for value in sample.values()):
            samples.append(None)
        else:
            samples.append(TokenSample(sample, pads) if pads else sample)
    return samples


def _placed(values: Any, places: list[int] | None) -> Any:
    if places is None:
        return values
    if isinstance(values, torch.Tensor):
        return values[_whole_numbers(places)]
    return [values[place] for place in places]


def _whole_numbers(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64, device="cpu")
