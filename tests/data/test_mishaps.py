"""What consumers, transforms, forks and killed processes do to a loader, and what it says then."""

from __future__ import annotations

import copy
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback

import numpy as np
import pyarrow as pa
import pytest
import torch
from torchvision.transforms import v2

from lancenb.data import (
    CropFlip,
    LanceDataModule,
    LanceTorchDataset,
    RandomCropResize,
    batches,
    loader,
    mix,
)
from lancenb.data._reading import WorkerLost
from lancenb.errors import InvalidArgument
from lancenb.store import lance_module
from lancenb.train import fit
from tests.data.tables import image_table, pattern, patterns, png, write

ROWS = 24


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("mishaps") / "p.lance", ROWS)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    uri = str(tmp_path_factory.mktemp("mishaps") / "n.lance")
    lance_module().write_dataset(pa.table({"x": pa.array(range(ROWS), pa.int64())}), uri)
    return uri


def emptied(picture):
    return picture.mul_(0)


def as_numpy(picture):
    return picture.numpy()


def failing(picture):
    raise ValueError("no such colour")


# the cache --------------------------------------------------------------------------------------
@pytest.mark.parametrize("transform", [emptied, as_numpy, v2.RandomErasing(p=1.0, inplace=True)])
def test_what_a_transform_or_a_consumer_writes_never_reaches_the_cache(pictures, transform):
    data = LanceTorchDataset(pictures, transform=transform, cache=True)
    wanted = LanceTorchDataset(pictures, cache=False)
    for _ in range(2):
        for images, _ in loader(data, 8):
            for image in images:
                image[...] = 0
    kept = data.with_transform(None)
    assert all(torch.equal(kept[row][0], wanted[row][0]) for row in range(ROWS))


# crops ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(16, 16), (2, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("side", [1, 2, 7, 32])
def test_whole_planes_are_resized_into_pixels_that_lie_together(shape, side):
    """torch's kernel fails for this pair of orders, or writes past the end of the memory."""
    plane = torch.arange(3 * shape[0] * shape[1]).remainder(251).to(torch.uint8)
    plane = plane.reshape(3, *shape)
    crop = RandomCropResize(side)
    wanted = torch.nn.functional.interpolate(
        plane[None].float(), (side, side), mode="bilinear", antialias=True
    )[0]
    for mirrored in (False, True):
        out = torch.zeros(side, side, 3, dtype=torch.uint8).permute(2, 0, 1)
        crop.render(plane, mirrored, out)
        expected = wanted.flip(2) if mirrored else wanted
        assert (out.float() - expected).abs().max() <= 1


def test_small_pictures_are_enlarged_for_a_network(pictures):
    whole = RandomCropResize(32, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=False)
    images, _ = LanceTorchDataset(pictures, transform=whole, cache=True).read_batch(range(ROWS))
    assert images.shape == (ROWS, 3, 32, 32)
    result = fit("mobilenet_v3_small", pictures, image_size=32, steps=2)
    assert result is not None


# errors of transforms ---------------------------------------------------------------------------
@pytest.mark.parametrize("cache", [True, False])
def test_an_error_of_a_transform_names_the_row(pictures, cache):
    data = LanceTorchDataset(pictures, transform=failing, cache=cache)
    for read in (lambda: list(loader(data.subset([7, 8]), 2)), lambda: data[7]):
        with pytest.raises(ValueError, match="no such colour") as caught:
            read()
        assert "row 7 of 'p.lance'" in "".join(traceback.format_exception(caught.value))


def test_an_error_of_a_transform_in_a_worker_process_names_the_row(pictures):
    data = LanceTorchDataset(pictures, transform=failing).subset([7, 8])
    with pytest.raises(ValueError, match=r"row 7 of 'p\.lance'"):
        list(loader(data, 2, num_workers=1))


# worker processes -------------------------------------------------------------------------------
def test_worker_processes_survive_what_happens_to_a_loader(numbers):
    def rows(batches_):
        return [batch["x"].tolist() for batch in batches_]

    data = LanceTorchDataset(numbers)
    there = loader(data, 4, shuffle=True, num_workers=1, prefetch=2, seed=2**70)
    here = loader(data, 4, shuffle=True, seed=2**70)
    assert rows(there) == rows(here)
    older = iter(there)
    next(older)
    newer = iter(there)
    next(newer)
    with pytest.raises(InvalidArgument, match="newer iteration"):
        list(older)
    assert len(rows(newer)) == 5
    assert _in_a_fork(there).startswith("ForkedReader")
    assert copy.deepcopy(there)._workers is None
    there.set_epoch(0)
    started = iter(there)
    next(started)
    _kill_while_a_batch_is_awaited(there._workers._loader._iterator)
    with pytest.raises(WorkerLost):
        list(started)
    there.set_epoch(0)
    here.set_epoch(0)
    assert rows(there) == rows(here)


def _kill_while_a_batch_is_awaited(made):
    """Torch tells of a killed worker in a signal handler, wherever the main thread is then."""
    ask = made._try_get_data

    def killed(*args, **options):
        for process in made._workers:
            os.kill(process.pid, signal.SIGKILL)
        end = time.monotonic() + 60
        while time.monotonic() < end:  # until the handler raises; else torch finds out by itself
            time.sleep(0.01)
        return ask(*args, **options)

    made._try_get_data = killed


def test_a_loader_in_a_forked_process_says_so(numbers):
    batches_ = loader(LanceTorchDataset(numbers, cache=False), 4)
    list(batches_)
    assert _in_a_fork(batches_).startswith("ForkedReader")


def _in_a_fork(batches_):
    """What iterating gives in a child of this process; ``"nothing"`` when it hangs."""
    read, write_ = os.pipe()
    child = os.fork()
    if not child:
        try:
            told = f"{len(list(batches_))} batches"
        except BaseException as error:
            told = type(error).__name__
        os.write(write_, told.encode())
        os._exit(0)
    os.close(write_)
    ready = select.select([read], [], [], 300)[0]
    told = os.read(read, 200).decode() if ready else "nothing"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read)
    return told


def test_iterators_left_open_when_python_ends_say_nothing(numbers):
    """Loaders with and without a cache (shared memory), by windows, streams, arrays."""
    script = (
        "from lancenb.data import LanceTorchDataset, batches, loader\n"
        f"uri = {numbers!r}\n"
        "kept, data = LanceTorchDataset(uri, cache=True), LanceTorchDataset(uri, cache=False)\n"
        "made = [loader(kept, 4), loader(data, 4), loader(data, 4, shuffle='block'),"
        " data.stream(), batches(uri, 4)]\n"
        "left = [iter(each) for each in made]\n"
        "for each in left: next(each)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


# arguments and states ---------------------------------------------------------------------------
def test_numbers_of_numpy_are_stored_as_plain_ones(numbers):
    eight, two = np.int64(8), np.int64(2)
    batches_ = loader(
        LanceTorchDataset(numbers), two, shuffle="block", seed=two, block=two, buffer=eight
    )
    state = json.loads(json.dumps(batches_.state_dict()))
    batches_.load_state_dict(state)
    assert len(list(batches_)) == ROWS // 2


@pytest.mark.parametrize("options", [{"collate_fn": None}, {"collate_fn": 3}, {"augment": 3}])
def test_functions_that_are_none(numbers, options):
    with pytest.raises(InvalidArgument, match="is no function"):
        loader(LanceTorchDataset(numbers), 4, **options)


def test_augmentation_without_pictures(numbers):
    with pytest.raises(InvalidArgument, match="its keys are x"):
        list(loader(LanceTorchDataset(numbers), 4, augment=CropFlip(2)))
    with pytest.raises(InvalidArgument, match="it is a list"):
        list(loader(["a", "b"], 2, augment=CropFlip(2)))


@pytest.mark.parametrize(
    "more",
    [
        {"batches": 10**15},
        {"batches": 4},
        {"position": 0, "batches": 1},
        {"batches": -1},
        {"batches": "x"},
        {"batches": 2.0},
        {"position": 10**15},
        {"position": -1},
        {"epoch": None},
        {"rows": np.zeros(3)},
        {"shuffle": [1]},
        {"data": {"name": np.zeros(3)}},
    ],
)
def test_a_position_of_a_loader_that_was_tampered_with(numbers, more):
    def made():
        return loader(LanceTorchDataset(numbers), 3, shuffle=True)

    found = made()
    assert next(iter(found))["x"].tolist()
    for each in (made(), batches(numbers, 3, shuffle=True)):
        length = len(each)
        with pytest.raises(InvalidArgument, match="position"):
            each.load_state_dict({**found.state_dict(), **more})
        assert len(each) == length, "it stands where it stood"
    again = made()
    again.load_state_dict(found.state_dict())
    assert len(again) == len(made())


@pytest.mark.parametrize(
    "more",
    [
        {"worker": 0},
        {"worker": "x", "workers": 1, "given": 1},
        {"worker": 2, "workers": 2, "given": 1},
        {"worker": 0, "workers": 2, "given": 10**9},
    ],
)
def test_a_position_of_a_stream_that_was_tampered_with(numbers, more):
    stream = LanceTorchDataset(numbers).stream()
    with pytest.raises(InvalidArgument, match="saved position"):
        stream.load_state_dict({**stream.state_dict(), **more})


@pytest.mark.parametrize("until", ["x", -3, 1.5])
def test_a_position_of_batches_that_would_never_end(numbers, until):
    with batches(numbers, 4) as found, pytest.raises(InvalidArgument, match="until"):
        found.load_state_dict({**found.state_dict(), "until": until})


@pytest.mark.parametrize("state", [None, [1], "x", {"format": 1}])
def test_a_state_of_a_module_that_cannot_be_read(pictures, state):
    module = LanceDataModule(pictures, batch_size=4)
    with pytest.raises(InvalidArgument, match="cannot be read"):
        module.load_state_dict(state)


def test_versions_of_a_state_that_are_none(pictures):
    module = LanceDataModule(pictures, batch_size=4)
    module.train_dataloader()
    state = module.state_dict()
    with pytest.raises(InvalidArgument, match="version must be"):
        LanceDataModule(pictures, batch_size=4).load_state_dict(
            {**state, "versions": {"train": "x"}}
        )
    other = LanceDataModule(pictures, batch_size=4)
    other.load_state_dict({**state, "versions": None})
    assert len(other.train_dataloader()) == ROWS // 4


# values and mixtures ----------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [pa.uint16(), pa.uint32(), pa.uint64()])
def test_missing_whole_numbers_without_a_sign_are_filled(tmp_path, kind):
    table = pa.table({"x": pa.array([1, None, 3], kind)})
    uri = write(table, tmp_path / "u.lance")
    (batch,) = loader(LanceTorchDataset(uri, nulls="fill"), 3)
    assert batch["x"].tolist() == [1, 0, 3]
    assert batch["x_mask"].tolist() == [True, False, True]


def test_a_mixture_of_other_classes_or_columns_is_refused(pictures, numbers, tmp_path):
    cells = [png(pattern(0, row)) for row in range(4)]
    other = write(image_table(cells, [0] * 4, ["x", "y", "z"]), tmp_path / "o.lance")
    parts = [LanceTorchDataset(uri) for uri in (pictures, other, numbers)]
    with pytest.raises(InvalidArgument, match="circle, stripe, dot and x, y, z"):
        mix([(parts[0], 1), (parts[1], 1)])
    with pytest.raises(InvalidArgument, match="not alike"):
        list(loader(mix([(parts[0], 1), (parts[2], 1)]), 8, shuffle=True))
