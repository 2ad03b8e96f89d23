"""No duplicate and no missing row, whatever happens between two batches."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.data import loader
from lancenb.data.order import EpochBatches
from lancenb.errors import InvalidArgument

FEW = settings(max_examples=150, deadline=None, derandomize=True, database=None)
FEWER = settings(max_examples=40, deadline=None, derandomize=True, database=None)

SHUFFLES = st.sampled_from([False, "global", "block"])
STAGE = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(0, 6))  # ranks, batch, stop


def _samplers(rows, world, size, state, **options):
    made = [
        EpochBatches(rows, size, rank=rank, world_size=world, block=2, buffer=12, **options)
        for rank in range(world)
    ]
    for sampler in made if state else []:
        sampler.load_state_dict(state)
    return made


def _stage(samplers, stop):
    """Rows handed out by all ranks in step, and the state after it; counts must agree."""
    runs = [iter(sampler) for sampler in samplers]
    rows: list[int] = []
    step = 0
    while stop is None or step < stop:
        batches = [next(run, None) for run in runs]
        if None in batches:
            assert batches == [None] * len(batches), "all ranks end together"
            break
        assert len({len(batch) for batch in batches}) == 1, "all ranks have equal batches"
        assert batches[0]
        rows += [row for batch in batches for row in batch]
        step += 1
    states = [sampler.state_dict() for sampler in samplers]
    assert all(state == states[0] for state in states)
    return rows, json.loads(json.dumps(states[0]))


@FEW
@given(
    rows=st.integers(0, 90),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
    shuffle=SHUFFLES,
    uneven=st.sampled_from(["pad", "drop"]),
    drop_last=st.booleans(),
    stages=st.lists(STAGE, min_size=3, max_size=3),
)
def test_each_row_once_over_two_resumes_with_other_ranks_and_batches(
    rows, seed, epoch, shuffle, uneven, drop_last, stages
):
    options = {"shuffle": shuffle, "uneven": uneven, "drop_last": drop_last}
    state, seen, samplers = None, [], []
    for number, (world, size, stop) in enumerate(stages):
        first = {} if state else {"seed": seed, "epoch": epoch}
        samplers = _samplers(rows, world, size, state, **options, **first)
        cut = samplers[0].cut(state["position"] if state else 0)
        if number == len(stages) - 1:
            assert all(len(s) == cut.count or not cut.count for s in samplers)
            stop = cut.count
        elif stop >= cut.count:
            stop = max(0, cut.count - 1)
        if stop:
            handed, state = _stage(samplers, stop)
            seen += handed
        else:
            state = samplers[0].state_dict()
    order = samplers[0].order(epoch).tolist()
    counts = Counter(seen)
    extra = counts - Counter(order)
    missing = Counter(order) - counts
    assert set(seen) <= set(order)
    assert sum(extra.values()) == cut.padded
    assert sum(missing.values()) == cut.dropped
    if drop_last:
        assert cut.padded == 0
        assert cut.dropped < cut.step
    elif uneven == "pad":
        assert (cut.dropped, cut.padded < cut.world) == (0, True)
        assert set(extra) <= set(order[: cut.padded])
    else:
        assert (cut.padded, cut.dropped < cut.world) == (0, True)


@FEW
@given(rows=st.integers(1, 60), world=st.integers(1, 4), size=st.integers(1, 9), shuffle=SHUFFLES)
def test_an_error_instead_of_unequal_ranks(rows, world, size, shuffle):
    options = {"shuffle": shuffle, "uneven": "error"}
    if rows % (world * size) % world:
        with pytest.raises(InvalidArgument, match="share out"):
            _samplers(rows, world, size, None, **options)
        _samplers(rows, world, size, None, drop_last=True, **options)
    else:
        handed, _ = _stage(_samplers(rows, world, size, None, **options), None)
        assert sorted(handed) == list(range(rows))


@FEW
@given(
    rows=st.integers(1, 80),
    world=st.integers(1, 4),
    size=st.integers(1, 9),
    epochs=st.integers(1, 3),
    shuffle=SHUFFLES,
)
def test_ranks_together_have_the_batches_of_one_process(rows, world, size, epochs, shuffle):
    one = EpochBatches(rows, world * size, shuffle=shuffle, block=2, buffer=12)
    ranks = _samplers(rows, world, size, None, shuffle=shuffle)
    for _ in range(epochs):
        whole = list(one)
        parts = [list(rank) for rank in ranks]
        for number, batch in enumerate(whole):
            together = [row for part in parts for row in part[number]]
            assert together[: len(batch)] == batch
        assert {len(part) for part in parts} == {len(whole)}


@FEW
@given(
    rows=st.integers(1, 120),
    world=st.integers(1, 3),
    size=st.integers(1, 9),
    readers=st.integers(1, 4),
    start=st.integers(0, 119),
    buffer=st.integers(4, 40),
)
def test_readers_of_a_block_shuffle_are_told_of_each_row_once(
    rows, world, size, readers, start, buffer
):
    told: Counter[int] = Counter()
    handed: Counter[int] = Counter()
    options = {"shuffle": "block", "block": 2, "buffer": buffer, "uneven": "drop"}
    for rank in range(world):
        sampler = EpochBatches(rows, size, rank=rank, world_size=world, **options)
        sampler.load_state_dict({**sampler.state_dict(), "position": min(start, rows - 1)})
        run = sampler.begin()
        for number in range(len(run)):
            batch = run.batch(number, readers)
            assert list(batch) == list(run.batch(number))
            for _, held in batch.ahead:
                assert len(held) <= buffer // 2
                told.update(held.tolist())
            handed.update(batch)
    assert told == handed
    assert set(told.values()) <= {1}


def _interrupted(make, stop):
    batches = make()
    taken = [batch for _, batch in zip(range(stop), batches, strict=False)] if stop else []
    return taken, json.loads(json.dumps(batches.state_dict()))


@FEWER
@given(
    rows=st.integers(1, 60),
    sizes=st.lists(st.integers(1, 8), min_size=3, max_size=3),
    threads=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    prefetch=st.integers(1, 6),
    stops=st.lists(st.integers(0, 5), min_size=2, max_size=2),
    shuffle=SHUFFLES,
)
def test_batches_read_ahead_do_not_count(rows, sizes, threads, prefetch, stops, shuffle):
    data = list(range(rows))
    seen: list[int] = []
    state = None
    for stage, (size, count) in enumerate(zip(sizes, threads, strict=True)):
        batches = loader(
            data, size, shuffle=shuffle, seed=3, threads=count, prefetch=prefetch, buffer=64
        )
        if state is not None:
            batches.load_state_dict(state)
        left = len(batches.batch_sampler)
        stop = None if stage == 2 else min(stops[stage], left - 1)
        if stop == 0:
            continue
        for number, batch in enumerate(batches, 1):
            seen += batch.tolist()
            if number == stop:
                break
        state = json.loads(json.dumps(batches.state_dict()))
    assert state is not None
    assert seen == EpochBatches(rows, 1, shuffle=shuffle, seed=3, buffer=64).order().tolist()
    assert (state["epoch"], state["position"]) == (1, 0)


@FEWER
@given(
    rows=st.integers(1, 40), size=st.integers(1, 6), seed=st.integers(0, 3), stop=st.integers(1, 9)
)
def test_augmentation_of_a_resumed_epoch_is_the_same(rows, size, seed, stop):
    import torch

    def noise(images, generator):
        return images + torch.rand(images.shape, generator=generator)

    data = [torch.full((3, 2, 2), float(row)) for row in range(rows)]

    def make():
        return loader(data, size, shuffle=True, seed=seed, augment=noise)

    whole = list(make())
    taken, state = _interrupted(make, min(stop, len(whole) - 1))
    again = make()
    again.load_state_dict(state)
    resumed = taken + list(again)
    assert len(resumed) == len(whole)
    assert all(torch.equal(a, b) for a, b in zip(resumed, whole, strict=True))


def test_the_position_survives_a_sequence_of_epochs():
    batches = loader(list(range(10)), 3, shuffle=True, seed=1)
    epochs = [[batch.tolist() for batch in batches] for _ in range(3)]
    fresh = loader(list(range(10)), 3, shuffle=True, seed=1)
    list(fresh)
    list(zip(range(2), fresh, strict=False))
    again = loader(list(range(10)), 3, shuffle=True, seed=7)
    again.load_state_dict(fresh.state_dict())
    assert len(again) == 4
    assert [batch.tolist() for batch in again] == epochs[1][2:]
    assert [batch.tolist() for batch in again] == epochs[2]


def test_the_state_names_the_data_and_refuses_others(tmp_path):
    from lancenb.data import LanceTorchDataset
    from tests.data.tables import patterns

    uri = patterns(tmp_path / "p.lance", 12)
    patterns(tmp_path / "p.lance", 12, start=50, mode="overwrite")
    old, new = (LanceTorchDataset(uri, columns=["path"], version=v) for v in (1, 2))
    state = loader(old, 4).state_dict()
    assert state["data"] == {"name": "p.lance", "version": 1, "subset": None}
    loader(old, 3).load_state_dict(state)
    with pytest.raises(InvalidArgument, match="version 1") as caught:
        loader(new, 4).load_state_dict(state)
    assert "version=" in caught.value.hint
    few = [old.subset(rows) for rows in (range(8), range(4, 12))]
    with pytest.raises(InvalidArgument, match="subset"):
        loader(few[1], 4).load_state_dict(loader(few[0], 4).state_dict())
    with pytest.raises(InvalidArgument, match="no position"):
        loader(old, 4).load_state_dict({"epoch": 3})


def test_a_filtered_table_is_resumed_exactly(tmp_path):
    from lancenb.data import LanceTorchDataset
    from tests.data.tables import patterns

    uri = patterns(tmp_path / "p.lance", 30)
    data = LanceTorchDataset(uri, columns=["path"], filter="label = 1")

    def make(size):
        return loader(data, size, shuffle="block", block=2, buffer=8, seed=2)

    taken, state = _interrupted(lambda: make(3), 2)
    again = make(4)
    again.load_state_dict(state)
    seen = [path for batch in [*taken, *again] for path in batch["path"]]
    assert Counter(seen) == Counter(f"folder/{row:04}.png" for row in range(1, 30, 3))


def test_skipped_rows_count_in_the_position():
    class Holes:
        def __len__(self):
            return 12

        def __getitems__(self, rows):
            return [row for row in rows if row // 3 != 1]

    batches = loader(Holes(), 3, threads=2)
    run = iter(batches)
    assert [next(run).tolist(), next(run).tolist()] == [[0, 1, 2], [6, 7, 8]]
    state = batches.state_dict()
    assert (state["position"], state["batches"]) == (9, 2)
    again = loader(Holes(), 3)
    again.load_state_dict(state)
    assert [batch.tolist() for batch in again] == [[9, 10, 11]]


def test_states_are_the_same_for_numpy_numbers():
    state = EpochBatches(np.int64(12), np.int64(5), seed=np.int64(2)).state_dict()
    assert json.loads(json.dumps(state)) == state
