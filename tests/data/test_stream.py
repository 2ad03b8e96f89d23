"""Streams: split by ranks and workers exactly once, resumed at any sample."""

from __future__ import annotations

import itertools
import json
import pickle
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import torch.utils.data
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torch.utils.data._utils.worker import WorkerInfo

from lancenb.data import LanceTorchDataset, LanceTorchStream
from lancenb.data.order import EpochBatches
from lancenb.errors import InvalidArgument
from lancenb.store import lance_module
from tests.data.tables import image_table, pattern, png, write
from tests.data.test_order_blocks import Counted

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def _in_worker(stream, worker, workers):
    """The stream as a worker process has it, and its samples there."""
    copy = pickle.loads(pickle.dumps(stream))
    return copy, _in_worker_again(copy, worker, workers)


def _in_worker_again(copy, worker, workers):
    iterator = iter(copy)
    info = WorkerInfo(id=worker, num_workers=workers, seed=0, dataset=copy)
    while True:
        before = torch.utils.data._utils.worker._worker_info
        torch.utils.data._utils.worker._worker_info = info
        try:
            sample = next(iterator, None)
        finally:
            torch.utils.data._utils.worker._worker_info = before
        if sample is None:
            return
        yield sample


@FEW
@given(
    rows=st.integers(1, 100),
    world=st.integers(1, 4),
    workers=st.integers(0, 3),
    read=st.integers(1, 9),
    shuffle=st.sampled_from([False, True, "block"]),
    uneven=st.sampled_from(["pad", "drop"]),
)
def test_ranks_and_workers_split_a_stream_exactly(rows, world, workers, read, shuffle, uneven):
    counts, seen = [], []
    for rank in range(world):
        stream = LanceTorchStream(
            [str(row) for row in range(rows)], shuffle=shuffle, rank=rank, world_size=world,
            uneven=uneven, read=read, block=2, buffer=10,
        )  # fmt: skip
        if workers:
            mine = [s for w in range(workers) for s in _in_worker(stream, w, workers)[1]]
        else:
            mine = list(stream)
        counts.append(len(mine))
        seen += [int(sample) for sample in mine]
    assert len(set(counts)) == 1, "ranks have equally many samples"
    cut = EpochBatches(rows, 1, rank=0, world_size=world, uneven=uneven).cut()
    assert sum((Counter(seen) - Counter(range(rows))).values()) == cut.padded < world
    assert sum((Counter(range(rows)) - Counter(seen)).values()) == cut.dropped < world


@FEW
@given(
    rows=st.integers(2, 80),
    stops=st.lists(st.integers(0, 40), min_size=2, max_size=2),
    read=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    shuffle=st.sampled_from([False, True, "block"]),
)
def test_a_stream_resumes_twice_at_any_sample(rows, stops, read, shuffle):
    data = [str(row) for row in range(rows)]
    state, seen = None, []
    for stage in range(3):
        stream = LanceTorchStream(
            data, shuffle=shuffle, seed=4, read=read[stage], block=2, buffer=10
        )
        if state is not None:
            stream.load_state_dict(state)
        stop = None if stage == 2 else min(stops[stage], rows - len(seen) - 1)
        if stop == 0:
            continue
        seen += list(itertools.islice(stream, stop))
        state = json.loads(json.dumps(stream.state_dict()))
    order = EpochBatches(rows, 1, shuffle=shuffle, seed=4, block=2, buffer=10).order()
    assert seen == [str(row) for row in order]
    assert stream.epoch == 1


def test_ranks_may_change_between_two_parts_of_a_stream():
    data = [str(row) for row in range(30)]
    ranks = [LanceTorchStream(data, seed=1, rank=rank, world_size=3) for rank in range(3)]
    runs = [iter(rank) for rank in ranks]
    seen = [next(run) for _ in range(4) for run in runs]
    states = [rank.state_dict() for rank in ranks]
    assert states[0] == states[1] == states[2]
    last = LanceTorchStream(data, seed=1)
    last.load_state_dict(states[0])
    assert Counter(seen + list(last)) == Counter(data)


def test_a_worker_resumes_its_own_part():
    stream = LanceTorchStream([str(row) for row in range(40)], seed=1, read=4)
    wanted = list(_in_worker(stream, 1, 3)[1])
    copy, samples = _in_worker(stream, 1, 3)
    seen = list(itertools.islice(samples, 5))
    state = json.loads(json.dumps(copy.state_dict()))
    again = LanceTorchStream([str(row) for row in range(40)], seed=1, read=4)
    again.load_state_dict(state)
    assert seen + list(_in_worker(again, 1, 3)[1]) == wanted
    again.load_state_dict(state)
    with pytest.raises(InvalidArgument, match="worker 1 of 3"):
        list(again)


def test_an_epoch_that_a_worker_left_early_does_not_shorten_the_next():
    stream = LanceTorchStream([str(row) for row in range(40)], seed=1, read=4)
    stream.set_epoch(1)
    wanted = list(_in_worker(stream, 1, 3)[1])
    stream.set_epoch(0)
    copy, samples = _in_worker(stream, 1, 3)
    assert len(list(itertools.islice(samples, 5))) == 5
    assert list(_in_worker_again(copy, 1, 3)) == wanted


def test_the_position_is_not_guessed_when_workers_read():
    stream = LanceTorchStream(["a", "b"])
    pickle.dumps(stream)
    with pytest.raises(InvalidArgument, match="known only to them"):
        stream.state_dict()
    assert sorted(stream) == ["a", "b"]
    assert stream.state_dict()["epoch"] == 1


def test_epochs_of_a_stream():
    stream = LanceTorchStream([str(row) for row in range(50)], shuffle=True)
    first, second = list(stream), list(stream)
    assert sorted(first) == sorted(second)
    assert first != second
    stream.set_epoch(0)
    assert list(stream) == first
    assert "epoch 1" in repr(stream)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("stream") / "n.lance")
    lance_module().write_dataset(pa.table({"x": np.arange(500)}), uri)
    return uri


def test_a_block_stream_reads_windows_once(numbers):
    data = LanceTorchDataset(numbers, columns=["x"], cache=False)
    counted = Counted(data.table.dataset)
    data.table._dataset = counted
    stream = LanceTorchStream(data, block=10, buffer=200, seed=2)
    seen = [int(sample["x"]) for sample in stream]
    order = EpochBatches(500, 1, shuffle="block", block=10, buffer=200, seed=2).order()
    assert seen == order.tolist()
    assert len(counted.taken) == 5
    assert counted.runs <= 50


def test_w33_a_stream_in_a_plain_torch_loader_with_workers(numbers):
    stream = LanceTorchStream(LanceTorchDataset(numbers, columns=["x"]), seed=2)
    batches = DataLoader(stream, 32, num_workers=2, multiprocessing_context="spawn")
    seen = [x for batch in batches for x in batch["x"].tolist()]
    assert sorted(seen) == list(range(500))


def test_unreadable_rows_keep_the_position_exact(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(12)]
    for row in (2, 5, 6):
        cells[row] = b"junk"
    uri = write(image_table(cells, list(range(12)), names=None), tmp_path / "t.lance")

    def make():
        return LanceTorchStream(LanceTorchDataset(uri, on_error="skip"), shuffle=False, read=5)

    whole = [int(label) for _, label in make()]
    assert whole == [0, 1, 3, 4, 7, 8, 9, 10, 11]
    for stop in range(1, 9):
        first = make()
        seen = [int(label) for _, label in itertools.islice(first, stop)]
        last = make()
        last.load_state_dict(first.state_dict())
        assert seen + [int(label) for _, label in last] == whole
