"""``loader``: batches by threads in this process, or by spawned worker processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from .._html import count
from ..errors import CorruptInput, InvalidArgument
from ._augment import Augment, augmented
from ._collate import collate
from ._fingerprint import check_same_data, fingerprint
from ._hash import whole
from ._making import BatchMaker
from ._map_style import samples_in
from ._reading import WorkerLost, Workers, by_threads, check_workers, importable
from ._shuffle import BLOCK, BUFFER
from ._words import in_lines
from .order import EpochBatches


def loader(
    dataset: Any,
    batch_size: int = 32,
    *,
    shuffle: bool | str = False,
    seed: int = 0,
    epoch: int = 0,
    drop_last: bool = False,
    uneven: str = "pad",
    rank: int | None = None,
    world_size: int | None = None,
    num_workers: int = 0,
    threads: int = 2,
    prefetch: int = 4,
    augment: Augment | None = None,
    context: str = "spawn",
    collate_fn: Callable[[list[Any]], Any] = collate,
    pin_memory: bool = False,
    block: int = BLOCK,
    buffer: int = BUFFER,
) -> BatchLoader:
    """Batches of a map-style data set: each row exactly once per epoch, order from (seed, epoch).

    All ranks get the same number of batches, and the position can be saved and resumed at any
    batch, with other ``batch_size``, ranks, ``threads`` and ``num_workers``
    (:meth:`BatchLoader.state_dict`; Lightning does so by itself, best with
    :class:`~lancenb.data.LoaderState`).

    Args:
        dataset: a :class:`~lancenb.data.LanceTorchDataset` or any map-style torch data set.
        batch_size: rows per batch and rank.
        shuffle: a new order each epoch: True or ``"global"`` over all rows, ``"block"`` by
            blocks of neighbours in windows, which a reader reads once and in long runs: an order
            of magnitude fewer requests and less work, at a quality that the loader's repr tells.
        seed: seed of order and random transforms; the batches are the same for any ``threads``
            and ``num_workers``.
        epoch: first epoch.
        drop_last: leave out a last, smaller batch.
        uneven: what ranks do with last rows that do not share out evenly: ``"pad"`` repeats some,
            ``"drop"`` leaves some out (fewer than there are ranks), ``"error"`` raises.
        rank: this process; None takes ``torch.distributed``'s when it is initialised, else 0.
        world_size: number of processes; None likewise.
        num_workers: worker processes; 0 reads ahead with threads in this process, which is
            faster on few cores and works with functions defined in a notebook. A script that has
            worker processes keeps its own code below ``if __name__ == "__main__":``, since each
            of them imports it.
        threads: reading threads when there are no worker processes.
        prefetch: batches read ahead (by each worker process).
        augment: called with (images of a batch, seeded generator), such as
            :class:`~lancenb.data.CropFlip`.
        context: ``"spawn"`` or ``"forkserver"``.
        collate_fn: samples to a batch.
        pin_memory: batches in pinned memory, where there is a GPU.
        block: neighbouring rows of a block (``shuffle="block"``).
        buffer: stored rows that a reader keeps at most (``shuffle="block"``). R ranks or worker
            processes each read their own rows of a window, so runs get R times shorter while no
            row is read twice.

    Raises:
        InvalidArgument: a value that cannot work, such as ``context="fork"``, a stream, or a
            transform that worker processes cannot import.

    >>> batches = loader([10, 11, 12, 13, 14], 2)
    >>> [batch.tolist() for batch in batches]
    [[10, 11], [12, 13], [14]]
    """
    for name, value, least in (
        ("num_workers", num_workers, 0),
        ("threads", threads, 0),
        ("prefetch", prefetch, 1),
    ):
        whole(name, value, least)
    for name, function in (("collate_fn", collate_fn), ("augment", augment)):
        if not callable(function) and not (name == "augment" and function is None):
            raise InvalidArgument(f"{name}={function!r:.60} is no function")
    if num_workers:
        check_workers(dataset, collate_fn, context)
    sampler = EpochBatches(
        samples_in(dataset),
        batch_size,
        shuffle=shuffle,
        seed=seed,
        epoch=epoch,
        drop_last=drop_last,
        rank=rank,
        world_size=world_size,
        uneven=uneven,
        order=getattr(dataset, "epoch_order", None),
        block=block,
        buffer=buffer,
    )
    return BatchLoader(
        dataset, sampler, num_workers, threads, prefetch, augment, context, collate_fn, pin_memory
    )


class BatchLoader:
    """Iterable of batches made by :func:`loader`; ``iter()`` runs one epoch and steps to the next.

    Threads may share one iteration: each batch goes to one of them. Threads that each begin one
    read an epoch each, the next ones in turn, and the position is that of the youngest.

    ``len()`` is the number of batches of the whole epoch, also after a resume in the middle of it
    (Lightning adds what was done before to what it counts); ``len(loader.batch_sampler)`` is what
    is left.

    Attributes:
        dataset: what is read.
        batch_sampler: the order; ``set_epoch`` is also here.
    """

    def __init__(
        self,
        dataset: Any,
        batch_sampler: EpochBatches,
        num_workers: int,
        threads: int,
        prefetch: int,
        augment: Augment | None,
        context: str,
        collate_fn: Callable[[list[Any]], Any],
        pin_memory: bool = False,
    ):
        self.dataset = dataset
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.threads = threads
        self.prefetch = prefetch
        self.augment = augment
        self.context = context
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        # a function that worker processes cannot import runs here, with the same result
        self._augment_here = augment if num_workers and not importable(augment) else None
        there = None if self._augment_here is not None else augment
        in_blocks = batch_sampler.shuffle == "block" and not hasattr(dataset, "epoch_order")
        pin = pin_memory and not num_workers  # torch's loader pins what workers send, over here
        self._maker = BatchMaker(dataset, collate_fn, there, pin, in_blocks)
        self._workers: Workers | None = None

    @property
    def sampler(self) -> EpochBatches:
        """The order (under the name that Lightning looks for)."""
        return self.batch_sampler

    @property
    def batch_size(self) -> int:
        """Rows per batch."""
        return self.batch_sampler.batch_size

    @property
    def dropped(self) -> int:
        """Rows left out at the end of the epoch, on all ranks together."""
        return self.batch_sampler.coming().dropped

    @property
    def padded(self) -> int:
        """Rows repeated at the end of the epoch, on all ranks together."""
        return self.batch_sampler.coming().padded

    def set_epoch(self, epoch: int) -> None:
        """Use this epoch for the next iteration; a position loaded for it stays."""
        self.batch_sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the next batch comes from: numbers and text, the same on all ranks.

        Only batches that were handed out count, not those that are read ahead. The state may go
        to a loader with another ``batch_size``, other ranks, threads or workers.
        """
        return {**self.batch_sampler.state_dict(), "data": fingerprint(self.dataset)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on right after the last batch that was handed out when the state was taken.

        Seed and epoch become those of the state.

        Raises:
            InvalidArgument: a state of other data, another version of it, or another shuffle.
        """
        if isinstance(state, Mapping):
            check_same_data(state.get("data"), fingerprint(self.dataset))
        self.batch_sampler.load_state_dict(state)

    def __len__(self) -> int:
        return self.batch_sampler.in_epoch

    def __iter__(self) -> Iterator[Any]:
        return _Shared(self._epoch())

    def _epoch(self) -> Generator[Any, None, None]:
        # a generator: Lightning sets epoch and position after iter() and before the first next()
        sampler = self.batch_sampler
        run = sampler.begin()
        for number, batch in enumerate(self._batches(run)):
            if batch is None:
                self._refuse_unequal(run.cut.world, run.cut.rank, run.batch(number))
            elif self._augment_here is not None:
                rows = run.batch(number)
                batch = augmented(batch, self._augment_here, rows.seeds, rows.seed)
            sampler.handed(run, number, empty=batch is None)
            if batch is not None:
                yield batch
        sampler.finish(run)

    def _batches(self, run: Any) -> Iterator[Any]:
        if not self.num_workers:
            yield from by_threads(run, self._maker, self.threads, self.prefetch)
            return
        if self._workers is None or not self._workers.alive:
            self._workers = Workers(
                self._maker,
                self.num_workers,
                self.prefetch,
                self.context,
                seed=self.batch_sampler.seed,
                pin=self.pin_memory,
            )
        try:
            yield from self._workers.batches(run)
        except WorkerLost:
            self._workers = None  # the next iteration starts others
            raise

    @staticmethod
    def _refuse_unequal(world: int, rank: int, rows: list[int]) -> None:
        if world > 1:
            raise CorruptInput(
                f"rank {rank} could read none of the {len(rows)} rows of a batch, from sample"
                f" {rows[0]} on, and all ranks need the same number of batches",
                hint="take the unreadable rows out first: dataset.check() lists them",
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_workers": None}  # a copy starts processes of its own

    def __repr__(self) -> str:
        sampler = self.batch_sampler
        cut = sampler.coming()
        workers = self.num_workers
        how = count(workers, "worker") if workers else count(self.threads, "thread")
        name = getattr(self.dataset, "name", None)
        source = f" from {name}" if isinstance(name, str) else ""
        number = f"{len(self):,} batch{'' if len(self) == 1 else 'es'}"
        left = f" ({len(sampler):,} left)" if 0 < len(sampler) < len(self) else ""
        told = [f"{number} of {count(self.batch_size, 'row')}{source}{left}", how]
        told += [f"epoch {sampler.epoch}", f"seed {sampler.seed}"]
        if cut.world > 1:
            told.append(f"rank {cut.rank} of {cut.world}")
        if cut.padded:
            told.append(f"{count(cut.padded, 'row')} repeated")
        if cut.dropped:
            told.append(f"{count(cut.dropped, 'row')} dropped")
        if sampler.shuffle == "block":
            told.append(f"block shuffle of quality {sampler.quality():.2f}")
        return in_lines(f"<BatchLoader {', '.join(told)}>")


class _Shared(Iterator[Any]):
    """An iteration that several threads may share: each batch goes to one of them."""

    def __init__(self, batches: Generator[Any, None, None]):
        self._batches = batches
        self._turn = threading.Lock()

    def __next__(self) -> Any:
        with self._turn:
            return next(self._batches)

    def close(self) -> None:
        """End the reading threads."""
        with self._turn:
            self._batches.close()
