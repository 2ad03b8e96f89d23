"""Configurations: groups and keys, the same in a shell and a notebook, and no traces of Hydra."""

from __future__ import annotations

import functools
import logging
import os

import lightning as L
import pytest
from omegaconf import OmegaConf

from lancenb import train
from lancenb.errors import InvalidArgument, MissingDependency
from lancenb.train import ImageClassifier, compose, make_logger
from lancenb.train.configs import FOLDER, describe, groups
from lancenb.train.running import _make

CHOICES = [(name, choice) for name, found in groups().items() for choice in found]


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes_and_names_what_exists(group, choice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    needed = {"lance": ["data.train=x"], "folder": ["data.path=."]}.get(choice, [])
    config = compose([f"{group}={choice}", *needed])
    node = config[group]
    if group == "model":
        if choice in ("vit_b_16", "resnet50", "convnext_tiny"):  # large: their smaller kin do
            assert node.model == choice
            return
        made = _make("model", {k: v for k, v in node.items() if v is not None}, num_classes=3)
        assert type(made) is ImageClassifier
        assert made.architecture == choice
    elif group == "data" and choice not in ("folder", "lance"):
        made = _make("data", node, manager=str(tmp_path))
        assert isinstance(made, L.LightningDataModule)
        assert made.seed == 42
    elif group == "trainer":
        assert isinstance(_make("trainer", node), functools.partial)
    elif group == "logger" and choice != "wandb":
        assert all(_make("logger", each, name="x").name == "x" for each in node.values())
    assert os.listdir(tmp_path) == [], "composing and making writes nothing"


def test_w59_numbers_are_numbers_and_targets_stay_out_of_the_trainer():
    config = compose(["lr=1e-3", "trainer.max_epochs=5"])
    assert config.model.lr == 0.001
    assert type(config.model.weight_decay) is float
    made = _make("trainer", config.trainer)
    assert made.func is L.Trainer
    assert "_target_" not in made.keywords
    assert made.keywords["max_epochs"] == 5
    assert not any("T_max" in path.read_text() for path in FOLDER.rglob("*.yaml"))


def test_a_notebook_and_a_shell_compose_the_same(run):
    words = ["model=simple_cnn", "data=synthetic", "trainer.max_epochs=5", "lr=1e-3"]
    shown = run("train", *words, "--show")
    assert shown[0] == 0
    assert OmegaConf.create(shown[1]) == OmegaConf.create(
        OmegaConf.to_container(compose(words), resolve=True)
    )


@pytest.mark.parametrize(
    ("word", "message", "near"),
    [
        ("model=resnet19", "there is no model 'resnet19'", "resnet18"),
        ("data=cifar", "there is no data 'cifar'", "cifar10"),
        ("modle=resnet18", "there is no key 'modle'", "model"),
        ("trainer.max_epoch=5", "there is no key 'trainer.max_epoch'", "trainer.max_epochs"),
        ("max_epochs=5", "there is no key 'max_epochs'", "trainer.max_epochs"),
        ("hydra.run.dir=x", "there is no key 'hydra.run.dir'", "lancenb train --help"),
        ("lr=fast", "lr is a number, not 'fast'", "lr=1e-3"),
        ("seed=x", "seed is a number, not 'x'", "seed=42"),
        ("save=maybe", "save is true or false", ""),
        ("trainer.max_epochs", "is no override", "trainer.max_epochs=5"),
        ("seed=1,2", "cannot be composed", "quote"),
        ("data=lance", "data.train has to be given", "data.train="),
    ],
)
def test_what_is_unknown_is_refused_with_what_comes_near(word, message, near):
    with pytest.raises(InvalidArgument) as caught:
        compose([word])
    assert message in caught.value.message
    assert near in caught.value.hint
    assert "\n" not in caught.value.message


def test_composing_leaves_no_traces(tmp_path, monkeypatch):
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf.basecontainer import BaseContainer

    monkeypatch.chdir(tmp_path)
    handlers, level = list(logging.root.handlers), logging.root.level
    resolvers = set(BaseContainer._resolvers)
    compose()
    with pytest.raises(InvalidArgument):
        compose(["nothing=1"])
    assert not GlobalHydra.instance().is_initialized()
    assert set(BaseContainer._resolvers) == resolvers
    assert (logging.root.handlers, logging.root.level) == (handlers, level)
    assert os.getcwd() == str(tmp_path)
    assert os.listdir(tmp_path) == []


def test_somebody_elses_hydra_goes_on(tmp_path):
    import hydra

    (tmp_path / "mine.yaml").write_text("a: 1\n")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert compose().seed == 42
        assert hydra.compose("mine").a == 1


def test_arguments_that_the_files_do_not_name_can_be_added():
    config = compose(["+trainer.fast_dev_run=true", "+model.magic=1", "data=synthetic"])
    assert _make("trainer", config.trainer).keywords["fast_dev_run"] is True
    with pytest.raises(InvalidArgument, match="magic"):
        _make("model", config.model, num_classes=2)


def test_help_lists_groups_and_keys():
    text = describe()
    for word in ("efficientnet_b0", "fashion_mnist", "tensorboard", "trainer.max_epochs=10",
                 "lr=null", "model.weight_decay=", "data.num_workers=0"):  # fmt: skip
        assert word in text
    assert "checkpoint=???" in describe("eval")


def test_a_logger_that_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setattr("lancenb.train._loggers.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="wandb") as caught:
        make_logger("wandb")
    assert caught.value.hint == "pip install 'lancenb[wandb]'"
    with pytest.raises(MissingDependency):
        train.run(compose(["logger=wandb", "data=synthetic"]))
    with pytest.raises(InvalidArgument, match="csv, tensorboard, wandb"):
        make_logger("neptune")
