"""What a data set is: names, sizes and accounts."""

from __future__ import annotations

import numpy as np

from ..errors import ColumnNotFound
from ._labels import LabelReader
from ._reader import BadRow, RowReader
from ._rows import one_picture_size
from ._table import PinnedTable


class Described:
    """The describing half of :class:`~lancenb.data.LanceTorchDataset`."""

    table: PinnedTable
    reader: RowReader
    labels_reader: LabelReader | None
    pictures: set[str]
    rows: np.ndarray | None
    _total: int
    _size: tuple[int, int] | bool | None

    @property
    def name(self) -> str:
        """Name of the artefact, or the last part of the URI."""
        return self.table.name

    @property
    def uri(self) -> str:
        """Where the table is."""
        return self.table.uri

    @property
    def version(self) -> int:
        """The pinned Lance version."""
        return self.table.version

    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes in id order, when they are known."""
        return self.labels_reader.names if self.labels_reader else None

    @property
    def num_classes(self) -> int | None:
        """Number of classes, when the names are known; else the largest stored id + 1."""
        if not self.labels_reader:
            return None
        if self.labels_reader.names is not None:
            return len(self.labels_reader.names)
        labels = self.labels()
        return max(0, int(labels.max()) + 1) or None if len(labels) else None

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(height, width) when all pictures share one size, else None."""
        if isinstance(self._size, bool):
            column = next(iter(self.pictures), None)
            self._size = one_picture_size(self.table, column) if column else None
        return self._size

    @property
    def skipped(self) -> list[BadRow]:
        """Unreadable rows met so far in this process, with ``on_error="skip"``."""
        return [self.reader.bad[row] for row in sorted(self.reader.bad)]

    @property
    def skipped_count(self) -> int:
        """Unreadable rows met so far, those met by worker processes included (once per pass)."""
        return len(self.reader.bad) + int(self.reader.worker_bad.sum())

    def labels(self) -> np.ndarray:
        """Label ids of all samples, int64, in order; -100 where ``nulls="fill"`` fills one in.

        Raises:
            ColumnNotFound: there is no label column.
            CorruptInput: a row without a label, or with one that is none of the classes.
        """
        if not self.labels_reader:
            raise ColumnNotFound(f"'{self.name}' has no label column")
        return self.labels_reader.all_ids(self.rows, fill=self.reader.masked is not None)

    def __len__(self) -> int:
        return self._total if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        return (
            f"<LanceTorchDataset {self.name} version {self.version}, {len(self):,} rows{classes}>"
        )
