"""Settings of a classifier as a stored version tells them: believed only as far as they can be."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch
from torchmetrics import Metric

from lancenb import DataManager
from lancenb.errors import CorruptInput, InvalidArgument, WeightsMismatch
from lancenb.train import ImageClassifier, LanceCheckpointIO, fit, load_classifier
from lancenb.train._networks import known_networks
from lancenb.train._rebuilding import outline
from tests.train.runs import store

MODULE = ImageClassifier("simple_cnn", 3)
WRONG: list[dict[str, Any]] = [
    {"num_classes": 10**30},
    {"num_classes": "3"},
    {"num_classes": True},
    {"model": ["resnet18"]},
    {"model": {"a": 1}},
    {"class_names": 5},
    {"class_names": "abc"},
    {"class_names": {"a": 1, "b": 2, "c": 3}},
    {"mean": 5},
    {"mean": [None] * 3},
    {"std": [-1.0, 1.0, 1.0]},
    {"image_size": "32"},
    {"image_size": -1},
    {"stem": [1]},
    {"lr": "0.1"},
    {"momentum": "x"},
    {"warmup": [1]},
    {"weight_decay": None},
    {"label_smoothing": 7.0},
    {"optimizer": {}},
    {"schedule": 3},
]
LARGE: list[dict[str, Any]] = [
    {"num_classes": 10**10},
    {"num_classes": 10**6},
    {"model": "regnet_y_128gf"},
    {"model": "vit_h_14", "num_classes": 10**6},
]


@pytest.fixture
def never_made(monkeypatch):
    """No network gets memory: a look at its shapes has to be enough."""

    def fails(*_, **__):
        pytest.fail("the network was made")

    monkeypatch.setattr("lancenb.train.classifier.build_network", fails)


def checkpoint(folder, **settings) -> str:
    given = {**MODULE.hparams, **settings}
    content = {"state_dict": MODULE.state_dict(), "hyper_parameters": given}
    LanceCheckpointIO().save_checkpoint(content, folder / "c.ckpt")
    return str(folder / "c.ckpt")


def stored(folder, **settings) -> DataManager:
    dm = DataManager(folder / "store")
    record = {"classifier": {**MODULE.hparams, **settings}}
    dm.save_weights("m", MODULE.net.state_dict(), extras={"lancenb.run": record})
    return dm


@pytest.mark.parametrize("settings", WRONG, ids=str)
def test_settings_that_cannot_be_name_the_checkpoint(tmp_path, settings):
    path = checkpoint(tmp_path, **settings)
    with pytest.raises(CorruptInput, match=r"the checkpoint .*c\.ckpt cannot be: ") as caught:
        load_classifier(path)
    assert "another version" in caught.value.hint


@pytest.mark.parametrize("settings", LARGE, ids=str)
def test_more_than_the_tensors_hold_is_never_allocated(tmp_path, never_made, settings):
    with pytest.raises(WeightsMismatch, match=r"c\.ckpt is of another model"):
        load_classifier(checkpoint(tmp_path, **settings))
    with pytest.raises(WeightsMismatch, match="'m' "):
        load_classifier("m", manager=stored(tmp_path, **settings))


def with_head(folder, make, classes: int) -> str:
    """A file of torch whose head says that it is of so many classes."""
    state = MODULE.state_dict() | {
        "net.fc.weight": make((classes, 128)), "net.fc.bias": make((classes,)),
    }  # fmt: skip
    given = {**MODULE.hparams, "num_classes": classes}
    torch.save({"state_dict": state, "hyper_parameters": given}, folder / "c.ckpt")
    return str(folder / "c.ckpt")


HOLLOW = {
    "values in memory for 1": lambda shape: torch.zeros(1).expand(shape),
    "the device meta": lambda shape: torch.zeros(shape, device="meta"),
    "torch.sparse_coo": lambda shape: (
        torch.zeros(0).to_sparse().sparse_resize_(shape, len(shape), 0)
    ),
    "torch.complex64": lambda shape: torch.zeros(1, dtype=torch.complex64).expand(shape),
}


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize("classes", [3, 5_000_000])
@pytest.mark.parametrize("said", HOLLOW)
def test_tensors_without_values_are_never_allocated(tmp_path, never_made, said, classes):
    path = with_head(tmp_path, HOLLOW[said], classes)
    assert os.path.getsize(path) < 10**6
    with pytest.raises(CorruptInput, match=rf"c\.ckpt is damaged: 'net.fc.weight' is .*{said}"):
        load_classifier(path)


def test_a_training_does_not_go_on_with_tensors_without_values(tmp_path):
    path = with_head(tmp_path, HOLLOW["the device meta"], 3)
    with pytest.raises(CorruptInput, match=r"c\.ckpt is damaged: 'net.fc.weight'"):
        fit("simple_cnn", "pics", manager=store(tmp_path), accelerator="cpu", resume=path)


def test_tensors_that_are_views_or_of_another_precision_are_loaded(tmp_path):
    wide = torch.randn(4, 256)
    for make in (
        lambda shape: wide[: shape[0], : shape[-1]] if len(shape) == 2 else wide[0, : shape[0]],
        lambda shape: torch.ones(shape[::-1]).t(),
        lambda shape: torch.ones(shape, dtype=torch.float16),
    ):
        found = load_classifier(with_head(tmp_path, make, 3))
        assert torch.equal(found.state_dict()["net.fc.weight"], make((3, 128)).float())


@pytest.mark.parametrize("settings", WRONG[:13], ids=str)
def test_settings_that_cannot_be_name_the_stored_model(tmp_path, settings):
    with pytest.raises(CorruptInput, match="classifier in 'm' cannot be: "):
        load_classifier("m", manager=stored(tmp_path, **settings))


def test_a_training_that_starts_from_such_settings(tmp_path, never_made):
    dm = store(tmp_path)
    weights = MODULE.net.state_dict()
    records: list[tuple[Any, type[Exception]]] = [
        ([1], CorruptInput),
        ({"mean": [1]}, CorruptInput),
        ({"model": "vit_h_14"}, WeightsMismatch),
        ({"model": "simple_cnn", "stem": 5, "image_size": 32}, InvalidArgument),
    ]
    for record, error in records:
        dm.save_weights("m", weights, extras={"lancenb.run": {"classifier": record}})
        with pytest.raises(error, match=r"'m'|stem"):
            fit("m", "pics", manager=dm, accelerator="cpu", image_size=32)


def test_an_outline_has_the_shapes_of_every_network_and_moves_no_random_numbers():
    before = torch.random.get_rng_state()
    names = [
        name for name in known_networks() if name.endswith(("_t", "_16", "18", "_cnn", "400mf"))
    ]
    for name in [*names, "googlenet", "squeezenet1_0"]:
        shapes = {key: value.shape for key, value in outline(name, 7).state_dict().items()}
        assert shapes, name
        assert all(p.is_meta for p in outline(name, 7).parameters()), name
    assert torch.equal(torch.random.get_rng_state(), before)
    real = ImageClassifier("simple_cnn", 7).net.state_dict()
    plan = outline("simple_cnn", 7).state_dict()
    assert {key: value.shape for key, value in real.items()} == {
        key: value.shape for key, value in plan.items()
    }


def test_counts_of_pairs_of_classes_take_their_memory_in_a_test_alone():
    module = ImageClassifier("simple_cnn", 1000)
    metrics = [each for each in module.modules() if isinstance(each, Metric)]
    sizes = [len(torch.as_tensor(v).flatten()) for m in metrics for v in m._defaults.values()]
    assert metrics
    assert max(sizes) <= 1000
    module.on_test_epoch_start()
    module.confusion.update(torch.eye(1000), torch.arange(1000))
    module.on_test_epoch_end()
    assert module.test_confusion is not None
    assert torch.equal(module.test_confusion, torch.eye(1000, dtype=torch.int64))
