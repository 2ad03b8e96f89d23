"""The same tables on S3: read through Lance, deltas found by hashes."""

from __future__ import annotations

import pytest
import torch

from lancenb.convert.weights import TensorConverter, load_tensors, load_weights, save_weights
from lancenb.store import open_table

from .helpers import assert_same

pytestmark = pytest.mark.s3


def make() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state = {f"l{i}.weight": torch.randn(20, 10) for i in range(4)}
    state["half"] = torch.randn(3).half()
    state["tied"] = state["l0.weight"]
    state["none"] = torch.zeros(0)
    return state


def check(store, tmp_path):
    state = make()
    report = save_weights(state, "m.lance", store=store, extras={"epoch": 1})
    dataset = open_table(report.uri, store)
    found = load_tensors(dataset)
    assert_same(state, found)
    assert found["tied"].data_ptr() == found["l0.weight"].data_ptr()
    assert_same({"half": state["half"]}, load_tensors(dataset, only="half"))
    state["half"] = state["half"] + 1
    report = save_weights(state, "m.lance", store=store, extras={"epoch": 2})
    assert (report.version, report.rows, report.bytes) == (2, 1, 6)
    dataset = open_table(report.uri, store)
    assert_same(state, load_tensors(dataset))
    assert load_weights(dataset).extras == {"epoch": 2}
    torch.save({k: v for k, v in state.items() if k != "none"}, tmp_path / "m.pth")
    report = TensorConverter().convert(tmp_path / "m.pth", "m.lance", mode="overwrite", store=store)
    assert (report.version, report.rows) == (3, 0)
    del state["none"]
    assert_same(state, load_tensors(open_table(report.uri, store)))
    assert report.lineage["reader"].startswith("torch.load")


def test_moto(s3_store, tmp_path):
    check(s3_store, tmp_path)


@pytest.mark.ceph
def test_ceph(ceph_store, tmp_path):
    check(ceph_store, tmp_path)
