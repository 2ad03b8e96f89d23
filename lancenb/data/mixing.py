"""``mix``: several data sets as one, in exact proportions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import InvalidArgument
from ._augment import augmented
from ._collate import collate
from ._fingerprint import fingerprint
from ._hash import BITS, SEED_BITS, SOURCE, batch_seed, generator, whole
from ._making import BatchMaker, samples_in_place
from ._run import SeededBatch
from ._shuffle import shuffle_mode
from ._words import in_lines, listed
from .order import epoch_order


def mix(
    parts: Sequence[tuple[Any, float]], rows: int | None = None, *, seed: int = 0
) -> MixedDataset:
    """Mix map-style data sets in the proportions of their weights, exactly in every epoch.

    Each source has the same number of rows in every epoch (shares of ``rows``, rounded by largest
    remainder). It runs through permutations of its own, one after the other, across the epochs:
    after any number of epochs its rows have been used equally often, give or take one. Give the
    result to :func:`~lancenb.data.loader`: order, ranks and exact resume are as for one data set.

    Args:
        parts: pairs of data set and weight; their samples must be alike.
        rows: rows of an epoch; default: as many as all sources have together.
        seed: seed of the permutations of the sources.

    Raises:
        InvalidArgument: weights or rows that cannot work, or a source without rows.

    >>> mixed = mix([(["a", "b"], 1), (["x", "y", "z"], 3)], rows=8)
    >>> mixed.counts
    [2, 6]
    >>> "".join(sorted(mixed))
    'abxxyyzz'
    """
    sources, weights = _checked(parts)
    total = sum(len(source) for source in sources) if rows is None else whole("rows", rows, 1)
    counts = _shares(weights, total)
    if 0 in counts:
        number = counts.index(0)
        raise InvalidArgument(
            f"source {number} with weight {weights[number]:g} has no row in an epoch of {total:,}",
            hint="take a larger weight or more rows",
        )
    kind = _MixedBatches if all(hasattr(s, "read_batch") for s in sources) else MixedDataset
    return kind(sources, counts, whole("seed", seed, 0, SEED_BITS))


class MixedDataset(Dataset[Any]):
    """Several data sets as one (made by :func:`mix`).

    Sample ``epoch * len(mixed) + i`` is the i-th of an epoch, so that samples below
    ``len(mixed)`` are those of epoch 0: what a plain torch loader reads in every epoch.

    Attributes:
        sources: the data sets.
        counts: rows of each in an epoch.
    """

    def __init__(self, sources: list[Any], counts: list[int], seed: int):
        self.sources = sources
        self.counts = counts
        self.seed = seed
        self._of, self._turn = _interleaved(counts)

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        shares = [
            f"{count:,} of {getattr(source, 'name', type(source).__name__)}"
            for count, source in zip(self.counts, self.sources, strict=True)
        ]
        return in_lines(f"<MixedDataset {len(self):,} rows per epoch: {listed(shares)}>")

    @property
    def skipped_count(self) -> int:
        """Unreadable rows met so far in all sources."""
        return sum(getattr(source, "skipped_count", 0) for source in self.sources)

    def fingerprint(self) -> dict[str, Any]:
        """What a saved position belongs to."""
        return {
            "name": type(self).__name__.lstrip("_"),
            "sources": [fingerprint(source) for source in self.sources],
            "counts": self.counts,
            "seed": self.seed,
        }

    def epoch_order(self, seed: int, epoch: int, shuffle: bool | str) -> np.ndarray:
        """Samples of an epoch in order; without shuffle the sources take turns evenly.

        Raises:
            InvalidArgument: ``shuffle="block"``; a mixture is not stored in blocks. An epoch whose
                samples 64 bits cannot number.
        """
        mode = shuffle_mode(shuffle)
        if mode == "block":
            raise InvalidArgument("a mixture is not stored in blocks", hint="shuffle=True")
        first = whole("epoch", epoch, 0) * len(self)
        if (first + len(self) - 1) >> BITS:
            raise InvalidArgument(
                f"a mixture of {len(self):,} rows has no epoch {epoch}: its samples are numbered"
                " through all epochs, below 2**63"
            )
        return first + epoch_order(len(self), seed=seed, epoch=epoch, shuffle=mode)

    def locate(self, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The source of each sample, and its row there: two int64 arrays.

        Raises:
            IndexError: a negative index.
        """
        at = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(at) and at.min() < 0:
            raise IndexError(f"there is no sample {at.min()} in a mixture")
        epoch, slot = np.divmod(at, len(self))
        of = self._of[slot]
        turn = epoch * np.asarray(self.counts)[of] + self._turn[slot]
        rows = np.empty(len(at), dtype=np.int64)
        for number in np.unique(of).tolist():
            mine = of == number
            size = len(self.sources[number])
            lap, place = np.divmod(turn[mine], size)
            found = np.empty(len(place), dtype=np.int64)
            for one in np.unique(lap).tolist():
                found[lap == one] = _lap(self.seed, number, one, size)[place[lap == one]]
            rows[mine] = found
        return of, rows

    def __getitem__(self, index: int) -> Any:
        of, rows = self.locate([index])
        return self.sources[int(of[0])][int(rows[0])]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Samples of one batch; unreadable rows are left out when their source skips them."""
        return [sample for sample in self._samples(indices) if sample is not None]

    def _samples(self, indices: Sequence[int]) -> list[Any]:
        found: list[Any] = [None] * len(indices)
        for number, places, batch in self._shared(indices):
            read = samples_in_place(self.sources[number], batch)
            for place, sample in zip(places.tolist(), read, strict=True):
                found[place] = sample
        return found

    def _shared(self, indices: Sequence[int]) -> Iterator[tuple[int, np.ndarray, SeededBatch]]:
        """(source, places in the batch, its rows with the seeds of the mixture's samples)."""
        if not isinstance(indices, SeededBatch):
            indices = SeededBatch(list(indices), 0)
        of, rows = self.locate(indices)
        for number in np.unique(of).tolist():
            places = np.flatnonzero(of == number)
            seed = batch_seed(indices.seed, number, SOURCE)
            seeds = indices.seeds[places]
            yield (
                number,
                places,
                SeededBatch(rows[places].tolist(), seed, indices.epoch_seed, seeds),
            )


class _MixedBatches(MixedDataset):
    """A mixture whose sources all read whole batches, from any thread."""

    def read_batch(self, indices: SeededBatch, *, augment: Any = None, pin: bool = False) -> Any:
        """A batch in the order of the indices, None when no row of it can be read."""
        pieces, places = [], []
        for number, at, batch in self._shared(indices):
            maker = BatchMaker(self.sources[number], collate, augment, pin)
            pieces.append(maker.finish(maker.fetch(batch), batch))
            places.append(at)
        try:
            return _joined(pieces, torch.from_numpy(np.argsort(np.concatenate(places))))
        except _Unlike:  # pieces of other lengths or shapes: put together from single samples
            samples = self._samples(indices)
        kept = [place for place, sample in enumerate(samples) if sample is not None]
        if not kept:
            return None
        rows = SeededBatch(
            [indices[place] for place in kept],
            indices.seed,
            indices.epoch_seed,
            indices.seeds[kept],
        )
        made = collate([samples[place] for place in kept])
        return made if augment is None else augmented(made, augment, rows.seeds, rows.seed)


class _Unlike(Exception):
    """Pieces of a batch that cannot be laid end to end."""


def _joined(pieces: list[Any], order: torch.Tensor) -> Any:
    first = pieces[0]
    if any(type(piece) is not type(first) for piece in pieces):
        raise _Unlike
    if isinstance(first, torch.Tensor):
        if len({(piece.dtype, piece.shape[1:]) for piece in pieces}) > 1:
            raise _Unlike
        whole_batch = torch.cat(pieces)
        if len(whole_batch) != len(order):
            raise _Unlike
        return whole_batch[order]
    if isinstance(first, dict):
        if any(piece.keys() != first.keys() for piece in pieces):
            raise _Unlike
        return {key: _joined([piece[key] for piece in pieces], order) for key in first}
    if isinstance(first, tuple):
        return tuple(_joined(list(part), order) for part in zip(*pieces, strict=True))
    if isinstance(first, list) and sum(map(len, pieces)) == len(order):
        flat = [value for piece in pieces for value in piece]
        return [flat[place] for place in order.tolist()]
    raise _Unlike


def _checked(parts: Sequence[tuple[Any, float]]) -> tuple[list[Any], list[float]]:
    try:
        pairs = [(source, float(weight)) for source, weight in parts]
    except (TypeError, ValueError):
        raise InvalidArgument("a mixture is made of pairs (data set, weight)") from None
    if not pairs:
        raise InvalidArgument("a mixture needs at least one data set")
    _check_classes([source for source, _ in pairs])
    for number, (source, weight) in enumerate(pairs):
        if not 0 < weight < float("inf"):
            raise InvalidArgument(f"weight {weight:g} of source {number} is not above 0 and finite")
        if not len(source):
            raise InvalidArgument(f"source {number} of the mixture has no rows")
    return [source for source, _ in pairs], [weight for _, weight in pairs]


def _check_classes(sources: list[Any]) -> None:
    """Refuse label ids that mean one class here and another there."""
    known = [names for source in sources if (names := getattr(source, "class_names", None))]
    for names in known[1:]:
        if list(names) != list(known[0]):
            raise InvalidArgument(
                f"the sources of the mixture count their classes in different ways:"
                f" {', '.join(known[0][:8])} and {', '.join(names[:8])}",
                hint="bring them to one list: dataset.with_classes(names)",
            )


def _shares(weights: list[float], rows: int) -> list[int]:
    """Whole numbers that add up to ``rows``: the largest remainders are rounded up."""
    largest_power = np.frexp(max(weights))[1]  # by a power of two: every ratio stays the same
    scaled = np.ldexp(weights, -largest_power)  # the sum of huge weights would be infinite
    exact = scaled / sum(scaled.tolist()) * rows
    counts = np.floor(exact).astype(np.int64)
    largest = np.argsort(counts - exact, kind="stable")[: rows - int(counts.sum())]
    counts[largest] += 1
    return counts.tolist()


def _interleaved(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The source of each slot of an epoch, evenly spread, and how many-th of its source it is."""
    of = np.repeat(np.arange(len(counts)), counts)
    turn = np.concatenate([np.arange(count) for count in counts])
    order = np.argsort((turn + 0.5) / np.asarray(counts)[of], kind="stable")
    return of[order], turn[order]


@lru_cache(maxsize=16)
def _lap(seed: int, source: int, lap: int, size: int) -> np.ndarray:
    return generator(seed, source, lap, SOURCE).permutation(size)
