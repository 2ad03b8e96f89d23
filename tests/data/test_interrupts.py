"""Threads that share a loader, Ctrl-C in the middle of an epoch, and data that goes away."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch

import lancenb as lnb
from lancenb.data import (
    JiTDataModule,
    LanceDataModule,
    LanceTorchDataset,
    batches,
    channel_stats,
    loader,
)
from lancenb.data._collate import collate
from lancenb.errors import InvalidArgument, VersionNotFound
from tests.data.tables import image_table, pattern, patterns, png, write

ROWS = 48


def threads_of(name):
    return [each for each in threading.enumerate() if each.name.startswith(name)]


# None among labels ------------------------------------------------------------------------------
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("value", [3, 0.5, True, torch.zeros(2), {"x": 1}, (1, 2)])
def test_none_beside_numbers_or_tensors_is_refused_wherever_it_stands(value, place):
    samples = [value, value, value]
    samples[place] = None
    with pytest.raises(InvalidArgument, match=f"sample {place} of a batch has None"):
        collate(samples)


def test_a_label_that_is_none_is_named():
    with pytest.raises(InvalidArgument, match="None for 'label' where others have int") as caught:
        collate([{"image": torch.zeros(1), "label": label} for label in (1, None)])
    assert "nulls='fill'" in caught.value.hint
    with pytest.raises(InvalidArgument, match="None in part 2"):
        list(loader([(torch.zeros(1), 1), (torch.zeros(1), None)], 2))


def test_none_stays_where_text_is_kept():
    assert collate([None, "a"]) == [None, "a"]
    assert collate([{"text": None}, {"text": None}]) == {"text": [None, None]}


# threads ----------------------------------------------------------------------------------------
def pulled(iterator, threads=4):
    """What several threads get out of one iterator, together."""

    def some(_):
        return [batch["x"].tolist() if isinstance(batch, dict) else batch for batch in iterator]

    with ThreadPoolExecutor(threads) as pool:
        return [batch for part in pool.map(some, range(threads)) for batch in part]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("interrupts") / "p.lance", ROWS)


def test_batches_pulled_from_several_threads_come_once_each(tmp_path):
    import pyarrow as pa

    uri = write(pa.table({"x": range(999)}), tmp_path / "x.lance")
    with batches(uri, 2, shuffle=True, epochs=2) as data:
        seen = [row for batch in pulled(data) for row in batch]
        state = data.state_dict()
    assert sorted(seen) == sorted(2 * list(range(999)))
    assert (state["epoch"], state["position"]) == (2, 0)


@pytest.mark.parametrize("threads", [0, 2])
def test_an_iteration_shared_by_threads_gives_each_batch_once(threads):
    shared = loader(list(range(999)), 2, shuffle=True, threads=threads)
    seen = [row for batch in pulled(iter(shared)) for row in batch.tolist()]
    assert sorted(seen) == list(range(999))
    assert shared.state_dict()["epoch"] == 1


def test_threads_that_iterate_at_once_get_an_epoch_each():
    shared = loader(list(range(300)), 7, shuffle=True, seed=3)
    begin = threading.Barrier(3)

    def epoch(_):
        iterator = iter(shared)
        begin.wait()
        return tuple(row for batch in iterator for row in batch.tolist())

    with ThreadPoolExecutor(3) as pool:
        seen = set(pool.map(epoch, range(3)))
    plain = loader(list(range(300)), 7, shuffle=True, seed=3)
    assert seen == {tuple(r for batch in plain for r in batch.tolist()) for _ in range(3)}
    assert shared.state_dict()["epoch"] == 3


# Ctrl-C -----------------------------------------------------------------------------------------
class Interrupting:
    """Row numbers; presses Ctrl-C while the main thread waits for the batch with row ``at``."""

    def __init__(self, at, seen=()):
        self.at = at
        self.seen = seen

    def __len__(self):
        return ROWS

    def read_batch(self, indices, *, augment=None, pin=False):
        if self.at in indices:
            while len(self.seen) < self.at:  # until the batches before it have been used
                time.sleep(0.01)
            time.sleep(0.5)
            self.at = None
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return torch.tensor(list(indices))


@pytest.mark.parametrize("prefetch", [1, 4])
def test_ctrl_c_in_an_epoch_ends_the_threads_and_keeps_the_place(prefetch):
    seen, before = [], threads_of("lancenb-loader")
    stopped = loader(Interrupting(20, seen), 4, prefetch=prefetch)
    try:
        for batch in stopped:
            seen += batch.tolist()
    except KeyboardInterrupt:
        gc.collect()
    else:
        pytest.fail("nobody pressed Ctrl-C")
    assert set(threads_of("lancenb-loader")) <= set(before)
    assert stopped.state_dict()["position"] == len(seen) == 20
    again = loader(Interrupting(None), 4)
    again.load_state_dict(stopped.state_dict())
    assert seen + [row for batch in again for row in batch.tolist()] == list(range(ROWS))
    assert len(list(stopped)) == ROWS // 4, "the same loader begins its next epoch"


def test_ctrl_c_in_the_loop_of_the_consumer(table):
    stopped, given = loader(LanceTorchDataset(table), 4, shuffle=True), 0
    before = threads_of("lancenb-loader")
    try:
        for _ in stopped:
            given += 1
            if given == 3:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        gc.collect()
    assert set(threads_of("lancenb-loader")) <= set(before)
    assert stopped.state_dict()["position"] == 12


def test_worker_processes_that_ctrl_c_has_ended_are_started_again(table):
    batches_ = loader(LanceTorchDataset(table, columns=["path"]), 12, num_workers=1, prefetch=1)
    first = [batch["path"] for batch in batches_]
    for process in batches_._workers._loader._iterator._workers:
        os.kill(process.pid, signal.SIGINT)
        process.join(300)
        assert not process.is_alive()
    assert [batch["path"] for batch in batches_] == first


# rows that cannot be read -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    cells = [png(pattern(i % 3, i, 80)) for i in range(24)]
    for row in (1, 4, 13):
        cells[row] = b"junk"
    place = tmp_path_factory.mktemp("interrupts") / "bad.lance"
    return write(image_table(cells, [i % 3 for i in range(24)], sizes=[(80, 80)] * 24), place)


@pytest.mark.parametrize("workers", [0, 2])
def test_skipped_rows_of_a_module_are_counted_where_one_looks(damaged, workers):
    module = LanceDataModule(
        damaged, val=damaged, batch_size=4, num_workers=workers, on_error="skip", image_size=16
    )
    batches_ = module.train_dataloader()
    assert sum(len(ids) for _, ids in batches_) == 21
    assert batches_.dataset.skipped_count == 3
    assert module.train_dataset.skipped_count == 3
    assert module.val_dataset.skipped_count == 0


# versions that go away --------------------------------------------------------------------------
def test_a_version_that_is_cleaned_up_while_it_is_read_is_named(tmp_path):
    dm = lnb.DataManager(tmp_path / "store")
    dm.convert(patterns(tmp_path / "p.lance", 12), "pics")
    data = LanceTorchDataset(dm["pics"], cache=False)
    module = LanceDataModule(data, batch_size=4, image_size=16)
    jit = JiTDataModule(dm["pics"], img_size=16, batch_size=4, num_workers=0)
    arrays = batches(dm["pics"], 4)
    readers = [loader(data, 4), module.train_dataloader(), jit.train_dataloader(), arrays]
    assert len(next(iter(readers[0]))[0]) == 4
    patterns(tmp_path / "more.lance", 12, start=50)
    dm.convert(tmp_path / "more.lance", "pics", mode="overwrite")
    dm.cleanup("pics", older_than=timedelta(0), keep=1)
    for reader in readers:
        with pytest.raises(VersionNotFound, match="version 1 of 'pics' was cleaned up") as caught:
            list(reader)
        assert "tag" in caught.value.hint
    for read in (
        lambda: data[0],
        lambda: data.__getitems__([1, 2]),
        lambda: data.read_batch([3]),
        lambda: data.check(),
        lambda: channel_stats(data),
        lambda: list(data.stream()),
        lambda: lnb.fit("simple_cnn", data, steps=1, save=False, accelerator="cpu"),
    ):
        with pytest.raises(VersionNotFound, match="version 1 of 'pics' was cleaned up"):
            read()
