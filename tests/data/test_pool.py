"""Memory of batches is used again, and never while somebody can still read a batch."""

from __future__ import annotations

import gc
import io
import pickle
import threading

import numpy as np
import pyarrow as pa
import pytest
import torch

from lancenb.data import LanceTorchDataset, loader
from lancenb.data._pool import BatchPool
from lancenb.data.transforms import RandomCropResize
from tests.data.tables import image_table, pattern, png, write

SHAPE = (4, 100)


def _filled(pool: BatchPool, value: int) -> torch.Tensor:
    return pool.empty(SHAPE).fill_(value)


def _keeping() -> BatchPool:
    """A pool that keeps memory for batches of this shape: it has been asked for one before."""
    pool = BatchPool()
    pool.empty(SHAPE)
    return pool


def test_memory_nobody_uses_is_used_again():
    pool = _keeping()
    address = _filled(pool, 1).data_ptr()
    assert _filled(pool, 2).data_ptr() == address
    held = _filled(pool, 3)
    assert _filled(pool, 4).data_ptr() != held.data_ptr()
    assert held.unique().tolist() == [3]


HOLDERS = {
    "the batch": lambda batch: batch,
    "a view": lambda batch: batch[1:2, 3:5],
    "a reshaped view": lambda batch: batch.reshape(-1),
    "another dtype": lambda batch: batch.view(torch.int32),
    "a detached tensor": lambda batch: batch.detach(),
    "a numpy view": lambda batch: batch.numpy()[2:],
    "a numpy view of a view": lambda batch: batch[:2].T.numpy(),
    "a memoryview": lambda batch: memoryview(batch.numpy()),
    "a DLPack import": lambda batch: np.from_dlpack(batch),
    "its storage": lambda batch: batch.untyped_storage(),
    "a typed storage": lambda batch: batch.storage(),
    "a saved tensor": lambda batch: torch.ones(SHAPE, requires_grad=True) * batch.view(torch.uint8),
    "a set_ tensor": lambda batch: torch.empty(0, dtype=torch.uint8).set_(batch),
}


def _read(held) -> list[int]:
    if isinstance(held, torch.Tensor) and held.requires_grad:
        return held.grad_fn._saved_other.unique().tolist()
    if isinstance(held, torch.Tensor):
        return held.view(torch.uint8).reshape(-1).unique().tolist()
    if isinstance(held, (torch.UntypedStorage, torch.TypedStorage)):
        return sorted(set(bytes(held.tolist())))
    return np.unique(np.asarray(held)).tolist()


@pytest.mark.filterwarnings("ignore:TypedStorage")
@pytest.mark.parametrize("holder", HOLDERS)
def test_whatever_refers_to_a_batch_keeps_it(holder):
    pool = _keeping()
    held = HOLDERS[holder](_filled(pool, 7))
    gc.collect()
    for value in range(20):
        _filled(pool, 100 + value)
    assert _read(held) == [7]
    del held
    gc.collect()
    before = len(pool._pieces)
    for _ in range(5):
        _filled(pool, 1)
    assert len(pool._pieces) == before, "it is used again once nothing refers to it"


def test_a_list_of_all_batches_is_never_overwritten():
    pool = _keeping()
    held = [_filled(pool, value) for value in range(60)]
    assert [batch.unique().tolist() for batch in held] == [[value] for value in range(60)]
    assert len(pool._pieces) <= 16, "what is kept for later is bounded"


def test_a_batch_moved_to_other_processes_is_given_up():
    pool = _keeping()
    batch = _filled(pool, 5)
    batch.share_memory_()
    shared = batch.data_ptr()
    del batch
    assert _filled(pool, 6).data_ptr() != shared


def test_a_resized_batch_is_given_up():
    pool = _keeping()
    batch = _filled(pool, 5)
    batch.resize_(1000)
    address = batch.data_ptr()
    assert _filled(pool, 6).data_ptr() != address


def test_memory_is_as_large_as_the_batch_in_it():
    pool = _keeping()
    _filled(pool, 1)
    rows = SHAPE[0]
    for count in (rows - 1, rows // 2, rows + 1, rows, 1, 2 * rows):
        batch = pool.empty((count, *SHAPE[1:]))
        assert batch.untyped_storage().nbytes() == batch.nbytes


def test_a_size_that_is_asked_for_once_is_not_kept_and_pushes_nothing_out():
    pool = _keeping()
    held = [_filled(pool, value) for value in range(20)]
    full = list(pool._pieces)
    assert len(full) == 16
    held.clear()
    for count in range(1, 20):
        pool.empty((count,))
    assert pool._pieces == full


def test_sizes_that_change_all_the_time_do_not_pile_up():
    pool = BatchPool()
    for count in range(300):
        pool.empty((1 + count // 2, 10))  # each of them twice
    assert len(pool._pieces) <= 16
    for _ in range(40):
        held = [pool.empty(SHAPE) for _ in range(3)]
    assert {piece.nbytes for piece in pool._pieces} == {held[0].nbytes}


def _saved(batch: torch.Tensor) -> int:
    """Bytes of everything that is written with a batch."""
    file = io.BytesIO()
    torch.save(batch, file)
    file.seek(0)
    return torch.load(file).untyped_storage().nbytes()


def test_the_last_smaller_batch_of_an_epoch_carries_no_rows_of_others(tmp_path):
    values = pa.array(np.arange(320 * 512, dtype=np.float32))
    rows = pa.table({"v": pa.FixedSizeListArray.from_arrays(values, 512)})
    data = LanceTorchDataset(write(rows, tmp_path / "t.lance"))
    batches = loader(data, 120, threads=0)
    for _ in range(3):
        sizes = [(len(batch["v"]), _saved(batch["v"])) for batch in batches]
        assert sizes == [(rows, rows * 2048) for rows in (120, 120, 80)]
    assert {piece.nbytes for piece in data.pool._pieces} >= {120 * 2048}


class Same:
    """Any picture as it is, by a transform."""

    def __call__(self, picture: torch.Tensor) -> torch.Tensor:
        return picture


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("transform", [None, Same(), RandomCropResize(24)])
def test_a_batch_without_its_unreadable_rows_carries_no_rows_of_others(tmp_path, cache, transform):
    cells = [png(pattern(i % 3, i, 40)) for i in range(12)]
    cells[9] = cells[10] = b"junk"
    table = image_table(cells, [i % 3 for i in range(12)])
    uri = write(table, tmp_path / "t.lance")
    data = LanceTorchDataset(uri, transform=transform, on_error="skip", cache=cache)
    batches = [images for _ in range(2) for images, _ in loader(data, 6, threads=0)]
    assert [len(batch) for batch in batches] == [6, 4] * 2
    for batch in batches:
        assert batch.untyped_storage().nbytes() == batch.nbytes == _saved(batch)
    assert batches[0].stride()[1:] == batches[1].stride()[1:], "in the same order of channels"


def test_without_a_reference_count_nothing_is_used_again(monkeypatch):
    monkeypatch.setattr("lancenb.data._pool._count", None)
    pool = _keeping()
    held = _filled(pool, 1)
    assert _filled(pool, 2).data_ptr() != held.data_ptr()
    assert held.unique().tolist() == [1]


def test_threads_never_get_the_same_memory():
    pool = _keeping()
    wrong = []

    def work(value: int) -> None:
        for _ in range(300):
            batch = _filled(pool, value)
            if batch.unique().tolist() != [value]:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_pool_pickles_empty():
    pool = _keeping()
    _filled(pool, 1)
    assert pool._pieces
    assert pickle.loads(pickle.dumps(pool))._pieces == []


def test_batches_kept_by_the_consumer_stay_as_they_were(tmp_path):
    cells = [png(pattern(i % 3, i, 40)) for i in range(40)]
    uri = write(image_table(cells, [i % 3 for i in range(40)]), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, transform=RandomCropResize(24), cache=False)
    batches = loader(data, 4, shuffle=True, seed=2, threads=3, prefetch=2)
    held, copies = [], []
    for number, (images, _) in enumerate(batches):
        held.append(images.numpy() if number % 3 else images[1:])
        copies.append(np.array(held[-1].tolist(), np.uint8))
    for kept, copy in zip(held, copies, strict=True):
        assert np.array_equal(kept, copy)
    again = [images for images, _ in loader(data, 4, shuffle=True, seed=2, threads=0)]
    for kept, image in zip(held, again, strict=True):
        assert np.array_equal(kept, image.numpy()[-len(kept) :])


def test_batches_as_small_as_those_of_cifar_come_from_the_pool(tmp_path):
    pixels = pa.array(np.arange(1024 * 3072).astype(np.uint8))
    columns = {"image": pa.FixedSizeListArray.from_arrays(pixels, 3072), "label": range(1024)}
    data = LanceTorchDataset(write(pa.table(columns), tmp_path / "t.lance"))
    labels = []  # small things that stay, between which no large block is free again
    for batch in loader(data, 256, shuffle=True, threads=0):
        labels.append(batch["label"])
        assert batch["image"].shape == (256, 3072)
    assert [piece.nbytes for piece in data.pool._pieces] == [256 * 3072] * 2


@pytest.mark.parametrize("cache", [False, True])
def test_pinned_batches_are_pinned_whole(tmp_path, monkeypatch, cache):
    """No GPU here: what would be page-locked is noted instead."""
    pinned: list[int] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.data_ptr())
        return tensor

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    rows = pa.table({"x": [1.0, 2.0], "y": [1, 2], "t": ["a", "b"]})
    data = LanceTorchDataset(write(rows, tmp_path / "t.lance"), cache=cache)
    monkeypatch.setattr(
        BatchPool, "empty", lambda self, shape, dtype, pin: torch.empty(shape, dtype=dtype)
    )
    batch = data.read_batch([0, 1], pin=True)
    assert {batch["x"].data_ptr(), batch["y"].data_ptr()} <= set(pinned)
    assert batch["t"] == ["a", "b"]
    pinned.clear()
    data.read_batch([0, 1])
    assert not pinned
