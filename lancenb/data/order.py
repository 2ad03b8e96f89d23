"""The order of rows: a pure function of (seed, epoch), cut into batches for every rank."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ._hash import SEED_BITS, generator, row_seeds, whole
from ._position import check_position
from ._ranks import rank_and_world
from ._run import Cut, Run, SeededBatch
from ._shuffle import BLOCK, BUFFER, block_order, shuffle_mode, shuffle_quality, window_rows

__all__ = ["EpochBatches", "SeededBatch", "epoch_order", "row_seeds", "shuffle_quality"]

Order = Callable[[int, int, Any], np.ndarray]
_beginning = threading.Lock()  # of all orders: one that is copied or pickled has none of its own


def epoch_order(
    rows: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool | str = True,
    block: int = BLOCK,
    buffer: int = BUFFER,
) -> np.ndarray:
    """Return every row number below ``rows`` once, in the order of one epoch.

    Args:
        rows: number of rows.
        seed: seed of the whole run, ``>= 0``.
        epoch: epoch number, ``>= 0``; each epoch has its own order.
        shuffle: False gives the stored order; True or ``"global"`` a true shuffle; ``"block"``
            puts blocks of neighbouring rows in random order and shuffles the rows inside windows
            of ``buffer // 2`` rows of that, which reads far cheaper (:func:`shuffle_quality`
            says what it costs).
        block: neighbouring rows of a block.
        buffer: rows that a reader keeps at most in block mode: two windows.

    Returns:
        int64 array of shape ``(rows,)``.

    Raises:
        InvalidArgument: a value that cannot work.

    >>> sorted(epoch_order(5, seed=3, epoch=1).tolist())
    [0, 1, 2, 3, 4]
    """
    rows, mode = whole("rows", rows, 0), shuffle_mode(shuffle)
    seed, epoch = whole("seed", seed, 0, SEED_BITS), whole("epoch", epoch, 0)
    if mode == "block":
        return block_order(rows, seed, epoch, block, buffer)
    if mode == "global":
        return generator(seed, epoch).permutation(rows).astype(np.int64, copy=False)
    return np.arange(rows, dtype=np.int64)


class EpochBatches:
    """Batch sampler: each row once per epoch over all ranks, exactly resumable at any batch.

    Of each ``world_size * batch_size`` entries of the epoch's order, rank r takes the r-th
    ``batch_size``. All ranks get the same number of batches, of the same sizes.

    Args:
        rows: number of rows.
        batch_size: rows per batch and rank, ``>= 1``.
        shuffle: True or ``"global"``, ``"block"`` (:func:`epoch_order`), or False: stored order.
        seed: seed of order and random transforms.
        epoch: epoch of the next iteration.
        drop_last: leave out the last, incomplete global batch.
        rank: this process; None takes ``torch.distributed``'s when it is initialised, else 0.
        world_size: number of processes; None likewise.
        uneven: what becomes of T last rows that do not share out evenly over W ranks: ``"pad"``
            gives each rank ``ceil(T / W)``, repeating rows from the beginning of the order,
            ``"drop"`` gives ``floor(T / W)``, ``"error"`` raises.
        order: ``order(seed, epoch, shuffle)`` gives the epoch's order instead of
            :func:`epoch_order`.
        block: see :func:`epoch_order`.
        buffer: see :func:`epoch_order`.

    ``iter()`` runs the epoch from the loaded position, and each later ``iter()`` the next epoch, so
    a plain loop sees a new order each time. :meth:`set_epoch` chooses one (Lightning does that by
    itself). The position counts batches as they are drawn from here: a torch ``DataLoader`` with
    worker processes draws ahead of its consumer, :func:`~lancenb.data.loader` counts what it gives.

    Raises:
        InvalidArgument: a value that cannot work.

    >>> [len(batch) for batch in EpochBatches(10, 4)]
    [4, 4, 2]
    >>> [len(batch) for batch in EpochBatches(10, 2, rank=1, world_size=2)]
    [2, 2, 1]
    """

    def __init__(
        self,
        rows: int,
        batch_size: int,
        *,
        shuffle: bool | str = True,
        seed: int = 0,
        epoch: int = 0,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
        uneven: str = "pad",
        order: Order | None = None,
        block: int = BLOCK,
        buffer: int = BUFFER,
    ):
        self.rows = whole("rows", rows, 0)
        self.batch_size = whole("batch_size", batch_size, 1)
        self.seed = whole("seed", seed, 0, SEED_BITS)
        self.epoch = whole("epoch", epoch, 0)
        self.shuffle = shuffle_mode(shuffle)
        self.drop_last = bool(drop_last)
        if uneven not in ("pad", "drop", "error"):
            raise InvalidArgument(f"uneven is 'pad', 'drop' or 'error', not {uneven!r:.60}")
        self.uneven = uneven
        self.block, self.buffer = whole("block", block, 1), whole("buffer", buffer, 1)
        self._window = window_rows(block, buffer) if self.shuffle == "block" else 0
        self._given = rank, world_size
        self._source = order
        self._kept: tuple[tuple[int, int], np.ndarray] | None = None
        self._restart()
        self.cut()  # rows that do not share out are told of before anything is read

    def _restart(self) -> None:
        self.position = 0  # rows that all ranks have been handed in this epoch
        self.batches = 0  # batches that this rank has been handed in this epoch
        self._before = 0  # those of earlier runs, before a resume
        self.loaded = False
        self._run: Run | None = None

    # what is coming --------------------------------------------------------------------------
    @property
    def rank(self) -> int:
        """Which of the ranks this process is, now."""
        return rank_and_world(*self._given)[0]

    @property
    def world_size(self) -> int:
        """Number of ranks, now."""
        return rank_and_world(*self._given)[1]

    def cut(self, start: int = 0) -> Cut:
        """How the epoch is shared out and cut from a place on (see :class:`~._run.Cut`)."""
        rank, world = rank_and_world(*self._given)
        return Cut(self.rows, start, self.batch_size, rank, world, self.drop_last, self.uneven)

    def coming(self) -> Cut:
        """The cut of the iteration in progress, else of the coming one."""
        if self._run is not None:
            return self._run.cut
        return self.cut(0 if self.ended else self.position)

    def __len__(self) -> int:
        return self.coming().count

    @property
    def ended(self) -> bool:
        """Whether nothing is left of the epoch at the position: the next one is coming then."""
        return self.position > 0 and not self.cut(self.position).count

    @property
    def in_epoch(self) -> int:
        """Batches of this rank in the whole epoch: those handed out before a resume and the rest.

        This is what Lightning counts with.
        """
        before = 0 if self._run is None and self.ended else self._before
        return before + self.coming().count

    def order(self, epoch: int | None = None) -> np.ndarray:
        """The order of an epoch, by default the current one: int64 ``(rows,)``.

        Raises:
            InvalidArgument: the data set's own order has another length.
        """
        key = (self.seed, self.epoch if epoch is None else epoch)
        if self._kept is None or self._kept[0] != key:
            self._kept = key, self._ordered(*key)
        return self._kept[1]

    def _ordered(self, seed: int, epoch: int) -> np.ndarray:
        if self._source is None:
            return epoch_order(
                self.rows,
                seed=seed,
                epoch=epoch,
                shuffle=self.shuffle,
                block=self.block,
                buffer=self.buffer,
            )
        order = np.asarray(self._source(seed, epoch, self.shuffle), dtype=np.int64)
        if order.shape != (self.rows,):
            raise InvalidArgument(
                f"the data set has {self.rows:,} rows and an order of shape {order.shape}"
            )
        return order

    def quality(self) -> float:
        """:func:`shuffle_quality` of the current epoch for global batches."""
        return shuffle_quality(self.order(), self.cut().step)

    # running ---------------------------------------------------------------------------------
    def begin(self) -> Run:
        """Start the coming iteration: what is left of a loaded epoch, else a whole one.

        Threads that begin at the same time get an epoch each.
        """
        with _beginning:
            return self._begin()

    def _begin(self) -> Run:
        left_early = self._run is not None
        if left_early or self.ended:
            self._next_epoch()
        self.loaded = False
        cut = self.cut(self.position)
        window = self._window if self._source is None else 0
        self._run = Run(cut, self.order(), self.seed, self.epoch, window)
        return self._run

    def handed(self, run: Run, number: int, *, empty: bool = False) -> None:
        """Count a batch of a run as handed out; an ``empty`` one only moves the position."""
        if run is self._run:  # not of an iteration that another one has replaced
            self.position = run.cut.after(number)
            self.batches += not empty

    def finish(self, run: Run) -> None:
        """Go on to the next epoch once a run has ended."""
        if run is self._run:
            self._next_epoch()

    def _next_epoch(self) -> None:
        self.epoch += 1
        self._restart()

    def __iter__(self) -> Iterator[SeededBatch]:
        run = self.begin()
        for number, batch in enumerate(run):
            self.handed(run, number)
            yield batch
        self.finish(run)

    def set_epoch(self, epoch: int) -> None:
        """Use this epoch for the next iteration, from its first batch.

        A position that has been loaded for the same epoch stays.
        """
        if whole("epoch", epoch, 0) == self.epoch and self.loaded:
            return
        self.epoch = int(epoch)
        self._restart()

    def sent_to_worker(self, rank: int, world_size: int) -> EpochBatches:
        """A copy for another process, which is in no process group: with its rank told."""
        other = copy.copy(self)
        other._given, other._kept, other._run = (rank, world_size), None, None
        return other

    # resuming --------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Where the next batch comes from, for :meth:`load_state_dict`: numbers and text only."""
        names = ("seed", "epoch", "position", "batches")
        return {"format": 1, **{name: getattr(self, name) for name in names}, **self._fixed()}

    def _fixed(self) -> dict[str, Any]:
        blocks = (self.block, self.buffer) if self._window else (None, None)
        return {
            "rows": self.rows,
            "shuffle": self.shuffle,
            "block": blocks[0],
            "buffer": blocks[1],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on right after the last batch that was handed out when the state was taken.

        ``batch_size`` and the number of ranks may be others than then.

        Raises:
            InvalidArgument: it is no such state, or one of other rows or another shuffle.
        """
        check_position(state, self._fixed())
        self._restart()
        self.seed, self.epoch = int(state["seed"]), int(state["epoch"])
        self.position = int(state["position"])
        self.batches = self._before = int(state.get("batches", 0))
        self.loaded = True
