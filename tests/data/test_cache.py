"""Columns and pictures in memory: the same values, read once, shared with spawned workers."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pyarrow as pa
import pytest
import torch

from lancenb.data import CropFlip, LanceTorchDataset, loader
from lancenb.data._cache import PictureCache
from lancenb.data._shared import SharedArray
from lancenb.errors import CorruptInput
from lancenb.store import lance_module
from tests.data.tables import image_table, pattern, patterns, png, write


@pytest.fixture
def numbers(tmp_path):
    pixels = np.arange(60 * 12, dtype=np.uint8)
    tensors = np.arange(60 * 6, dtype=np.float32).reshape(60, 2, 3)
    table = pa.table(
        {
            "image": pa.FixedSizeListArray.from_arrays(pa.array(pixels), 12),
            "label": pa.array([i % 10 for i in range(60)], pa.int64()),
            "t": pa.FixedShapeTensorArray.from_numpy_ndarray(tensors),
            "ok": [i % 2 == 0 for i in range(60)],
            "text": [f"row {i}" for i in range(60)],
        }
    )
    return write(table, tmp_path / "n.lance", max_rows_per_file=17)


class Counting:
    """An open Lance dataset that counts reads."""

    def __init__(self, data):
        self.real = data.table._dataset
        self.takes: list[list[str]] = []
        self.scans: list[list[str]] = []
        data.table._dataset = self

    def take(self, rows, columns):
        self.takes.append(list(columns))
        return self.real.take(rows, columns=columns)

    def scanner(self, columns=None, **options):
        self.scans.append(list(columns))
        return self.real.scanner(columns=columns, **options)

    def __getattr__(self, name):
        return getattr(self.real, name)


ORDER = [41, 3, 59, 3, 0, 17, -1]


@pytest.mark.parametrize("cache", [True, False, "auto"])
def test_batches_of_columns_equal_single_samples(numbers, cache):
    plain = LanceTorchDataset(numbers, cache=False)
    data = LanceTorchDataset(numbers, cache=cache)
    for _ in range(2):
        batch = data.read_batch(ORDER)
        assert list(batch) == ["image", "label", "t", "ok", "text"]
        for place, index in enumerate(ORDER):
            sample = plain[index]
            for key, value in sample.items():
                if key == "text":
                    assert batch[key][place] == value
                else:
                    assert torch.equal(batch[key][place], value)
                    assert batch[key].dtype == value.dtype


def test_columns_of_numbers_are_read_by_one_scan(numbers):
    data = LanceTorchDataset(numbers, columns=["image", "label", "t", "ok"])
    reads = Counting(data)
    for start in range(0, 60, 10):
        data.read_batch(list(range(start, start + 10)))
        data.__getitems__(list(range(start, start + 10)))
    assert reads.takes == []
    assert [sorted(columns) for columns in reads.scans] == [["image", "ok", "t"]]


def test_a_look_at_a_row_does_not_read_the_table(numbers):
    data = LanceTorchDataset(numbers, columns=["image", "label"])
    reads = Counting(data)
    assert data[5]["image"].tolist() == list(range(60, 72))
    assert reads.scans == []


def test_what_exceeds_the_limit_is_read_batch_by_batch(numbers):
    data = LanceTorchDataset(numbers, columns=["image", "label"], cache_limit=100)
    reads = Counting(data)
    assert data.read_batch([2, 1])["image"][1].tolist() == list(range(12, 24))
    assert reads.scans == []
    assert reads.takes == [["image", "label"]]


def test_filters_subsets_and_deletions_keep_their_rows_in_memory(numbers):
    lance_module().dataset(numbers).delete("text = 'row 4'")
    for make in (
        lambda cache: LanceTorchDataset(numbers, filter="label > 4", cache=cache),
        lambda cache: LanceTorchDataset(numbers, cache=cache).subset([50, 3, 3, 0]),
        lambda cache: LanceTorchDataset(numbers, filter="ok", cache=cache).subset([9, 1]),
    ):
        kept, plain = make(True), make(False)
        places = list(range(len(kept)))[::-1]
        one, two = kept.read_batch(places), plain.read_batch(places)
        assert one["text"] == two["text"]
        for key in ("image", "label", "t", "ok"):
            assert torch.equal(one[key], two[key])


def test_missing_values_elsewhere_do_not_hide_the_row_that_misses_one(tmp_path):
    table = pa.table({"n": pa.array([1, None, 3, 4]), "m": [1.0, 2.0, 3.0, 4.0]})
    data = LanceTorchDataset(write(table, tmp_path / "t.lance"), cache=True)
    assert data.read_batch([3, 0])["n"].tolist() == [4, 1]
    with pytest.raises(CorruptInput, match=r"row 1 .*'n'"):
        data.read_batch([3, 1])
    wrong = image_table([png(pattern(0, i)) for i in range(4)], [0, 1, 7, 2])
    pictures = LanceTorchDataset(write(wrong, tmp_path / "p.lance"), cache=True)
    assert pictures.read_batch([0, 3])[1].tolist() == [0, 2]
    with pytest.raises(CorruptInput, match=r"row 2 .*label 7"):
        pictures.read_batch([0, 2])


def test_pictures_are_decoded_once(tmp_path, monkeypatch):
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 12))
    seen = []
    decode = type(data.reader.decoder).__call__
    monkeypatch.setattr(
        type(data.reader.decoder),
        "__call__",
        lambda self, cell: (seen.append(1), decode(self, cell))[1],
    )
    for _ in range(3):
        images, labels = data.read_batch([11, 0, 5, 0])
        assert np.array_equal(images[0].permute(1, 2, 0).numpy(), pattern(2, 11))
        assert labels.tolist() == [2, 0, 2, 0]
    assert len(seen) == 3
    flipped = data.with_transform(CropFlip)
    assert flipped.memory is data.memory, "another transform sees the same pictures"


def test_writing_into_a_sample_or_batch_does_not_change_the_memory(tmp_path, numbers):
    for uri in (patterns(tmp_path / "p.lance", 12), numbers):
        data = LanceTorchDataset(uri, columns=["image", "label"], cache=True)
        before = data.read_batch([0, 1])["image"].clone()
        data.read_batch([0, 1])["image"].fill_(9)
        for sample in data.__getitems__([0, 1]):
            sample["image"].fill_(9)
        assert torch.equal(data.read_batch([0, 1])["image"], before)


def test_a_plain_pickle_stays_small_and_works(tmp_path, numbers):
    for uri in (patterns(tmp_path / "p.lance", 12), numbers):
        data = LanceTorchDataset(uri, columns=["image", "label"], cache=True)
        wanted = data.read_batch([3, 1])
        raw = pickle.dumps(data)
        assert len(raw) < 6000
        again = pickle.loads(raw)
        assert again.memory._cache is None
        assert torch.equal(again.read_batch([3, 1])["image"], wanted["image"])
        assert copy.copy(data).memory is data.memory
        assert torch.equal(copy.deepcopy(data).read_batch([3, 1])["image"], wanted["image"])


def test_shared_arrays_of_any_shape():
    for shape in ((0,), (3, 0), (5,), (2, 3, 4)):
        for dtype in (torch.uint8, torch.bool, torch.int64, torch.float32):
            kept = SharedArray(shape, dtype)
            assert kept.tensor.shape == shape
            assert kept.tensor.dtype == dtype
            assert not kept.tensor.any()


def test_once_all_pictures_are_known_nobody_looks_again():
    kept = PictureCache(3, 2, 2)
    every = torch.arange(3)
    for row in range(3):
        assert kept.missing(every).tolist() == list(range(row, 3))
        kept.put(row, torch.zeros(3, 2, 2, dtype=torch.uint8))
    assert not len(kept.missing(every))
    kept.known.fill_(False)
    assert not len(kept.missing(every))


def test_without_anonymous_files_each_process_has_its_own(monkeypatch, numbers):
    monkeypatch.delattr("os.memfd_create")
    data = LanceTorchDataset(numbers, columns=["image"])
    assert data.read_batch([1])["image"][0, 0] == 12


def test_spawned_workers_share_what_is_in_memory(tmp_path):
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 24), cache=True)
    here = LanceTorchDataset(data.uri, cache=False)
    batches = loader(data, 6, shuffle=True, seed=1, num_workers=2)
    wanted = list(loader(here, 6, shuffle=True, seed=1))
    for (images, labels), (images2, labels2) in zip(batches, wanted, strict=True):
        assert torch.equal(images, images2)
        assert torch.equal(labels, labels2)
    cache = data.memory.ready(data)
    assert cache.picture.known.all(), "what workers decoded is here, too"
    reads = Counting(data)
    assert torch.equal(data.read_batch(list(range(24)))[0], here.read_batch(list(range(24)))[0])
    assert reads.takes == []
