"""Figures of an evaluation counted by hand, networks of the zoo, and what stays as it was."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

import lancenb as lnb
from lancenb.data import LanceTorchDataset
from lancenb.train import ImageClassifier, evaluate, fit, look, score
from tests.data.tables import patterns
from tests.train.runs import store


def test_top_five_of_seven_classes_counted_by_hand():
    # classes 0..6 with falling scores in every row: place p of the true class is its rank
    logits = torch.arange(7, 0, -1).float().repeat(6, 1)
    labels = torch.tensor([0, 1, 4, 5, 6, 4])  # ranks 1, 2, 5, 6, 7, 5
    found = score(logits, labels, list("abcdefg"))
    assert found.accuracy == pytest.approx(1 / 6)
    assert found.top5 == pytest.approx(4 / 6)
    assert found.confusion[:, 0].tolist() == [1, 1, 0, 0, 2, 1, 1]
    assert found.confusion[:, 1:].sum() == 0
    # class 0: precision 1/6, recall 1, F1 2/7; the others that occur: 0; classes 2, 3 never occur
    assert found.per_class["f1"].to_pylist() == pytest.approx([2 / 7, 0, 0, 0, 0, 0, 0])
    assert found.f1 == pytest.approx(2 / 7 / 5), "over the five classes that occur"
    assert found.per_class["rows"].to_pylist() == [1, 1, 0, 0, 2, 1, 1]
    assert found.mistakes["row"].to_pylist() == [1, 2, 3, 4, 5], "equally sure: in their order"


class Fixed(nn.Module):
    """Answers by the picture's first pixel: the class that it says."""

    class_names = list("abcdef")

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        said = images[:, 0, 0, 0].long() % 6
        return nn.functional.one_hot(said, 6).float() - 0.1 * torch.arange(6)


def test_evaluate_writes_the_figures_that_were_counted_by_hand(tmp_path):
    said, true = [0, 1, 1, 5, 5, 2], [0, 1, 2, 5, 0, 3]
    data = [
        (torch.full((3, 4, 4), s, dtype=torch.uint8), t) for s, t in zip(said, true, strict=True)
    ]
    found = evaluate(Fixed(), data, batch_size=4)
    dm = lnb.DataManager(tmp_path / "store")
    found.save(dm, "exam")
    (metrics,) = dm["exam-metrics"].search_rows().to_pylist()
    # behind what is said come 0, 1, 2, 3, ... : class 3 for "2" is the fourth, 0 for "5" the second
    assert (metrics["accuracy"], metrics["top5"]) == (0.5, 1.0)
    # F1: a 2/3, b 2/3, c 0, d 0, f 2/3 (e never occurs and is never said)
    assert metrics["f1"] == pytest.approx((2 / 3 + 2 / 3 + 0 + 0 + 2 / 3) / 5)
    counts = {
        (r["label"], r["predicted_label"]): r["rows"]
        for r in dm["exam-confusion"].search_rows().to_pylist()
        if r["rows"]
    }
    assert counts == {(0, 0): 1, (1, 1): 1, (2, 1): 1, (5, 5): 1, (0, 5): 1, (3, 2): 1}


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("simple_cnn", 32), ("resnet18", 32), ("resnet50", 64), ("efficientnet_b0", 64),
        ("mobilenet_v3_small", 64), ("vit_b_16", 224), ("convnext_tiny", 64), ("densenet121", 64),
    ],
)  # fmt: skip
def test_a_forward_pass_of_each_kind_of_network(name, side):
    with torch.device("meta"):
        model = ImageClassifier(name, 5, image_size=side).eval()
        logits = model(torch.zeros(2, 3, side, side, dtype=torch.uint8))
    assert logits.shape == (2, 5)
    assert logits.dtype == torch.float32


def test_training_and_looking_leave_the_random_numbers_alone(tmp_path):
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 24))
    torch.manual_seed(5)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    result = fit("simple_cnn", data, val=0.25, epochs=1, batch_size=8, accelerator="cpu", seed=3)
    found = evaluate(result.model, data)
    for method in look.METHODS:
        look.grad_cam(result.model, data[0][0], method=method)
    found.gallery(n=2)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_the_record_names_the_version_of_the_data_that_was_read(tmp_path):
    dm = store(tmp_path)
    patterns(tmp_path / "p.lance", 6, start=90, mode="append")
    options = {"manager": dm, "steps": 1, "accelerator": "cpu"}
    new = fit("simple_cnn", "pics", name="new", **options)
    first = LanceTorchDataset(tmp_path / "p.lance", version=1)
    old = fit("simple_cnn", first, name="old", **options)
    assert (new.run["data"]["version"], new.run["data"]["rows"]) == (2, 66)
    assert (old.run["data"]["version"], old.run["data"]["rows"]) == (1, 60)
    assert [p["version"] for p in dm["new"].parents] == [2]
    assert [p["version"] for p in dm["old"].parents] == [1]


@pytest.mark.slow
def test_drawn_pictures_can_be_learnt(tmp_path, cache):
    drawn = lnb.download("synthetic", limit=600, offline=True)
    dm = lnb.DataManager(tmp_path / "store")
    dm.convert(drawn, "shapes", kind="images")
    result = fit("simple_cnn", "shapes", manager=dm, val=0.2, save=False, epochs=4, lr=0.05,
                 batch_size=32, seed=1, accelerator="cpu")  # fmt: skip
    assert result.run["val_acc"] > 0.3, "ten classes: chance is a tenth"
    assert result.last_loss < result.first_loss
