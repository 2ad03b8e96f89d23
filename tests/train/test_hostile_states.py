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
    ((*FIT, "epoch_progress", "current"), torch.zeros(2)),
    ((*FIT, "epoch_progress", "current", "processed"), torch.zeros(2)),
    ((*FIT, "epoch_loop.automatic_optimization.optim_progress", "optimizer", "step", "total"),
     {"ready": 10**30, "completed": 10**30}),
    ((*FIT, "epoch_loop.automatic_optimization.optim_progress", "optimizer", "step", "total"),
     {"ready": 2**63 - 1, "completed": 2**63 - 1}),
    ((*FIT, "epoch_loop.state_dict"), [1]),
    ((*FIT, "epoch_loop.state_dict", "_batches_that_stepped"), "x"),
    ((*FIT, "state_dict", "combined_loader"), {"a": 1}),
    ((*FIT, "state_dict", "combined_loader"), [1]),
    ((*FIT, "state_dict", "combined_loader"), [{}, {}, {}]),
    (("callbacks",), [1]),
    (("callbacks", "Recorder"), {}),
    (("callbacks", "Recorder", "columns"), ["a"] * 7),
    (("callbacks", "Recorder", "values"), [1]),
    (("callbacks", "Recorder", "values"), torch.full((1, 7), 1e30, dtype=torch.float64)),
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
    (("optimizer_states", 0, "state", 0, "momentum_buffer"), torch.full((32, 3, 3, 3), math.nan)),
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
]  # fmt: skip


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
    return resume(dm, folder, model, **more)


def resume(dm, folder, model: Any, **more: Any):
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


def adam(optimizer: str = "adam") -> ImageClassifier:
    return ImageClassifier("simple_cnn", 3, optimizer=optimizer, schedule="constant")


@pytest.fixture(scope="module", params=["adam", "adamw"])
def moments(kept, request, tmp_path_factory):
    """The name of an optimizer, and the content of a checkpoint of a training by it."""
    folder = tmp_path_factory.mktemp("moments")
    keep = Checkpoints(every_steps=1, folder=str(folder / "k"))
    with pytest.raises(RuntimeError, match="stopped"):
        fit(
            adam(request.param), "pics", manager=kept[0], checkpoint=keep, callbacks=BREAK,
            **OPTIONS,
        )  # fmt: skip
    return request.param, read_checkpoint(folder / "k" / "last.ckpt")


SHAPE = (32, 3, 3, 3)
STATE = ("optimizer_states", 0, "state", 0)
MOMENTS: list[tuple[tuple[Any, ...], Any, str]] = [
    (STATE, {"step": torch.tensor(1.0)}, "lacks 'exp_avg'"),
    ((*STATE, "exp_avg"), None, "lacks 'exp_avg'"),
    ((*STATE, "exp_avg_sq"), torch.zeros(3), "exp_avg_sq of a weight of shape"),
    ((*STATE, "step"), torch.zeros(SHAPE), "step of a weight of shape"),
    ((*STATE, "step"), torch.tensor(-1.0), "step .* is negative"),
    ((*STATE, "step"), torch.tensor(-5.0), "step .* is negative"),
    ((*STATE, "step"), torch.tensor(math.nan), "step .* is not finite"),
    ((*STATE, "step"), torch.tensor(math.inf), "step .* is not finite"),
    ((*STATE, "exp_avg"), torch.full(SHAPE, math.nan), "exp_avg .* is not finite"),
    ((*STATE, "exp_avg_sq"), torch.full(SHAPE, math.inf), "exp_avg_sq .* is not finite"),
    ((*STATE, "exp_avg_sq"), torch.full(SHAPE, -1.0), "exp_avg_sq .* is negative"),
    (("optimizer_states", 0, "param_groups", 0, "betas"), (0.9,), "betas"),
]


@pytest.mark.parametrize(("place", "value", "said"), MOMENTS, ids=lambda part: str(part)[:50])
def test_moments_of_adam_are_looked_at_too(kept, moments, tmp_path, place, value, said):
    optimizer, content = moments
    with pytest.raises(CorruptInput, match=rf"c\.ckpt, which is damaged: .*{said}"):
        go_on(kept[0], tmp_path, tampered(content, place, value), adam(optimizer))


ONE = torch.zeros(SHAPE)
WITHOUT_MEMORY: list[tuple[tuple[Any, ...], Any, str]] = [
    ((*STATE, "exp_avg"), torch.zeros(1).expand(SHAPE), "values in memory for 1"),
    ((*STATE, "exp_avg"), torch.zeros(1).bfloat16().expand(10**12), "values in memory for 1"),
    ((*STATE, "exp_avg"), torch.zeros(SHAPE).to_sparse(), "layout torch.sparse_coo"),
    ((*STATE, "exp_avg"), torch.zeros(SHAPE, dtype=torch.complex64), "torch.complex64"),
    ((*STATE, "step"), torch.zeros((), device="meta"), "the device meta"),
    (STATE, {"step": torch.tensor(1.0), "exp_avg": ONE, "exp_avg_sq": ONE}, "share their memory"),
]


@pytest.mark.filterwarnings("ignore:Validating sparse")
@pytest.mark.parametrize(("place", "value", "said"), WITHOUT_MEMORY, ids=lambda p: str(p)[:50])
def test_moments_in_a_file_that_have_no_memory_of_their_own(
    kept, moments, tmp_path, place, value, said
):
    optimizer, content = moments
    torch.save(without_numpy(tampered(content, place, value)), tmp_path / "c.ckpt")
    with pytest.raises(CorruptInput, match=rf"c\.ckpt, which is damaged: .*{said}"):
        resume(kept[0], tmp_path, adam(optimizer))


def without_numpy(content) -> dict[str, Any]:
    """What torch reads again without running code."""
    found = copy.deepcopy(content)
    del found["callbacks"]["Randomness"]
    return found


def test_moments_that_are_as_they_should_be(kept, moments, tmp_path):
    optimizer, content = moments
    assert len(go_on(kept[0], tmp_path, content, adam(optimizer)).history) == 2
    flat, found = torch.zeros(2, *SHAPE), without_numpy(content)
    entry = found["optimizer_states"][0]["state"][0]
    entry["exp_avg"], entry["exp_avg_sq"] = flat[0], flat[1]  # side by side in one memory
    (tmp_path / "plain").mkdir()
    torch.save(found, tmp_path / "plain" / "c.ckpt")
    assert len(resume(kept[0], tmp_path / "plain", adam(optimizer)).history) == 2


def test_a_complete_run_that_diverged_is_still_read(kept, moments, tmp_path):
    """No step is made of its moments."""
    optimizer, content = moments
    keep = Checkpoints(every_steps=1, folder=str(tmp_path / "whole"))
    go_on(kept[0], tmp_path, content, adam(optimizer), checkpoint=keep)
    whole = read_checkpoint(tmp_path / "whole" / "last.ckpt")
    lost = tampered(whole, (*STATE, "exp_avg"), torch.full(SHAPE, math.nan))
    with pytest.warns(UserWarning, match="nothing was trained"):
        assert len(go_on(kept[0], tmp_path, lost, adam(optimizer)).history) == 2
    with pytest.raises(CorruptInput, match="as after a training that diverged"):
        go_on(kept[0], tmp_path, lost, adam(optimizer), epochs=2)


def test_fewer_counts_of_an_older_lightning_are_no_damage(kept, tmp_path):
    dm, content = kept
    found = copy.deepcopy(content)
    del found["loops"]["fit_loop"]["epoch_loop.scheduler_progress"]
    del found["lr_schedulers"][0]["_is_initial"]
    assert len(go_on(dm, tmp_path, found).history) == 2
