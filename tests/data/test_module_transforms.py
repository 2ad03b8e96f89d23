"""``LanceDataModule`` over data sets with transforms of the user's own."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pyarrow as pa
import pytest
import torch
from torchvision.transforms import v2

from lancenb.data import LanceDataModule, LanceTorchDataset, RandomCropResize, split
from lancenb.data._module_trial import tried
from lancenb.errors import InvalidArgument
from tests.data.tables import image_table, pattern, patterns, png, write

pytest.importorskip("lightning")
CROP = RandomCropResize(12)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("transforms") / "t.lance", 20)


def by_python(picture):
    return picture if random.random() < 2 else picture.flip(-1)


def by_numpy(picture):
    return picture.roll(int(np.random.randint(4)), -1)


DRAWING = [CROP, v2.RandomHorizontalFlip(0.01), v2.ColorJitter(0.4), by_python, by_numpy]
FIXED = [v2.Resize(12), v2.CenterCrop(8), lambda picture: picture[:, :8, :8]]


@pytest.mark.parametrize("transform", DRAWING, ids=lambda t: getattr(t, "__name__", str(t)))
def test_validation_rows_under_a_random_transform_are_warned_of(table, transform):
    data = LanceTorchDataset(table, transform=transform)
    with pytest.warns(UserWarning, match=r"validation rows draws random numbers.*split\(data"):
        LanceDataModule(data, val_fraction=0.2).setup()
    rest, part = split(data, 0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LanceDataModule(rest, val=part.with_transform(v2.Resize(12))).setup()
        LanceDataModule(data).setup()


@pytest.mark.parametrize("transform", FIXED)
def test_transforms_that_draw_nothing_are_not(table, transform):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LanceDataModule(LanceTorchDataset(table, transform=transform), val_fraction=0.2).setup()


def test_rows_of_a_split_column_and_given_rows_as_well(tmp_path):
    made = image_table([png(pattern(i % 3, i)) for i in range(6)], [i % 3 for i in range(6)])
    made = made.append_column("split", pa.array(["train", "train", "train", "val", "test", "test"]))
    uri = write(made, tmp_path / "t.lance")
    with pytest.warns(UserWarning, match="validation and test rows"):
        LanceDataModule(LanceTorchDataset(uri, transform=CROP)).setup()
    given = LanceTorchDataset(uri, filter="split = 'val'", transform=CROP)
    with pytest.warns(UserWarning, match="the validation rows"):
        LanceDataModule(uri, val=given).setup()


def test_a_size_that_the_transform_does_not_give_is_refused(table):
    data = LanceTorchDataset(table, transform=CROP)
    with pytest.raises(InvalidArgument, match="12 x 12 pixels, image_size says 24") as caught:
        LanceDataModule(data, image_size=24).setup()
    assert "image_size=" in caught.value.hint
    module = LanceDataModule(data, val=table, image_size=12, batch_size=5)
    assert module.get_dataset_info()["img_size"] == 12
    assert next(iter(module.train_dataloader()))[0].shape == (5, 3, 12, 12)
    assert next(iter(module.val_dataloader()))[0].shape == (5, 3, 12, 12)
    named = {"image": "image", "label": "label"}
    wrong = LanceTorchDataset(table, mapping=named, transform=v2.Resize((8, 6)))
    with pytest.raises(InvalidArgument, match="8 x 6 pixels"):
        LanceDataModule(wrong, image_size=8).setup()


def test_a_trial_changes_no_random_state_and_no_account(table):
    data = LanceTorchDataset(table, transform=lambda p: by_python(by_numpy(CROP(p))))

    def states():
        return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())

    before = states()
    assert tried(data) == ((12, 12), True)
    assert states() == before
    assert tried(LanceTorchDataset(table)) is None
    assert tried(data.subset([])) is None


def test_a_first_row_that_cannot_be_read_is_no_trial(tmp_path):
    cells = [b"no picture", png(pattern(0, 1))]
    uri = write(image_table(cells, [0, 1], sizes=[(16, 16)] * 2), tmp_path / "t.lance")
    for on_error in ("raise", "skip"):
        data = LanceTorchDataset(uri, transform=CROP, on_error=on_error)
        module = LanceDataModule(data, image_size=24)
        module.setup()
        assert data.skipped_count == 0
        assert [bad.row for bad in module.check()] == [0]
