"""``lancenb train`` and ``lancenb eval``: words, answers, exit codes."""

from __future__ import annotations

import os

import pytest

import lancenb
from tests.data.tables import patterns

QUICK = ("model=simple_cnn", "data=lance", "data.train=pics", "trainer=quick", "batch_size=16")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    dm = lancenb.DataManager(folder / "store")
    dm.register("pics", str(patterns(folder / "p.lance", 48)))
    return folder / "store"


def test_train_then_eval(run, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run("train", *QUICK, f"root={root}", "lr=1e-2", "data.val_fraction=0.25")
    assert (status, err) == (0, "")
    assert "simple_cnn: 3 steps in" in out
    assert "validation accuracy" in out
    assert "stored as simple_cnn version 1\n  and simple_cnn-history version 1" in out
    assert os.listdir(tmp_path) == [], "no outputs folder, no logs"
    status, out, err = run("train", *QUICK, f"root={root}", "lr=1e-2", "data.val_fraction=0.25",
                           "resume=true")  # fmt: skip
    assert status == 0
    assert "3 steps (0 here) in" in out
    assert err.startswith("note: nothing was trained: the run was complete at step 3, and simple_")
    assert len(err.splitlines()) == 1
    data = ("data=lance", "data.train=pics", "split=train", "--root", str(root))
    status, out, err = run("eval", "checkpoint=simple_cnn-checkpoints@best", *data)
    assert (status, err) == (0, "")
    assert "on 48 rows" in out
    assert "circle" in out
    exam = ("data=lance", "data.test=pics", "--root", str(root))
    assert run("eval", "checkpoint=simple_cnn-checkpoints@best", *exam) == (0, out, "")
    status, _, err = run("eval", "checkpoint=simple_cnn@1", *data, "name=scores")
    assert (status, err) == (0, "")
    assert "scores" in run("ls", "--root", str(root))[1]
    dm = lancenb.DataManager(root)
    assert [(p["name"], p["version"]) for p in dm["scores"].parents] == [
        ("simple_cnn", 1),
        ("pics", 1),
    ]
    status, _, err = run("eval", "checkpoint=catalogue:simple_cnn-checkpoints@last", *data,
                         "name=others")  # fmt: skip
    assert (status, err) == (0, "")
    assert dm["others"].parents[0]["name"] == "simple_cnn-checkpoints"
    status, _, err = run("eval", "checkpoint=nobody", *data)
    assert status == 2
    assert "nobody" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "modle=resnet18"), "did you mean model"),
        (("train", "model=resnet19"), "did you mean resnet18"),
        (("train", "trainer.max_epoch=5"), "trainer.max_epochs"),
        (("train", "lr=fast"), "lr is a number"),
        (("train", "resnet18"), "key=value"),
        (("eval", "data=synthetic"), "checkpoint has to be given"),
        (("eval", "data=synthetic", "checkpoint=null"), "checkpoint has to be given"),
    ],
)
def test_what_is_asked_for_wrongly_is_one_sentence(run, words, said):
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert len(err.splitlines()) <= 2


def test_two_stores_are_refused(run, root, tmp_path):
    status, _, err = run("train", *QUICK, f"root={root}", "--root", str(tmp_path))
    assert status == 2
    assert "name two stores" in err


@pytest.mark.parametrize("command", ["train", "eval"])
def test_help_fits_80_columns(run, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, run(command, "--help")[1].splitlines())) <= 80


def test_help_lists_groups_and_keys(run):
    status, out, _ = run("train", "--help")
    assert status == 0
    for word in ("efficientnet_b0", "trainer.max_epochs=10", "lancenb train model=simple_cnn"):
        assert word in out
    assert "checkpoint=???" in run("eval", "--help")[1]
