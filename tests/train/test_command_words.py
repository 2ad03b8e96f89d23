"""The words of the README as they stand there, every file of the configuration, many processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lightning as L
import pytest
import torch

import lancenb
from lancenb import train
from lancenb.data import LanceDataModule
from lancenb.errors import MissingDependency, SourceNotFound
from lancenb.train import Checkpoints, ImageClassifier, compose
from lancenb.train.configs import groups
from lancenb.train.running import _make
from tests.convert.images.layouts import CIFAR10, write_cifar10
from tests.data.pictures import picture_tree
from tests.data.ports import reserved_port
from tests.train.runs import store

REPO = Path(__file__).resolve().parents[2]
GROUPS = groups()


@pytest.fixture(name="shell")
def shell_of(run):  # the fixture, not lancenb.train's function of that name
    return run


def test_train_resnet18_on_cifar10_for_five_epochs(shell, tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)
    source = write_cifar10(tmp_path / "makers", rows=4)
    words = ("train", "model=resnet18", "data=cifar10", "trainer.max_epochs=5")
    here = (f"data.source={source}", "data.val_fraction=0.2", "batch_size=8")
    status, out, err = shell(*words, *here, "trainer.accelerator=cpu", "root=./store")
    assert (status, err) == (0, "")
    assert "resnet18: 10 steps" in out, "16 rows of 20, two batches an epoch"
    dm = lancenb.DataManager(tmp_path / "store")
    stored = dm.load_weights("resnet18").extras["lancenb.run"]
    assert stored["config"]["trainer"]["max_epochs"] == 5
    assert stored["data"]["version"] == 1, "the version of the data is recorded"
    assert stored["classifier"]["class_names"] == CIFAR10
    assert dm["resnet18-history"].rows == 10
    rows = dm.dataset("resnet18-history").to_table()
    assert rows["epoch"].to_pylist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("choice", GROUPS["model"])
def test_every_model_file_makes_its_network(choice):
    node = compose([f"model={choice}"]).model
    with torch.device("meta"):  # shapes only: the large ones take no memory
        made = _make("model", {k: v for k, v in node.items() if v is not None}, num_classes=7)
    assert type(made) is ImageClassifier
    assert made.architecture == choice
    side = 224 if choice.startswith("vit") else 64
    with torch.device("meta"):
        logits = made.net.eval()(torch.zeros(2, 3, side, side))
    assert logits.shape == (2, 7)


@pytest.mark.parametrize("choice", GROUPS["data"])
def test_every_data_file_makes_a_module(choice, tmp_path):
    dm = store(tmp_path)
    picture_tree(tmp_path / "photos")
    needed = {"lance": ["data.train=pics"], "folder": [f"data.path={tmp_path / 'photos'}"]}
    node = compose([f"data={choice}", *needed.get(choice, []), "batch_size=9", "seed=3"]).data
    made = _make("data", node, manager=dm)
    assert isinstance(made, L.LightningDataModule)
    assert (made.batch_size, made.seed) == (9, 3)
    if choice == "imagenet":
        with pytest.raises(SourceNotFound, match="cannot be downloaded automatically"):
            made.prepare_data()


@pytest.mark.parametrize("choice", GROUPS["trainer"])
def test_every_trainer_file_makes_a_trainer(choice):
    words = [f"trainer={choice}", "trainer.max_epochs=3", "trainer.gradient_clip_val=0.5"]
    if choice == "gpu" and not torch.cuda.is_available():
        words.append("trainer.accelerator=cpu")
    made = _make("trainer", compose(words).trainer)(
        logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    assert isinstance(made, L.Trainer)
    assert (made.max_epochs, made.gradient_clip_val) == (3, 0.5)
    assert made.num_devices == (2 if choice == "ddp_cpu" else 1)
    assert made.precision == ("bf16-mixed" if choice == "gpu" else "32-true")


@pytest.mark.parametrize("choice", GROUPS["callbacks"])
def test_every_callbacks_file_makes_its_callbacks(choice):
    made = [
        _make(f"callbacks.{k}", v) for k, v in compose([f"callbacks={choice}"]).callbacks.items()
    ]
    assert [type(each) for each in made] == ([] if choice == "none" else [Checkpoints])


@pytest.mark.parametrize("choice", GROUPS["logger"])
def test_every_logger_file_makes_its_logger_or_says_what_to_install(choice, monkeypatch):
    config = compose([f"logger={choice}", "name=mine"])
    if choice != "wandb":
        made = [_make(f"logger.{k}", v) for k, v in config.logger.items()]
        assert [each.name for each in made] == ([] if choice == "none" else ["mine"])
        return
    with monkeypatch.context() as patch:
        patch.setattr("lancenb.train._loggers.find_spec", lambda name: None)
        with pytest.raises(MissingDependency) as caught:
            _make("logger.wandb", config.logger.wandb)
        assert caught.value.hint == "pip install 'lancenb[wandb]'"
    given = {}
    monkeypatch.setattr("lancenb.train._loggers.find_spec", lambda name: name)
    monkeypatch.setattr("lightning.pytorch.loggers.WandbLogger", lambda **options: given | options)
    config.logger.wandb.offline = True
    made = _make("logger.wandb", config.logger.wandb)
    assert made == {"save_dir": "./lancenb-logs", "project": "mine", "offline": True}


class Noted(L.Callback):
    """What the trainer was told."""

    def on_train_start(self, trainer, pl_module):
        self.told = (trainer.gradient_clip_val, trainer.accumulate_grad_batches,
                     trainer.precision, trainer.limit_val_batches)  # fmt: skip


def test_keys_of_the_trainer_reach_lightning(tmp_path):
    noted = Noted()
    lancenb.fit(
        "simple_cnn", "pics", manager=store(tmp_path), save=False, epochs=1, batch_size=16,
        accelerator="cpu", callbacks=[noted], accumulate=2, precision="bf16-mixed",
        trainer={"gradient_clip_val": 0.25, "limit_val_batches": 3},
    )  # fmt: skip
    assert noted.told == (0.25, 2, "bf16-mixed", 3)


def test_resume_in_a_configuration_goes_on_where_the_run_was(tmp_path):
    dm = store(tmp_path)
    words = ["model=simple_cnn", "data=lance", "data.train=pics", "trainer=cpu", "name=m",
             "batch_size=20", "lr=0.02", "resume=true"]  # fmt: skip
    first = train.run(compose([*words, "trainer.max_epochs=1"]), manager=dm)
    assert first.history["step"].to_pylist() == [1, 2, 3]
    second = train.run(compose([*words, "trainer.max_epochs=2"]), manager=dm)
    assert second.history["step"].to_pylist() == [1, 2, 3, 4, 5, 6]
    kept = first.history["train_loss"].to_pylist()
    assert second.history["train_loss"].to_pylist()[:3] == kept, "these were not made again"


@pytest.mark.parametrize("accumulate", [1, 2, 3, 5])
def test_steps_with_an_incomplete_last_accumulation(tmp_path, accumulate):
    module = LanceDataModule("pics", manager=store(tmp_path), batch_size=8)
    trainer = L.Trainer(
        max_epochs=2, accelerator="cpu", accumulate_grad_batches=accumulate, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    told = module.total_steps(epochs=2, accumulate=accumulate)
    trainer.fit(ImageClassifier("simple_cnn", 3, image_size=16), datamodule=module)
    assert trainer.global_step == told == 2 * -(-8 // accumulate)


@pytest.mark.slow
def test_two_processes_by_words_alone_store_one_version(tmp_path):
    dm = store(tmp_path)
    words = ["model=simple_cnn", "data=lance", "data.train=pics", "data.val_fraction=0.2",
             "trainer=ddp_cpu", "trainer.max_epochs=2", "batch_size=6",
             f"root={dm.store.uri}"]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(REPO), "OMP_NUM_THREADS": "1"}
    with reserved_port() as port:
        done = subprocess.run(
            [sys.executable, "-m", "lancenb", "train", *words], cwd=REPO, capture_output=True,
            text=True, timeout=800, env={**env, "MASTER_PORT": str(port)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("stored as simple_cnn version 1") == 1
    assert "simple_cnn: 8 steps" in done.stdout, "48 rows by two processes of 6"
    assert dm["simple_cnn"].version == dm["simple_cnn-history"].version == 1
