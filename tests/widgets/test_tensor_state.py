"""What pages set on a tensor browser, odd names, and the order of two versions."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import lancenb as lnb


@pytest.fixture
def net(tmp_path: Any) -> lnb.DataManager:
    manager = lnb.DataManager(tmp_path)
    for value in (1.0, 2.0):
        state = {"": torch.ones(2), "w": torch.full((2, 3), value), "b": torch.zeros(1)}
        manager.save_weights("net", state)
    return manager


def test_a_tensor_without_a_name_is_not_chosen_by_itself(net: lnb.DataManager) -> None:
    browser = lnb.TensorBrowser(net["net"])
    assert browser.selected is None
    assert browser.tensor() is None
    assert browser.slice is None
    assert "float32 packs" not in str(browser._repr_mimebundle_())
    browser.selected = ""
    assert browser.tensor().tolist() == [1.0, 1.0]
    assert browser.code == "lnb.preview(dm['net'], tensor='', version=2)"
    heard: list[Any] = []
    browser.send = lambda content, buffers=(): heard.append(content)
    question = {"ask": "look", "id": 1, "args": {"name": "", "axes": [], "index": []}}
    browser._receive(browser, question, None)
    assert browser._lane is not None
    assert browser._lane.settle(60)
    assert "why" not in heard[0]["body"]
    assert lnb.compare(net["net"], 1, 2).selected is None
    assert lnb.compare(net["net"], 1, 2, "").selected == ""


@pytest.mark.parametrize("state", [{"axes": [7, 8]}, {"index": [-1] * 99}, {"axes": ["x"]}])
def test_forged_positions_never_break_a_browser(net: lnb.DataManager, state: Any) -> None:
    browser = lnb.TensorBrowser(net["net"], selected="w")
    browser.set_state(state)
    assert browser.slice.shape == (2, 3)
    assert "w" in repr(browser)
    browser.set_state({"selected": "nothing", "bins": 10**9})
    assert (browser.selected, browser.bins) == ("w", 48)


def test_the_line_for_a_path_can_be_run(net: lnb.DataManager) -> None:
    browser = lnb.TensorBrowser(str(net["net"].uri), selected="w")
    assert eval(browser.code, {"lnb": lnb}).data["name"] == "w"
    both = lnb.TensorBrowser(str(net["net"].uri), compare=1)
    assert eval(both.code, {"lnb": lnb}).sides == ["v1", "v2"]


def test_the_older_version_stands_first(net: lnb.DataManager) -> None:
    assert lnb.TensorBrowser(net["net"], compare=1).sides == ["v1", "v2"]
    assert lnb.TensorBrowser(net["net"], version=2, compare=1).sides == ["v2", "v1"]
    assert "9 parameters" in repr(lnb.TensorBrowser(net["net"]))
