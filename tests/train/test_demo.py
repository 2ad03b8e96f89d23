from __future__ import annotations

import inspect
import io
import json
import shutil
from pathlib import Path

import pytest
import torch

import lancenb
from lancenb.errors import DownloadFailed, InvalidArgument, SourceNotFound, UnknownOption
from lancenb.train.demo import DemoSettings, run_demo
from lancenb.train.demo._inputs import _short, get_rows, get_weights
from lancenb.train.demo._printer import Printer
from tests.data.tables import pattern, png

TINY = {"dataset": "synthetic", "limit": 120, "batch": 32, "steps": 4, "offline": True}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def test_the_sixteen_parameters_keep_names_and_defaults():
    wanted = {
        "cache": "./_cache",
        "model": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        "model_mode": "url",
        "dataset": "cifar10",
        "dataset_mode": "arrow",
        "split": "train",
        "limit": 1000,
        "batch": 32,
        "epochs": 1,
        "steps": 50,
        "s3_endpoint": None,
        "aws_access_key": None,
        "aws_secret_key": None,
        "aws_region": "us-east-1",
        "bucket": "my-bucket",
        "prefix": "resnet_demo",
    }
    found = inspect.signature(DemoSettings).parameters
    assert {name: found[name].default for name in wanted} == wanted
    assert list(found)[:16] == list(wanted)


def test_demo_end_to_end_and_again_in_the_same_root(tmp_path, cache):
    out = io.StringIO()
    root = tmp_path / "store"
    first = run_demo(printer=Printer(12, out), root=str(root), cache=cache, **TINY)
    assert first.ok
    assert first.checks["the reloaded version equals the trained model bit for bit"] is True
    assert first.checks["the rollback gives the original weights"] is True
    assert (first.before, first.trained, first.head) == (1, 2, 3)
    text = out.getvalue()
    assert all(f"[{n:>2}/12]" in text for n in range(1, 13))
    assert "drawn by seed" in text, "it says plainly what was replaced"
    dm = lancenb.DataManager(root)
    made = ["resnet18", "resnet18-history", "synthetic-test", "synthetic-train"]
    assert sorted(a.name for a in dm) == made
    assert all(f"{name} version 1" in text for name in made), "nothing is made in silence"
    assert dm["resnet18-history"].rows == first.fit.history.num_rows
    assert dm.tags("resnet18") == {"trained": 2}
    assert dm["resnet18"].parents[0]["name"] == "synthetic-train"
    trained = dm.load_weights("resnet18", version="trained").state_dict
    assert all(
        torch.equal(trained[name], value)
        for name, value in first.fit.model.net.state_dict().items()
    )
    json.dumps(first.to_dict())
    assert "accuracy" in repr(first)

    second = run_demo(printer=False, root=str(root), cache=cache, **TINY)
    assert second.ok
    assert second.data == ("synthetic-train", 2)
    assert dm.tags("resnet18") == {"trained": second.trained}
    assert second.fit.history.equals(first.fit.history), "the same seed gives the same losses"


@pytest.mark.s3
def test_demo_on_s3_makes_the_bucket_and_shows_no_secret(s3_server, tmp_path, cache):
    out = io.StringIO()
    bucket = s3_server.bucket()
    result = run_demo(
        printer=Printer(12, out),
        s3_endpoint=s3_server.endpoint,
        bucket=bucket,
        aws_access_key=s3_server.access_key,
        aws_secret_key="planted-secret-123",
        cache=cache,
        **{**TINY, "limit": 60, "steps": 2},
    )
    assert result.ok
    assert result.root == f"s3://{bucket}/resnet_demo"
    dm = lancenb.DataManager(result.root, **s3_server.options())
    assert len(dm) == 4
    assert len(dm.versions("resnet18")) == 3
    assert "planted-secret-123" not in out.getvalue() + repr(result) + str(result.to_dict())
    assert f"--s3-endpoint {s3_server.endpoint} --bucket {bucket}" in out.getvalue()
    assert "planted" not in repr(DemoSettings(aws_access_key="a", aws_secret_key="planted"))


def test_the_default_data_set_is_replaced_when_offline_any_other_is_an_error(cache):
    found = get_rows(DemoSettings(cache=cache, limit=60, offline=True))
    assert found.name == "synthetic"
    assert "cifar10" in found.note
    with pytest.raises(DownloadFailed):
        get_rows(DemoSettings(cache=cache, dataset="owner/other", offline=True))
    for path in ("./nope", "~/no-such-folder", "/no/such/folder"):
        with pytest.raises(SourceNotFound, match="no file or folder") as caught:
            get_rows(DemoSettings(cache=cache, dataset=path))
        assert caught.value.hint
    with pytest.raises(DownloadFailed):
        get_weights(DemoSettings(cache=cache, model="https://h.invalid/other.pth", offline=True))


def test_a_local_folder_of_pictures_is_a_data_set(tmp_path, cache):
    for label, name in enumerate(("circle", "stripe", "dot")):
        folder = tmp_path / "mine" / name
        folder.mkdir(parents=True)
        for i in range(10):
            (folder / f"{i}.png").write_bytes(png(pattern(label, i)))
    result = run_demo(
        printer=False,
        root=str(tmp_path / "store"),
        cache=cache,
        **{**TINY, "dataset": str(tmp_path / "mine"), "limit": 30, "batch": 8},
    )
    assert result.ok
    assert result.data[0] == "mine-train"
    assert result.fit.model.class_names == ["circle", "dot", "stripe"]
    assert result.evaluation_after.rows == 6, "a fifth is held out"


def test_real_cifar10_in_the_layout_of_the_hub(shared_data, tmp_path, cache):
    folder = tmp_path / "cifar10"
    shutil.copytree(shared_data / "cifar10", folder)
    result = run_demo(
        printer=False,
        root=str(tmp_path / "store"),
        cache=cache,
        **{**TINY, "dataset": str(folder), "limit": 100, "steps": 2},
    )
    assert result.ok
    assert (result.data[0], result.test[0]) == ("cifar10-train", "cifar10-test")
    assert result.evaluation_after.rows == 20
    assert result.fit.model.class_names[:2] == ["airplane", "automobile"]


def test_names_for_the_catalogue():
    assert _short("https://download.pytorch.org/models/resnet18-f37072fd.pth") == "resnet18"
    assert _short("timm/resnet18.a1_in1k") == "resnet18.a1_in1k"
    assert _short("./some where/färben.tar/") == "f-rben"
    assert _short("uoft-cs/cifar10@main") == "cifar10"


def test_wrong_parameters():
    with pytest.raises(UnknownOption, match="batch_size"):
        run_demo(batch_size=3)
    for wrong in (
        {"limit": 3},
        {"batch": 0},
        {"steps": "many"},
        {"model_mode": "magic"},
        {"dataset_mode": "magic"},
        {"aws_access_key": "alone"},
    ):
        with pytest.raises(InvalidArgument):
            DemoSettings(**wrong)


def test_failed_checks_are_told(tmp_path, cache, monkeypatch):
    from lancenb.train.demo import road

    real = road.load_classifier

    def damaged(*args, **kwargs):
        model = real(*args, **kwargs)
        with torch.no_grad():
            model.net.fc.bias += 1e-3
        return model

    monkeypatch.setattr(road, "load_classifier", damaged)
    out = io.StringIO()
    root = str(Path(tmp_path / "store"))
    result = run_demo(printer=Printer(12, out), root=root, cache=cache, **{**TINY, "limit": 40})
    assert not result.ok
    assert "DIFFERENT" in out.getvalue()
    assert "FAILED" in repr(result)
