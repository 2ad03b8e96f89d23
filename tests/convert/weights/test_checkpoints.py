"""Pickled checkpoints: wrappers, extras, salvage. No code from a file runs."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import pathlib

import numpy as np
import pytest
import torch

from lancenb.convert.weights import (
    TensorConverter,
    load_tensors,
    load_weights,
    read_tensors,
    save_weights,
)
from lancenb.errors import UnsupportedFormat

from .helpers import assert_same, assert_table


@dataclasses.dataclass
class Config:
    depth: int = 3


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
        self.head = torch.nn.Linear(4, 2)
        self.register_buffer("scratch", torch.ones(1), persistent=False)


def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"a.weight": torch.randn(8, 4), "a.bias": torch.randn(8).bfloat16()}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".th", ".ckpt", ".bin", ".pth.tar"])
def test_every_suffix_and_both_containers(tmp_path, suffix, zipped):
    path = tmp_path / f"m{suffix}"
    torch.save(state(), path, _use_new_zipfile_serialization=zipped)
    report = TensorConverter().convert(path, tmp_path / "t.lance")
    assert report.rows == 2
    assert report.lineage["reader"].startswith("torch.load")
    assert_table(state(), tmp_path / "t.lance")


def test_wrappers_and_prefixes_stay_in_names_and_are_noted(tmp_path):
    model = torch.nn.Linear(3, 2)
    wrapped = {f"module.{k}": v for k, v in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "epoch": 5,
        "arch": "linear",
        "state_dict": wrapped,
        "best": torch.tensor(0.5),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(checkpoint, tmp_path / "m.pth")
    report = TensorConverter().convert(tmp_path / "m.pth", tmp_path / "t.lance")
    assert (report.lineage["wrapper"], report.lineage["prefix"]) == ("state_dict", "module.")
    names = list(load_tensors(tmp_path / "t.lance"))
    assert names[:3] == ["state_dict.module.weight", "state_dict.module.bias", "best"]
    assert "optimizer.state.0.momentum_buffer" in names
    fresh = torch.nn.Linear(3, 2)
    found = load_weights(tmp_path / "t.lance", fresh, strip="auto")
    assert found.loaded == ["weight", "bias"]
    assert found.extras["epoch"] == 5
    assert found.extras["arch"] == "linear"
    assert found.extras["optimizer"]["param_groups"][0]["lr"] == 0.1
    assert_same(dict(model.state_dict()), dict(fresh.state_dict()))


def test_numpy_namespace_and_paths_are_taken_by_the_allow_list(tmp_path):
    checkpoint = {
        "model": state(),
        "args": argparse.Namespace(lr=0.1, name="x", nested={"k": [1]}),
        "where": pathlib.PosixPath("/tmp/x"),
        "score": np.float64(0.25),
        "curve": np.arange(3),
    }
    torch.save(checkpoint, tmp_path / "m.pth")
    source = read_tensors(tmp_path / "m.pth")
    assert source.notes["reader"].startswith("torch.load")
    assert source.extras["args"] == {"lr": 0.1, "name": "x", "nested": {"k": [1]}}
    assert source.extras["where"] == "/tmp/x"
    assert source.extras["score"] == 0.25
    assert source.extras["curve"] == [0, 1, 2]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_salvage_reads_tensors_beside_unknown_classes(tmp_path, zipped):
    tied = torch.randn(5)
    checkpoint = {
        "model": {**state(), "x": tied, "y": tied, "t": torch.randn(3, 4).t()},
        "config": Config(),
        "counts": collections.Counter("aab"),
        "lists": collections.defaultdict(list, {"k": [1]}),
        "flags": {1, 2},
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    torch.save(checkpoint, tmp_path / "m.pth", _use_new_zipfile_serialization=zipped)
    report = TensorConverter().convert(tmp_path / "m.pth", tmp_path / "t.lance")
    assert report.lineage["reader"] == "code-free reader"
    assert any("Config" in name for name in report.lineage["unknown_classes"])
    assert [where for where, _ in report.skipped] == ["config"]
    expected = {f"model.{k}": v for k, v in checkpoint["model"].items()}
    assert_table({**expected, "parameter": torch.ones(2)}, tmp_path / "t.lance")
    found = load_tensors(tmp_path / "t.lance")
    assert found["model.x"].data_ptr() == found["model.y"].data_ptr()
    extras = load_weights(tmp_path / "t.lance").extras
    assert extras["counts"] == {"a": 2, "b": 1}
    assert extras["lists"] == {"k": [1]}
    assert extras["flags"] == [1, 2]
    with pytest.raises(UnsupportedFormat, match="Config"):
        read_tensors(tmp_path / "m.pth", salvage=False)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_w12_whole_modules_are_refused_and_salvaged_only_on_request(tmp_path, zipped, wrapped):
    model = Net()
    content = {"model": model, "epoch": 1} if wrapped else model
    torch.save(content, tmp_path / "m.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsupportedFormat, match=r"m\.pth.*Net"):
        TensorConverter().convert(tmp_path / "m.pth", tmp_path / "t.lance")
    assert not (tmp_path / "t.lance").exists()
    TensorConverter(salvage=True).convert(tmp_path / "m.pth", tmp_path / "t.lance")
    prefix = "model." if wrapped else ""
    expected = {prefix + k: v for k, v in model.state_dict().items()}
    found = load_tensors(tmp_path / "t.lance")
    assert set(found) == set(expected)
    assert_same({k: found[k] for k in expected}, expected)


def test_torchscript_is_refused(tmp_path):
    traced = torch.jit.trace(torch.nn.Linear(3, 2), torch.ones(1, 3))
    torch.jit.save(traced, str(tmp_path / "m.pt"))
    with pytest.raises(UnsupportedFormat, match="TorchScript"):
        read_tensors(tmp_path / "m.pt")


def test_names_that_collide_are_refused(tmp_path):
    torch.save({"a.b": torch.ones(1), "a": {"b": torch.ones(2)}}, tmp_path / "m.pth")
    with pytest.raises(UnsupportedFormat, match=r"a\.b"):
        read_tensors(tmp_path / "m.pth")


def test_quantised_and_sparse_tensors_in_files_are_named(tmp_path):
    torch.save({"odd": torch.eye(3).to_sparse()}, tmp_path / "s.pth")
    with pytest.raises(UnsupportedFormat, match="odd"):
        read_tensors(tmp_path / "s.pth")


def test_a_file_without_tensors_says_so(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "m.pth")
    report = TensorConverter().convert(tmp_path / "m.pth", tmp_path / "t.lance")
    assert report.rows == 0
    assert "no tensors" in report.skipped[-1][1]
    torch.save(3, tmp_path / "n.pth")
    with pytest.raises(UnsupportedFormat, match=r"n\.pth"):
        read_tensors(tmp_path / "n.pth")


def test_bare_tensor(tmp_path):
    torch.save(torch.arange(4), tmp_path / "m.pt")
    assert_same({"": torch.arange(4)}, dict(read_tensors(tmp_path / "m.pt").tensors()))


def test_lineage_has_file_hashes(tmp_path):
    import hashlib

    import lance

    torch.save(state(), tmp_path / "m.pth")
    report = TensorConverter().convert(tmp_path / "m.pth", tmp_path / "t.lance", message="hello")
    digest = hashlib.sha256((tmp_path / "m.pth").read_bytes()).hexdigest()
    assert report.lineage["files"][0]["sha256"] == digest
    properties = lance.dataset(report.uri).read_transaction(1).transaction_properties
    assert json.loads(properties["lancenb.files"])[0]["sha256"] == digest
    assert report.version == 1


def test_only_takes_a_part_of_a_checkpoint(tmp_path):
    tied = torch.randn(3)
    torch.save({"a": tied, "b": tied, "c": tied, "d": torch.ones(1)}, tmp_path / "m.pth")
    TensorConverter(only=["b", "c"]).convert(tmp_path / "m.pth", tmp_path / "t.lance")
    assert_table({"b": tied, "c": tied}, tmp_path / "t.lance")
    found = load_tensors(tmp_path / "t.lance")
    assert found["b"].data_ptr() == found["c"].data_ptr()


def test_large_legacy_files_are_mapped(tmp_path, monkeypatch):
    from lancenb.convert.weights import _checkpoint

    torch.save(state(), tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    monkeypatch.setattr(_checkpoint, "_LEGACY_IN_MEMORY", 10)
    source = read_tensors(tmp_path / "m.pth")
    assert source.notes["reader"] == "code-free reader"
    assert source.regions
    assert_same(state(), dict(source.tensors()))


def test_a_mapped_source_can_be_saved_again(tmp_path):
    torch.save(state(), tmp_path / "m.pth")
    mapped = torch.load(tmp_path / "m.pth", mmap=True)
    save_weights(mapped, tmp_path / "t.lance")
    assert_table(state(), tmp_path / "t.lance")
