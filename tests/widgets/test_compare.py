"""Two versions of weights beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lancenb as lnb
from lancenb.errors import InvalidArgument, NotFound, VersionNotFound
from lancenb.widgets import TensorBrowser, compare
from tests.widgets._asking import asked, seen


@pytest.fixture
def pair(tmp_path: Any) -> tuple[lnb.DataManager, dict[str, Any], dict[str, Any]]:
    torch.manual_seed(0)
    dm = lnb.DataManager(tmp_path / "pair")
    one = {
        "body.weight": torch.randn(9, 6),
        "body.bias": torch.zeros(6),
        "old": torch.ones(3),
        "same": torch.arange(5),
        "wider": torch.ones(2, 2),
        "waves": torch.randn(3, 3, dtype=torch.complex64),
    }
    two = {
        "body.weight": one["body.weight"] * 2,
        "body.bias": torch.ones(6),
        "same": one["same"],
        "wider": torch.ones(2, 3),
        "waves": one["waves"] * 1j,
        "new": torch.ones(4),
    }
    dm.save_weights("net", one)
    dm.save_weights("net", two)
    return dm, one, two


def whats(browser: TensorBrowser) -> dict[str, str]:
    return {row[0]: row[5] for row in asked(browser, ask="index", offset=0)[0]["rows"]}


def test_the_list_says_what_differs(pair: Any) -> None:
    dm, _, _ = pair
    browser = compare(dm["net"], 1, 2)
    assert whats(browser) == {
        "body.weight": "changed",
        "body.bias": "changed",
        "same": "same",
        "wider": "reshaped",
        "waves": "changed",
        "new": "added",
        "old": "removed",
    }
    assert browser.sides == ["v1", "v2"]
    assert browser.changed_only
    assert "3 changed, 1 reshaped, 1 added, 1 removed" in browser.facts
    assert whats(compare(dm["net"], 2, 1))["old"] == "added"
    assert not compare(dm["net"], 1, 1).changed_only


def test_figures_agree_with_the_library_and_with_numpy(pair: Any) -> None:
    dm, one, two = pair
    browser = compare(dm["net"], 1, 2)
    browser.measure()
    known = {n: c for n, _, c in asked(browser, ask="known", since=0)[0]["known"]}
    for change in dm["net"].diff(1, 2).tensors:
        if change.what != "changed":
            assert known.get(change.name) is None
            continue
        facts = asked(browser, ask="figures", name=change.name, bins=48)[0]
        assert float(known[change.name]) == pytest.approx(change.relative)
        assert float(facts["change"]["norm"]) == pytest.approx(change.norm)
        if change.cosine is None:
            assert facts["change"]["cosine"] is None
        else:
            assert facts["change"]["cosine"] == pytest.approx(change.cosine, abs=1e-12)
        gap = (two[change.name] - one[change.name]).abs().max()
        assert facts["change"]["largest"] == pytest.approx(float(gap))
    assert known["body.bias"] == "inf"
    assert "same" not in known, "what did not change is not read"


def test_both_maps_have_one_scale_and_the_difference_its_own(pair: Any) -> None:
    dm, one, two = pair
    browser = compare(dm["net"], 1, 2, tensor="body.weight")
    body, maps = seen(browser, "body.weight")
    a, b = one["body.weight"].numpy(), two["body.weight"].numpy()
    assert all(np.array_equal(x, y) for x, y in zip(maps, (a, b, b - a), strict=True))
    first, second, gap = body["maps"]
    assert (first["low"], first["high"]) == (second["low"], second["high"])
    assert gap["high"] < first["high"]
    facts = asked(browser, ask="figures", name="body.weight", bins=24)[0]
    assert len(facts["counts"]) == 2
    assert sum(facts["counts"][0]) == sum(facts["counts"][1]) == a.size
    assert float(facts["high"]) == pytest.approx(max(a.max(), b.max()))
    assert torch.equal(browser.tensor(0), one["body.weight"])
    assert torch.equal(browser.tensor(), two["body.weight"])
    for name, amount in (("new", 1), ("old", 1), ("wider", 1), ("waves", 3)):
        assert len(seen(browser, name)[1]) == amount, name
    browser.selected = "old"
    assert torch.equal(browser.slice.reshape(-1), one["old"])


def test_of_two_artefacts_and_from_afar(pair: Any, far: Any) -> None:
    dm, one, _ = pair
    dm.save_weights("other", {**one, "old": torch.zeros(3)})
    browser = compare(dm["net"], 1, dm["other"])
    assert [n for n, what in whats(browser).items() if what != "same"] == ["old"]
    assert browser.sides == ["net v1", "other v1"]
    assert browser.code == "lnb.compare(dm['net'], 1, dm['other'])"
    distant = compare(far.get("net"), 1, 2, "head.weight")
    assert whats(distant)["layer1.bias"] == "same"
    distant.measure("head.weight")
    assert "head.weight" in repr(distant)


def test_the_static_form_tells_the_difference(pair: Any) -> None:
    dm, _, _ = pair
    browser = compare(dm["net"], 1, 2)
    lines = {line.split()[0]: line.split() for line in repr(browser).splitlines()[2:]}
    assert lines["old"][1] == "removed"
    assert "same" not in lines
    browser.measure()
    browser.selected = "body.weight"
    bundle = browser._repr_mimebundle_()[0]
    assert "relative change 1" in bundle["text/plain"]
    assert bundle["text/html"].count('lnb-heat"') == 3
    assert "Difference" in bundle["text/html"]


def test_what_cannot_be_compared_is_refused(pair: Any, dm: Any) -> None:
    other, _, _ = pair
    with pytest.raises(InvalidArgument, match="not weights"):
        compare(dm["shapes"], 1, 1)
    with pytest.raises(VersionNotFound):
        compare(other["net"], 1, 9)
    with pytest.raises(NotFound, match="no tensor"):
        compare(other["net"], 1, 2, "nothing")
