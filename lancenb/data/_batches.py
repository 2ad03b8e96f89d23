"""The iterator behind :func:`lancenb.data.batches`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.types as pt

from .._html import count
from ..errors import CorruptInput, EmptyInput
from ._batches_ahead import Ahead
from ._batches_read import ArrayReader
from ._fingerprint import check_same_data, fingerprint
from ._hash import whole
from ._rows import checked_indices, one_picture_size
from ._run import Run, SeededBatch
from ._schema import is_text
from ._words import in_lines, listed
from .order import EpochBatches, row_seeds

Batch = dict[str, np.ndarray]


class Spec(NamedTuple):
    """What one array of a batch is like.

    Attributes:
        shape: None where it varies, as the number of rows does.
        dtype: as numpy calls it.
        text: whether it is an object array of text or of bytes.
    """

    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    text: bool


class Batches:
    """Iterator of numpy batches made by :func:`batches`; it remembers where it stands.

    ``for batch in data`` goes on where it stands and ends after ``epochs`` epochs; the next
    ``for`` begins the next epoch. :meth:`state_dict` after any batch, given to
    :meth:`load_state_dict` of another one, lets that go on with the very next batch, also with
    other ranks or another batch size. Several threads may share it: each batch goes to one.
    """

    def __init__(
        self,
        reader: ArrayReader,
        order: Mapping[str, Any],
        epochs: int | None,
        ahead: tuple[int, int],
    ):
        self._reader = reader
        self._sampler = EpochBatches(len(reader), **order)
        self._epochs = epochs
        self._threads, self._prefetch = ahead
        self._first = self.epoch
        self._until = None if epochs is None else self.epoch + epochs
        self._run: Run | None = None
        self._ahead: Ahead[tuple[int, SeededBatch]] | None = None
        self._turn = threading.RLock()

    # what it is ------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """Name of the artefact, or the last part of the URI."""
        return self._reader.table.name

    @property
    def version(self) -> int:
        """The pinned Lance version."""
        return self._reader.table.version

    @property
    def rows(self) -> int:
        """Rows of one epoch, of all ranks together."""
        return self._sampler.rows

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the arrays of a batch: columns, and masks of filled ones."""
        return self._reader.wanted.names

    @property
    def epoch(self) -> int:
        """Epoch of the next batch."""
        return self._sampler.epoch

    @property
    def endless(self) -> bool:
        """Whether it was made with ``epochs=None``."""
        return self._until is None

    @property
    def begins(self) -> bool:
        """Whether the next batch is the first of its epoch."""
        return self._sampler.position == 0

    @property
    def skips_nothing(self) -> bool:
        """Whether an unreadable row is an error."""
        return self._reader.wanted.on_error == "raise"

    @property
    def skipped(self) -> dict[int, str]:
        """Unreadable rows met so far, and why, with ``on_error="skip"``."""
        return dict(sorted(self._reader.skipped.items()))

    def spec(self) -> dict[str, Spec]:
        """Shape and dtype of every array of a batch; the first row is read for it.

        Raises:
            EmptyInput: there is no row.
        """
        if not self.rows:
            raise EmptyInput(f"'{self.name}' has no rows to look at")
        wanted = self._reader.wanted
        first = self._reader.read([0], [0])
        if first is None:
            raise CorruptInput(f"the first row of '{self.name}' cannot be read")
        free = wanted.pictures and wanted.size is None and wanted.transform is None
        if free and one_picture_size(self._reader.table, next(iter(wanted.pictures))) is None:
            inner = (3, None, None) if wanted.channels_first else (None, None, 3)
            varying = {name: (None, *inner) for name in wanted.pictures}
        else:
            varying = {}
        return {
            name: Spec(
                varying.get(name, (None, *array.shape[1:])), array.dtype, self._is_text(name, array)
            )
            for name, array in first.items()
        }

    def _is_text(self, name: str, array: np.ndarray) -> bool:
        schema = self._reader.table.dataset.schema
        if array.dtype != object or name not in schema.names:
            return array.dtype == object and isinstance(array[0], (str, bytes))
        kind = schema.field(name).type
        return is_text(kind) or pt.is_binary(kind) or pt.is_large_binary(kind)

    def sample(self, index: int) -> Batch:
        """Read one row, by its place in the stored order: arrays without the axis of rows.

        Raises:
            IndexError: there is no such row.
            CorruptInput: it cannot be read.
        """
        place = checked_indices([index], self.rows)
        found = self._reader.read(place, row_seeds(self._sampler.seed, self.epoch, place))
        if found is None:
            raise CorruptInput(f"row {place[0]} of '{self.name}' cannot be read")
        return {name: array[0] for name, array in found.items()}

    def __len__(self) -> int:
        """Batches left until the ``for`` ends (of the coming one, when none is under way)."""
        if self._until is None:
            raise TypeError("batches(epochs=None) never ends, so it has no length")
        epochs = self._until - self.epoch or self._epochs or 1
        left = self._sampler.cut(self._sampler.position).count
        return left + (epochs - 1) * self._sampler.cut().count

    def __repr__(self) -> str:
        left = "without end" if self._until is None else f"{len(self):,} left"
        return in_lines(
            f"<Batches {self.name} version {self.version}: {listed(self.columns)}; "
            f"{count(self.rows, 'row')} by {self._sampler.batch_size}, {left}, epoch {self.epoch}>"
        )

    # iterating -------------------------------------------------------------------------------
    def __iter__(self) -> Batches:
        if self._until == self.epoch:
            self._first, self._until = self.epoch, self.epoch + (self._epochs or 1)
        return self

    def __next__(self) -> Batch:
        with self._turn:
            return self._next()

    def _next(self) -> Batch:
        while self._ahead is not None or self._begin_epoch():
            run, ahead = self._run, self._ahead
            assert run is not None
            assert ahead is not None
            try:
                (number, rows), batch = next(ahead)
                self._check(batch, rows)
            except BaseException:
                self.close()  # the batch that failed is the next one again
                raise
            self._sampler.handed(run, number, empty=batch is None)
            if number + 1 == len(run):
                self._sampler.finish(run)
                self._stop()
            if batch is not None:
                return batch
        raise StopIteration

    def _check(self, batch: Batch | None, rows: Sequence[int]) -> None:
        if batch is None and self._sampler.world_size > 1:
            raise CorruptInput(
                f"every row of a batch of '{self.name}' is unreadable, such as its sample"
                f" {rows[0]}; ranks must have equally many batches",
                hint="leave such rows out with a filter",
            )

    def _begin_epoch(self) -> bool:
        if self.epoch == self._until:
            return False
        self._run = self._sampler.begin()
        if not len(self._run):  # an endless iterator over nothing would never come back
            self._sampler.finish(self._run)
            return False
        self._ahead = Ahead(enumerate(self._run), self._reader.step, self._threads, self._prefetch)
        return True

    def _stop(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = self._run = None

    def close(self) -> None:
        """End the reading threads; the next batch asked for starts them again."""
        with self._turn:
            self._stop()
            self._sampler.load_state_dict(self._sampler.state_dict())  # on at the same batch

    def restart(self) -> None:
        """Go back to where this ``for`` began (an endless one: where the epoch began)."""
        with self._turn:
            self._stop()
            epoch = self.epoch if self._until is None else self._first
            at = {"epoch": epoch, "position": 0, "batches": 0}
            self._sampler.load_state_dict({**self._sampler.state_dict(), **at})

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # state -----------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Where the iterator stands: plain JSON-able facts, exact after any batch."""
        data = fingerprint(self._reader)
        with self._turn:  # not while another thread moves on
            return {**self._sampler.state_dict(), "until": self._until, "data": data}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Stand where :meth:`state_dict` (of this or of a :func:`~lancenb.data.loader`) stood.

        Raises:
            InvalidArgument: it was made with other data or another way to shuffle.
        """
        if isinstance(state, Mapping):
            check_same_data(state.get("data"), fingerprint(self._reader))
        sampler = self._sampler
        until = state.get("until") if isinstance(state, Mapping) else None
        if until is not None:
            epoch = whole("epoch of a saved position", state.get("epoch"), 0)
            whole("until of a saved position", until, epoch)  # it would never end
        with self._turn:
            self._stop()
            sampler.load_state_dict(state)
            if sampler.ended:
                sampler.set_epoch(sampler.epoch + 1)
            self._first = self.epoch
            default = None if self._epochs is None else self.epoch + self._epochs
            self._until = state.get("until", default)
