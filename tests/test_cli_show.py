"""``lancenb show``: facts about an artefact, and the run that trained weights come from."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch

import lancenb

RUN = {
    "classifier": {"model": "simple_cnn", "lr": 0.02, "mean": [0.25, 0.5, 0.75], "stem": None},
    "data": {"name": "pics", "version": 3, "rows": 1200},
    "validation": {"name": "pics", "version": 3, "rows": 240, "fraction": 0.2},
    "start": None,
    "settings": {"epochs": 2, "steps": None, "batch_size": 8, "seed": 42},
    "config": {"model": {"_target_": "lancenb.train.ImageClassifier", "lr": 0.02}, "name": None,
               "trainer": {"_partial_": True, "max_epochs": 2, "limit": None}, "save": True},
    "versions": {f"package{number}": "1.0.0" for number in range(12)},
    "steps_done": 39, "steps_here": 19, "seconds": 1.25, "device": "cpu",
    "loss_first": 1.0664, "loss_last": 0.25, "val_acc": 0.981,
}  # fmt: skip


@pytest.fixture
def dm(tmp_path):
    return lancenb.DataManager(tmp_path / "store")


def test_show_tells_the_run_of_trained_weights(run, dm):
    dm.save_weights("m", {"w": torch.ones(2)}, extras={"lancenb.run": RUN})
    status, out, err = run("show", "m", "--root", dm.store.uri)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    told = lines[lines.index("run:") + 1 :]
    assert told[:6] == [
        "  trained on: pics version 3, 1,200 rows",
        "  validated on: pics version 3, 240 rows (0.2 of the data, split off)",
        "  outcome: 39 steps (19 after a resume) in 1.2 s on cpu, loss 1.066 -> 0.250,",
        "    validation accuracy 98.1%",
        "  settings: epochs=2, batch_size=8, seed=42",
        "  classifier: model=simple_cnn, lr=0.02, mean=[0.25, 0.5, 0.75]",
    ]
    assert told[told.index("configuration:") + 1 :] == [
        "  model._target_=lancenb.train.ImageClassifier",
        "  model.lr=0.02",
        "  trainer.max_epochs=2",
        "  save=true",
    ]
    assert max(map(len, told)) <= 80


@pytest.mark.parametrize(
    ("validation", "told"),
    [
        ({"name": "pics", "version": 3}, "pics version 3"),
        ({"name": "v", "version": 1, "rows": 9, "fraction": None}, "v version 1, 9 rows"),
    ],
)
def test_show_tells_validation_data_of_its_own(run, dm, validation, told):
    kept = {"lancenb.run": {**RUN, "validation": validation}}
    dm.save_weights("m", {"w": torch.ones(2)}, extras=kept)
    out = run("show", "m", "--root", dm.store.uri)[1]
    assert f"  validated on: {told}" in out.splitlines()


@pytest.mark.parametrize("kept", [{}, {"lancenb.run": "older"}, {"lancenb.run": {"data": [1]}}])
def test_show_says_nothing_of_a_run_where_there_is_none(run, dm, kept):
    dm.save_weights("m", {"w": torch.ones(2)}, extras=kept)
    dm.convert(pa.table({"x": [1]}), "rows")
    for name in ("m", "rows"):
        status, out, err = run("show", name, "--root", dm.store.uri)
        assert (status, err) == (0, "")
        assert out.startswith(f"<Artifact {name}>")
        assert "run:" not in out
