"""What ``fit`` is told wrongly is said before the training, in one sentence."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from lancenb.data import LanceDataModule, LanceTorchDataset
from lancenb.errors import InvalidArgument, StoreNotWritable
from lancenb.train import ImageClassifier, fit, make_logger
from tests.train.runs import store

OPTIONS: dict[str, Any] = {"accelerator": "cpu", "batch_size": 8, "steps": 2}


@pytest.fixture(scope="module")
def dm(tmp_path_factory):
    return store(tmp_path_factory.mktemp("checks"))


class Labels(torch.utils.data.Dataset):
    num_classes, class_names = 2, ["a", "b"]

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, place):
        return torch.zeros(3, 16, 16, dtype=torch.uint8), self.labels[place]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1, 2, 5], "label 5 is outside the 2 classes"),
        ([0, -1, 1, 1], "label -1 is outside"),
        ([0.5, 1.0], "whole numbers, not torch.float32"),
        (["a", "b"], "whole numbers, not list"),
    ],
)
def test_labels_that_are_none(labels, said):
    with pytest.raises(InvalidArgument, match=said):
        fit("simple_cnn", Labels(labels), **OPTIONS)


def test_validation_data_without_rows_names_the_table(dm, monkeypatch):
    monkeypatch.setattr("lightning.Trainer.fit", lambda *a, **k: pytest.fail("it was trained"))
    empty = LanceTorchDataset(dm["pics"], filter="label = 99")
    with pytest.raises(InvalidArgument, match="'pics' has no rows to validate with") as caught:
        fit("simple_cnn", "pics", manager=dm, val=empty, **OPTIONS)
    assert "val=0.1" in caught.value.hint
    whole = LanceTorchDataset(dm["pics"])
    module = LanceDataModule(whole, empty, batch_size=8)
    with pytest.raises(InvalidArgument, match="no rows to validate with"):
        fit("simple_cnn", module, **OPTIONS)


class Poison(L.Callback):
    def on_train_batch_end(self, trainer, pl_module, *rest):
        for weights in pl_module.parameters():
            weights.data.fill_(math.nan)


def test_a_loss_that_is_lost_is_told_and_the_run_is_stored(dm):
    with pytest.warns(UserWarning, match="no finite number from step 2 on"):
        result = fit("simple_cnn", "pics", manager=dm, name="lost", val=0.2, checkpoint=True,
                     callbacks=[Poison()], **OPTIONS)  # fmt: skip
    assert result.version == 1
    assert result.run["loss_last"] is None
    assert np.isnan(dm["lost-history"].search_rows(limit=None)["train_loss"].to_pylist()[-1])


def never(*_args, **_kwargs):
    raise AssertionError("it was trained")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr": "x"}, "lr must be a number above 0"),
        ({"lr": math.inf}, "lr must be"),
        ({"seed": 2**70}, "seed must be"),
        ({"seed": "a"}, "seed must be"),
        ({"image_size": 0}, "image_size must be"),
        ({"callbacks": [5]}, "callbacks of Lightning, not 5"),
        ({"callbacks": 5}, "callbacks of Lightning, not 5"),
        ({"loggers": 5}, "loggers of Lightning, not 5"),
        ({"config": {"a": object()}}, "config of this training cannot be stored"),
        ({"config": {"a": math.nan}}, "config of this training cannot be stored"),
    ],
)
def test_arguments_that_cannot_work(dm, monkeypatch, options, said):
    monkeypatch.setattr("lightning.Trainer.fit", never)
    with pytest.raises(InvalidArgument, match=said):
        fit("simple_cnn", "pics", manager=dm, name="never", **OPTIONS, **options)
    assert "never" not in dm


def test_folders_that_cannot_be_written_to(dm, tmp_path, monkeypatch):
    monkeypatch.setattr("lightning.Trainer.fit", never)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nowhere"):
        options = {"manager": dm, "save": False, **OPTIONS}
        with pytest.raises(StoreNotWritable, match="folder for checkpoints"):
            fit("simple_cnn", "pics", checkpoint=str(folder), **options)
        with pytest.raises(StoreNotWritable, match="logger's folder"):
            fit("simple_cnn", "pics", loggers=make_logger("csv", str(folder)), **options)


@pytest.mark.parametrize("model", [torch.nn.Linear(2, 2), L.LightningModule(), None])
def test_what_is_no_model(dm, model):
    with pytest.raises(InvalidArgument, match=f"not {type(model).__name__}"):
        fit(model, "pics", manager=dm, save=False, **OPTIONS)


def test_a_subclass_that_logs_nothing(dm):
    class Silent(ImageClassifier):
        def training_step(self, batch, batch_idx):
            return self._step(batch)[2]

    with pytest.raises(InvalidArgument, match="Silent does not log train_loss"):
        fit(Silent("simple_cnn", 3, image_size=16), "pics", manager=dm, save=False, **OPTIONS)


def test_data_that_does_not_suit_a_network(dm):
    one = LanceTorchDataset(dm["pics"]).subset([0])
    with pytest.raises(InvalidArgument, match="one row cannot be normalised"):
        fit("resnet18", one, **OPTIONS)
    with pytest.raises(InvalidArgument, match="too small for this network"):
        fit("simple_cnn", "pics", manager=dm, save=False, image_size=1, **OPTIONS)


def test_a_figure_that_is_not_there_is_told_once(dm, tmp_path):
    keep = {"monitor": "val_accuracy", "folder": str(tmp_path / "k")}
    options = {"manager": dm, "save": False, "val": 0.2, "epochs": 2, **OPTIONS}
    with pytest.warns(UserWarning, match="no figure 'val_accuracy'.*val_acc") as seen:
        fit("simple_cnn", "pics", checkpoint=keep, **options)
    assert len([each for each in seen if "val_accuracy" in str(each.message)]) == 1
