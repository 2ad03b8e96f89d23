"""Mixtures: exact proportions, rows used equally often, exact resume."""

from __future__ import annotations

import json
import pickle
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.data import LanceTorchDataset, loader, mix
from lancenb.data.mixing import MixedDataset
from lancenb.data.order import EpochBatches
from lancenb.errors import InvalidArgument
from lancenb.store import lance_module
from tests.data.tables import image_table, pattern, patterns, png, write

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def _named(*sizes):
    return [[(source, row) for row in range(size)] for source, size in enumerate(sizes)]


def _epoch(mixed, epoch, shuffle=True, seed=0):
    return mixed.__getitems__(mixed.epoch_order(seed, epoch, shuffle).tolist())


@FEW
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    weights=st.lists(st.floats(0.2, 5), min_size=4, max_size=4),
    rows=st.integers(40, 90),
    shuffle=st.booleans(),
    epochs=st.integers(1, 5),
)
def test_proportions_are_exact_and_rows_are_used_equally_often(
    sizes, weights, rows, shuffle, epochs
):
    mixed = mix(list(zip(_named(*sizes), weights, strict=False)), rows, seed=3)
    total = sum(weights[: len(sizes)])
    assert sum(mixed.counts) == rows
    for count, weight in zip(mixed.counts, weights, strict=False):
        assert abs(count - rows * weight / total) < 1
    used: Counter[tuple[int, int]] = Counter()
    for epoch in range(epochs):
        seen = _epoch(mixed, epoch, shuffle)
        assert [sum(source == s for source, _ in seen) for s in range(len(sizes))] == mixed.counts
        used.update(seen)
    for source, size in enumerate(sizes):
        often = [used[source, row] for row in range(size)]
        assert max(often) - min(often) <= 1


def test_shares_are_rounded_by_largest_remainder():
    sources = _named(5, 5, 5)
    assert mix(list(zip(sources, (1, 1, 1), strict=True)), 10).counts == [4, 3, 3]
    assert mix(list(zip(sources, (0.5, 0.3, 0.2), strict=True)), 7).counts == [4, 2, 1]
    assert mix(list(zip(sources, (1, 1, 2), strict=True))).counts == [4, 4, 7]


@pytest.mark.parametrize("size", [1e308, 1.0, 1e-320])
def test_weights_of_any_size_give_the_same_shares(size):
    sources = _named(5, 5)
    assert mix([(source, size) for source in sources]).counts == [5, 5]
    assert mix([(sources[0], size), (sources[1], size / 4)], 10).counts == [8, 2]


def test_an_epoch_whose_samples_cannot_be_numbered_is_refused():
    mixed = mix(list(zip(_named(7, 3), (1, 1), strict=True)), seed=1)
    last = 2**63 // len(mixed) - 1
    for shuffle in (True, False):
        batches = loader(mixed, 4, shuffle=shuffle, collate_fn=list)
        batches.set_epoch(last)
        assert len(next(iter(batches))) == 4
        for epoch in (last + 1, 2**62, 2**63 - 1):
            with pytest.raises(InvalidArgument, match="has no epoch"):  # noqa: PT012
                batches.set_epoch(epoch)
                next(iter(batches))
        state = {**batches.state_dict(), "epoch": 2**63}
        with pytest.raises(InvalidArgument, match=r"below 2\*\*63"):
            batches.load_state_dict(state)


def test_without_shuffle_the_sources_take_turns_evenly():
    mixed = mix(list(zip(_named(4, 4), (3, 1), strict=True)), 8)
    seen = [source for source, _ in _epoch(mixed, 0, shuffle=False)]
    assert [sum(seen[:half]) for half in (4, 8)] == [1, 2]
    assert [source for source, _ in mixed] == seen


@pytest.mark.parametrize("stop", [1, 3])
def test_a_mixture_resumes_exactly_with_other_ranks_and_batches(stop):
    def make(size, rank=0, world=1):
        mixed = mix(list(zip(_named(7, 11, 3), (3, 2, 1), strict=True)), 30, seed=5)
        return loader(
            mixed, size, shuffle=True, seed=2, rank=rank, world_size=world, collate_fn=list
        )

    wanted = [[sample for batch in make(30) for sample in batch] for _ in range(1)]
    both = make(30)
    wanted = [[sample for batch in both for sample in batch] for _ in range(2)]
    ranks = [make(3, rank, 2) for rank in range(2)]
    runs = [iter(rank) for rank in ranks]
    seen = [sample for _ in range(stop) for run in runs for sample in next(run)]
    state = json.loads(json.dumps(ranks[0].state_dict()))
    last = make(4)
    last.load_state_dict(state)
    assert seen + [sample for batch in last for sample in batch] == wanted[0]
    assert [sample for batch in last for sample in batch] == wanted[1]
    with pytest.raises(InvalidArgument, match="counts"):
        loader(mix(list(zip(_named(7, 11, 3), (1, 1, 1), strict=True)), 30, seed=5), 4,
               shuffle=True).load_state_dict(state)  # fmt: skip


def test_batches_of_tables_are_in_the_order_of_the_mixture(tmp_path):
    sources = []
    for number, rows in enumerate((6, 9)):
        uri = str(tmp_path / f"{number}.lance")
        values = np.arange(rows) + 100 * number
        table = pa.table({"x": values, "t": [f"row {value}" for value in values]})
        lance_module().write_dataset(table, uri)
        sources.append(LanceTorchDataset(uri, columns=["x", "t"]))
    mixed = mix([(sources[0], 1), (sources[1], 2)], seed=1)
    order = EpochBatches(len(mixed), 4, seed=3, order=mixed.epoch_order)
    for batch, indices in zip(loader(mixed, 4, shuffle=True, seed=3), order, strict=True):
        of, rows = mixed.locate(indices)
        assert batch["x"].tolist() == (rows + 100 * of).tolist()
        assert batch["t"] == [f"row {value}" for value in batch["x"].tolist()]
    again = pickle.loads(pickle.dumps(mixed))
    assert again[20]["t"] == mixed[20]["t"]
    assert again.fingerprint() == mixed.fingerprint()
    assert "5 of 0.lance, 10 of 1.lance" in repr(mixed)


def test_unreadable_rows_of_a_source_are_left_out(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(6)]
    cells[2] = b"junk"
    bad = write(image_table(cells, [0] * 6), tmp_path / "bad.lance")
    good = patterns(tmp_path / "good.lance", 6)
    parts = [LanceTorchDataset(uri, on_error="skip") for uri in (bad, good)]
    mixed = mix([(part, 1) for part in parts])
    whole = list(loader(mixed, 4, shuffle=True))
    assert sum(len(labels) for _, labels in whole) == 11
    assert mixed.skipped_count == 1


def test_pictures_are_augmented_by_the_sample_of_the_mixture(tmp_path):
    parts = [
        (LanceTorchDataset(patterns(tmp_path / f"{i}.lance", 8, start=i)), 1) for i in range(2)
    ]

    def noise(images, generator):
        return images + torch.randint(0, 50, images.shape, generator=generator, dtype=torch.uint8)

    def seen(threads):
        batches = loader(mix(parts), 4, shuffle=True, augment=noise, threads=threads)
        return [images for images, _ in batches]

    assert all(torch.equal(a, b) for a, b in zip(seen(0), seen(3), strict=True))


@pytest.mark.parametrize(
    ("parts", "rows", "word"),
    [
        ([], None, "at least one"),
        ([(["a"], 0)], None, "weight"),
        ([(["a"], float("nan"))], None, "weight"),
        ([(["a"], "x")], None, "pairs"),
        (["ab"], None, "pairs"),
        ([([], 1)], None, "no rows"),
        ([(["a"], 1), (["b"], 1e-9)], 5, "no row in an epoch"),
        ([(["a"], 1)], 0, "rows"),
    ],
)
def test_mixtures_that_cannot_be(parts, rows, word):
    with pytest.raises(InvalidArgument, match=word):
        mix(parts, rows)


def test_a_mixture_has_no_blocks_and_no_sample_before_the_first():
    mixed = mix([(["a", "b"], 1)])
    assert isinstance(mixed, MixedDataset)
    with pytest.raises(InvalidArgument, match="blocks"):
        list(loader(mixed, 1, shuffle="block"))
    with pytest.raises(IndexError, match="no sample -1"):
        mixed[-1]
