"""``loader``: batches by threads in this process, or by spawned worker processes."""

from __future__ import annotations

import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from ..errors import InvalidArgument, LancenbError
from ..store._raw import wrapped_error
from ._collate import collate
from .order import EpochBatches, SeededBatch

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def loader(
    dataset: Any,
    batch_size: int = 32,
    *,
    shuffle: bool = False,
    seed: int = 0,
    epoch: int = 0,
    drop_last: bool = False,
    num_workers: int = 0,
    threads: int = 2,
    prefetch: int = 4,
    augment: Augment | None = None,
    context: str = "spawn",
    collate_fn: Callable[[list[Any]], Any] = collate,
) -> BatchLoader:
    """Batches of a map-style data set: each row exactly once per epoch, order from (seed, epoch).

    Args:
        dataset: a :class:`~lancenb.data.LanceTorchDataset` or any map-style torch data set.
        batch_size: rows per batch.
        shuffle: a new order each epoch.
        seed: seed of order and random transforms; the batches are the same for any ``threads``
            and ``num_workers``.
        epoch: first epoch.
        drop_last: leave out a last, smaller batch.
        num_workers: worker processes; 0 reads ahead with threads in this process, which is
            faster on few cores and works with functions defined in a notebook.
        threads: reading threads when there are no worker processes.
        prefetch: batches read ahead.
        augment: called with (images of a batch, seeded generator), such as
            :class:`~lancenb.data.CropFlip`.
        context: ``"spawn"`` or ``"forkserver"``.
        collate_fn: samples to a batch.

    Raises:
        InvalidArgument: a value that cannot work, such as ``context="fork"`` or a transform
            that worker processes cannot import.

    >>> batches = loader([(torch.zeros(2), i) for i in range(5)], 2)
    >>> [labels.tolist() for _, labels in batches]
    [[0, 1], [2, 3], [4]]
    """
    for name, value, least in (
        ("num_workers", num_workers, 0),
        ("threads", threads, 0),
        ("prefetch", prefetch, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgument(f"{name} must be a whole number >= {least}, not {value!r}")
    if num_workers:
        _check_workers(dataset, collate_fn, context)
    sampler = EpochBatches(
        len(dataset), batch_size, shuffle=shuffle, seed=seed, epoch=epoch, drop_last=drop_last
    )
    return BatchLoader(
        dataset, sampler, num_workers, threads, prefetch, augment, context, collate_fn
    )


class BatchLoader:
    """Iterable of batches made by :func:`loader`; ``iter()`` runs one epoch and steps to the next.

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
    ):
        self.dataset = dataset
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.threads = threads
        self.prefetch = prefetch
        self.augment = augment
        self.context = context
        self.collate_fn = collate_fn
        self._workers: Any = None

    @property
    def sampler(self) -> EpochBatches:
        """The order (under the name that Lightning looks for)."""
        return self.batch_sampler

    @property
    def batch_size(self) -> int:
        """Rows per batch."""
        return self.batch_sampler.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Use this epoch for the next iteration."""
        self.batch_sampler.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Any]:
        batches = self._from_workers() if self.num_workers else self._from_threads()
        for batch, seed in batches:
            if batch is None:  # every row of it was unreadable and skipped
                continue
            if self.augment is not None:
                batch = _augmented(batch, self.augment, seed)
            yield batch

    def _from_workers(self) -> Iterator[tuple[Any, int]]:
        if self._workers is None:
            from torch.utils.data import DataLoader

            self._workers = DataLoader(
                self.dataset,
                batch_sampler=self.batch_sampler,
                num_workers=self.num_workers,
                multiprocessing_context=self.context,
                persistent_workers=True,
                prefetch_factor=self.prefetch,
                collate_fn=_Seeded(self.collate_fn),
                generator=torch.Generator().manual_seed(self.batch_sampler.seed),
            )
        seeds = EpochBatches(**_settings(self.batch_sampler))
        batches = zip(self._workers, seeds, strict=True)
        while True:
            try:
                batch, indices = next(batches)
            except StopIteration:
                return
            except LancenbError as error:  # torch made it again, with a traceback for a message
                raise (wrapped_error(str(error)) or error) from None
            yield batch, indices.seed

    def _from_threads(self) -> Iterator[tuple[Any, int]]:
        if not self.threads:
            for indices in self.batch_sampler:
                yield self._finish(self._fetch(indices), indices), indices.seed
            return
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="lancenb-loader")
        waiting: deque[tuple[Future[Any], SeededBatch]] = deque()
        try:
            for indices in self.batch_sampler:
                waiting.append((pool.submit(self._fetch, indices), indices))
                if len(waiting) > self.prefetch:
                    future, first = waiting.popleft()
                    yield self._finish(future.result(), first), first.seed
            while waiting:
                future, first = waiting.popleft()
                yield self._finish(future.result(), first), first.seed
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _fetch(self, indices: SeededBatch) -> tuple[str, Any]:
        """The part of the work that draws no random numbers (runs in a thread)."""
        if hasattr(self.dataset, "fetch_stacked") and self.collate_fn is collate:
            stacked = self.dataset.fetch_stacked(indices)
            if stacked is not None:
                return "batch", stacked
        if hasattr(self.dataset, "fetch"):
            samples = self.dataset.fetch(indices)
            transform = self.dataset.transform
            if transform is None or getattr(transform, "deterministic", False):
                return "samples", self.dataset.finish(samples)
            return "raw", samples
        return "indices", indices

    def _finish(self, fetched: tuple[str, Any], indices: SeededBatch) -> Any:
        state, found = fetched
        if state == "batch":
            images = found[0] if isinstance(found, tuple) else found
            return found if len(images) else None
        if state == "raw":
            found = self.dataset.finish(found, seed=indices.seed)
        elif state == "indices":
            if hasattr(self.dataset, "__getitems__"):
                found = self.dataset.__getitems__(list(found))
            else:
                found = [self.dataset[i] for i in found]
        return self.collate_fn(found) if found else None

    def __repr__(self) -> str:
        how = f"{self.num_workers} workers" if self.num_workers else f"{self.threads} threads"
        return f"<BatchLoader {len(self)} batches of {self.batch_size}, {how}>"


class _Seeded:
    """Collate that survives an empty list (all rows of a batch skipped)."""

    def __init__(self, inner: Callable[[list[Any]], Any]):
        self.inner = inner

    def __call__(self, samples: list[Any]) -> Any:
        return self.inner(samples) if samples else None


def _settings(batches: EpochBatches) -> dict[str, Any]:
    names = ("rows", "batch_size", "shuffle", "seed", "epoch", "drop_last")
    return {name: getattr(batches, name) for name in names}


def _augmented(batch: Any, augment: Augment, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    if isinstance(batch, torch.Tensor):
        return augment(batch, generator)
    if isinstance(batch, dict):
        key = next(k for k, v in batch.items() if isinstance(v, torch.Tensor) and v.ndim == 4)
        return {**batch, key: augment(batch[key], generator)}
    return (augment(batch[0], generator), *batch[1:])


def _check_workers(dataset: Any, collate_fn: Any, context: str) -> None:
    if context == "fork":
        raise InvalidArgument(
            "worker processes cannot be forked: Lance's threads do not survive it",
            hint="context='spawn' (the default) or 'forkserver'",
        )
    if context not in ("spawn", "forkserver"):
        raise InvalidArgument(f"context is 'spawn' or 'forkserver', not {context!r}")
    parts: Sequence[Any] = (getattr(dataset, "transform", None), collate_fn)
    typed_in = not hasattr(sys.modules["__main__"], "__file__")
    for part in parts:
        module = getattr(part, "__module__", None) or type(part).__module__
        try:
            pickle.dumps(part)
            reachable = not (typed_in and module == "__main__")
        except Exception:
            reachable = False
        if not reachable:
            raise InvalidArgument(
                f"worker processes cannot import {part!r}",
                hint="put it into a .py file, or use num_workers=0: threads import nothing",
            )
