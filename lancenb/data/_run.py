"""One iteration over what is left of an epoch, as one rank sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ._hash import batch_seed, row_seeds


class SeededBatch(list[int]):
    """Row numbers of one batch with the seeds of its random transforms.

    It is a plain list for everybody else, and pickles with its seeds into worker processes: random
    transforms are then the same for any number of workers.

    Args:
        rows: row numbers.
        seed: seed of the whole batch.
        epoch_seed: ``(seed, epoch)`` of the run.
        seeds: a seed for each row, where rows are not what they depend on.
        ahead: what a reader in block mode reads with this batch: ``[(window, row numbers)]``.
    """

    def __init__(
        self,
        rows: list[int],
        seed: int,
        epoch_seed: tuple[int, int] = (0, 0),
        seeds: np.ndarray | None = None,
        ahead: list[tuple[tuple[int, ...], np.ndarray]] | None = None,
    ):
        super().__init__(rows)
        self.seed: int = seed
        self.epoch_seed = epoch_seed
        self.ahead = ahead or []
        self._seeds = seeds

    @property
    def seeds(self) -> np.ndarray:
        """Seeds of the single rows, uint64: functions of (seed, epoch, row) alone."""
        if self._seeds is None:
            self._seeds = row_seeds(*self.epoch_seed, self)
        return self._seeds

    def __reduce__(self) -> tuple[Any, ...]:
        return (SeededBatch, (list(self), self.seed, self.epoch_seed, self._seeds, self.ahead))


@dataclass(frozen=True)
class Cut:
    """Places of an order of ``rows`` entries, from ``start`` on, cut into batches of all ranks.

    Args:
        rows: entries of the order.
        start: entries that all ranks together have used already.
        batch_size: entries per batch and rank.
        rank: which rank.
        world: number of ranks.
        drop_last: leave out an incomplete global batch.
        uneven: ``"pad"``, ``"drop"`` or ``"error"``, for its entries that do not share out evenly.

    Raises:
        InvalidArgument: they do not, and ``uneven="error"``.
    """

    rows: int
    start: int
    batch_size: int
    rank: int
    world: int
    drop_last: bool
    uneven: str

    def __post_init__(self) -> None:
        if self.uneven == "error" and not self.drop_last and self.tail % self.world:
            raise InvalidArgument(
                f"{self.rows - self.start:,} rows leave {self.tail} for a last batch of"
                f" {self.world} ranks, which does not share out evenly",
                hint="uneven='pad' repeats rows, 'drop' leaves some out; or drop_last=True",
            )

    @property
    def step(self) -> int:
        """Entries of a global batch."""
        return self.world * self.batch_size

    @property
    def full(self) -> int:
        """Complete global batches."""
        return (self.rows - self.start) // self.step

    @property
    def tail(self) -> int:
        """Entries after the last complete global batch."""
        return (self.rows - self.start) % self.step

    @property
    def share(self) -> int:
        """Entries of the last batch of each rank, 0 when there is none."""
        if self.drop_last:
            return 0
        return -(-self.tail // self.world) if self.uneven == "pad" else self.tail // self.world

    @property
    def padded(self) -> int:
        """Entries repeated to fill up the last batch, on all ranks together."""
        return max(0, self.share * self.world - self.tail)

    @property
    def dropped(self) -> int:
        """Entries left out, on all ranks together."""
        return max(0, self.tail - self.share * self.world)

    @property
    def count(self) -> int:
        """Batches of each rank."""
        return self.full + (1 if self.share else 0)

    def begin(self, number: int) -> int:
        """Place of the first entry of a batch of this rank."""
        size = self.batch_size if number < self.full else self.share
        return self.start + number * self.step + self.rank * size

    def places(self, number: int) -> np.ndarray:
        """Places of the entries of a batch; those past the end are the first ones again."""
        size = self.batch_size if number < self.full else self.share
        begin = self.begin(number)
        return np.arange(begin, begin + size, dtype=np.int64) % max(1, self.rows)

    def after(self, number: int) -> int:
        """Entries used by all ranks once they have batch ``number``."""
        end = self.start + (number + 1) * self.step
        if number >= self.full:
            end = self.start + self.full * self.step + self.share * self.world
        return min(self.rows, end)


@dataclass(frozen=True)
class Run:
    """The batches of a :class:`Cut` of one epoch's order.

    Args:
        cut: the cut.
        order: int64 array of row numbers.
        seed: seed of the run.
        epoch: epoch of the order.
        window: entries per window of a block shuffle, else 0.
    """

    cut: Cut
    order: np.ndarray
    seed: int
    epoch: int
    window: int = 0

    def __len__(self) -> int:
        return self.cut.count

    def __iter__(self) -> Iterator[SeededBatch]:
        return (self.batch(number) for number in range(len(self)))

    def batch(self, number: int, readers: int = 0, lead: int = 0) -> SeededBatch:
        """Batch ``number`` of this rank.

        Args:
            number: counted from where the run starts.
            readers: readers that take the batches in turn, to have it carry the rows of the
                windows that its reader meets first here; 0 leaves them out.
            lead: batches of the reader by which windows are told of ahead.
        """
        rows = self.order[self.cut.places(number)].tolist()
        seed = batch_seed(self.seed, self.epoch, self.cut.begin(number))
        ahead = []
        if readers and self.window:
            far = number + lead * readers
            for met in range(number if number < readers else far, far + 1, readers):
                ahead += self.ahead(met, readers) if met < len(self) else []
        return SeededBatch(rows, seed, (self.seed, self.epoch), ahead=ahead)

    def ahead(self, number: int, readers: int = 1) -> list[tuple[tuple[int, ...], np.ndarray]]:
        """Windows that the reader of a batch meets first there, with all rows it needs of them."""
        first, last = self._windows(number)
        if number >= readers and first == self._windows(number - readers)[1]:
            first += 1
        return [
            ((self.seed, self.epoch, self.cut.start, window), self._needed(window, number, readers))
            for window in range(first, last + 1)
        ]

    def _windows(self, number: int) -> tuple[int, int]:
        begin = min(self.cut.begin(number), self.cut.rows - 1)
        end = min(begin + len(self.cut.places(number)), self.cut.rows) - 1
        return begin // self.window, end // self.window

    def _needed(self, window: int, number: int, readers: int) -> np.ndarray:
        low, high = window * self.window, (window + 1) * self.window
        found = [np.empty(0, dtype=np.int64)]  # a batch of repeated rows needs none
        while number < len(self) and self.cut.begin(number) < high:
            places = self.cut.places(number)
            found.append(places[(places >= low) & (places < high)])
            number += readers
        return np.unique(self.order[np.concatenate(found)])
