from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import IterableDataset
from torchvision.transforms import v2

from lancenb.data import (
    CropFlip,
    EpochBatches,
    LanceTorchDataset,
    LanceTorchStream,
    channel_stats,
    epoch_order,
    loader,
    mix,
    picture_transform,
)
from lancenb.errors import CorruptInput, InvalidArgument
from tests.data.tables import image_table, pattern, patterns, png, write


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("loader") / "p.lance", 37, max_rows_per_file=10)


def _paths(batches):
    return [path for batch in batches for path in batch["path"]]


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("shuffle", [False, True])
def test_each_row_exactly_once_per_epoch(table, threads, shuffle):
    data = LanceTorchDataset(table, columns=["path"])
    batches = loader(data, 8, shuffle=shuffle, seed=5, threads=threads)
    wanted = Counter(f"folder/{i:04}.png" for i in range(37))
    first, second = _paths(batches), _paths(batches)
    assert Counter(first) == Counter(second) == wanted
    assert (first != second) == shuffle
    assert len(batches) == 5
    assert (first == sorted(first)) != shuffle


def test_order_is_a_pure_function_of_seed_and_epoch(table):
    data = LanceTorchDataset(table, columns=["path"])
    one = loader(data, 8, shuffle=True, seed=5)
    epochs = [_paths(one) for _ in range(3)]
    later = loader(data, 8, shuffle=True, seed=5, epoch=2)
    assert _paths(later) == epochs[2]
    one.set_epoch(1)
    assert _paths(one) == epochs[1]
    assert _paths(loader(data, 8, shuffle=True, seed=6)) != epochs[0]
    assert (
        epoch_order(1000, seed=1, epoch=2).tolist() != epoch_order(1000, seed=2, epoch=1).tolist()
    )


def test_shuffling_leaves_the_global_random_numbers_alone(table):
    torch.manual_seed(0)
    np.random.seed(0)
    wanted = torch.rand(1), np.random.rand()
    torch.manual_seed(0)
    np.random.seed(0)
    flip = v2.RandomHorizontalFlip()
    for data in (LanceTorchDataset(table), LanceTorchDataset(table, transform=flip)):
        list(loader(data, 8, shuffle=True, augment=CropFlip(2)))
    assert (torch.rand(1), np.random.rand()) == wanted


def test_w34_each_spawned_worker_reads_only_its_batches(table):
    flip = v2.RandomHorizontalFlip()
    here = LanceTorchDataset(table, transform=flip)
    wanted = [
        list(loader(here, 8, shuffle=True, seed=3, epoch=epoch, augment=CropFlip(2)))
        for epoch in (0, 1)
    ]
    data = LanceTorchDataset(table, transform=flip)
    batches = loader(data, 8, shuffle=True, seed=3, num_workers=2, augment=CropFlip(2))
    for epoch in wanted:
        got = list(batches)
        assert len(got) == len(epoch)
        for (images, labels), (images2, labels2) in zip(got, epoch, strict=True):
            assert torch.equal(labels, labels2)
            assert torch.equal(images, images2), "random transforms do not depend on the workers"


def test_skipped_rows_are_counted_across_workers(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(12)]
    for row in (1, 4, 5, 6, 7):
        cells[row] = b"junk"
    uri = write(image_table(cells, [i % 3 for i in range(12)]), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, on_error="skip")
    kept = [len(labels) for _, labels in loader(data, 4, num_workers=1)]
    assert kept == [3, 4]
    assert data.skipped_count == 5
    threads = LanceTorchDataset(uri, on_error="skip")
    assert [len(labels) for _, labels in loader(threads, 4)] == [3, 4]
    assert [bad.row for bad in threads.skipped] == [1, 4, 5, 6, 7]
    with pytest.raises(CorruptInput, match="row 1 "):
        list(loader(LanceTorchDataset(uri), 4))


def test_workers_refuse_what_cannot_be_imported_and_fork(table):
    data = LanceTorchDataset(table, transform=lambda image: image)
    with pytest.raises(InvalidArgument, match="cannot import") as caught:
        loader(data, 8, num_workers=1)
    assert "num_workers=0" in caught.value.hint
    with pytest.raises(InvalidArgument, match="fork"):
        loader(LanceTorchDataset(table), 8, num_workers=1, context="fork")
    for wrong in ({"batch_size": 0}, {"threads": -1}, {"prefetch": 0}, {"num_workers": 1.5}):
        with pytest.raises(InvalidArgument):
            loader(LanceTorchDataset(table), **wrong)


def test_leaving_early_stops_the_threads(table):
    import threading

    def reading():
        return {t for t in threading.enumerate() if t.name.startswith("lancenb-loader")}

    before = reading()  # of iterators that other tests have left
    batches = iter(loader(LanceTorchDataset(table), 4))
    next(batches)
    assert reading() - before
    batches.close()
    assert not reading() - before


def test_errors_in_a_thread_arrive(table):
    def broken(image):
        raise ZeroDivisionError("planted")

    with pytest.raises(ZeroDivisionError, match="planted"):
        list(loader(LanceTorchDataset(table, transform=broken), 4))


def test_pictures_of_different_sizes_ask_for_a_transform(tmp_path):
    cells = [png(pattern(0, i, 8 + i)) for i in range(4)]
    uri = write(image_table(cells, [0] * 4), tmp_path / "t.lance")
    with pytest.raises(InvalidArgument, match="different shapes") as caught:
        list(loader(LanceTorchDataset(uri), 4))
    assert "picture_transform" in caught.value.hint
    data = LanceTorchDataset(uri, transform=picture_transform(None, to=24))
    images, _ = next(iter(loader(data, 4)))
    assert images.shape == (4, 3, 24, 24)
    assert images.dtype == torch.uint8


@pytest.mark.parametrize("options", [{}, {"transform": dict}, {"cache": False}])
def test_lists_of_varying_length_are_named_with_what_fits_them(tmp_path, options):
    lists = pa.array([list(range(row % 3)) for row in range(6)])
    uri = write(pa.table({"y": list(range(6)), "parts": lists}), tmp_path / "l.lance")
    with pytest.raises(InvalidArgument, match=r"shapes for 'parts': \(0,\), \(1,\)") as caught:
        list(loader(LanceTorchDataset(uri, **options), 3))
    assert "pad_sequence" in caught.value.hint
    assert "images" not in caught.value.hint

    def cut(sample):
        part = sample["parts"][:1]
        return {**sample, "parts": torch.nn.functional.pad(part, (0, 1 - len(part)))}

    batch = next(iter(loader(LanceTorchDataset(uri, transform=cut), 3)))
    assert batch["parts"].tolist() == [[0], [0], [0]]


class Endless:
    def __getitem__(self, row):
        return row


class Counted(IterableDataset):
    def __len__(self):
        return 3

    def __iter__(self):
        return iter(range(3))


@pytest.mark.parametrize(
    ("source", "word", "hint"),
    [
        (LanceTorchStream([1, 2]), "LanceTorchStream has no samples by number", "data set itself"),
        (Counted(), "Counted has no samples by number", "data set itself"),
        (iter([1, 2]), "list_iterator has no samples by number", "list"),
        ({1, 2}, "set has no samples by number", "list"),
        (None, "NoneType has no samples by number", "LanceTorchDataset"),
        (Endless(), "Endless has no length", "list"),
    ],
)
def test_what_has_no_samples_by_number_or_no_length_is_refused(source, word, hint):
    with pytest.raises(InvalidArgument, match=word) as caught:
        loader(source, 4)
    assert hint in caught.value.hint


@pytest.mark.parametrize("train", [False, True])
def test_w36_a_transform_never_mixes_up_channels_and_rows(train):
    picture = torch.randint(0, 255, (3, 5, 7), dtype=torch.uint8)
    assert picture_transform((5, 7), train=train, to=8)(picture).shape == (3, 8, 8)
    assert picture_transform((5, 7), train=train)(picture).shape == (3, 7, 7)
    assert picture_transform(None, train=train)(picture).shape == (3, 224, 224)
    assert picture_transform((32, 32), train=train) is None


def test_w58_statistics_are_per_channel(tmp_path):
    array = np.zeros((16, 16, 3), np.uint8)
    array[..., 0] = 255
    array[:, :8, 1] = 255
    array[..., 2] = 51
    uri = write(image_table([png(array)] * 4, [0] * 4), tmp_path / "t.lance")
    stats = channel_stats(LanceTorchDataset(uri))
    assert stats.mean == pytest.approx((1.0, 0.5, 0.2), abs=1e-5)
    assert stats.std == pytest.approx((1e-3, 0.5, 1e-3), abs=1e-5)
    assert stats.pictures == 4


def test_crop_flip_moves_each_picture_by_its_own_numbers():
    row = torch.arange(1, 9, dtype=torch.uint8)
    images = row.repeat(8, 1)[None, None].repeat(64, 3, 1, 1)
    out = CropFlip(2)(images, torch.Generator().manual_seed(0))
    assert torch.equal(out, CropFlip(2)(images, torch.Generator().manual_seed(0)))
    assert len({picture.numpy().tobytes() for picture in out}) > 20
    for picture in out:  # a shifted or mirrored copy: every column keeps one value, 0 outside
        values = [v for v in picture[0][4].tolist() if v]
        steps = {b - a for a, b in itertools.pairwise(values)}
        assert steps in ({1}, {-1})
        assert torch.equal(picture[0], picture[1])
    assert torch.equal(CropFlip(0, flip=False)(images, torch.Generator()), images)


def test_what_it_is_fits_the_screen(table):
    data = LanceTorchDataset(table)
    assert repr(loader(data, 8, shuffle=True, seed=5, epoch=2)) == (
        "<BatchLoader 5 batches of 8 rows from p.lance, 2 threads, epoch 2, seed 5>"
    )
    long = repr(loader(data, 1, shuffle="block", rank=1, world_size=3, num_workers=1))
    assert max(map(len, long.splitlines())) <= 96
    assert "1 worker, epoch 0, seed 0, rank 1 of 3" in long
    many = repr(mix([(data.subset([row]), 1) for row in range(20)]))
    assert max(map(len, many.splitlines())) <= 96
    assert "and 12 more" in many
    assert repr(data.stream()) == "<LanceTorchStream p.lance, 37 rows, block shuffle, epoch 0>"


def test_drop_last_and_bad_settings():
    assert [len(b) for b in EpochBatches(10, 4, drop_last=True)] == [4, 4]
    assert len(EpochBatches(0, 4)) == 0
    assert list(EpochBatches(0, 4)) == []
    with pytest.raises(InvalidArgument):
        EpochBatches(10, 4, seed=-1)
