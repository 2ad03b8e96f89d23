"""The batches of a run, made ahead by threads of this process or by worker processes."""

from __future__ import annotations

import os
import pickle
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from ..errors import InvalidArgument, LancenbError
from ..store._raw import wrapped_error
from ._making import BatchMaker
from ._run import Run, SeededBatch
from ._table import ForkedReader

_LOST = "exited unexpectedly"  # torch's words
_SEED_BITS = (1 << 63) - 1


def by_threads(run: Run, maker: BatchMaker, threads: int, prefetch: int) -> Iterator[Any]:
    """Batches of a run in order, read ahead by threads; None for one without a readable row."""
    batches, prefetch = _with_windows(run, maker), _batches_ahead(run, maker, prefetch)
    if not threads:
        for batch in batches:
            maker.expect(batch)
            yield maker.finish(maker.fetch(batch), batch)
        return
    # torch settles on a thread's number of threads when it is first asked there: before a reader
    # lowers its own, and with it the number that other threads begin with
    torch.get_num_threads()
    ending = sys.is_finalizing  # modules may be gone when Python ends with an iterator left open
    pool = ThreadPoolExecutor(threads, thread_name_prefix="lancenb-loader")
    waiting: deque[tuple[Future[Any], SeededBatch]] = deque()
    try:
        for batch in batches:
            if batch.ahead:
                maker.expect(batch)
                pool.submit(maker.preload, batch)
            waiting.append((pool.submit(maker.fetch, batch), batch))
            if len(waiting) > prefetch:
                future, first = waiting.popleft()
                yield maker.finish(future.result(), first)
        while waiting:
            future, first = waiting.popleft()
            yield maker.finish(future.result(), first)
    finally:
        if not ending():
            pool.shutdown(wait=True, cancel_futures=True)


def _with_windows(run: Run, maker: BatchMaker) -> Iterator[SeededBatch]:
    """Batches that tell of a window when half of the one before it is left."""
    if maker.windows is None:
        return iter(run)
    lead = max(1, run.window // (2 * run.cut.step))
    return (run.batch(number, readers=1, lead=lead) for number in range(len(run)))


def _batches_ahead(run: Run, maker: BatchMaker, prefetch: int) -> int:
    """How many batches may be on their way: in block mode few enough that two windows do."""
    if maker.windows is None:
        return prefetch
    return max(1, min(prefetch, run.window // (2 * run.cut.step) - 1))


class WorkerLost(LancenbError):
    """A worker process ended, or was killed, while batches were read."""

    code = "worker_lost"


class Workers:
    """Worker processes that live from one epoch to the next.

    Args:
        maker: makes the batches there.
        count: number of processes.
        prefetch: batches that each of them makes ahead.
        context: ``"spawn"`` or ``"forkserver"``.
        seed: seed of torch's own random numbers in the processes.
        pin: put batches into pinned memory once they are here, where there is a GPU.
    """

    def __init__(
        self, maker: BatchMaker, count: int, prefetch: int, context: str, *, seed: int, pin: bool
    ):
        from torch.utils.data import DataLoader

        self._feed = _Feed(count)
        self._process = os.getpid()
        self._loader = DataLoader(
            maker,  # type: ignore[arg-type]
            batch_sampler=self._feed,
            num_workers=count,
            multiprocessing_context=context,
            persistent_workers=True,
            prefetch_factor=prefetch,
            collate_fn=_as_it_is,
            pin_memory=pin and torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(seed & _SEED_BITS),
        )

    @property
    def alive(self) -> bool:
        """Whether none of the processes has ended (Ctrl-C ends them in a terminal)."""
        started: Any = self._loader._iterator
        if started is None or self._process != os.getpid():  # a fork cannot ask
            return True
        return all(process.is_alive() for process in started._workers)

    def batches(self, run: Run) -> Iterator[Any]:
        """Batches of a run in order; None for one without a readable row.

        Raises:
            ForkedReader: the processes belong to the process that this one is a fork of.
            InvalidArgument: another run has been begun since.
            WorkerLost: a process was ended from outside.
        """
        if self._process != os.getpid():
            raise ForkedReader(
                "the worker processes of this loader belong to the process that was forked",
                hint="make the loader in the process that reads from it",
            )
        self._feed.run = run
        made = iter(self._loader)
        while True:
            if self._feed.run is not run:
                raise InvalidArgument(
                    "a newer iteration of this loader has taken its worker processes",
                    hint="end one iteration before the next, or make a loader for each",
                )
            try:
                batch = next(made)
            except StopIteration:
                return
            except LancenbError as error:  # torch made it again, with a traceback for a message
                raise (wrapped_error(str(error)) or error) from None
            except RuntimeError as error:
                if _LOST not in str(error) and "killed by signal" not in str(error):
                    raise
                raise WorkerLost(
                    "a worker process ended before its batch was there; perhaps the system was"
                    " out of memory",
                    hint="iterate again, with fewer workers (num_workers=) or a smaller prefetch=",
                ) from error
            yield batch


class _Feed:
    """The batch sampler of torch's loader: whatever run is on. It deals out batches in turn."""

    def __init__(self, readers: int):
        self.readers = readers
        self.run: Run | None = None

    def __len__(self) -> int:
        return len(self.run) if self.run is not None else 0

    def __iter__(self) -> Iterator[SeededBatch]:
        run = self.run
        for number in range(len(self)):
            assert run is not None
            yield run.batch(number, self.readers)


def _as_it_is(batch: Any) -> Any:
    return batch


def check_workers(dataset: Any, collate_fn: Any, context: str) -> None:
    """Refuse what worker processes cannot do.

    Raises:
        InvalidArgument: forked processes, or functions that they cannot import.
    """
    if context == "fork":
        raise InvalidArgument(
            "worker processes cannot be forked: Lance's threads do not survive it",
            hint="context='spawn' (the default) or 'forkserver'",
        )
    if context not in ("spawn", "forkserver"):
        raise InvalidArgument(f"context is 'spawn' or 'forkserver', not {context!r:.60}")
    sources: Sequence[Any] = getattr(dataset, "sources", None) or [dataset]
    for part in (*(getattr(source, "transform", None) for source in sources), collate_fn):
        if not importable(part):
            raise InvalidArgument(
                f"worker processes cannot import {part!r}",
                hint="put it into a .py file, or use num_workers=0: threads import nothing",
            )


def importable(part: Any) -> bool:
    """Whether a spawned process can load this object."""
    typed_in = not hasattr(sys.modules["__main__"], "__file__")
    module = getattr(part, "__module__", None) or type(part).__module__
    try:
        pickle.dumps(part)
    except Exception:
        return False
    return not (typed_in and module == "__main__")
