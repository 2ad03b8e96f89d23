"""The order of an epoch, the seeds of its rows, and how well it is shuffled."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from lancenb.data.order import (
    EpochBatches,
    SeededBatch,
    epoch_order,
    row_seeds,
    shuffle_quality,
)
from lancenb.errors import InvalidArgument


@pytest.mark.parametrize("shuffle", [False, True, "global", "block"])
@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33, 1000])
def test_an_order_holds_every_row_once(shuffle, rows):
    order = epoch_order(rows, seed=3, epoch=2, shuffle=shuffle, block=8, buffer=64)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(rows))


@pytest.mark.parametrize("shuffle", ["global", "block"])
def test_an_order_depends_on_seed_and_epoch_and_nothing_else(shuffle):
    def order(seed, epoch):
        return epoch_order(500, seed=seed, epoch=epoch, shuffle=shuffle, block=4, buffer=64)

    seen = {order(seed, epoch).tobytes() for seed in range(4) for epoch in range(4)}
    assert len(seen) == 16
    np.random.seed(0)
    assert order(1, 2).tobytes() in seen
    assert np.array_equal(
        epoch_order(9, seed=1, shuffle=True), epoch_order(9, seed=1, shuffle="global")
    )


def test_a_block_order_is_made_of_windows_of_whole_blocks():
    order = epoch_order(64 * 32, seed=1, shuffle="block", block=32, buffer=512)
    for window in order.reshape(-1, 256):
        blocks = np.unique(window // 32)
        assert len(blocks) == 8, "a window holds 8 blocks and all of their rows"
        assert not np.array_equal(window, np.sort(window))
    assert not np.array_equal(np.sort(order[:256]), np.arange(256))


def test_w32_the_quality_of_a_shuffle_is_a_ratio_of_standard_errors():
    rows, size = 20_000, 100
    stored = shuffle_quality(np.arange(rows), size)
    block = shuffle_quality(epoch_order(rows, shuffle="block", block=32, buffer=4096), size)
    wide = shuffle_quality(epoch_order(rows, shuffle="block", block=4, buffer=20_000), size)
    true = shuffle_quality(epoch_order(rows, seed=2), size)
    assert stored == pytest.approx(1 / np.sqrt(size), rel=0.05)
    assert stored < block < wide
    assert true > 0.85
    assert shuffle_quality(np.arange(10), 6) == 1.0
    # by hand: batches {0, 1} and {2, 3} have means 0.5 and 2.5, variance 1; a true shuffle has
    # 15 / 12 / 2 * 2 / 3 = 5 / 12
    assert shuffle_quality(np.arange(4), 2) == pytest.approx(np.sqrt(5 / 12))


def test_seeds_of_rows_do_not_depend_on_their_batch():
    alone = [int(row_seeds(5, 1, [row])[0]) for row in range(100)]
    assert row_seeds(5, 1, range(100)).tolist() == alone
    assert row_seeds(5, 1, [7, 3, 7]).tolist() == [alone[7], alone[3], alone[7]]
    assert row_seeds(5, 1, [7]).dtype == np.uint64
    many = [row_seeds(seed, epoch, range(2000)) for seed in range(3) for epoch in range(3)]
    assert len(np.unique(np.concatenate(many))) == 18_000
    assert row_seeds(5, 1, []).shape == (0,)


def test_bits_of_row_seeds_are_even():
    bits = np.unpackbits(row_seeds(0, 0, range(20_000)).view(np.uint8)).reshape(-1, 64)
    assert np.abs(bits.mean(0) - 0.5).max() < 0.02


def test_a_batch_keeps_its_seeds_when_it_is_pickled():
    batch = next(iter(EpochBatches(100, 7, seed=4, epoch=3)))
    again = pickle.loads(pickle.dumps(batch))
    assert isinstance(again, SeededBatch)
    assert (list(again), again.seed, again.epoch_seed) == (list(batch), batch.seed, (4, 3))
    assert again.seeds.tolist() == batch.seeds.tolist() == row_seeds(4, 3, batch).tolist()
    own = SeededBatch([1, 2], 5, seeds=np.asarray([8, 9], dtype=np.uint64))
    assert pickle.loads(pickle.dumps(own)).seeds.tolist() == [8, 9]


def test_seeds_of_batches_differ_and_fit_into_63_bits():
    seeds = [b.seed for e in range(3) for b in EpochBatches(1000, 8, epoch=e)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shuffle": "blocks"},
        {"shuffle": None},
        {"seed": -1},
        {"epoch": 1.5},
        {"shuffle": "block", "block": 0},
        {"shuffle": "block", "block": 64, "buffer": 100},
    ],
)
def test_settings_of_an_order_that_cannot_work(wrong):
    with pytest.raises(InvalidArgument):
        epoch_order(10, **wrong)
    with pytest.raises(InvalidArgument):
        EpochBatches(10, 2, **wrong)


@pytest.mark.parametrize("wrong", [{"batch_size": True}, {"uneven": "cut"}, {"rows": "10"}])
def test_settings_of_a_sampler_that_cannot_work(wrong):
    with pytest.raises(InvalidArgument):
        EpochBatches(**{"rows": 10, "batch_size": 2, **wrong})


def test_an_order_of_the_data_sets_own():
    seen = []

    def order(seed, epoch, shuffle):
        seen.append((seed, epoch, shuffle))
        return np.arange(6)[::-1] + 10 * epoch

    batches = EpochBatches(6, 4, seed=2, order=order)
    assert list(batches) == [[5, 4, 3, 2], [1, 0]]
    assert list(batches) == [[15, 14, 13, 12], [11, 10]]
    assert seen == [(2, 0, "global"), (2, 1, "global")]
    with pytest.raises(InvalidArgument, match="shape"):
        list(EpochBatches(7, 4, order=order))


def test_an_iteration_that_is_left_early_is_followed_by_the_next_epoch():
    batches = EpochBatches(10, 2, seed=1)
    wanted = [list(EpochBatches(10, 2, seed=1, epoch=epoch)) for epoch in range(3)]
    assert next(iter(batches)) == wanted[0][0]
    assert list(batches) == wanted[1]
    assert list(batches) == wanted[2]
    assert batches.epoch == 3


def test_iterations_side_by_side_do_not_disturb_each_other():
    batches = EpochBatches(9, 2, seed=1)
    wanted = [list(EpochBatches(9, 2, seed=1, epoch=epoch)) for epoch in range(2)]
    pairs = list(zip(batches, batches, strict=True))
    assert [first for first, _ in pairs] == wanted[0]
    assert [second for _, second in pairs] == wanted[1]
    older, newer = iter(batches), iter(batches)
    next(older)
    next(newer)
    state = batches.state_dict()
    assert (state["epoch"], state["position"]) == (3, 2)
    assert len(list(older)) == 4
    assert batches.state_dict() == state, "the position is that of the newest iteration"


def test_w78_set_epoch_keeps_a_loaded_position_and_nothing_else():
    source = EpochBatches(20, 3, seed=1, epoch=4)
    taken = list(itertools.islice(iter(source), 2))
    state = json.loads(json.dumps(source.state_dict()))
    again = EpochBatches(20, 3, seed=9)
    again.load_state_dict(state)
    again.set_epoch(4)
    assert taken + list(again) == list(EpochBatches(20, 3, seed=1, epoch=4))
    again.load_state_dict(state)
    again.set_epoch(5)
    assert list(again) == list(EpochBatches(20, 3, seed=1, epoch=5))
    next(iter(again))
    again.set_epoch(6)  # the epoch that was left early, from its beginning
    assert list(again) == list(EpochBatches(20, 3, seed=1, epoch=6))


def test_length_is_what_is_left():
    batches = EpochBatches(20, 3, seed=1)
    assert len(batches) == 7
    list(itertools.islice(iter(batches), 2))
    state = batches.state_dict()
    assert (state["position"], state["batches"]) == (6, 2)
    again = EpochBatches(20, 3, seed=1)
    again.load_state_dict(state)
    assert (len(again), again.in_epoch) == (5, 7)
    assert len(list(again)) == 5
    assert (len(again), again.in_epoch) == (7, 7)


def test_a_state_at_the_end_of_an_epoch_goes_on_with_the_next():
    batches = EpochBatches(8, 4, seed=1)
    for _ in zip(range(2), batches, strict=False):
        pass
    state = batches.state_dict()
    assert (state["epoch"], state["position"]) == (0, 8)
    again = EpochBatches(8, 4, seed=1)
    again.load_state_dict(state)
    assert again.in_epoch == 2
    assert list(again) == list(EpochBatches(8, 4, seed=1, epoch=1))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"rows": 21}, "rows=21"),
        ({"shuffle": "block"}, "shuffle='block'"),
        ({"format": 2}, "no position"),
        ({"position": -1}, "position"),
        ({"position": 21}, "past"),
        ({"epoch": None}, "epoch"),
    ],
)
def test_a_state_of_something_else_is_refused(change, word):
    batches = EpochBatches(20, 3, seed=1)
    with pytest.raises(InvalidArgument, match=word):
        batches.load_state_dict({**batches.state_dict(), **change})
    with pytest.raises(InvalidArgument, match="no position"):
        batches.load_state_dict(None)
    blocks = EpochBatches(20, 3, shuffle="block", block=2, buffer=8)
    other = EpochBatches(20, 3, shuffle="block", block=2, buffer=10)
    with pytest.raises(InvalidArgument, match="buffer=8"):
        other.load_state_dict(blocks.state_dict())


def test_the_order_needs_no_torch():
    code = "import sys, lancenb.data.order; print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
