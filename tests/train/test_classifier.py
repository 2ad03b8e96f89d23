from __future__ import annotations

import inspect

import pytest
import torch
import torchvision

from lancenb.errors import InvalidArgument, WeightsMismatch
from lancenb.train import ImageClassifier
from lancenb.train._networks import build_network, head_prefix


def test_w54_metrics_name_their_task():
    model = ImageClassifier("resnet18", num_classes=4)
    logits, labels = torch.eye(4), torch.arange(4)
    assert model.train_acc(logits, labels) == 1.0


def test_tensor_names_are_torchvisions():
    model = ImageClassifier("resnet18", num_classes=10)
    wanted = torchvision.models.resnet18(num_classes=10).state_dict()
    assert list(model.net.state_dict()) == list(wanted)
    assert {k for k in model.state_dict() if not k.startswith("net.")} == set()


def test_defaults_carry_no_learning_rate_as_text():
    found = inspect.signature(ImageClassifier).parameters
    assert found["model"].default == "resnet18"
    assert isinstance(found["lr"].default, float)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet18", "fc."),
        ("mobilenet_v3_small", "classifier.3."),
        ("efficientnet_b0", "classifier.1."),
        ("squeezenet1_1", "classifier.1."),
        ("vit_b_16", "heads.head."),
    ],
)
def test_heads_are_found(name, head):
    assert head_prefix(build_network(name, 5)) == head


def test_w10_only_the_head_may_differ():
    model = ImageClassifier("resnet18", num_classes=10, image_size=32)
    stored = torchvision.models.resnet18(num_classes=1000).state_dict()
    fresh = model.load_backbone(stored)
    assert fresh == ["fc.weight", "fc.bias"], "what stays fresh is told"
    own = model.net.state_dict()
    assert all(torch.equal(own[name], stored[name]) for name in own if name not in fresh)

    less = {name: value for name, value in stored.items() if name != "layer1.0.conv1.weight"}
    with pytest.raises(WeightsMismatch, match=r"layer1\.0\.conv1\.weight is missing"):
        model.load_backbone(less)
    with pytest.raises(WeightsMismatch, match="extra is not in the model"):
        model.load_backbone({**stored, "extra": torch.zeros(1)})
    bent = {**stored, "conv1.weight": torch.zeros(64, 3, 3, 3)}
    with pytest.raises(WeightsMismatch, match=r"conv1\.weight is \(64, 3, 3, 3\) instead of"):
        model.load_backbone(bent)


def test_w10_the_check_comes_before_any_change():
    model = ImageClassifier("resnet18", num_classes=10)
    before = {name: value.clone() for name, value in model.net.state_dict().items()}
    stored = torchvision.models.resnet18().state_dict()
    del stored["bn1.weight"]
    with pytest.raises(WeightsMismatch):
        model.load_backbone(stored)
    assert all(torch.equal(before[n], v) for n, v in model.net.state_dict().items())


def test_a_fitting_head_is_loaded_and_prefixes_are_taken_off():
    model = ImageClassifier("resnet18", num_classes=10)
    stored = torchvision.models.resnet18(num_classes=10).state_dict()
    assert model.load_backbone({f"module.{k}": v for k, v in stored.items()}) == []
    assert torch.equal(model.net.fc.weight, stored["fc.weight"])


def test_stems():
    small = ImageClassifier("resnet18", 10, image_size=32)
    assert isinstance(small.net.maxpool, torch.nn.Identity)
    assert small.net.conv1.weight.shape == (64, 3, 7, 7), "ImageNet weights still fit"
    assert small.hparams["stem"] == "small"
    large = ImageClassifier("resnet18", 10, image_size=224)
    assert isinstance(large.net.maxpool, torch.nn.MaxPool2d)
    cifar = ImageClassifier("resnet18", 10, stem="cifar")
    assert cifar.net.conv1.weight.shape == (64, 3, 3, 3)
    assert cifar(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(InvalidArgument, match="ResNets"):
        ImageClassifier("mobilenet_v3_small", 10, stem="small")


def test_w58_uint8_is_normalised_per_channel_and_floats_are_taken_as_prepared():
    model = ImageClassifier("resnet18", 2, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)).eval()
    images = torch.randint(0, 256, (2, 3, 40, 40), dtype=torch.uint8)
    mean = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)
    std = torch.tensor([0.5, 0.6, 0.7]).view(3, 1, 1)
    prepared = (images / 255 - mean) / std
    assert torch.allclose(model(images), model(prepared), atol=1e-5)


def test_wrong_arguments():
    with pytest.raises(InvalidArgument, match="resnet19") as caught:
        ImageClassifier("resnet19")
    assert "resnet18" in caught.value.hint
    for wrong in (
        {"num_classes": 0},
        {"lr": 0.0},
        {"optimizer": "magic"},
        {"schedule": "magic"},
        {"stem": "magic"},
        {"std": (1.0, 0.0, 1.0)},
        {"class_names": ["a"]},
    ):
        with pytest.raises(InvalidArgument):
            ImageClassifier("resnet18", **wrong)
