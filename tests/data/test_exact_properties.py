"""Rows of real tables: filtered, shared out, stopped twice, with other ranks and processes."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.data import LanceTorchDataset, loader, mix
from lancenb.data.order import EpochBatches, epoch_order
from lancenb.store import lance_module
from tests.data.tables import patterns

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True, database=None)
ROWS, GONE = 97, {0, 41, 42, 96}
FILTERS: dict[str | None, Any] = {
    None: lambda x: True,
    "x % 3 = 1": lambda x: x % 3 == 1,
    "x >= 60 or x < 7": lambda x: x >= 60 or x < 7,
    "x = 5": lambda x: x == 5,
}
SHUFFLES = [False, "global", "block"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """97 rows in fragments of 20, four of them deleted."""
    uri = str(tmp_path_factory.mktemp("exact") / "n.lance")
    lance_module().write_dataset(pa.table({"x": np.arange(ROWS)}), uri, max_rows_per_file=20)
    lance_module().dataset(uri).delete(f"x IN ({', '.join(map(str, GONE))})")
    return uri


def _ranks(data, world, size, state, **options):
    made = [
        loader(data, size, rank=rank, world_size=world, block=4, buffer=24, **options)
        for rank in range(world)
    ]
    for each in made if state else []:
        each.load_state_dict(state)
    return made


def _in_step(ranks, stop):
    """What all ranks read in up to ``stop`` steps; the steps must agree."""
    runs, seen, sizes = [iter(rank) for rank in ranks], [], []
    while stop is None or len(sizes) < stop:
        batches = [next(run, None) for run in runs]
        if None in batches:
            assert batches == [None] * len(batches), "all ranks end together"
            break
        found = [batch["x"].tolist() for batch in batches]
        assert len({len(rows) for rows in found}) == 1, "equal batches on all ranks"
        sizes.append(len(found[0]))
        seen += [row for rows in found for row in rows]
    states = [rank.state_dict() for rank in ranks]
    assert all(state == states[0] for state in states)
    return seen, json.loads(json.dumps(states[0]))


def _check(seen, order, cut, uneven):
    """Each row once, but for what the last, incomplete step repeats or leaves out."""
    extra, missing = Counter(seen) - Counter(order), Counter(order) - Counter(seen)
    assert set(seen) <= set(order)
    assert (extra.total(), missing.total()) == (cut.padded, cut.dropped)
    assert (extra if uneven == "pad" else missing).total() < cut.world
    assert not (missing if uneven == "pad" else extra)


def _through(data, stages, options):
    """Read an epoch in stages of (ranks, batch, readers, stop); rows, and the last stage's cut."""
    state, seen = None, []
    for number, (world, size, readers, stop) in enumerate(stages):
        ranks = _ranks(data, world, size, state, **readers, **options)
        cut = ranks[0].batch_sampler.coming()
        stop = None if number == len(stages) - 1 else min(stop, cut.count - 1)
        if stop is None or stop > 0:
            handed, state = _in_step(ranks, stop)
            seen += handed
    return seen, cut


@PROPERTY
@given(
    where=st.sampled_from(list(FILTERS)),
    shuffle=st.sampled_from(SHUFFLES),
    uneven=st.sampled_from(["pad", "drop"]),
    seed=st.integers(0, 3),
    stages=st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(0, 3), st.integers(0, 5)),
        min_size=3,
        max_size=3,
    ),
)
def test_rows_of_a_filter_come_once_over_two_resumes(table, where, shuffle, uneven, seed, stages):
    data = LanceTorchDataset(table, filter=where)
    kept = [x for x in range(ROWS) if x not in GONE and FILTERS[where](x)]
    options = {"shuffle": shuffle, "uneven": uneven, "seed": seed}
    plan = [(world, size, {"threads": n}, stop) for world, size, n, stop in stages]
    seen, cut = _through(data, plan, options)
    order = epoch_order(len(kept), seed=seed, shuffle=shuffle, block=4, buffer=24)
    _check(seen, [kept[place] for place in order], cut, uneven)


PLANS = [
    # context, shuffle, uneven, stages of (ranks, batch, worker processes, stop)
    ("spawn", "global", "pad", [(2, 5, 1, 3), (1, 7, 3, 4), (3, 4, 0, None)]),
    ("forkserver", "block", "drop", [(1, 6, 2, 5), (4, 2, 0, 3), (2, 3, 1, None)]),
    ("spawn", "block", "pad", [(1, 4, 3, 2), (2, 3, 1, 5), (1, 9, 2, None)]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("context", "shuffle", "uneven", "stages"), PLANS)
def test_two_resumes_with_other_worker_processes_and_ranks(table, context, shuffle, uneven, stages):
    data = LanceTorchDataset(table, filter="x != 50")
    kept = [x for x in range(ROWS) if x not in GONE | {50}]
    plan = [
        (world, size, {"num_workers": n, "context": context, "prefetch": 2}, stop)
        for world, size, n, stop in stages
    ]
    options = {"shuffle": shuffle, "uneven": uneven, "seed": 8}
    seen, cut = _through(data, plan, options)
    order = epoch_order(len(kept), seed=8, shuffle=shuffle, block=4, buffer=24)
    _check(seen, [kept[place] for place in order], cut, uneven)
    first, size, _, stop = stages[0]
    done = stop * first * size
    assert seen[:done] == [kept[place] for place in order[:done]], "and in the order of the epoch"


@PROPERTY
@given(
    weights=st.tuples(st.floats(0.3, 3), st.floats(0.3, 3)),
    rows=st.integers(20, 60),
    epoch=st.integers(0, 2),
    stages=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(0, 4)), min_size=3, max_size=3
    ),
)
def test_a_mixture_is_resumed_twice_with_other_ranks(weights, rows, epoch, stages):
    mixed = mix([([f"a{i}" for i in range(9)], weights[0]), (list("bcdefg"), weights[1])], rows)
    state, seen = None, []
    for number, (world, size, stop) in enumerate(stages):
        ranks = [
            loader(mixed, size, shuffle=True, seed=2, epoch=epoch, rank=rank, world_size=world,
                   uneven="drop", collate_fn=list)
            for rank in range(world)
        ]  # fmt: skip
        for each in ranks if state else []:
            each.load_state_dict(state)
        cut = ranks[0].batch_sampler.coming()
        last = number == len(stages) - 1
        steps = cut.count if last else min(stop, max(0, cut.count - 1))
        runs = [iter(rank) for rank in ranks]
        seen += [name for _ in range(steps) for run in runs for name in next(run)]
        if steps:
            state = json.loads(json.dumps(ranks[0].state_dict()))
    order = mixed.epoch_order(2, epoch, True).tolist()
    wanted = mixed.__getitems__(order)
    assert seen == wanted[: len(wanted) - cut.dropped]
    assert cut.dropped < cut.world


@pytest.mark.parametrize(
    ("readers", "shuffle"),
    [
        ({"threads": 3}, "global"),
        ({"threads": 0}, "block"),
        pytest.param({"num_workers": 1}, "block", marks=pytest.mark.slow),
    ],
)
def test_reading_leaves_the_random_numbers_of_python_numpy_and_torch_alone(
    tmp_path, readers, shuffle
):
    from torchvision.transforms import v2

    from lancenb.data import CropFlip, split

    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 12), transform=v2.RandAugment())
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    some, _ = split(data, 0.25, seed=3)
    list(loader(some, 4, shuffle=shuffle, block=2, buffer=8, augment=CropFlip(2), **readers))
    list(data.stream(shuffle=shuffle, block=2, buffer=8))
    mixed = mix([(data, 1), (some, 2)], 8)
    list(loader(mixed, 4, shuffle=True, **readers))
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.parametrize("shuffle", ["global", "block"])
def test_an_order_does_not_ask_the_random_numbers_of_the_process(shuffle):
    orders = set()
    for seed in range(3):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        batches = EpochBatches(200, 7, shuffle=shuffle, seed=4, epoch=2, block=4, buffer=24)
        orders.add(tuple(row for batch in batches for row in batch))
    assert len(orders) == 1


@pytest.mark.slow
@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_worker_processes_read_a_small_table_once(tmp_path, context):
    """In the second epoch other processes get the rows, and the table is not there any more."""
    uri = patterns(tmp_path / "p.lance", 24)
    data = LanceTorchDataset(uri, cache=True)
    wanted = LanceTorchDataset(uri, cache=False).read_batch(list(range(24)))[0].clone()
    batches = loader(data, 2, shuffle=True, seed=1, num_workers=2, context=context)
    orders = [[row for b in EpochBatches(24, 2, shuffle=True, seed=1, epoch=e) for row in b]
              for e in range(3)]  # fmt: skip
    for epoch, order in enumerate(orders):
        seen = torch.cat([images for images, _ in batches])
        assert torch.equal(seen, wanted[order]), f"epoch {epoch}"
        if epoch == 0:
            shutil.rmtree(uri)


@pytest.mark.s3
@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [False, "global", "block"])
def test_rows_in_a_bucket_come_once_for_workers_and_ranks(s3_store, shuffle):
    uri = s3_store.join("n.lance")
    lance_module().write_dataset(
        pa.table({"x": np.arange(80)}), uri, storage_options=s3_store.storage_options
    )
    options = {"shuffle": shuffle, "block": 8, "buffer": 32, "seed": 1}
    readers = [(0, 1), (0, 2)] + ([(2, 1)] if shuffle == "block" else [])
    for workers, world in readers:
        seen = []
        for rank in range(world):
            data = LanceTorchDataset(uri, store=s3_store)
            mine = loader(data, 8, rank=rank, world_size=world, num_workers=workers, **options)
            seen += [x for batch in mine for x in batch["x"].tolist()]
        assert sorted(seen) == list(range(80)), (workers, world)
