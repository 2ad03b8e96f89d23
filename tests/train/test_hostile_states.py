"""The state of a training in a checkpoint that was tampered with: one error that names it."""

from __future__ import annotations

import copy
import math
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from lancenb.errors import CorruptInput
from lancenb.train import (
    Checkpoints,
    ImageClassifier,
    LanceCheckpointIO,
    fit,
    read_checkpoint,
)
from tests.train.runs import Stop, store

OPTIONS: dict[str, Any] = {
    "save": False, "accelerator": "cpu", "batch_size": 8, "steps": 2,
}  # fmt: skip
FIT = ("loops", "fit_loop")
NUMPY = ("MT19937", np.zeros(624, np.uint32), 625, 0, 0.0)
CASES: list[tuple[tuple[Any, ...], Any]] = [
    (("loops",), [1]),
    (("loops",), {}),
    (FIT, 5),
    ((*FIT, "epoch_progress"), None),
    ((*FIT, "epoch_progress", "current"), None),
    ((*FIT, "epoch_progress", "current", "ready"), "x"),
    ((*FIT, "epoch_progress", "total", "completed"), -1),
    ((*FIT, "epoch_loop.batch_progress", "is_last_batch"), "no"),
    ((*FIT, "epoch_loop.batch_progress", "current", "ready"), 1.5),
    ((*FIT, "epoch_loop.automatic_optimization.optim_progress", "optimizer"), {"step": 1}),
    ((*FIT, "epoch_loop.state_dict"), [1]),
    ((*FIT, "epoch_loop.state_dict", "_batches_that_stepped"), "x"),
    ((*FIT, "state_dict", "combined_loader"), {"a": 1}),
    ((*FIT, "state_dict", "combined_loader"), [1]),
    ((*FIT, "state_dict", "combined_loader"), [{}, {}, {}]),
    (("callbacks",), [1]),
    (("callbacks", "Recorder"), {}),
    (("callbacks", "Recorder", "columns"), ["a"] * 7),
    (("callbacks", "Recorder", "values"), [1]),
    (("callbacks", "Randomness"), 5),
    (("callbacks", "Randomness", "torch"), torch.zeros(3)),
    (("callbacks", "Randomness", "numpy"), NUMPY),
    (("callbacks", "Randomness", "python"), (3, (1, 2), None)),
    (("callbacks", "KeepCheckpoints"), {"best": "x"}),
    (("callbacks", "LoaderState"), [1]),
    (("callbacks", "LoaderState", "position"), "x"),
    (("optimizer_states",), 5),
    (("optimizer_states",), []),
    (("optimizer_states", 0), {}),
    (("optimizer_states", 0, "param_groups"), []),
    (("optimizer_states", 0, "param_groups", 0), {}),
    (("optimizer_states", 0, "param_groups", 0, "lr"), "x"),
    (("optimizer_states", 0, "param_groups", 1, "momentum"), math.nan),
    (("optimizer_states", 0, "param_groups", 1, "nesterov"), [1]),
    (("optimizer_states", 0, "state"), [1]),
    (("optimizer_states", 0, "state", 0), 5),
    (("optimizer_states", 0, "state", 0, "momentum_buffer"), 5),
    (("optimizer_states", 0, "state", 0, "momentum_buffer"), torch.zeros(2)),
    (("lr_schedulers",), {}),
    (("lr_schedulers",), []),
    (("lr_schedulers", 0), 5),
    (("lr_schedulers", 0), {}),
    (("lr_schedulers", 0, "base_lrs"), [1.0]),
    (("lr_schedulers", 0, "last_epoch"), "x"),
    (("lr_schedulers", 0, "optimizer"), 5),
    (("lr_schedulers", 0, "lr_lambdas"), [5, 5]),
    (("pytorch-lightning_version",), "x.y"),
    (("pytorch-lightning_version",), 5),
    (("hyper_parameters", "lr"), "x"),
    (("hyper_parameters", "momentum"), [1]),
]


class Notes(L.Callback):
    """A callback of somebody else, which trusts its state."""

    def state_dict(self):
        return {"notes": [1]}

    def load_state_dict(self, state_dict):
        self.first = state_dict["notes"][0]


BREAK = [Notes(), Stop(1)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A catalogue, and the content of a checkpoint of a training inside an epoch."""
    folder = tmp_path_factory.mktemp("kept")
    dm = store(folder)
    keep = Checkpoints(every_steps=1, folder=str(folder / "k"))
    with pytest.raises(RuntimeError, match="stopped"):
        fit("simple_cnn", "pics", manager=dm, checkpoint=keep, callbacks=BREAK, **OPTIONS)
    return dm, read_checkpoint(folder / "k" / "last.ckpt")


def tampered(content, place, value) -> dict[str, Any]:
    found = part = copy.deepcopy(content)
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return found


def go_on(dm, folder, content, model: Any = "simple_cnn", **more: Any):
    LanceCheckpointIO().save_checkpoint(content, folder / "c.ckpt")
    keep = Checkpoints(folder=str(folder / "more"))
    options = {**OPTIONS, "checkpoint": keep, "callbacks": [Notes()], **more}
    return fit(model, "pics", manager=dm, resume=str(folder / "c.ckpt"), **options)


@pytest.mark.parametrize(("place", "value"), CASES, ids=lambda part: str(part)[-50:])
def test_a_tampered_state_names_the_checkpoint_and_a_way_on(kept, tmp_path, place, value):
    dm, content = kept
    with pytest.raises(CorruptInput, match=r"the checkpoint .*c\.ckpt") as caught:
        go_on(dm, tmp_path, tampered(content, place, value))
    assert "resume=False" in caught.value.hint
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "facts",
    [
        {"settings": {"seed": -1}},
        {"settings": {"seed": "x"}},
        {"settings": {"seed": 10**30}},
        {"data": {"name": "pics", "version": "x"}},
        {"data": {"name": "pics", "version": [1]}},
    ],
)
def test_tampered_facts_name_the_checkpoint(kept, tmp_path, facts):
    dm, content = kept
    LanceCheckpointIO(facts=facts).save_checkpoint(content, tmp_path / "c.ckpt")
    with pytest.raises(CorruptInput, match=r"the checkpoint .*c\.ckpt is damaged") as caught:
        fit("simple_cnn", "pics", manager=dm, resume=str(tmp_path / "c.ckpt"), **OPTIONS)
    assert "resume=False" in caught.value.hint


def test_facts_of_a_wrong_kind_are_none(kept, tmp_path):
    dm, content = kept
    io = LanceCheckpointIO(facts={"settings": [1], "data": [1]})
    io.save_checkpoint(content, tmp_path / "c.ckpt")
    options = {**OPTIONS, "callbacks": [Notes()]}
    found = fit("simple_cnn", "pics", manager=dm, resume=str(tmp_path / "c.ckpt"), **options)
    assert len(found.history) == 2


def test_the_state_of_another_ones_callback(kept, tmp_path):
    dm, content = kept
    with pytest.raises(CorruptInput, match="it lacks 'notes'") as caught:
        go_on(dm, tmp_path, tampered(content, ("callbacks", "Notes"), {"other": 1}))
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_fails_in_the_training_itself_stays_as_it_is(kept, tmp_path):
    class Fails(L.Callback):
        def on_train_batch_start(self, *_):
            raise KeyError("mine")

    dm, content = kept
    with pytest.raises(KeyError, match="mine"):
        go_on(dm, tmp_path, content, callbacks=[Notes(), Fails()])


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_moments_of_adam_are_looked_at_too(kept, tmp_path, optimizer):
    dm, _ = kept

    def module():
        return ImageClassifier("simple_cnn", 3, optimizer=optimizer, schedule="constant")

    keep = Checkpoints(every_steps=1, folder=str(tmp_path / "k"))
    with pytest.raises(RuntimeError, match="stopped"):
        fit(module(), "pics", manager=dm, checkpoint=keep, callbacks=BREAK, **OPTIONS)
    content = read_checkpoint(tmp_path / "k" / "last.ckpt")
    assert len(go_on(dm, tmp_path, content, module()).history) == 2
    state = ("optimizer_states", 0, "state", 0)
    for place, value in (
        (state, {"step": torch.tensor(1.0)}),
        ((*state, "exp_avg_sq"), torch.zeros(3)),
        ((*state, "step"), torch.zeros(32, 3, 3, 3)),
        (("optimizer_states", 0, "param_groups", 0, "betas"), (0.9,)),
    ):
        with pytest.raises(CorruptInput, match=r"c\.ckpt"):
            go_on(dm, tmp_path, tampered(content, place, value), module())


def test_fewer_counts_of_an_older_lightning_are_no_damage(kept, tmp_path):
    dm, content = kept
    found = copy.deepcopy(content)
    del found["loops"]["fit_loop"]["epoch_loop.scheduler_progress"]
    del found["lr_schedulers"][0]["_is_initial"]
    assert len(go_on(dm, tmp_path, found).history) == 2
