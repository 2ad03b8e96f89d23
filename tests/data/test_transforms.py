"""Random transforms are functions of a row's seed, in any thread, and touch no global numbers."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from lancenb.data import CropFlip, LanceTorchDataset, picture_transform
from lancenb.data._seeded import SeededRandom, draw, one_thread, seeds_of
from lancenb.data.order import row_seeds
from lancenb.data.transforms import RandomCropResize
from lancenb.errors import InvalidArgument
from tests.data.tables import image_table, pattern, png, write


class Batch(list):
    """Row numbers with the seeds that a loader's batch carries."""

    def __init__(self, rows, seed=1, epoch=0):
        super().__init__(rows)
        self.seed = seed
        self.seeds = row_seeds(seed, epoch, rows)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    cells = [png(pattern(i % 3, i, 24 + i)) for i in range(12)]
    folder = tmp_path_factory.mktemp("transforms")
    return write(image_table(cells, [i % 3 for i in range(12)]), folder / "t.lance")


def _picture(height=40, width=60, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return torch.from_numpy(values).permute(2, 0, 1)


def test_a_crop_is_torchvisions_resized_crop_whatever_the_layout():
    crop = RandomCropResize(32)
    generator = np.random.default_rng(0)
    for seed in range(60):
        picture = _picture(*generator.integers(1, 90, 2).tolist(), seed)
        box = crop.box(*picture.shape[1:], seed)
        wanted = functional.resized_crop(picture.contiguous(), *box[:4], [32, 32], antialias=True)
        wanted = wanted.flip(2) if box.mirrored else wanted
        assert torch.equal(crop(picture, seed), wanted)
        assert torch.equal(crop(picture.contiguous(), seed), wanted)


def test_boxes_lie_inside_and_follow_the_stated_bounds():
    crop = RandomCropResize(16, scale=(0.2, 0.5), ratio=(0.5, 2.0))
    boxes = [crop.box(100, 120, seed) for seed in range(2000)]
    areas = np.array([box.height * box.width / 12000 for box in boxes])
    ratios = np.array([box.width / box.height for box in boxes])
    assert all(b.top >= 0 and b.top + b.height <= 100 for b in boxes)
    assert all(b.left >= 0 and b.left + b.width <= 120 for b in boxes)
    assert areas.min() > 0.19
    assert areas.max() < 0.51
    assert ratios.min() > 0.48
    assert ratios.max() < 2.1
    assert abs(areas.mean() - 0.35) < 0.01
    assert abs(np.log(ratios).mean()) < 0.05
    assert 0.45 < np.mean([box.mirrored for box in boxes]) < 0.55
    places = [b.top / (100 - b.height) for b in boxes if b.height < 100]
    assert abs(np.mean(places) - 0.5) < 0.03


def test_pictures_no_crop_fits_are_cut_in_the_middle():
    crop = RandomCropResize(8, ratio=(1.0, 1.0), scale=(1.0, 1.0), flip=False)
    assert crop.box(10, 100, 3)[:4] == (0, 45, 10, 10)
    assert crop.box(100, 10, 3)[:4] == (45, 0, 10, 10)
    assert not crop.box(10, 100, 3).mirrored


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": 0},
        {"side": True},
        {"side": "9"},
        {"scale": (0, 1)},
        {"scale": (0.5, 1.5)},
        {"scale": (0.5, 0.1)},
        {"ratio": 3},
        {"ratio": ("a", "b")},
        {"ratio": (1.0, float("nan"))},
    ],
)
def test_bounds_that_cannot_be(wrong):
    with pytest.raises(InvalidArgument):
        RandomCropResize(**wrong)


def test_a_row_looks_the_same_in_any_batch_and_order(table):
    data = LanceTorchDataset(table, transform=RandomCropResize(16))
    whole, labels = data.read_batch(Batch(range(12)))
    for rows in ([7], [3, 7, 1], list(range(12))[::-1]):
        images, ids = data.read_batch(Batch(rows))
        for place, row in enumerate(rows):
            assert torch.equal(images[place], whole[row])
            assert ids[place] == labels[row]
        samples = data.__getitems__(Batch(rows))
        assert all(torch.equal(s, whole[row]) for (s, _), row in zip(samples, rows, strict=True))
    assert not torch.equal(data.read_batch(Batch([7], epoch=1))[0][0], whole[7])
    assert not torch.equal(data.read_batch(Batch([7], seed=2))[0][0], whole[7])


JITTER = v2.Compose(
    [
        v2.RandomResizedCrop(16, antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        v2.RandomApply([v2.GaussianBlur(3)], p=0.5),
        v2.RandAugment(),
        v2.RandomErasing(0.5),
    ]
)


def test_any_torchvision_transform_is_seeded_by_row_in_threads(table):
    data = LanceTorchDataset(table, transform=JITTER)
    state = torch.get_rng_state()
    whole = data.read_batch(Batch(range(12)))[0].clone()
    assert len({image.numpy().tobytes() for image in whole}) == 12
    found: dict[int, torch.Tensor] = {}

    def work(rows):
        images = data.read_batch(Batch(rows))[0]
        found.update({row: image.clone() for row, image in zip(rows, images, strict=True)})

    threads = [threading.Thread(target=work, args=([i, 11 - i],)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(found[row], whole[row]) for row in range(12))
    samples = data.__getitems__(Batch([5, 2]))
    assert torch.equal(samples[0][0], whole[5])
    assert torch.equal(torch.get_rng_state(), state), "the global random numbers are untouched"


@pytest.mark.parametrize(
    "transform",
    [
        v2.RandomRotation(30),
        v2.RandomAffine(20, (0.1, 0.1)),
        v2.RandomPerspective(p=1.0),
        v2.ElasticTransform(),
        v2.TrivialAugmentWide(),
        v2.AugMix(),
        v2.AutoAugment(),
        v2.RandomPhotometricDistort(p=1.0),
        v2.RandomCrop(16, pad_if_needed=True),
        v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.GaussianNoise()]),
        v2.RandomChoice([v2.RandomInvert(), v2.RandomSolarize(128)]),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_random_transforms_of_torchvision_repeat_and_leave_global_numbers(transform):
    picture = _picture()
    state = torch.get_rng_state()
    shown = []
    for seed in (3, 3, *range(4, 12)):
        with SeededRandom(torch.Generator().manual_seed(seed)):
            shown.append(transform(picture))
    assert torch.equal(shown[0], shown[1])
    assert len({(*image.shape, image.numpy().tobytes()) for image in shown[1:]}) > 1
    assert torch.equal(torch.get_rng_state(), state)


def test_numbers_that_no_generator_gives_are_refused():
    with SeededRandom(torch.Generator()):
        assert torch.rand(3).shape == (3,)
        with pytest.raises(InvalidArgument, match="cannot be seeded") as caught:
            torch.native_dropout(torch.ones(3), 0.5, True)
    assert "seeded = True" in caught.value.hint


def test_a_transform_that_takes_seeds_is_called_with_them(table):
    class Marked:
        seeded = True

        def __call__(self, picture, seed=None):
            return torch.tensor([seed % 1000 if seed is not None else -1])

    data = LanceTorchDataset(table, transform=Marked())
    batch = Batch([4, 9])
    assert data.read_batch(batch)[0].flatten().tolist() == [int(s) % 1000 for s in batch.seeds]
    assert data[4][0].tolist() == [-1]


def test_transforms_of_tables_without_pictures_are_seeded_by_row(tmp_path):
    uri = write(pa.table({"x": [1.0, 2.0, 3.0]}), tmp_path / "t.lance")
    noisy = LanceTorchDataset(uri, transform=lambda sample: {"x": sample["x"] + torch.rand(())})
    whole = noisy.read_batch(Batch([0, 1, 2]))["x"]
    assert noisy.read_batch(Batch([2, 0]))["x"].tolist() == whole[[2, 0]].tolist()
    assert noisy.read_batch(Batch([0], epoch=1))["x"] != whole[0]


def test_plain_lists_draw_from_the_global_numbers_as_torch_does(table):
    for transform in (RandomCropResize(16), v2.RandomResizedCrop(16)):
        data = LanceTorchDataset(table, transform=transform)
        torch.manual_seed(0)
        first = data.read_batch([0, 1])[0].clone()
        second = data.read_batch([0, 1])[0].clone()
        torch.manual_seed(0)
        assert torch.equal(data.read_batch([0, 1])[0], first)
        assert not torch.equal(first, second)


def test_pictures_that_become_no_tensors_and_other_shapes(table):
    pairs = LanceTorchDataset(table, transform=lambda p: (p[:, :4, :4], p[:, :8, :8]))
    one, two = pairs.read_batch([0, 5])[0]
    assert one.shape == (2, 3, 4, 4)
    assert two.shape == (2, 3, 8, 8)
    with pytest.raises(InvalidArgument, match="different shapes"):
        LanceTorchDataset(table, transform=lambda p: p[:, :, :20]).read_batch([0, 5])


def test_the_usual_training_transform_is_seeded_by_row():
    assert isinstance(picture_transform(None, train=True), RandomCropResize)
    assert picture_transform((5, 7), train=True).side == 7


def test_crop_flip_by_row_depends_on_the_row_alone():
    images = torch.stack([_picture(16, 16, i) for i in range(40)])
    seeds = row_seeds(3, 1, range(40))
    move = CropFlip(3)
    whole = move.by_row(images, seeds)
    for rows in ([5], [9, 2, 39]):
        assert torch.equal(move.by_row(images[rows], seeds[rows]), whole[rows])
    padded = torch.nn.functional.pad(images, (3, 3, 3, 3))
    used = set()
    for row in range(40):
        matches = [
            (y, x, turned)
            for y, x, turned in itertools.product(range(7), range(7), (False, True))
            if torch.equal(
                padded[row, :, y : y + 16, x : x + 16].flip(2)
                if turned
                else padded[row, :, y : y + 16, x : x + 16],
                whole[row],
            )
        ]
        assert len(matches) == 1
        used.add(matches[0])
    assert len(used) > 25
    assert torch.equal(CropFlip(0, flip=False).by_row(images, seeds), images)
    with pytest.raises(InvalidArgument, match="as many seeds"):
        move.by_row(images, seeds[:3])


def test_augmentation_of_a_batch_follows_the_rows_that_were_read(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(8)]
    cells[2] = b"junk"
    uri = write(image_table(cells, [0] * 8, sizes=[(16, 16)] * 8), tmp_path / "t.lance")
    for cache in (True, False):
        data = LanceTorchDataset(uri, on_error="skip", cache=cache)
        both, _ = data.read_batch(Batch([1, 2, 3]), augment=CropFlip(2))
        alone, _ = data.read_batch(Batch([3]), augment=CropFlip(2))
        assert torch.equal(both[1], alone[0])
        generator = torch.Generator().manual_seed(1)
        images, _ = data.read_batch(Batch([1, 3]))
        plain = data.read_batch(Batch([1, 3]), augment=CropFlip(2).__call__)[0]
        assert torch.equal(plain, CropFlip(2)(images, generator))


def test_draws_are_uniform_and_independent_of_each_other():
    seeds = row_seeds(1, 0, range(20000))
    one, two = draw(seeds, 1), draw(seeds, 2)
    for numbers in (one, two):
        assert abs(numbers.mean() - 0.5) < 0.01
        assert abs(numbers.var() - 1 / 12) < 0.005
        assert numbers.min() >= 0
        assert numbers.max() < 1
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03


def test_seeds_of_batches():
    assert seeds_of([1, 2]) is None

    class Old(list):
        seed = 5

    first, second = seeds_of(Old([4, 6])), seeds_of(Old([6, 4]))
    assert first.dtype == np.uint64
    assert first.tolist() == second.tolist()[::-1]


def test_reading_alone_does_not_change_torchs_threads():
    before = torch.get_num_threads()
    seen = []

    def work():
        with one_thread():
            seen.append(torch.get_num_threads())
            started.set()
            done.wait(60)

    started, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(60)
    assert torch.get_num_threads() == before, "other threads keep their number"
    done.set()
    thread.join()
    assert seen == [1]
    assert torch.get_num_threads() == before


def test_a_reader_at_work_does_not_leave_its_consumer_one_thread():
    """In a process of its own: torch settles on the number when a thread first needs it."""
    code = """if True:
        import threading, torch
        from lancenb.data import loader
        from lancenb.data._seeded import one_thread

        reading, asked = threading.Event(), threading.Event()

        class Pictures:
            def __len__(self):
                return 2

            def read_batch(self, indices, *, augment=None, pin=False):
                if indices[0]:  # the second one is being read while the first one is used
                    with one_thread():
                        reading.set()
                        asked.wait(300)
                return torch.tensor(list(indices))

        batches = iter(loader(Pictures(), 1, threads=1))
        next(batches)
        assert reading.wait(300)
        print(torch.get_num_threads())
        asked.set()
        assert len(list(batches)) == 1
        print(torch.get_num_threads())
    """
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert (done.stdout.split(), done.returncode) == (["2", "2"], 0), done.stderr


@pytest.mark.parametrize("size", [48, "large", (1, 2, 3)])
def test_a_size_that_is_none_is_said_at_once(size):
    with pytest.raises(InvalidArgument, match="height, width") as caught:
        picture_transform(size)
    assert "to=96" in caught.value.hint
