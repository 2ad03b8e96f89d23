"""The crop of ADM for any size, and resumes of DataModules with other readers and sizes."""

from __future__ import annotations

import hashlib
import inspect
import math

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import lancenb as lnb
from lancenb.data import JiTDataModule, LanceDataModule, center_crop_arr, create_jit_datamodule
from tests.data.pictures import CLASSES, picture, picture_tree
from tests.data.tables import patterns

PROPERTY = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def described(image: Image.Image, size: int) -> np.ndarray:
    """The crop, word by word as the paper's data loader does it."""
    while min(*image.size) >= 2 * size:
        image = image.resize(tuple(side // 2 for side in image.size), resample=Image.BOX)
    scale = size / min(*image.size)
    image = image.resize(tuple(round(side * scale) for side in image.size), resample=Image.BICUBIC)
    pixels = np.array(image)
    top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
    return pixels[top : top + size, left : left + size]


@PROPERTY
@given(width=st.integers(1, 400), height=st.integers(1, 400), size=st.integers(1, 90))
def test_the_crop_of_any_picture_is_the_described_one(width, height, size):
    if max(width, height) / min(width, height) > 40:  # a thread of pixels becomes gigabytes
        width = height = max(width, height)
    image = picture(width * 401 + height, width, height)
    found = center_crop_arr(image, size)
    assert found.size == (size, size)
    assert np.array_equal(np.asarray(found), described(image, size))


def test_crops_of_odd_sides_have_not_changed():
    golden = {
        (255, 257, 127): "572ad326f74624d9",
        (257, 255, 33): "c03a13555f9a3493",
        (1, 1, 3): "d84cd4962eeeae04",
        (513, 301, 255): "e176010913d2a59c",
        (77, 601, 31): "4b6dfedb1eb8c2f7",
        (999, 1001, 257): "2579ea3555856d32",
    }
    found = {}
    for width, height, size in golden:
        cropped = center_crop_arr(picture(9, width, height), size).tobytes()
        found[width, height, size] = hashlib.sha256(cropped).hexdigest()[:16]
    assert found == golden


def test_the_figures_per_channel_are_those_of_the_crops(tmp_path):
    tree = picture_tree(tmp_path / "set")
    module = JiTDataModule(tree, img_size=16)
    module.setup()
    crops = [
        module.train_dataset[place][0].double() / 255 for place in range(len(module.train_dataset))
    ]
    pixels = torch.stack(crops).permute(1, 0, 2, 3).reshape(3, -1)
    assert module.stats.pictures == len(crops)
    assert module.stats.mean == pytest.approx(pixels.mean(1).tolist(), abs=1e-5)
    assert module.stats.std == pytest.approx(pixels.std(1, correction=0).tolist(), abs=1e-5)


def test_both_ways_to_make_one_have_the_same_defaults_and_a_shown_signature():
    made = create_jit_datamodule({})
    listed = list(inspect.signature(JiTDataModule).parameters.values())
    for parameter in listed[:7]:
        assert getattr(made, parameter.name) == parameter.default, parameter.name
    assert all(p.kind is p.KEYWORD_ONLY for p in listed[7:]), "what was added comes by name only"
    assert list(inspect.signature(create_jit_datamodule).parameters) == ["args"]


def _images(batches):
    return [image.numpy().tobytes() for images, _ in batches for image in images]


@pytest.mark.parametrize("kind", ["folder", "table"])
def test_pictures_resume_twice_with_other_ranks_and_batch_sizes(tmp_path, kind):
    tree = picture_tree(tmp_path / "tree", train=22)
    lnb.convert(tree, tmp_path / "t.lance")
    source = tree if kind == "folder" else tmp_path / "t.lance"

    def modules(world, size, state):
        made = [
            JiTDataModule(source, 32, size, 0, num_replicas=world, rank=rank, seed=4)
            for rank in range(world)
        ]
        for module in made:
            module.load_state_dict(state)
        return made

    wanted = _images(modules(1, 22, {})[0].train_dataloader())
    assert len(set(wanted)) == 22
    state, seen = {}, []
    for world, size, stop in ((2, 3, 1), (1, 5, 2), (3, 2, None)):
        made = modules(world, size, state)
        runs = [iter(module.train_dataloader()) for module in made]
        steps = stop or 1  # 22 - 6 - 10 rows are left: one step of three ranks
        seen += [image for _ in range(steps) for run in runs for image in _images([next(run)])]
        states = [module.state_dict() for module in made]
        assert all(each["train"] == states[0]["train"] for each in states)
        state = states[0]
    assert seen == wanted


@pytest.mark.slow
def test_numbers_of_workers_and_threads_do_not_matter_to_folders(tmp_path):
    tree = picture_tree(tmp_path / "tree")
    options = {"img_size": 32, "batch_size": 4, "seed": 1}
    wanted = _images(JiTDataModule(tree, num_workers=0, threads=0, **options).train_dataloader())
    for readers in ({"num_workers": 0, "threads": 3}, {"num_workers": 2}):
        module = JiTDataModule(tree, **options, **readers)
        assert _images(module.train_dataloader()) == wanted
        assert module.train_dataset.classes == CLASSES


class OneCycle(L.LightningModule):
    """A one-cycle schedule over the steps that the DataModule tells."""

    def __init__(self, stop=None, path=None):
        super().__init__()
        self.net = torch.nn.Linear(3 * 16 * 16, 3)
        torch.nn.init.zeros_(self.net.weight)
        torch.nn.init.zeros_(self.net.bias)
        self.stop, self.path = stop, path
        self.rates, self.seen = [], []

    def training_step(self, batch, batch_idx):
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        self.seen += _images([batch])
        return torch.nn.functional.cross_entropy(self.net(batch[0].flatten(1) / 255), batch[1])

    def on_train_batch_end(self, *_):
        if self.trainer.global_step == self.stop:
            self.trainer.save_checkpoint(self.path)
            raise KeyError("stopped")

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        total = self.trainer.datamodule.total_steps()
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def test_lightning_20550_the_steps_of_the_module_carry_a_one_cycle_over_two_resumes(tmp_path):
    uri = patterns(tmp_path / "t.lance", 30)
    path = str(tmp_path / "last.ckpt")

    def fit(model, start=None):
        trainer = L.Trainer(
            max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        data = LanceDataModule(uri, batch_size=7, drop_last=False, augment=False)
        trainer.fit(model, datamodule=data, ckpt_path=start)
        return model

    whole = fit(OneCycle())
    assert len(whole.rates) == 3 * math.ceil(30 / 7)
    assert whole.rates[-1] < whole.rates[0] < max(whole.rates), "up, and down to nothing"
    rates, seen, start = [], [], None
    for stop in (4, 8):
        part = OneCycle(stop, path)
        with pytest.raises(KeyError, match="stopped"):
            fit(part, start)
        rates, seen, start = rates + part.rates, seen + part.seen, path
    last = fit(OneCycle(), path)
    assert seen + last.seen == whole.seen
    assert rates + last.rates == pytest.approx(whole.rates)
    assert torch.equal(last.net.weight, whole.net.weight)
