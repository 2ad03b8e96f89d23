"""The best checkpoint and the figures of validations survive a kill at any moment around them."""

from __future__ import annotations

from typing import Any

import lightning as L
import pytest

from lancenb.catalog import DataManager
from lancenb.train import Checkpoints, LanceCheckpointIO, fit, read_checkpoint
from tests.train.runs import OPTIONS, store


class InValidation(L.Callback):
    """Ends a training in the validation after a step."""

    def __init__(self, step: int):
        self.step = step

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, *rest):
        if trainer.global_step == self.step:
            raise RuntimeError("stopped")


@pytest.fixture
def dm(tmp_path):
    return store(tmp_path)


def steps(dm: Any, keep: Checkpoints) -> dict[str, int]:
    """The step of the checkpoint that is the last, and of the best one."""
    places = {which: keep.address("m", which) for which in ("last", "best")}
    return {w: read_checkpoint(at, manager=dm)["global_step"] for w, at in places.items()}


SLOW = pytest.mark.slow


@pytest.mark.parametrize("every", [3, pytest.param(2, marks=SLOW), pytest.param(6, marks=SLOW)])
def test_a_run_that_ended_in_a_validation_makes_it_again(dm, every):
    """With 6 steps an epoch there is a checkpoint to be saved just before each validation."""
    whole = fit("simple_cnn", "pics", manager=dm, **{**OPTIONS, "name": "whole"})
    losses = [v for v in whole.history["val_loss"].to_pylist() if v is not None]
    assert len(losses) == 3
    assert losses[0] == max(losses), "the first validation is to tell the best one here"
    keep = Checkpoints(every_steps=every, monitor="val_loss", mode="max")
    for step in (6, 12):
        with pytest.raises(RuntimeError, match="stopped"):
            fit("simple_cnn", "pics", manager=dm, checkpoint=keep, resume=True,
                callbacks=[InValidation(step)], **OPTIONS)  # fmt: skip
    result = fit("simple_cnn", "pics", manager=dm, checkpoint=keep, resume=True, **OPTIONS)
    assert result.history.equals(whole.history)
    assert steps(dm, keep) == {"last": 18, "best": 6}


@pytest.mark.parametrize("place", ["catalogue", "folder"])
@pytest.mark.parametrize("at", [3, 4])
def test_a_run_that_ended_between_the_best_and_the_last_one(dm, tmp_path, monkeypatch, place, at):
    """What the last one says of the best is true: a run that goes on from it looks no more."""
    owner, verb = (DataManager, "tag") if place == "catalogue" else (
        LanceCheckpointIO, "save_checkpoint")  # fmt: skip
    real, calls = getattr(owner, verb), []

    def die(self: Any, *args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) == at:  # of two in each epoch
            raise RuntimeError("stopped")
        return real(self, *args, **options)

    folder = str(tmp_path / "kept") if place == "folder" else None
    keep = Checkpoints(folder=folder, monitor="val_loss", mode="min")
    options = {**OPTIONS, "epochs": 2, "checkpoint": keep}
    with monkeypatch.context() as patch:
        patch.setattr(owner, verb, die)
        with pytest.raises(RuntimeError, match="stopped"):
            fit("simple_cnn", "pics", manager=dm, **options)
    fit("simple_cnn", "pics", manager=dm, resume=True, **options)
    assert steps(dm, keep) == {"last": 12, "best": 12}
