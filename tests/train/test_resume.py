"""Rows and steps of trainings that were stopped and resumed, again and again."""

from __future__ import annotations

from collections import Counter, defaultdict
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest

from lancenb import LanceDataModule
from lancenb.data import LoaderState
from lancenb.errors import Cancelled
from lancenb.progress import CancelToken
from lancenb.train import Checkpoints, fit, read_checkpoint
from tests.data.tables import patterns
from tests.train.runs import Stop, same_weights, store

ROWS = 60


class Seen(L.Callback):
    """Pictures that steps were made of, by epoch."""

    def __init__(self) -> None:
        self.pictures: dict[int, Counter[bytes]] = defaultdict(Counter)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        images = batch["image"] if isinstance(batch, dict) else batch[0]
        self.pictures[trainer.current_epoch].update(each.numpy().tobytes() for each in images)


@pytest.fixture
def dm(tmp_path):
    return store(tmp_path)


def trained(dm, folder, stops, *, module=False, sizes=None, **options: Any):
    """Train with a stop before each of these steps, then to the end; rows seen, and the result."""
    keep, seen = Checkpoints(every_steps=1, folder=str(folder)), Seen()
    options = {"epochs": 2, "lr": 0.02, "accelerator": "cpu", "save": False, **options}
    sizes = sizes or [8] * (len(stops) + 1)
    for size, stop in zip(sizes, [*stops, None], strict=True):
        data: Any = "pics"
        if module:
            data = LanceDataModule("pics", manager=dm, batch_size=size, augment=False)
        callbacks = [seen, *([Stop(stop)] if stop else [])]
        more = {"manager": dm, "checkpoint": keep, "resume": True, "callbacks": callbacks}
        arguments = {**options, **more, "batch_size": size, "augment": False}
        if stop:
            with pytest.raises(RuntimeError, match="stopped"):
                fit("simple_cnn", data, **arguments)
        else:
            return seen.pictures, fit("simple_cnn", data, **arguments)
    raise AssertionError


def each_once(pictures, rows=ROWS):
    return all(len(c) == c.total() == rows for c in pictures.values())


@pytest.mark.parametrize("module", [False, True])
@pytest.mark.parametrize(
    ("stops", "options", "rows"),
    [
        ([8, 9], {}, ROWS),  # the end of an epoch, and again
        ([3, 4], {"steps": 3}, 24),
        ([1, 3, 4], {"accumulate": 3}, ROWS),
    ],
)
def test_a_second_resume_after_the_end_of_an_epoch_repeats_nothing(
    dm, tmp_path, module, stops, options, rows
):
    _, whole = trained(dm, tmp_path / "whole", [], module=module, **options)
    seen, result = trained(dm, tmp_path / "kept", stops, module=module, **options)
    assert each_once(seen, rows)
    assert same_weights(result.model.net, whole.model.net)
    assert result.history.equals(whole.history)


@pytest.mark.parametrize("module", [False, True])
def test_rows_that_came_since_are_not_trained_on_and_the_record_says_so(dm, tmp_path, module):
    keep = Checkpoints(every_steps=1, folder=str(tmp_path / "kept"))

    def run(stop=None):
        data: Any = LanceDataModule("pics", manager=dm, batch_size=8) if module else "pics"
        options = {"manager": dm, "name": "m", "batch_size": 8, "accelerator": "cpu"}
        options |= {"checkpoint": keep, "resume": True, "callbacks": [Stop(stop)] if stop else []}
        return fit("simple_cnn", data, **options)

    with pytest.raises(RuntimeError, match="stopped"):
        run(3)
    patterns(tmp_path / "p.lance", 30, mode="append")
    result = run()
    assert result.history.num_rows == 8, "60 rows"
    assert result.data == ("pics", 1)
    assert result.run["data"] == {"name": "pics", "version": 1, "rows": ROWS}
    assert [(p["name"], p["version"]) for p in dm["m"].parents] == [("pics", 1)]


class Ask(L.Callback):
    """Does something before step 4."""

    def __init__(self, do):
        self.do = do

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == 3:
            self.do()


def interrupt():
    raise KeyboardInterrupt


def test_what_was_saved_outlives_ctrl_c_and_a_cancel(dm):
    """Lightning would end Python at Ctrl-C, the whole notebook with it."""
    options = {"manager": dm, "batch_size": 8, "accelerator": "cpu", "checkpoint": 2}
    with pytest.raises(KeyboardInterrupt):
        fit("simple_cnn", "pics", name="m", callbacks=[Ask(interrupt)], **options)
    token = CancelToken()
    with pytest.raises(Cancelled, match="cancelled after step 4") as stopped:
        fit("simple_cnn", "pics", name="n", callbacks=[Ask(token.cancel)], cancel=token, **options)
    assert "resume=True" in stopped.value.hint
    for name, step in (("m", 2), ("n", 4)):
        assert name not in dm
        last = read_checkpoint(f"catalogue:{name}-checkpoints@last", manager=dm)
        assert last["global_step"] in (2, step)
        assert fit("simple_cnn", "pics", name=name, resume=True, **options).version == 1


def test_without_validation_the_last_one_is_the_best(dm):
    fit("simple_cnn", "pics", manager=dm, name="m", batch_size=8, accelerator="cpu", checkpoint=3)
    tags = dm.tags("m-checkpoints")
    assert tags["best"] == tags["last"]


@pytest.mark.parametrize("module", [False, True])
@pytest.mark.parametrize(
    ("sizes", "stop"), [([8, 4], 3), ([4, 8], 3), ([8, 4], 8), ([4, 8], 15), ([32, 8], 2)]
)
def test_another_batch_size_leaves_no_row_out_in_later_epochs(dm, tmp_path, module, sizes, stop):
    seen, _ = trained(dm, tmp_path / "kept", [stop], module=module, sizes=sizes)
    assert each_once(seen)
    assert sorted(seen) == [0, 1]


@pytest.mark.parametrize("module", [False, True])
@pytest.mark.parametrize("sizes", [(32, 8), (8, 32)])
def test_more_epochs_with_another_batch_size(dm, tmp_path, module, sizes):
    pictures: dict[int, Counter[bytes]] = {}
    for epochs, size in zip((1, 3), sizes, strict=True):
        seen, _ = trained(dm, tmp_path / "kept", [], module=module, sizes=[size], epochs=epochs)
        assert not set(pictures) & set(seen)
        pictures |= seen
    assert sorted(pictures) == [0, 1, 2]
    assert each_once(pictures)


def test_loaders_of_another_kind_are_left_alone():
    """The length of a dictionary of loaders is no number of batches."""
    epochs = LoaderState()
    trainer: Any = SimpleNamespace(train_dataloader={"one": [1, 2, 3], "two": [4]})
    module: Any = None
    epochs.on_train_start(trainer, module)
    epochs.on_train_epoch_start(trainer, module)  # would look for the trainer's loops
    assert epochs.loader is None
