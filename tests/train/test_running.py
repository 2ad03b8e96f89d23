"""Runs from a configuration, what they leave in the catalogue, DataModules, loggers, precision."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import lancenb as lnb
from lancenb.data import LanceDataModule
from lancenb.errors import (
    EmptyInput,
    Forbidden,
    InvalidArgument,
    InvalidName,
    SourceNotFound,
    StoreNotWritable,
    WeightsMismatch,
)
from lancenb.train import compose, evaluate, fit, load_classifier, run, run_evaluation
from tests.data.tables import pattern as picture
from tests.data.tables import patterns, png
from tests.train.runs import same_weights, store

QUICK = ["model=simple_cnn", "data=lance", "data.train=pics", "data.val_fraction=0.2",
         "trainer=cpu", "trainer.max_epochs=2", "batch_size=16"]  # fmt: skip


@pytest.fixture(scope="module")
def dm(tmp_path_factory):
    return store(tmp_path_factory.mktemp("running"))


@pytest.fixture(scope="module")
def ran(dm):
    return run(compose([*QUICK, "name=made", "lr=0.02", "message=first"]), manager=dm)


def test_a_run_stores_weights_history_checkpoints_and_its_configuration(dm, ran):
    assert (ran.name, ran.version) == ("made", 1)
    assert ran.artefacts == {"history": ("made-history", 1), "checkpoints": ("made-checkpoints", 2)}
    history = dm.dataset("made-history").to_table()
    assert history.equals(ran.history)
    assert history["step"].to_pylist() == list(range(1, 7))
    for name in ("made", "made-history", "made-checkpoints"):
        edges = [(p["name"], p["version"], p["relation"]) for p in dm[name].parents]
        assert ("pics", 1, "trained-on") in edges
        assert "pics" in repr(dm.lineage(name))
    assert all(n in repr(dm.lineage("pics")) for n in ("made", "made-history", "made-checkpoints"))
    stored = dm.load_weights("made").extras["lancenb.run"]
    assert stored["config"]["trainer"]["max_epochs"] == 2
    assert stored["config"]["model"]["lr"] == 0.02
    assert stored["config"]["data"]["_target_"] == "lancenb.data.LanceDataModule"
    assert stored["settings"]["seed"] == 42
    assert json.dumps(stored["config"]), "resolved and plain"


def test_tables_made_here_come_from_their_parents_not_from_a_table_in_memory(ran, dm):
    evaluate("made", "pics", manager=dm).save(dm, "made-exam")
    parts = ("made-exam", "made-exam-metrics", "made-exam-confusion", "made-exam-mistakes")
    for name in (*parts, "made-history"):
        graph = dm.lineage(name)
        assert not any(origin.addresses for origin in graph.origins), name
        assert "pics v1" in repr(graph)


def test_the_data_decides_what_the_configuration_leaves_open(ran, dm):
    given = ran.model.hparams
    assert given["num_classes"] == 3
    assert given["class_names"] == ["circle", "stripe", "dot"]
    assert given["image_size"] == 16
    assert given["mean"] != [0.485, 0.456, 0.406]


def test_the_same_configuration_gives_the_same_weights(ran, dm):
    again = run(compose([*QUICK, "save=false", "lr=0.02"]), manager=dm)
    assert again.history.equals(ran.history)
    assert same_weights(again.model.net, ran.model.net)
    assert again.version is None


def test_an_evaluation_from_a_configuration(ran, dm):
    words = ["data=lance", "data.train=pics", "split=train", "name=made-metrics"]
    found = run_evaluation(compose(["checkpoint=made-checkpoints@best", *words], of="eval"),
                           manager=dm)  # fmt: skip
    model = load_classifier("made-checkpoints@best", manager=dm)
    assert found.accuracy == evaluate(model, "pics", manager=dm).accuracy
    assert "made-metrics" in dm
    by_version = run_evaluation(compose(["checkpoint=made@1", *words[:3]], of="eval"), manager=dm)
    assert by_version.rows == 60
    with pytest.raises(EmptyInput, match="no test rows"):
        run_evaluation(compose(["checkpoint=made", *words[:2]], of="eval"), manager=dm)


def test_a_start_from_stored_weights(ran, dm):
    result = run(compose([*QUICK, "name=further", "start=made@1", "steps=1"]), manager=dm)
    assert result.run["start"] == {"name": "made", "version": 1}
    assert "made" in [p["name"] for p in dm["further"].parents]


def test_a_datamodule_is_taken_by_fit_and_resumes(dm, tmp_path):
    def module():
        return LanceDataModule("pics", val=0.2, manager=dm, batch_size=8, seed=5)

    from lancenb.train import Checkpoints
    from tests.train.runs import Stop

    keep = Checkpoints(every_steps=1, folder=str(tmp_path))
    options = {"epochs": 2, "accelerator": "cpu"}
    whole = fit("simple_cnn", module(), **options)
    assert whole.data == ("pics", 1)
    assert whole.history["val_acc"].null_count == whole.history.num_rows - 2
    with pytest.raises(RuntimeError, match="stopped"):
        fit("simple_cnn", module(), checkpoint=keep, callbacks=[Stop(8)], **options)
    again = fit("simple_cnn", module(), checkpoint=keep, resume=True, **options)
    assert again.history.equals(whole.history)
    assert same_weights(again.model.net, whole.model.net)
    with pytest.raises(InvalidArgument, match="its own validation"):
        fit("simple_cnn", module(), val=0.1)


def test_a_folder_of_pictures(dm, tmp_path):
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(8):
            (tmp_path / "pets" / name / f"{i}.png").write_bytes(png(picture(label, i)))
    words = ["model=simple_cnn", "data=folder", f"data.path={tmp_path / 'pets'}", "trainer=quick",
             "save=false", "callbacks=none"]  # fmt: skip
    result = run(compose(words), manager=dm)
    assert result.model.class_names == ["cat", "dog"]
    assert dm["pets"].rows == 16
    with pytest.raises(SourceNotFound, match="no folder"):
        run(compose([*words, f"data.path={tmp_path / 'nowhere'}"]), manager=dm)


def test_accumulation_counts_steps_and_takes_the_mean(dm):
    result = fit("simple_cnn", "pics", manager=dm, epochs=2, batch_size=8, accumulate=3,
                 save=False, accelerator="cpu")  # fmt: skip
    assert result.history["step"].to_pylist() == [1, 2, 3, 4, 5, 6], "8 batches: 3 + 3 + 2"
    rates = result.history["lr"].to_pylist()
    assert rates[-1] < 0.1 * max(rates), "the schedule ends with the last step"
    bound = fit("simple_cnn", "pics", manager=dm, steps=2, batch_size=4, accumulate=2, save=False,
                accelerator="cpu")  # fmt: skip
    assert bound.history.num_rows == 2
    with pytest.raises(InvalidArgument, match="accumulate"):
        fit("simple_cnn", "pics", manager=dm, accumulate=0)


def test_mixed_precision_on_the_cpu(dm):
    result = fit("simple_cnn", "pics", manager=dm, epochs=4, batch_size=8, lr=0.02, save=False,
                 precision="bf16-mixed", accelerator="cpu")  # fmt: skip
    assert all(np.isfinite(result.history["train_loss"]))
    assert result.last_loss < result.first_loss
    assert {p.dtype for p in result.model.parameters()} == {torch.float32}
    assert result.run["settings"]["precision"] == "bf16-mixed"


def test_csv_and_tensorboard_are_written(dm, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    result = fit("simple_cnn", "pics", manager=dm, epochs=2, batch_size=16, save=False, val=0.2,
                 loggers=["csv", "tensorboard"], accelerator="cpu")  # fmt: skip
    (table,) = (tmp_path / "lancenb-logs").rglob("metrics.csv")
    rows = [row for row in csv.DictReader(table.open()) if row["train_loss"]]
    assert [float(row["train_loss"]) for row in rows] == result.history["train_loss"].to_pylist()
    (events,) = (tmp_path / "lancenb-logs").rglob("events.out.tfevents.*")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(events)).Reload()
    values = [event.value for event in found.Scalars("train_loss")]
    assert values == pytest.approx(result.history["train_loss"].to_pylist())


def test_what_cannot_be_stored_fails_before_the_training(dm, tmp_path, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("it was trained")

    monkeypatch.setattr("lightning.Trainer.fit", never)
    options = {"steps": 1, "accelerator": "cpu"}
    read_only = lnb.DataManager(lnb.Store(dm.store.uri, read_only=True))
    with pytest.raises(StoreNotWritable):
        fit("simple_cnn", "pics", manager=read_only, name="x", **options)
    with pytest.raises(InvalidArgument, match="no catalogue"):
        fit("simple_cnn", dm["pics"], manager={"pics": 1}, name="x", **options)
    with pytest.raises(InvalidName):
        fit("simple_cnn", "pics", manager=dm, name="a/b", **options)
    with pytest.raises(InvalidName):
        fit("simple_cnn", "pics", manager=dm, name="x" * 120, **options)
    dm.save_weights("taken-history", {"w": torch.ones(2)})
    with pytest.raises(WeightsMismatch, match="not a history"):
        fit("simple_cnn", "pics", manager=dm, name="taken", **options)
    dm.save_weights("used-checkpoints", {"w": torch.ones(2)})
    with pytest.raises(WeightsMismatch, match="no checkpoints"):
        fit("simple_cnn", "pics", manager=dm, name="used", checkpoint=True, **options)


def test_a_token_that_may_only_read_is_refused_before_the_training():
    class Far:
        register = save_weights = convert = tag = None

        def about(self):
            return SimpleNamespace(scope="read", who="guest")

    with pytest.raises(Forbidden, match="'guest' may only read"):
        fit("simple_cnn", "pics", manager=Far(), name="x", steps=1)


def test_data_from_outside_the_catalogue_leaves_an_edge_to_its_address(dm, tmp_path):
    outside = patterns(tmp_path / "pics", 12)
    result = fit("simple_cnn", outside, manager=dm, name="outside", steps=1, accelerator="cpu")
    (edge,) = dm["outside"].parents
    assert edge["uri"].endswith("/pics")
    assert edge["version"] == 1
    assert result.data == ("pics", 1)


def test_a_history_that_cannot_be_stored_is_a_warning(dm, monkeypatch):
    whole = dm.convert

    def refuses(source, name, **options):
        raise lnb.errors.StoreError("the disk is gone")

    monkeypatch.setattr(dm, "convert", refuses)
    with pytest.warns(UserWarning, match="history could not be stored: the disk is gone"):
        result = fit("simple_cnn", "pics", manager=dm, name="kept", steps=1, accelerator="cpu")
    monkeypatch.setattr(dm, "convert", whole)
    assert result.version == 1
    assert result.artefacts == {}


def test_lightning_refuses_in_one_sentence(dm):
    options = {"manager": dm, "save": False}
    with pytest.raises(InvalidArgument, match="magic"):
        fit("simple_cnn", "pics", trainer={"magic": 1}, **options)
    with pytest.raises(InvalidArgument, match="gpuu"):
        fit("simple_cnn", "pics", accelerator="gpuu", **options)


def _scores(dm, *words):
    return run_evaluation(compose(["checkpoint=made", *words], of="eval"), manager=dm)


def test_an_evaluation_holds_nothing_out_unless_asked(ran, dm, tmp_path):
    names = ran.model.class_names
    for label, name in enumerate(names):
        (tmp_path / "exam" / name).mkdir(parents=True)
        for i in range(10):
            (tmp_path / "exam" / name / f"{i}.png").write_bytes(png(picture(label, i)))
    words = ["data=folder", f"data.path={tmp_path / 'exam'}"]
    every = 10 * len(names)
    assert _scores(dm, *words).rows == every, "the folder is the exam"
    assert _scores(dm, *words, "split=train").rows == every
    assert _scores(dm, *words, "split=train", "data.val_fraction=0.2").rows == every * 4 // 5
    assert _scores(dm, *words, "split=val").rows == every // 5


def test_a_table_to_score_needs_none_to_train_on(ran, dm):
    whole = evaluate("made", "pics", manager=dm).to_dict()
    assert _scores(dm, "data=lance", "data.test=pics").to_dict() == whole
    assert _scores(dm, "data=lance", "data.val=pics", "split=val").to_dict() == whole
    for words, missing in (
        ((), "data.test"),
        (("split=val", "data.test=pics"), "data.val"),
        (("split=train", "data.test=pics"), "data.train"),
        (("data.test=pics", "data.val_fraction=0.2"), "data.train"),
    ):
        with pytest.raises(InvalidArgument, match=f"{missing} has to be given"):
            _scores(dm, "data=lance", *words)


def test_every_data_of_a_training_can_be_scored(ran, dm):
    from lancenb.train.configs import groups

    for choice in groups("eval")["data"]:
        words = ["data.path=."] if choice == "folder" else []
        config = compose(["checkpoint=made", f"data={choice}", *words], of="eval")
        assert config.data.get("val_fraction") is None
        assert "train" not in config.data or choice == "lance"
