"""From row numbers to a batch: the same in a thread, in a worker process or right here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ._augment import Augment, augmented
from ._collate import collate
from ._gone import pinned_reads, tables_of
from ._pool import pinned
from ._run import SeededBatch
from ._windows import Windows, windowed

Collate = Callable[[list[Any]], Any]


class BatchMaker:
    """Reads a batch of a map-style data set and puts it together.

    Args:
        dataset: what is read.
        collate_fn: samples to a batch.
        augment: called with (images of a batch, seeded generator).
        pin: put batches into pinned memory, where there is a GPU.
        by_windows: read by windows of a block shuffle.
    """

    def __init__(
        self,
        dataset: Any,
        collate_fn: Collate,
        augment: Augment | None = None,
        pin: bool = False,
        by_windows: bool = False,
    ):
        self.windows: Windows | None = None
        if by_windows:
            dataset, self.windows = windowed(dataset)
        self.dataset = dataset
        self.collate_fn = collate_fn
        self.augment = augment
        self.pin = pin and torch.cuda.is_available()
        self.whole = collate_fn is collate and hasattr(dataset, "read_batch")

    def __getitems__(self, batch: SeededBatch) -> Any:
        """A whole batch, or None when none of its rows could be read (in a worker process)."""
        self.expect(batch)
        return self.finish(self.fetch(batch), batch)

    def expect(self, batch: SeededBatch) -> None:
        """Take note of the windows that begin with a batch; called in the order of the batches."""
        if self.windows is not None and batch.ahead:
            self.windows.expect(batch, self.dataset.rows)

    def preload(self, batch: SeededBatch) -> None:
        """Read the windows that a batch carries ahead of their batches."""
        if self.windows is not None:
            self.windows.preload(batch)

    def fetch(self, batch: SeededBatch) -> tuple[str, Any]:
        """The part of the work that may run in several threads."""
        try:
            with pinned_reads(*tables_of(self.dataset)):
                return self._fetched(batch)
        finally:
            self.done(batch)

    def done(self, batch: SeededBatch) -> None:
        """Let go of windows that nothing is left of after a batch."""
        if self.windows is not None:
            self.windows.done(batch, self.dataset.rows)

    def _fetched(self, batch: SeededBatch) -> tuple[str, Any]:
        if self.whole:
            made = self.dataset.read_batch(batch, augment=self.augment, pin=self.pin)
            return "made", made
        if hasattr(self.dataset, "fetch"):
            samples = self.dataset.fetch(batch)
            transform = self.dataset.transform
            if transform is None or getattr(transform, "deterministic", False):
                return "samples", self.dataset.finish(samples)
            return "raw", samples
        return "indices", None

    def finish(self, fetched: tuple[str, Any], batch: SeededBatch) -> Any:
        """The rest of it, in the thread of the consumer: here random numbers may be drawn."""
        state, found = fetched
        if state == "made":
            return found
        if state == "raw":
            found = self.dataset.finish(found, seed=batch.seed)
        elif state == "indices":
            found = samples_of(self.dataset, batch)
        made = self.collate_fn(found) if found else None
        if made is not None and self.augment is not None:
            made = augmented(made, self.augment, batch.seeds, batch.seed)
        return pinned(made) if self.pin else made


def samples_of(dataset: Any, batch: SeededBatch) -> list[Any]:
    """Samples of any map-style data set, by one call where it can."""
    if hasattr(dataset, "__getitems__"):
        return dataset.__getitems__(batch)
    return [dataset[row] for row in batch]


def samples_in_place(dataset: Any, batch: SeededBatch) -> list[Any]:
    """Samples in the places of their rows, None where a row could not be read."""
    found = samples_of(dataset, batch)
    if len(found) == len(batch):
        return found
    single = (SeededBatch([row], batch.seed, batch.epoch_seed) for row in batch)
    return [next(iter(samples_of(dataset, one)), None) for one in single]
