"""Checkpoints in Lance: exact, atomic, resumed at the very batch."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from lancenb.errors import InvalidArgument, NotFound, SchemaMismatch, UnsafeInput
from lancenb.train import (
    Checkpoints,
    ImageClassifier,
    LanceCheckpointIO,
    fit,
    load_classifier,
    read_checkpoint,
)
from lancenb.train.checkpoints import catalogue_name
from tests.data.tables import patterns
from tests.train.runs import OPTIONS, Stop, same_weights, store

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training that nobody stopped."""
    dm = store(tmp_path_factory.mktemp("whole"))
    return fit("simple_cnn", "pics", manager=dm, **OPTIONS)


def test_a_killed_run_ends_with_the_same_weights(whole, tmp_path):
    dm = store(tmp_path)
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums differ with other numbers
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.runs", str(tmp_path), "9"],
        cwd=REPO, timeout=600, env={**os.environ, **threads},
    )  # fmt: skip
    assert done.returncode == -9
    assert "m" not in dm
    before = read_checkpoint("catalogue:m-checkpoints@last", manager=dm)
    assert before["global_step"] == 8, "the 9th step was not saved: it is done again"
    result = fit("simple_cnn", "pics", manager=dm, checkpoint=2, resume=True, **OPTIONS)
    assert same_weights(result.model.net, whole.model.net)
    assert result.history.equals(whole.history)


def test_two_resumes_in_a_row_give_the_same_weights(whole, tmp_path):
    dm = store(tmp_path)
    keep = Checkpoints(every_steps=1, folder=str(tmp_path / "kept"))
    for step in (4, 5, 13):
        with pytest.raises(RuntimeError, match="stopped"):
            fit("simple_cnn", "pics", manager=dm, checkpoint=keep, resume=True,
                callbacks=[Stop(step)], **OPTIONS)  # fmt: skip
        patterns(tmp_path / "p.lance", 6, mode="append")  # later rows change nothing
    result = fit("simple_cnn", "pics", manager=dm, checkpoint=keep, resume=True, **OPTIONS)
    assert same_weights(result.model.net, whole.model.net)
    assert result.history.equals(whole.history)
    assert sorted(os.listdir(tmp_path / "kept")) == ["best.ckpt", "last.ckpt"]
    with pytest.warns(UserWarning, match="nothing was trained"):
        again = fit("simple_cnn", "pics", manager=dm, checkpoint=keep, resume=True, **OPTIONS)
    assert same_weights(again.model.net, whole.model.net), "a finished run is not trained again"
    assert again.history.equals(whole.history)
    assert (again.report, again.version) == (None, 1), "nothing is stored twice"
    fewer = {**OPTIONS, "epochs": 1}
    with pytest.warns(UserWarning, match="nothing was trained"):
        again = fit("simple_cnn", "pics", manager=dm, checkpoint=keep, resume=True, **fewer)
    assert again.history.equals(whole.history), "nor one that made more epochs than are asked for"


def test_dropout_goes_on_with_its_random_numbers(tmp_path):
    dm = store(tmp_path)

    def run(**more):
        options = {**OPTIONS, "epochs": 2, "steps": 2, "val": None}
        return fit("mobilenet_v3_small", "pics", manager=dm, save=False, **options, **more)

    wanted = run()
    keep = Checkpoints(every_steps=1, folder=str(tmp_path / "kept"))
    with pytest.raises(RuntimeError):
        run(checkpoint=keep, callbacks=[Stop(3)])
    assert same_weights(run(checkpoint=keep, resume=True).model.net, wanted.model.net)


def test_checkpoints_of_a_catalogue_are_tagged_and_old_ones_go(tmp_path):
    dm = store(tmp_path)
    result = fit("simple_cnn", "pics", manager=dm, checkpoint=2, **OPTIONS)
    assert result.artefacts["checkpoints"] == ("m-checkpoints", dm["m-checkpoints"].version)
    tags = dm.tags("m-checkpoints")
    assert set(tags) == {"last", "best"}
    assert len(dm.versions("m-checkpoints")) <= 2
    assert [(p["name"], p["relation"]) for p in dm["m-checkpoints"].parents] == [
        ("pics", "trained-on")
    ]
    last = load_classifier("m-checkpoints@last", manager=dm)
    assert same_weights(last.net, result.model.net)
    best = read_checkpoint("catalogue:m-checkpoints@best", manager=dm)
    figures = [v for v in result.history["val_acc"].to_pylist() if v is not None]
    assert best["global_step"] == 6 * (1 + figures.index(max(figures)))


class Plain(L.LightningModule):
    """A module of somebody else, whose optimizer keeps several tensors."""

    def __init__(self, width: int = 3):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(width, 1)

    def training_step(self, batch, batch_idx):
        loss = self.layer(batch).square().mean()
        self.log("loss", loss)
        return loss

    def train_dataloader(self):
        rows = torch.arange(36.0).reshape(12, 3) / 36
        return torch.utils.data.DataLoader(list(rows), batch_size=2)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.1)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


def trainer(folder, epochs=1, **options):
    keep = ModelCheckpoint(folder / "kept", monitor="loss", save_top_k=2, save_last=True,
                           every_n_train_steps=1, **options)  # fmt: skip
    return L.Trainer(
        plugins=[LanceCheckpointIO()], callbacks=[keep], max_epochs=epochs, logger=False,
        accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_modelcheckpoint_and_ckpt_path_work_as_ever(tmp_path):
    L.seed_everything(3)
    one = trainer(tmp_path)
    module = Plain()
    one.fit(module)
    keep = one.checkpoint_callback
    kept = sorted(p.name for p in (tmp_path / "kept").iterdir())
    assert len(kept) == 3, "top 2 and last; the others are removed"
    assert "last.ckpt" in kept
    content = read_checkpoint(keep.last_model_path)
    assert content["hyper_parameters"] == {"width": 3}
    wanted = one.optimizers[0].state_dict()
    found = content["optimizer_states"][0]
    assert found["param_groups"] == wanted["param_groups"]
    assert all(
        torch.equal(found["state"][k][n], wanted["state"][k][n])
        for k in wanted["state"]
        for n in wanted["state"][k]
    )
    assert type(next(iter(found["state"]))) is int
    two = trainer(tmp_path / "two", epochs=2)
    other = Plain()
    two.fit(other, ckpt_path=keep.last_model_path)
    assert two.global_step == 12
    again = trainer(tmp_path / "three", epochs=2)
    L.seed_everything(3)
    third = Plain()
    again.fit(third)
    assert torch.equal(third.layer.weight, other.layer.weight)


def test_nothing_is_pickled_and_nothing_else_is_removed(tmp_path):
    io = LanceCheckpointIO()
    path = tmp_path / "a=1.ckpt"
    io.save_checkpoint({"state_dict": {"w": torch.ones(2)}, "epoch": 1}, path)
    for file in path.rglob("*"):
        assert not file.is_file() or b"\x80\x02" not in file.read_bytes()[:64]
    io.save_checkpoint({"state_dict": {"w": torch.zeros(2)}, "epoch": 2}, path)
    assert io.load_checkpoint(path)["epoch"] == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    io.remove_checkpoint(tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").exists()
    (tmp_path / "link.ckpt").symlink_to(path)
    io.remove_checkpoint(tmp_path / "link.ckpt")
    assert path.exists()
    io.remove_checkpoint(path)
    assert not path.exists()
    io.save_checkpoint({"epoch": 3}, path)
    assert io.load_checkpoint(path) == {"epoch": 3}, "a checkpoint without any tensor"


def test_equal_tensors_do_not_share_memory_after_loading(tmp_path):
    zeros = torch.zeros(3)
    LanceCheckpointIO().save_checkpoint({"a": zeros, "b": zeros}, tmp_path / "x.ckpt")
    found = read_checkpoint(tmp_path / "x.ckpt")
    found["a"] += 1
    assert found["b"].tolist() == [0, 0, 0]


def test_a_save_that_dies_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    from lancenb.convert import _write

    io, path = LanceCheckpointIO(), tmp_path / "last.ckpt"
    io.save_checkpoint({"w": torch.ones(3), "step": 1}, path)

    def dies(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lancenb.convert.weights._plan.commit_rows", dies)
        patched.setattr(_write, "write_plan", dies)
        with pytest.raises(KeyboardInterrupt):
            io.save_checkpoint({"w": torch.zeros(3), "step": 2}, path)
    assert io.load_checkpoint(path)["step"] == 1
    io.save_checkpoint({"w": torch.zeros(3), "step": 3}, path)
    assert io.load_checkpoint(path)["step"] == 3


def test_w56_a_checkpoint_gives_the_class_that_wrote_it(tmp_path):
    module = ImageClassifier("simple_cnn", 3, image_size=16, class_names=["a", "b", "c"])
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    LanceCheckpointIO().save_checkpoint(content, tmp_path / "c.ckpt")
    torch.save(content, tmp_path / "plain.ckpt")
    for name in ("c.ckpt", "plain.ckpt"):
        found = load_classifier(str(tmp_path / name))
        assert type(found) is ImageClassifier
        assert found.class_names == ["a", "b", "c"]
        assert not found.training
        assert same_weights(found.net, module.net)


def test_errors(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    (tmp_path / "evil.ckpt").write_bytes(pickle.dumps({"state_dict": {}, "x": Evil()}))
    with pytest.raises(UnsafeInput, match="without running code"):
        load_classifier(str(tmp_path / "evil.ckpt"))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(NotFound, match="no checkpoint at"):
        read_checkpoint(tmp_path / "none.ckpt")
    dm = store(tmp_path)
    with pytest.raises(SchemaMismatch, match="no checkpoint of a training"):
        read_checkpoint(dm["pics"].uri)
    with pytest.raises(InvalidArgument, match="need a place"):
        fit("simple_cnn", "pics", manager=dm, save=False, checkpoint=True)
    with pytest.raises(InvalidArgument, match="checkpoint= does not say where"):
        fit("simple_cnn", "pics", manager=dm, resume=True)
    with pytest.raises(NotFound):
        fit("simple_cnn", "pics", manager=dm, resume=str(tmp_path / "none.ckpt"))
    for wrong in ({"every_steps": 0}, {"mode": "best"}, {"every": 3}, 1.5):
        with pytest.raises(InvalidArgument):
            Checkpoints.of(wrong if not isinstance(wrong, dict) else dict(wrong))
    assert catalogue_name("catalogue:m@best") == ("m", "best")
