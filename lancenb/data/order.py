"""The order of rows: a pure function of (seed, epoch), cut into batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import InvalidArgument


def _generator(*keys: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(keys)))


def epoch_order(rows: int, *, seed: int = 0, epoch: int = 0, shuffle: bool = True) -> np.ndarray:
    """Return every row number below ``rows`` once, in the order of one epoch.

    Args:
        rows: number of rows.
        seed: seed of the whole run, ``>= 0``.
        epoch: epoch number, ``>= 0``; each epoch has its own order.
        shuffle: False gives the stored order.

    Returns:
        int64 array of shape ``(rows,)``.

    >>> sorted(epoch_order(5, seed=3, epoch=1).tolist())
    [0, 1, 2, 3, 4]
    """
    if not isinstance(rows, (int, np.integer)) or rows < 0:
        raise InvalidArgument(f"rows must be a whole number >= 0, not {rows!r:.60}")
    if not shuffle:
        return np.arange(rows, dtype=np.int64)
    return _generator(seed, epoch).permutation(rows).astype(np.int64, copy=False)


class SeededBatch(list[int]):
    """Row numbers of one batch with the seed of its random transforms.

    It is a plain list for everybody else, and pickles with its seed into worker processes: random
    transforms are then the same for any number of workers.
    """

    seed: int

    def __init__(self, rows: list[int], seed: int):
        super().__init__(rows)
        self.seed = seed

    def __reduce__(self) -> tuple[type[SeededBatch], tuple[list[int], int]]:
        return (SeededBatch, (list(self), self.seed))


class EpochBatches:
    """Batch sampler: each row exactly once per epoch, order a pure function of (seed, epoch).

    Args:
        rows: number of rows.
        batch_size: rows per batch, ``>= 1``.
        shuffle: new order each epoch; False keeps the stored order.
        seed: seed of order and random transforms.
        epoch: epoch of the next iteration.
        drop_last: leave out the last, smaller batch.

    ``iter()`` uses ``epoch`` and then advances it, so a plain loop sees a new order each time;
    :meth:`set_epoch` sets it (Lightning calls that by itself).

    >>> [len(batch) for batch in EpochBatches(10, 4)]
    [4, 4, 2]
    """

    def __init__(
        self,
        rows: int,
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        epoch: int = 0,
        drop_last: bool = False,
    ):
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("seed", seed, 0),
            ("epoch", epoch, 0),
            ("rows", rows, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidArgument(f"{name} must be a whole number >= {least}, not {value!r}")
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = epoch
        self.drop_last = drop_last

    def __len__(self) -> int:
        full, rest = divmod(self.rows, self.batch_size)
        return full + (1 if rest and not self.drop_last else 0)

    def set_epoch(self, epoch: int) -> None:
        """Use this epoch for the next iteration."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[SeededBatch]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = epoch_order(self.rows, seed=self.seed, epoch=epoch, shuffle=self.shuffle)
        seeds = np.random.SeedSequence((self.seed, epoch, 1)).generate_state(
            max(1, len(self)), dtype=np.uint64
        )
        for number in range(len(self)):
            start = number * self.batch_size
            rows = order[start : start + self.batch_size].tolist()
            yield SeededBatch(rows, int(seeds[number] >> np.uint64(1)))
