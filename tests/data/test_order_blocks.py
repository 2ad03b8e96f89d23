"""Block shuffle: windows are read once, in runs of neighbours, and kept in a bounded buffer."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
import pytest
import torch

from lancenb.data import LanceTorchDataset, loader
from lancenb.data.order import EpochBatches
from lancenb.store import lance_module
from tests.data.tables import image_table, pattern, patterns, png, write

ROWS = 1000


class Counted:
    """An open Lance dataset that keeps account of its takes."""

    def __init__(self, dataset):
        self.inner = dataset
        self.taken: list[np.ndarray] = []
        self.lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def take(self, indices, columns=None):
        with self.lock:
            self.taken.append(np.asarray(indices))
        return self.inner.take(indices, columns=columns)

    @property
    def runs(self) -> int:
        """Runs of neighbouring rows, over all takes."""
        return sum(1 + int((np.diff(rows) != 1).sum()) for rows in self.taken)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("blocks") / "n.lance")
    table = pa.table({"x": np.arange(ROWS), "y": np.arange(ROWS) * 2.0})
    lance_module().write_dataset(table, uri)
    return uri


def _counted(source, **options):
    data = LanceTorchDataset(source, cache=False, **options)
    counted = Counted(data.table.dataset)
    data.table._dataset = counted
    return data, counted


SHAPE = {"shuffle": "block", "block": 20, "buffer": 400, "seed": 3}


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_windows_are_read_once_by_runs_of_neighbours(numbers, threads):
    data, counted = _counted(numbers, columns=["x", "y"])
    batches = loader(data, 10, threads=threads, **SHAPE)
    seen = [x for batch in batches for x in batch["x"].tolist()]
    assert seen == EpochBatches(ROWS, 10, **SHAPE).order().tolist()
    assert len(counted.taken) == 5, "1,000 rows in windows of 200"
    assert all(len(rows) <= 200 for rows in counted.taken)
    assert counted.runs <= 50, "50 blocks of 20 rows, and neighbouring blocks are one run"
    assert sorted(np.concatenate(counted.taken).tolist()) == list(range(ROWS))
    scattered, other = _counted(numbers, columns=["x", "y"])
    assert len(list(loader(scattered, 10, threads=threads, shuffle=True))) == 100
    assert other.runs > 900


def test_no_more_rows_are_kept_than_the_buffer_holds(numbers):
    data, _ = _counted(numbers, columns=["x"])
    for threads in (1, 2):
        batches = loader(data, 10, threads=threads, prefetch=2, **SHAPE)
        held = [batches._maker.windows.held for _ in batches]
        assert max(held) <= 400
        # of two threads the one that reads ahead may be late: the other one's batches go on
        assert threads == 2 or max(held) > 200, "the next window is read while this one is used"


def test_a_resumed_epoch_and_the_next_one_read_windows_too(numbers):
    first = loader(LanceTorchDataset(numbers, columns=["x"]), 10, **SHAPE)
    run = iter(first)
    taken = [next(run)["x"].tolist() for _ in range(33)]
    data, counted = _counted(numbers, columns=["x"])
    again = loader(data, 16, **SHAPE)
    again.load_state_dict(first.state_dict())
    seen = [x for batch in taken for x in batch] + [
        x for batch in again for x in batch["x"].tolist()
    ]
    assert seen == EpochBatches(ROWS, 1, **SHAPE).order(0).tolist()
    assert len(counted.taken) == 4
    counted.taken.clear()
    assert len(list(again)) == 63
    assert len(counted.taken) == 5


def test_ranks_read_their_own_rows_of_a_window(numbers):
    read = []
    for rank in range(2):
        data, counted = _counted(numbers, columns=["x"])
        seen = [
            x
            for batch in loader(data, 10, rank=rank, world_size=2, **SHAPE)
            for x in batch["x"].tolist()
        ]
        assert len(counted.taken) == 5
        assert sorted(seen) == sorted(np.concatenate(counted.taken).tolist())
        read += seen
    assert sorted(read) == list(range(ROWS))


def test_a_filtered_table_is_read_by_windows(numbers):
    data, counted = _counted(numbers, columns=["x"], filter="x % 2 = 0")
    seen = [x for batch in loader(data, 10, **SHAPE) for x in batch["x"].tolist()]
    assert sorted(seen) == list(range(0, ROWS, 2))
    assert len(counted.taken) == 3


def test_pictures_in_memory_are_not_read_again(tmp_path):
    uri = patterns(tmp_path / "p.lance", 64)
    data = LanceTorchDataset(uri, cache=True)
    counted = Counted(data.table.dataset)
    data.table._dataset = counted
    batches = loader(data, 8, shuffle="block", block=4, buffer=32, seed=1)
    wanted = loader(
        LanceTorchDataset(uri, cache=False), 8, shuffle="block", block=4, buffer=32, seed=1
    )
    for _ in range(3):
        for (images, labels), (images2, labels2) in zip(batches, wanted, strict=True):
            assert torch.equal(images, images2)
            assert torch.equal(labels, labels2)
    assert sum(map(len, counted.taken)) == 64, "three epochs, and each row was read once"


@pytest.mark.parametrize("size", [1, 7, 30, 64])
def test_no_row_is_read_twice_when_windows_are_small(numbers, size):
    data, counted = _counted(numbers, columns=["x"])
    batches = loader(data, size, threads=3, prefetch=8, shuffle="block", block=4, buffer=40)
    assert sum(len(batch["x"]) for batch in batches) == ROWS
    assert sum(map(len, counted.taken)) == ROWS
    assert batches._maker.windows.held == 0


def test_unreadable_rows_in_windows_are_told_of_on_the_data_set(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(20)]
    cells[7] = b"junk"
    uri = write(image_table(cells, [i % 3 for i in range(20)]), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, on_error="skip")
    batches = loader(data, 4, shuffle="block", block=2, buffer=8)
    assert sum(len(labels) for _, labels in batches) == 19
    assert [bad.row for bad in data.skipped] == [7]


def test_a_window_that_could_not_be_read_is_tried_again(numbers):
    data, counted = _counted(numbers, columns=["x"])
    batches = loader(data, 10, **SHAPE)
    state, inner = batches.state_dict(), counted.inner

    class Broken:
        def take(self, indices, columns=None):
            raise OSError("the store is away")

    counted.inner = Broken()
    with pytest.raises(Exception, match="the store is away"):
        list(batches)
    counted.inner = inner
    batches.load_state_dict(state)
    assert len(list(batches)) == 100


def test_the_repr_tells_the_quality(numbers):
    data = LanceTorchDataset(numbers, columns=["x"])
    told = " ".join(repr(loader(data, 10, **SHAPE)).split())
    assert f"block shuffle of quality {EpochBatches(ROWS, 10, **SHAPE).quality():.2f}" in told
    assert "quality" not in repr(loader(data, 10, shuffle=True))
