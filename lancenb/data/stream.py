"""``LanceTorchStream``: a data set as a stream of samples for a plain torch ``DataLoader``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from .._html import count
from ..errors import InvalidArgument
from ._collate import collate
from ._fingerprint import check_same_data, fingerprint
from ._hash import batch_seed, whole
from ._making import BatchMaker, samples_in_place
from ._ranks import rank_and_world
from ._run import Run, SeededBatch
from ._shuffle import BLOCK, BUFFER
from ._words import in_lines
from .order import EpochBatches

_READ = 64


class LanceTorchStream(IterableDataset[Any]):
    """Samples of a data set one after the other, split by ranks and workers exactly once.

    Rank r of W takes every W-th entry of the epoch's order, so all ranks get equally many. Worker
    processes of a torch ``DataLoader`` share the entries of their rank. Each ``iter()`` is the
    next epoch; where worker processes start anew in every epoch, call :meth:`set_epoch` before it.

    Args:
        dataset: a :class:`~lancenb.data.LanceTorchDataset` or any map-style torch data set.
        shuffle: ``"block"``, True or ``"global"``, or False
            (:func:`~lancenb.data.epoch_order`).
        seed: seed of order and random transforms.
        epoch: first epoch.
        rank: this process; None takes ``torch.distributed``'s when it is initialised, else 0.
        world_size: number of processes; None likewise.
        uneven: what becomes of last entries that do not share out over the ranks: ``"pad"``,
            ``"drop"`` or ``"error"``.
        read: samples read at once.
        block: neighbouring rows of a block.
        buffer: stored rows kept at most (``shuffle="block"``).

    Raises:
        InvalidArgument: a value that cannot work.

    >>> stream = LanceTorchStream(["a", "b", "c"], shuffle=False)
    >>> list(stream)
    ['a', 'b', 'c']
    """

    def __init__(
        self,
        dataset: Any,
        *,
        shuffle: bool | str = "block",
        seed: int = 0,
        epoch: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        uneven: str = "pad",
        read: int = _READ,
        block: int = BLOCK,
        buffer: int = BUFFER,
    ):
        self.dataset = dataset
        self.read = whole("read", read, 1)
        order = getattr(dataset, "epoch_order", None)
        self._ranks = rank, world_size
        self._sampler = EpochBatches(
            len(dataset),
            1,
            shuffle=shuffle,
            seed=seed,
            epoch=epoch,
            rank=rank,
            world_size=world_size,
            uneven=uneven,
            order=order,
            block=block,
            buffer=buffer,
        )
        by_windows = self._sampler.shuffle == "block" and order is None
        self._maker = BatchMaker(dataset, collate, by_windows=by_windows)
        self._shared: dict[str, int] = {}  # place among worker processes, and samples given there
        self._resumed: dict[str, int] = {}  # the same of a loaded position
        self._sent = False

    @property
    def epoch(self) -> int:
        """Epoch of the samples that come next."""
        return self._sampler.epoch

    def set_epoch(self, epoch: int) -> None:
        """Use this epoch for the next iteration; a position loaded for it stays."""
        self._sampler.set_epoch(epoch)
        if not self._sampler.loaded:
            self._shared = self._resumed = {}

    def __getstate__(self) -> dict[str, Any]:
        rank, world = rank_and_world(*self._ranks)  # worker processes are in no process group
        self._sent = True
        state = {**self.__dict__, "_sent": False, "_ranks": (rank, world)}
        return {**state, "_sampler": self._sampler.sent_to_worker(rank, world)}

    # reading ---------------------------------------------------------------------------------
    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info is not None else (0, 1)
        done = self._given_before(worker, workers)
        self._sent = False
        sampler = self._sampler
        run = sampler.begin()
        mine = np.arange(len(run))
        mine = mine[(mine // self.read) % workers == worker][done:]
        for numbers, samples in self._read_in_turn(run, mine):
            for number, sample in zip(numbers.tolist(), samples, strict=True):
                if workers == 1:
                    sampler.handed(run, number, empty=sample is None)
                else:
                    done += 1
                    self._shared = {"worker": worker, "workers": workers, "given": done}
                if sample is not None:
                    yield sample
        self._shared = {}
        sampler.finish(run)

    def _given_before(self, worker: int, workers: int) -> int:
        then, self._resumed, self._shared = self._resumed, {}, {}
        if then and (then["worker"], then["workers"]) != (worker, workers):
            raise InvalidArgument(
                f"the position was saved in worker {then['worker']} of {then['workers']}, and this"
                f" is worker {worker} of {workers}",
                hint="resume with as many workers; lancenb.data.loader(...) resumes with any",
            )
        return then.get("given", 0)

    def _read_in_turn(self, run: Run, mine: np.ndarray) -> Iterator[tuple[np.ndarray, list[Any]]]:
        cut = run.cut
        begins = cut.start + mine * cut.world + cut.rank
        places = begins % max(1, cut.rows)
        met = -1
        for first in range(0, len(mine), self.read):
            chosen = slice(first, first + self.read)
            rows = run.order[places[chosen]].tolist()
            seed = batch_seed(run.seed, run.epoch, int(begins[first]))
            batch = SeededBatch(rows, seed, (run.seed, run.epoch))
            last = int(begins[chosen][-1]) // run.window if run.window else -1
            for window in range(max(met + 1, int(begins[first]) // max(1, run.window)), last + 1):
                low, high = np.searchsorted(
                    begins, (window * run.window, (window + 1) * run.window)
                )
                needed = np.unique(run.order[places[low:high]])
                batch.ahead.append(((run.seed, run.epoch, cut.start, window), needed))
            met = max(met, last)
            self._maker.expect(batch)
            samples = samples_in_place(self._maker.dataset, batch)
            self._maker.done(batch)
            yield mine[chosen], samples

    # resuming --------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """Where the next sample comes from: numbers and text only.

        Raises:
            InvalidArgument: worker processes read the stream, and only they know.
        """
        if self._sent:
            raise InvalidArgument(
                "the position of a stream that worker processes read is known only to them",
                hint="num_workers=0, or lancenb.data.loader(...)",
            )
        state = {**self._sampler.state_dict(), "data": fingerprint(self.dataset)}
        return {**state, **self._shared}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on right after the last sample that was given when the state was taken.

        Raises:
            InvalidArgument: a state of other data, or of another shuffle.
        """
        if isinstance(state, Mapping):
            check_same_data(state.get("data"), fingerprint(self.dataset))
        names = ("worker", "workers", "given")
        shared: dict[str, int] = {}
        if isinstance(state, Mapping) and any(name in state for name in names):
            shared = {
                name: whole(f"{name} of a saved position", state.get(name), 0) for name in names
            }
            if shared["given"] > len(self.dataset) or shared["worker"] >= shared["workers"]:
                raise InvalidArgument(
                    f"{shared['given']:,} samples given by worker {shared['worker']} of"
                    f" {shared['workers']} are no saved position in {len(self.dataset):,} rows",
                    hint="it was changed or is damaged: take another one, or begin the epoch anew",
                )
        self._sampler.load_state_dict(state)
        self._shared = shared
        self._resumed = self._shared
        self._sent = False

    def __repr__(self) -> str:
        name = getattr(self.dataset, "name", type(self.dataset).__name__)
        rows = count(len(self.dataset), "row")
        mode = self._sampler.shuffle
        how = f"{mode} shuffle" if mode else "in stored order"
        return in_lines(f"<LanceTorchStream {name}, {rows}, {how}, epoch {self.epoch}>")
