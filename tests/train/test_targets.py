"""What a configuration may make, and that no secret of it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import lancenb as lnb
from lancenb.errors import InvalidArgument
from lancenb.train import compose, run
from lancenb.train._targets import check_targets
from lancenb.train.configs import FOLDER
from tests.data.tables import patterns

QUICK = ["model=simple_cnn", "data=lance", "data.train=pics", "trainer=quick", "batch_size=16"]


@pytest.fixture(scope="module")
def dm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    dm = lnb.DataManager(folder / "store")
    dm.register("pics", str(patterns(folder / "p.lance", 32)))
    return dm


def test_every_file_of_the_configuration_names_what_may_be_made():
    files = sorted(FOLDER.rglob("*.yaml"))
    for path in files:
        check_targets(path.stem, yaml.safe_load(path.read_text(encoding="utf-8")))
    assert len(files) > 15


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "os.mkdir",
        "builtins.exec",
        "subprocess.call",
        "torch.os.mkdir",  # torch's name, not torch's function
        "torch.load",
        "torch.hub.load",
        "lancenb.train.demo.run_demo",
        "lancenb.DataManager",
        "hydra.utils.get_method",
        "antigravity.fly",
        "lightning.no.such.thing",
        "",
        5,
        ["os.mkdir"],
    ],
)
def test_other_targets_are_refused_wherever_they_stand(target):
    for content in (
        {"_target_": target, "path": "x"},
        {"_target_": "lightning.Trainer", "strategy": {"deep": [{"_target_": target}]}},
    ):
        with pytest.raises(InvalidArgument, match="none of the parts"):
            check_targets("trainer", content)


def test_parts_of_lightning_may_be_made():
    for name in (
        "lightning.pytorch.callbacks.EarlyStopping",
        "lightning.pytorch.strategies.DDPStrategy",
        "lightning.pytorch.loggers.CSVLogger",
        "lightning.pytorch.profilers.SimpleProfiler",
    ):
        check_targets("x", {"_target_": name})


@pytest.mark.parametrize(
    "override",
    [
        "+callbacks.x={_target_:os.mkdir,path:ran}",
        "+logger.x={_target_:os.mkdir,path:ran}",
        "+trainer.profiler={_target_:os.mkdir,path:ran}",
        "+model.extra={_target_:os.mkdir,path:ran}",
        "+data.extra={_target_:torch.os.mkdir,path:ran}",
    ],
)
def test_nothing_from_the_command_line_runs(dm, tmp_path, monkeypatch, override):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match="none of the parts"):
        run(compose([*QUICK, "save=false", "callbacks=none", override]), manager=dm)
    assert not (tmp_path / "ran").exists()


def test_a_configuration_from_a_file_runs_nothing_else(dm, tmp_path):
    """Also when a reference brings the target in."""
    from omegaconf import OmegaConf

    config: Any = OmegaConf.to_container(compose([*QUICK, "save=false"]))
    config["callbacks"] = {"x": "${other}"}
    config["other"] = {"_target_": "os.mkdir", "path": str(tmp_path / "ran")}
    with pytest.raises(InvalidArgument, match="none of the parts"):
        run(config, manager=dm)
    assert not (tmp_path / "ran").exists()


def test_secrets_of_a_configuration_are_stored_nowhere(dm, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLANTED", "planted-by-environment")
    words = [
        *QUICK,
        "name=safe",
        "+trainer.default_root_dir=${oc.env:PLANTED}",
        "logger=tensorboard",
        "logger.tensorboard.save_dir=./logs",
        "+logger.tensorboard.comment=${trainer.default_root_dir}",
    ]
    config = compose(words)
    config.message = "see https://me:planted-password@host/?token=planted-token"
    found = run(config, manager=dm)
    stored = found.run["config"]
    assert stored["trainer"]["default_root_dir"] == "${oc.env:PLANTED}"
    assert stored["logger"]["tensorboard"]["comment"] == "${trainer.default_root_dir}"
    files = [path for path in Path(dm.store.uri).parent.rglob("*") if path.is_file()]
    files += [path for path in (tmp_path / "logs").rglob("*") if path.is_file()]
    assert not [path for path in files if b"planted" in path.read_bytes()]
    assert any("tfevents" in path.name for path in files)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("name=${nobody}", "name cannot be resolved"),
        ("name=${name}", "name cannot be resolved"),
        ("name=${oc.env:LANCENB_NO_SUCH}", "name cannot be resolved"),
    ],
)
def test_references_that_lead_nowhere(word, said):
    with pytest.raises(InvalidArgument, match=said):
        compose([*QUICK, word])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed=null", "seed must be a whole number, not None"),
        ("trainer.max_epochs=null", "trainer.max_epochs must be a whole number"),
        ("trainer.accumulate_grad_batches=0", "accumulate must be a whole number >= 1"),
        ("data.train=null", "data.train has to be given"),
        ("trainer.limit_train_batches=0", "made no step"),
    ],
)
def test_numbers_that_cannot_work(dm, word, said):
    with pytest.raises(InvalidArgument, match=said):
        run(compose([*QUICK, "save=false", "callbacks=none", word]), manager=dm)
