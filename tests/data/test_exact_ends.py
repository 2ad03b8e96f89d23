"""Stops at the very end of an epoch, gone on from with other batch sizes, ranks and readers."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lancenb as lnb
from lancenb.data import EpochBatches, LanceTorchStream, loader, mix
from lancenb.store import lance_module

MANY = settings(max_examples=150, deadline=None, derandomize=True, database=None)
FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None)
SHUFFLES = st.sampled_from([False, "global", "block"])
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
WORLDS = st.tuples(st.integers(1, 4), st.integers(1, 4))
EARLY = st.integers(0, 3)  # batches that the stop leaves of its epoch
SMALL = {"block": 2, "buffer": 12, "seed": 3}


def _stopped(batches, early):
    """The state right after a batch was handed out; the iterator does not know it was the last."""
    count = max(0, len(batches) - early)
    for _ in itertools.islice(batches, count):
        pass
    return json.loads(json.dumps(batches.state_dict()))


def _ranks(make, size, world, state=None, **options):
    made = [make(size, rank=rank, world_size=world, **options) for rank in range(world)]
    for each in made if state else []:
        each.load_state_dict(state)
    return made


def _epoch_of(ranks, before):
    """Rows of all ranks in one epoch; the lengths told before it and amid it must be right."""
    told = {len(each) for each in ranks}
    rows, counts = [], set()
    for each in ranks:
        count = before
        for batch in each:
            rows += batch.tolist()
            count += 1
            assert {len(each)} == told
        counts.add(count)
    assert counts == told, "as many batches as were told"
    return Counter(rows)


def _shown(source, order):
    return [source[place] for place in order.tolist()]


@MANY
@given(
    rows=st.integers(1, 60), sizes=SIZES, worlds=WORLDS, early=EARLY, shuffle=SHUFFLES,
    uneven=st.sampled_from(["pad", "drop"]), drop_last=st.booleans(), mixed=st.booleans(),
)  # fmt: skip
def test_a_loader_gives_as_many_batches_as_it_tells(
    rows, sizes, worlds, early, shuffle, uneven, drop_last, mixed
):
    source = mix([(list(range(rows)), 1)], rows) if mixed else range(rows)
    shuffle = "global" if mixed and shuffle == "block" else shuffle
    options = {"shuffle": shuffle, "uneven": uneven, "drop_last": drop_last, **SMALL}

    def make(size, **more):
        return loader(source, size, threads=0, **options, **more)

    first = make(sizes[0], rank=0, world_size=worlds[0])
    position = first.batch_sampler
    state = _stopped(first, early)
    ranks = _ranks(make, sizes[1], worlds[1], state)
    sampler = ranks[0].batch_sampler
    rest = _shown(source, position.order(0)[state["position"] :])
    if sampler.ended:
        assert not drop_last or len(rest) < sampler.cut().step
    else:
        cut = sampler.coming()
        seen = _epoch_of(ranks, state["batches"])
        assert (seen - Counter(rest)).total() == cut.padded
        assert (Counter(rest) - seen).total() == cut.dropped
    for epoch in (1, 2):
        order, cut = Counter(_shown(source, sampler.order(epoch))), sampler.cut()
        seen = _epoch_of(ranks, 0)
        assert (seen - order).total() == cut.padded
        assert (order - seen).total() == cut.dropped


@pytest.mark.parametrize(
    ("then", "now"), [((32, 1), (8, 1)), ((16, 1), (8, 1)), ((16, 2), (16, 1)), ((8, 1), (16, 2))]
)
def test_the_epoch_after_an_end_has_all_batches(then, now):
    def make(size, **more):
        return loader(list(range(90)), size, shuffle=True, **more)

    state = _stopped(make(then[0], rank=0, world_size=then[1]), 0)
    assert (state["epoch"], state["position"]) == (0, 90)
    ranks = _ranks(make, now[0], now[1], state)
    count = -(-90 // (now[0] * now[1]))
    assert {len(each) for each in ranks} == {count}
    assert f"{count} batches of {now[0]} rows" in repr(ranks[0])
    assert "left" not in repr(ranks[0])
    assert _epoch_of(ranks, 0) == Counter(range(90))


@MANY
@given(
    rows=st.integers(1, 40), worlds=WORLDS, early=EARLY, shuffle=SHUFFLES,
    uneven=st.sampled_from(["pad", "drop"]), read=st.integers(1, 9),
)  # fmt: skip
def test_a_stream_goes_on_after_its_last_samples(rows, worlds, early, shuffle, uneven, read):
    options = {"shuffle": shuffle, "uneven": uneven, "read": read, **SMALL}

    def make(rank, world):
        return LanceTorchStream(list(range(rows)), rank=rank, world_size=world, **options)

    share = len(EpochBatches(rows, 1, rank=0, world_size=worlds[0], uneven=uneven))
    first, count = make(0, worlds[0]), max(0, share - early)
    list(itertools.islice(first, count))
    state = json.loads(json.dumps(first.state_dict()))
    streams = [make(rank, worlds[1]) for rank in range(worlds[1])]
    for each in streams:
        each.load_state_dict(state)
    orders = [EpochBatches(rows, 1, shuffle=shuffle, **SMALL).order(e).tolist() for e in (0, 1, 2)]
    rest = orders[0][state["position"] :]
    if uneven == "drop":
        rest = rest[: len(rest) // worlds[1] * worlds[1]]
        orders = [order[: rows // worlds[1] * worlds[1]] for order in orders]
    begun = state["position"] > 0
    coming = ([rest] if rest or not begun else []) + orders[1:]
    for order in coming:
        seen = Counter(row for each in streams for row in each)
        assert not Counter(order) - seen
        assert (seen - Counter(order)).total() < worlds[1], "what is repeated"


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("ends") / "n.lance")
    lance_module().write_dataset(pa.table({"x": np.arange(40)}), uri)
    return uri


@FEW
@given(
    sizes=SIZES, worlds=WORLDS, early=EARLY, shuffle=SHUFFLES, drop_last=st.booleans(),
    epochs=st.integers(1, 3), by_loader=st.booleans(),
)  # fmt: skip
def test_batches_are_as_many_as_they_tell(
    numbers, sizes, worlds, early, shuffle, drop_last, epochs, by_loader
):
    options = {"shuffle": shuffle, "drop_last": drop_last, "seed": 3, "threads": 0}

    def make(size, rank, world):
        return lnb.batches(numbers, size, rank=rank, world_size=world, epochs=epochs, **options)

    first = make(sizes[0], 0, worlds[0])
    state = _stopped(first, early)
    if by_loader:  # whose position stays at the end of the epoch
        del state["until"]
    for rank in range(worlds[1]):
        resumed = make(sizes[1], rank, worlds[1])
        resumed.load_state_dict(state)
        for _ in range(2):
            told = len(resumed)
            lefts = [len(resumed) for _ in resumed]
            assert lefts[:-1] == list(range(told - 1, 0, -1))
            assert len(lefts) == told
