"""Filling a module: everything that does not fit is said by name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lancenb.convert.weights import load_weights, save_weights
from lancenb.errors import InvalidArgument, NotFound, WeightsMismatch

from .helpers import assert_same


def net(classes: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = nn.Sequential()
    model.body = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5))
    model.fc = nn.Linear(5, classes)
    return model


@pytest.fixture
def stored(tmp_path):
    model = net()
    return model, save_weights(model, tmp_path / "m.lance").uri


def test_exact_load_is_bit_equal_and_keeps_the_parameters(stored):
    model, uri = stored
    other = net(seed=1)
    before = [id(p) for p in other.parameters()]
    result = load_weights(uri, other)
    assert result.complete
    assert result.loaded == list(model.state_dict())
    assert_same(dict(model.state_dict()), dict(other.state_dict()))
    assert [id(p) for p in other.parameters()] == before
    other(torch.ones(2, 4)).sum().backward()


def test_w10_a_head_that_differs_is_an_error_by_default(stored):
    _, uri = stored
    other = net(classes=7, seed=1)
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(WeightsMismatch, match=r"fc\.weight.*\[3, 5\] vs \[7, 5\]") as caught:
        load_weights(uri, other)
    assert "backbone" in caught.value.hint
    assert caught.value.details["mismatched"][0] == ["fc.weight", [3, 5], [7, 5]]
    assert_same(dict(before), dict(other.state_dict()))


def test_w10_backbone_lets_only_the_last_layer_differ_and_says_so(stored):
    model, uri = stored
    other = net(classes=7, seed=1)
    result = load_weights(uri, other, strict="backbone")
    assert [name for name, _, _ in result.mismatched] == ["fc.weight", "fc.bias"]
    assert "fc.weight" in repr(result)
    assert torch.equal(other.body[0].weight, model.body[0].weight)
    renamed = net(seed=1)
    renamed.head = renamed.fc
    del renamed.fc
    result = load_weights(uri, renamed, strict="backbone")
    assert result.missing == ["head.weight", "head.bias"]
    assert result.unexpected == ["fc.weight", "fc.bias"]
    wrong = net(seed=1)
    wrong.body[0] = nn.Linear(4, 5, bias=False)
    with pytest.raises(WeightsMismatch, match=r"body\.0\.bias"):
        load_weights(uri, wrong, strict="backbone")


def test_loose_takes_what_fits_but_never_nothing(stored):
    _, uri = stored
    part = nn.Sequential()
    part.body = net(seed=1).body
    result = load_weights(uri, part, strict="loose")
    assert result.unexpected == ["fc.weight", "fc.bias"]
    assert len(result.loaded) == 7
    with pytest.raises(WeightsMismatch):
        load_weights(uri, nn.Linear(9, 9), strict="loose")
    with pytest.raises(InvalidArgument):
        load_weights(uri, part, strict="yes")


def test_missing_and_unexpected_names_are_listed(stored):
    _, uri = stored
    other = net()
    other.extra = nn.Linear(2, 2)
    with pytest.raises(WeightsMismatch, match=r"2 missing in the table: extra\.weight"):
        load_weights(uri, other)
    part = nn.Sequential()
    part.body = net().body
    with pytest.raises(WeightsMismatch, match=r"2 unknown to the module: fc\.weight"):
        load_weights(uri, part)


def test_prefixes_are_stripped_only_when_asked(tmp_path):
    model = net()
    state = {f"module.{k}": v for k, v in model.state_dict().items()}
    uri = save_weights({"state_dict": state, "best": torch.ones(1)}, tmp_path / "m.lance").uri
    other = net(seed=1)
    with pytest.raises(WeightsMismatch) as caught:
        load_weights(uri, other)
    assert "state_dict.module." in caught.value.hint
    with pytest.raises(WeightsMismatch, match="best"):
        load_weights(uri, other, strip=("state_dict.", "module."))
    load_weights(uri, other, only="state_dict.*", strip=["state_dict.", "module."])
    assert_same(dict(model.state_dict()), dict(other.state_dict()))
    for strip in ("auto", "state_dict.module."):
        fresh = net(seed=2)
        only = None if strip == "auto" else "state_dict.*"
        load_weights(uri, fresh, only=only, strip=strip)
        assert_same(dict(model.state_dict()), dict(fresh.state_dict()))


def test_strip_that_makes_two_names_equal_is_refused(tmp_path):
    uri = save_weights({"a.w": torch.ones(1), "w": torch.ones(1)}, tmp_path / "m.lance").uri
    with pytest.raises(WeightsMismatch, match="'w'"):
        load_weights(uri, strip="a.")


def test_without_a_module_everything_is_given(stored):
    model, uri = stored
    result = load_weights(uri)
    assert_same(dict(model.state_dict()), result.state_dict)
    assert result.loaded == list(model.state_dict())
    assert (result.version, result.uri) == (1, uri)
    with pytest.raises(NotFound):
        load_weights(uri, only="nothing")


def test_types_are_converted_and_reported(stored):
    _, uri = stored
    other = net().half()
    result = load_weights(uri, other)
    assert other.fc.weight.dtype == torch.float16
    assert ("fc.weight", "float32", "float16") in result.cast
    assert "converted" in repr(result)


def test_tied_parameters_stay_tied_also_on_meta(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(5, 4)
            self.head = nn.Linear(4, 5, bias=False)
            self.head.weight = self.embed.weight

    model = Tied()
    uri = save_weights(model, tmp_path / "m.lance").uri
    for device in ("cpu", "meta"):
        with torch.device(device):
            other = Tied()
        load_weights(uri, other)
        assert other.head.weight is other.embed.weight
        assert_same(dict(model.state_dict()), dict(other.state_dict()))
        assert isinstance(other.head.weight, nn.Parameter)


def test_resnet18_predicts_the_same_after_a_round_trip(tmp_path):
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    uri = save_weights(model, tmp_path / "m.lance").uri
    other = torchvision.models.resnet18(weights=None).eval()
    assert len(load_weights(uri, other).loaded) == 122
    picture = torch.randn(1, 3, 32, 32)
    assert torch.equal(model(picture), other(picture))


def test_nothing_heavy_is_imported_by_the_room():
    import subprocess
    import sys

    code = (
        "import sys, lancenb.convert.weights\n"
        "heavy = {'torch', 'lance', 'datasets', 'pyarrow.dataset'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=sys.path[0] or ".")
