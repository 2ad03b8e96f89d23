"""Real worker processes: spawned, forkserver, over epochs, ranks and resumes."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pyarrow as pa
import pytest
import torch

from lancenb.data import LanceTorchDataset, loader, mix
from lancenb.data.order import EpochBatches
from lancenb.errors import InvalidArgument
from lancenb.store import lance_module


class Told:
    """Rows with the process that read them; row 13 cannot be read."""

    def __len__(self):
        return 41

    def __getitems__(self, rows):
        return [(row, os.getpid()) for row in rows if row != 13]


def noise(images, generator):
    return images + torch.rand(images.shape, generator=generator)


class Images:
    def __len__(self):
        return 20

    def __getitem__(self, row):
        return torch.full((3, 2, 2), float(row))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("workers") / "n.lance")
    lance_module().write_dataset(pa.table({"x": np.arange(300)}), uri)
    return uri


def _rows(batches):
    return [batch[0].tolist() for batch in batches]


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_worker_processes_live_over_epochs_and_the_position_is_exact(context):
    order = EpochBatches(41, 3, shuffle=True, seed=6)
    wanted = [[[row for row in batch if row != 13] for batch in order] for _ in range(4)]
    batches = loader(Told(), 3, shuffle=True, seed=6, num_workers=2, prefetch=3, context=context)
    first = list(batches)
    assert _rows(first) == wanted[0]
    readers = {pid for batch in first for pid in batch[1].tolist()}
    assert len(readers) == 2
    assert os.getpid() not in readers
    part = list(itertools.islice(batches, 5))  # left with batches read ahead
    state = json.loads(json.dumps(batches.state_dict()))
    assert (state["epoch"], state["position"], state["batches"]) == (1, 15, 5)
    whole = list(batches)
    assert _rows(whole) == wanted[2]
    assert {pid for batch in whole for pid in batch[1].tolist()} == readers, "no new processes"
    batches.load_state_dict(state)
    assert len(batches) == 14
    assert _rows(part) + _rows(batches) == wanted[1]
    few = loader(Told(), 5, shuffle=True, threads=2)  # on with threads and other batches
    few.load_state_dict(state)
    flat = [row for batch in [*_rows(part), *_rows(few)] for row in batch]
    assert flat == [row for batch in wanted[1] for row in batch]


def test_workers_of_two_ranks_in_block_mode(numbers):
    seen, counts = [], []
    shape = {"shuffle": "block", "block": 10, "buffer": 100, "seed": 3}
    for rank in range(2):
        data = LanceTorchDataset(numbers, columns=["x"])
        batches = loader(data, 7, num_workers=2, rank=rank, world_size=2, **shape)
        part = [batch["x"].tolist() for batch in itertools.islice(batches, 4)]
        state = batches.state_dict()
        batches.load_state_dict(state)
        part += [batch["x"].tolist() for batch in batches]
        order = EpochBatches(300, 7, rank=rank, world_size=2, **shape)
        assert part == list(order)
        counts.append([len(batch) for batch in part])
        seen += [row for batch in part for row in batch]
    assert counts[0] == counts[1]
    assert sorted(seen) == list(range(300))


def test_augmentation_in_workers_is_that_of_threads():
    def here(images, generator):  # cannot be imported there
        return noise(images, generator)

    wanted = list(loader(Images(), 6, shuffle=True, augment=noise))
    for augment in (noise, here):
        found = loader(Images(), 6, shuffle=True, augment=augment, num_workers=1)
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_mixture_in_worker_processes(numbers):
    def mixed():
        data = LanceTorchDataset(numbers, columns=["x"])
        return mix([(data.subset(range(100)), 1), (data.subset(range(100, 300)), 1)], 60, seed=1)

    here, there = (
        loader(mixed(), 7, shuffle=True, seed=2, num_workers=workers) for workers in (0, 2)
    )
    for _ in range(2):
        pairs = zip(here, there, strict=True)
        assert all(torch.equal(one["x"], two["x"]) for one, two in pairs)


def test_a_transform_of_a_source_that_workers_cannot_import(numbers):
    data = LanceTorchDataset(numbers, columns=["x"], transform=lambda sample: sample)
    with pytest.raises(InvalidArgument, match="cannot import"):
        loader(mix([(data, 1)]), 4, num_workers=1)
    with pytest.raises(InvalidArgument, match="forked") as caught:
        loader(data, 4, num_workers=1, context="fork")
    assert "spawn" in caught.value.hint
