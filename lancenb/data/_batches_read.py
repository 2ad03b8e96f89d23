"""Rows of a pinned table as numpy batches: one ``take``, pictures decoded, nothing of torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from ..errors import CorruptInput, InvalidArgument
from ._batches_arrays import column_array
from ._gone import table_reads
from ._nulls import masked_keys
from ._pillow import BadPicture, pillow_rgb
from ._plan import SamplePlan, sample_plan
from ._run import SeededBatch
from ._schema import check_readable, is_picture
from ._table import PinnedTable


@dataclass(frozen=True)
class Wanted:
    """What becomes of the rows.

    Attributes:
        columns: columns of the batch, in order.
        pictures: those that hold encoded pictures.
        channels_first: ``(n, 3, height, width)`` instead of ``(n, height, width, 3)``.
        size: (height, width) that every picture is brought to.
        transform: called with each picture, or with the batch where there is none.
        on_error: ``"raise"`` or ``"skip"`` unreadable pictures.
        masked: columns whose missing values are filled, with a ``<column>_mask`` beside; None to
            raise.
    """

    columns: tuple[str, ...]
    pictures: frozenset[str]
    channels_first: bool = False
    size: tuple[int, int] | None = None
    transform: Callable[..., Any] | None = None
    on_error: str = "raise"
    masked: frozenset[str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arrays of a batch, in order."""
        return tuple(
            name
            for column in self.columns
            for name in ([column, mask_of(column)] if column in (self.masked or ()) else [column])
        )


def mask_of(column: str) -> str:
    """Name of what tells which values of a column are there."""
    return f"{column}_mask"


def masked_columns(
    table: PinnedTable, names: Sequence[str], pictures: frozenset[str]
) -> frozenset[str]:
    """Columns without pictures that miss values somewhere in the table.

    Raises:
        InvalidArgument: the name of a mask is that of another column.
    """
    keys = {name: name for name in names if name not in pictures}
    masked = masked_keys(table, SamplePlan(keys, "dict", "", ""))
    for taken in sorted(masked & {name for name in names if mask_of(name) in names}):
        raise InvalidArgument(
            f"the mask of '{taken}' has the name of another column, '{mask_of(taken)}'",
            hint="choose one of both with columns=[...]",
        )
    return masked


def chosen_columns(
    table: PinnedTable, columns: Sequence[str] | None
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Decide which columns make a batch, and which of them are pictures.

    Without ``columns``: picture and label of an image table, all columns of any other.

    Raises:
        InvalidArgument: a table of weights, or ``columns`` that is no list of names.
        ColumnNotFound: a column that the table does not have.
        UnsupportedFormat: a column of blobs.
    """
    schema = table.dataset.schema
    names = sample_plan(table.name, schema, columns, None).columns
    for name in names:
        check_readable(schema.field(name))
    return names, frozenset(name for name in names if is_picture(schema.field(name), schema))


class ArrayReader:
    """Reads batches by row number; safe in several threads at once.

    Args:
        table: the pinned table.
        wanted: what becomes of the rows.
        rows: the row numbers that count, in order; None for all.
    """

    def __init__(self, table: PinnedTable, wanted: Wanted, rows: np.ndarray | None = None):
        self.table = table
        self.wanted = wanted
        self.rows = rows
        self.skipped: dict[int, str] = {}
        self._drawing = threading.Lock()

    @property
    def uri(self) -> str:
        """Where the table is."""
        return self.table.uri

    @property
    def version(self) -> int:
        """The pinned Lance version."""
        return self.table.version

    def __len__(self) -> int:
        return int(self.table.dataset.count_rows()) if self.rows is None else len(self.rows)

    def step(self, step: tuple[int, SeededBatch]) -> dict[str, np.ndarray] | None:
        """Read one numbered batch of a sampler."""
        return self.read(step[1], step[1].seeds)

    def read(
        self, places: Sequence[int], seeds: Sequence[int] | np.ndarray
    ) -> dict[str, np.ndarray] | None:
        """Read rows in the order given.

        Args:
            places: which of the rows that count.
            seeds: one for each row, for a transform that says ``seeded = True``.

        Returns:
            Arrays by column, or None when every row was unreadable and skipped.

        Raises:
            CorruptInput: an unreadable picture (unless skipped), or a missing number.
            InvalidArgument: pictures of different sizes.
        """
        rows = list(places) if self.rows is None else self.rows[list(places)].tolist()
        with table_reads(self.table):
            taken = self.table.dataset.take(rows, columns=list(self.wanted.columns))
        shown = {
            name: self._decoded(taken[name].to_pylist(), rows, seeds)
            for name in self.wanted.columns
            if name in self.wanted.pictures
        }
        keep = [i for i in range(len(rows)) if all(p[i] is not None for p in shown.values())]
        if not keep:
            return None
        if len(keep) < len(rows):
            taken = taken.take(pa.array(keep))
            rows = [rows[i] for i in keep]
            shown = {name: [cells[i] for i in keep] for name, cells in shown.items()}
        batch: dict[str, np.ndarray] = {}
        masked = self.wanted.masked
        for name in self.wanted.columns:
            if name in shown:
                batch[name] = self._stacked(name, shown[name])
                continue
            batch[name] = column_array(name, taken[name], rows, fill=masked is not None)
            if masked and name in masked:
                batch[mask_of(name)] = np.array(taken[name].is_valid())
        if self.wanted.transform is not None and not shown:
            return self._called(batch, int(seeds[0]))
        return batch

    def _decoded(self, cells: list[Any], rows: Sequence[int], seeds: Any) -> list[Any]:
        found: list[Any] = []
        for cell, row, seed in zip(cells, rows, seeds, strict=True):
            try:
                picture = self._sized(pillow_rgb(cell))
            except BadPicture as error:
                if self.wanted.on_error == "raise":
                    raise self._corrupt(int(row), str(error)) from None
                self.skipped[int(row)] = str(error)
                found.append(None)
                continue
            if self.wanted.channels_first:
                picture = np.ascontiguousarray(picture.transpose(2, 0, 1))
            if self.wanted.transform is not None:
                picture = self._called(picture, int(seed))
            found.append(picture)
        return found

    def _sized(self, picture: np.ndarray) -> np.ndarray:
        size = self.wanted.size
        if size is None or picture.shape[:2] == size:
            return picture
        shown = ImageOps.fit(
            Image.fromarray(picture), (size[1], size[0]), Image.Resampling.BILINEAR
        )
        return np.array(shown)

    def _called(self, value: Any, seed: int) -> Any:
        transform: Any = self.wanted.transform
        if getattr(transform, "seeded", False):
            return transform(value, seed)
        if getattr(transform, "deterministic", False):
            return transform(value)
        with self._drawing:  # a function may draw from a generator of its own
            return transform(value)

    def _stacked(self, name: str, pictures: list[Any]) -> np.ndarray:
        shapes = sorted({np.shape(picture) for picture in pictures})
        if len(shapes) > 1:
            raise InvalidArgument(
                f"pictures of '{name}' in one batch have different shapes: "
                f"{', '.join(map(str, shapes[:3]))}",
                hint="size=224 brings them to one size",
            )
        return np.stack(pictures)

    def _corrupt(self, row: int, reason: str) -> CorruptInput:
        path = ""
        if "path" in self.table.dataset.schema.names:
            with table_reads(self.table):
                path = str(self.table.dataset.take([row], columns=["path"])["path"][0] or "")
        where = f" ('{path}')" if path else ""
        return CorruptInput(
            f"row {row}{where} of '{self.table.name}' is no readable image: {reason}",
            hint="on_error='skip' leaves such rows out",
            details={"row": row, "path": path},
        )
