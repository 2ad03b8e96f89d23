"""What comes from foreign tables or the environment is text, and secrets stay where they are."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

import lancenb as lnb
from lancenb.cli import main
from lancenb.train import compose, run
from lancenb.train._targets import stored_form
from tests.data.tables import image_table, pattern, png, write

SECRET = "not-for-everybody"
QUICK = ["model=simple_cnn", "data=lance", "trainer=quick", "callbacks=none", "batch_size=8"]


@pytest.fixture
def environment(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture
def dm(tmp_path):
    names = ["${oc.env:AWS_SECRET_ACCESS_KEY}", "???", "${nobody}"]
    cells = [png(pattern(i % 3, i, 16)) for i in range(24)]
    table = image_table(cells, [i % 3 for i in range(24)], names)
    dm = lnb.DataManager(tmp_path / "store")
    dm.register("evil", write(table, tmp_path / "evil.lance"))
    return dm


def test_names_of_classes_are_text_whatever_they_look_like(dm, environment):
    result = run(compose([*QUICK, "data.train=evil", "name=m"]), manager=dm)
    assert sorted(result.model.class_names) == [
        "${nobody}",
        "${oc.env:AWS_SECRET_ACCESS_KEY}",
        "???",
    ]
    assert SECRET not in str(result.run) + repr(result)


@pytest.mark.parametrize(
    "word", ["+model._partial_=true", "+data._partial_=true", "trainer._partial_=false"]
)
def test_parts_are_made_whatever_hydra_is_told(dm, word):
    result = run(compose([*QUICK, "data.train=evil", "name=m", word]), manager=dm)
    assert isinstance(result.model, torch.nn.Module)


@pytest.mark.parametrize("value", [SECRET, "pa\\ss'wo\"rd", "two\nlines of it"])
def test_a_value_of_the_environment_stays_a_reference_wherever_it_is_repeated(monkeypatch, value):
    monkeypatch.setenv("ODD", value)
    given = {"a": {"p": "${oc.env:ODD}"}, "b": "${a}", "c": ["${a}"], "d": "see ${a.p}", "e": 5}
    stored = stored_form(OmegaConf.create(given))
    assert stored == {**given, "e": 5}


def test_show_prints_no_value_of_the_environment(environment, capsys):
    assert (
        main(["train", "--show", *QUICK, "data.train=x", "name=${oc.env:AWS_SECRET_ACCESS_KEY}"])
        == 0
    )
    told = capsys.readouterr()
    assert SECRET not in told.out + told.err
    assert "name: ${oc.env:AWS_SECRET_ACCESS_KEY}" in told.out
