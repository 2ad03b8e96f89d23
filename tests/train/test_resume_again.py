"""Resuming what is complete, with other settings, or while another training has the name."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.utilities.rank_zero import rank_zero_only

from lancenb import LanceDataModule
from lancenb.catalog._leases import FOLDER, leases, put
from lancenb.catalog._names import now
from lancenb.catalog._owner import this_owner
from lancenb.errors import Conflict, InvalidArgument
from lancenb.train import Checkpoints, _artefacts, fit, load_classifier, read_checkpoint
from lancenb.train._claim import _key, claimed
from lancenb.train._resuming import Resumed
from tests.train.runs import Stop, same_weights, store

REPO = Path(__file__).parents[2]
OPTIONS: dict[str, Any] = {
    "epochs": 2, "batch_size": 8, "lr": 0.02, "accelerator": "cpu", "name": "m",
    "checkpoint": True, "resume": True,
}  # fmt: skip


@pytest.fixture
def dm(tmp_path):
    return store(tmp_path)


def stopped(dm, step=12, data: Any = "pics", **options: Any):
    with pytest.raises(RuntimeError, match="stopped"):
        fit("simple_cnn", data, manager=dm, **{**OPTIONS, "callbacks": [Stop(step)], **options})


def run_of(dm, name="m"):
    return dm.load_weights(name).extras["lancenb.run"]


def test_a_complete_run_is_not_trained_stored_or_recorded_again(dm):
    first = fit("simple_cnn", "pics", manager=dm, **OPTIONS)
    assert "16 steps in" in repr(first)
    tags, record = dm.tags("m-checkpoints"), run_of(dm)
    with pytest.warns(UserWarning, match="nothing was trained") as seen:
        again = fit(
            "simple_cnn", "pics", manager=dm, **{**OPTIONS, "seed": 5, "batch_size": 16, "lr": 0.3}
        )
    assert [str(w.message) for w in seen] == [
        "nothing was trained: the run was complete at step 16, and m version 1 has its weights;"
        " more epochs= would go on from there"
    ]
    assert (again.steps_here, again.version, again.report) == (0, 1, None)
    assert again.artefacts == first.artefacts
    assert same_weights(again.model, first.model)
    for facts in (again.run, run_of(dm)):
        assert facts["settings"] == record["settings"]
        assert facts["classifier"]["lr"] == 0.02
    assert dm["m"].version == dm["m-history"].version == 1
    assert dm.tags("m-checkpoints") == tags


def test_weights_of_a_complete_run_are_stored_when_they_are_not_there(dm):
    """Killed after the last checkpoint, before the weights were stored."""
    first = fit("simple_cnn", "pics", manager=dm, **OPTIONS)
    dm.delete("m", confirm="m")
    with pytest.warns(UserWarning, match="m version 1 has its weights"):
        again = fit("simple_cnn", "pics", manager=dm, **{**OPTIONS, "seed": 5})
    assert again.version == 1
    assert run_of(dm)["settings"]["seed"] == 42
    assert dm.load_weights("m").state_dict.keys() == first.model.net.state_dict().keys()


def test_a_history_that_a_kill_has_left_out_is_stored_by_the_resume(dm):
    fit("simple_cnn", "pics", manager=dm, **OPTIONS)
    dm.delete("m-history", confirm="m-history")
    with pytest.warns(UserWarning, match="m version 1 has its weights"):
        again = fit("simple_cnn", "pics", manager=dm, **OPTIONS)
    assert again.artefacts["history"] == ("m-history", 1)
    assert dm["m-history"].rows == again.history.num_rows
    with pytest.warns(UserWarning, match="m version 1 has its weights"):
        assert fit("simple_cnn", "pics", manager=dm, **OPTIONS).artefacts == again.artefacts


def test_other_settings_than_before_are_said_and_recorded_as_they_are(dm):
    whole = fit("simple_cnn", "pics", manager=dm, val=0.2, **{**OPTIONS, "name": "whole"})
    stopped(dm, 8, val=0.2)
    with pytest.warns(UserWarning, match="seed 42") as seen:
        result = fit("simple_cnn", "pics", manager=dm, val=0.2, **{**OPTIONS, "seed": 5})
    assert [str(w.message) for w in seen] == [
        "the training goes on with seed 42 of the checkpoint m-checkpoints@last; seed 5, which was"
        " given here, has no effect"
    ]
    assert seen[0].filename == __file__
    assert same_weights(result.model, whole.model), "order and split are those of seed 42"
    assert result.run["settings"]["seed"] == 42
    assert (result.steps_here, result.history.num_rows) == (6, 12)
    assert "12 steps (6 here) in" in repr(result)
    assert "12 (6 here) in" in result._repr_html_()
    stopped(dm, 8, name="n")
    with pytest.warns(UserWarning, match="another batch_size") as seen:
        fit("simple_cnn", "pics", manager=dm, **{**OPTIONS, "name": "n", "batch_size": 16})
    assert [str(w.message) for w in seen] == [
        "the training goes on from step 8 with another batch_size 16 (before: 8)"
    ]
    assert run_of(dm, "n")["settings"]["batch_size"] == 16


def test_one_of_several_processes_says_what_a_resume_changes(dm, monkeypatch):
    stopped(dm, 8)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    gc.collect()  # what other tests left behind may warn when it goes
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        before = Resumed.at("catalogue:m-checkpoints@last", dm)
        assert before is not None
        before.tell({**before.settings, "batch_size": 16}, seed=5)
        assert seen == []
        monkeypatch.setattr(rank_zero_only, "rank", 0)
        before.tell({**before.settings, "batch_size": 16}, seed=5)
    assert len(seen) == 2


def test_a_resume_with_the_same_settings_says_nothing(dm):
    stopped(dm, 10, checkpoint=3)
    gc.collect()  # what other tests left behind may warn when it goes
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit("simple_cnn", "pics", manager=dm, **{**OPTIONS, "checkpoint": 3})
    assert [str(w.message) for w in seen] == []


def test_a_datamodule_with_another_seed(dm):
    def module(seed, **more):
        return LanceDataModule("pics", manager=dm, batch_size=8, seed=seed, **more)

    stopped(dm, 12, module(1))
    with pytest.warns(UserWarning, match="by seed 1 of the checkpoint .* seed 2 of the DataModule"):
        result = fit("simple_cnn", module(2), manager=dm, **{**OPTIONS, "batch_size": 99})
    assert result.run["settings"]["batch_size"] == 8, "that of the DataModule"
    stopped(dm, 5, module(1, val_fraction=0.2), name="n", checkpoint=4)
    with pytest.raises(InvalidArgument, match=r"by seed 2.* by seed 1") as wrong:
        fit("simple_cnn", module(2, val_fraction=0.2), manager=dm, **{**OPTIONS, "name": "n"})
    assert wrong.value.hint == "seed=1 goes on with the same rows"


def test_a_second_training_of_a_name_is_refused_while_the_first_one_runs(dm):
    with claimed(dm, "m"):
        with pytest.raises(Conflict, match=r"training of 'm' is running: .*process") as two:
            fit("simple_cnn", "pics", manager=dm, **OPTIONS)
        assert "name='m-2'" in two.value.hint
        assert "m" not in dm
        fit("simple_cnn", "pics", manager=dm, **{**OPTIONS, "name": "m-2", "epochs": 1})
    assert fit("simple_cnn", "pics", manager=dm, **{**OPTIONS, "epochs": 1}).version == 1
    assert leases(dm.store) == []


def test_a_training_holds_its_name_until_its_weights_are_stored(dm, monkeypatch):
    keep, held = _artefacts.store_result, []

    def look(*words: Any) -> None:
        held.extend(lease.key for lease in leases(dm.store))
        keep(*words)

    monkeypatch.setattr(_artefacts, "store_result", look)
    fit("simple_cnn", "pics", manager=dm, **{**OPTIONS, "epochs": 1})
    assert held == [_key("m")]
    assert leases(dm.store) == []


def test_a_claim_ends_with_its_process_and_with_its_time(dm):
    code = (
        "import os, signal, sys; from lancenb import DataManager;"
        "from lancenb.train._claim import claimed\n"
        "with claimed(DataManager(sys.argv[1]), 'm'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, dm.store.uri], cwd=REPO, timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert [lease.state for lease in leases(dm.store, _key("m"))] == ["dead"]
    with claimed(dm, "m"):
        assert [lease.state for lease in leases(dm.store, _key("m"))] == ["alive"]
    far = {**this_owner("somebody", "T"), "host": "elsewhere"}
    place = f"{FOLDER}/{_key('m')}--T.json"
    put(dm.store, place, json.dumps(far).encode())
    with pytest.raises(Conflict, match=r"somebody \(process \d+ on elsewhere\)"), claimed(dm, "m"):
        pass
    late = {**far, "lease": (now() - timedelta(minutes=1)).isoformat()}
    put(dm.store, place, json.dumps(late).encode())
    with claimed(dm, "m"):
        pass
    assert leases(dm.store) == []


def test_names_with_dashes_are_claimed_one_by_one(dm):
    with claimed(dm, "a--b"), claimed(dm, "a-_b"), claimed(dm, "a" * 128):
        assert len(leases(dm.store)) == 3
        assert [len(leases(dm.store, _key(name))) for name in ("a--b", "a-_b")] == [1, 1]


def test_the_last_step_is_the_best_until_there_was_a_validation(dm, tmp_path):
    stopped(dm, 6, checkpoint=4)
    assert dm.tags("m-checkpoints")["best"] == dm.tags("m-checkpoints")["last"]
    assert load_classifier("m-checkpoints@best", manager=dm.store.uri).num_classes == 3
    stopped(dm, 6, name="v", checkpoint=4, val=0.2)
    assert dm.tags("v-checkpoints")["best"] == dm.tags("v-checkpoints")["last"]
    keep = Checkpoints(every_steps=4, folder=str(tmp_path / "kept"))
    stopped(dm, 6, name="f", checkpoint=keep)
    assert read_checkpoint(tmp_path / "kept" / "best.ckpt")["global_step"] == 4


def test_a_resume_keeps_the_best_one_of_the_validations_before(dm):
    stopped(dm, 7, val=0.2, epochs=3, checkpoint=2)
    best = read_checkpoint("catalogue:m-checkpoints@best", manager=dm)["global_step"]
    assert best == 6
    stopped(dm, 11, val=0.2, epochs=3, checkpoint=2)
    step = {tag: read_checkpoint(f"catalogue:m-checkpoints@{tag}", manager=dm)["global_step"]
            for tag in ("last", "best")}  # fmt: skip
    assert step == {"last": 10, "best": 6}


def test_a_root_does_for_a_catalogue(dm, tmp_path):
    root = tmp_path / "store"
    result = fit("simple_cnn", "pics", manager=root, **{**OPTIONS, "epochs": 1})
    assert result.version == 1
    assert load_classifier("m", manager=str(root)).num_classes == 3
    assert read_checkpoint("catalogue:m-checkpoints@last", manager=root)["global_step"] == 8
