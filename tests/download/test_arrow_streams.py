"""Streaming data sets of the Hub, loaded by the real client, straight to Lance."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

import lancenb
from lancenb.convert import to_datasets
from lancenb.errors import LancenbError
from lancenb.store import lance_module
from lancenb.testing import HubStub
from tests.download.arrow_data import picture, shard


@pytest.fixture
def hub(hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> HubStub:
    """Point the client of ``datasets`` at the local Hub, too."""
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
    return hub


def test_rows_of_a_stream(hub: HubStub, tmp_path: Path) -> None:
    body = shard(0, 40, group=10)
    hub.repos.create("dataset", "acme/pets").commit({"data/train.parquet": body})
    stream = datasets.load_dataset("acme/pets", split="train", streaming=True)
    report = lancenb.convert(stream.take(15), tmp_path / "p.lance")
    assert report.rows == 15
    back = to_datasets(report, original=True, cache=tmp_path / "c")
    assert back.features["label"].names == ["cat", "dog"]
    expected = pq.read_table(io.BytesIO(body)).slice(0, 15)
    assert back.with_format("arrow")[:].to_pylist() == expected.to_pylist()


def test_a_folder_of_images_on_the_hub(hub: HubStub, tmp_path: Path) -> None:
    files = {f"train/{n}/{i}.png": picture(i) for n in ("cat", "dog") for i in range(3)}
    hub.repos.create("dataset", "acme/folder").commit(files)
    stream = datasets.load_dataset("acme/folder", split="train", streaming=True)
    report = lancenb.convert(stream, tmp_path / "p.lance")
    assert (report.rows, report.skipped) == (6, [])
    held = lance_module().dataset(report.uri).to_table(["image"])["image"].to_pylist()
    assert sorted(held) == sorted(files.values())
    local = datasets.load_dataset("acme/folder", split="train")
    assert local.with_format("arrow")[0]["image"][0]["bytes"].as_py() is None
    lancenb.convert(local, tmp_path / "t.lance", kind="table")
    cells = lance_module().dataset(str(tmp_path / "t.lance")).to_table()["image"].to_pylist()
    assert sorted(cell["bytes"] for cell in cells) == sorted(files.values())


def test_a_hub_that_goes_away_is_a_typed_error(
    hub: HubStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "STREAMING_READ_MAX_RETRIES", 1)
    monkeypatch.setattr(datasets.config, "STREAMING_READ_RETRY_INTERVAL", 0)
    text = "a\n" + "1\n" * 1000
    hub.repos.create("dataset", "acme/text").commit({"train.csv": text.encode()})
    stream = datasets.load_dataset("acme/text", split="train", streaming=True)
    hub.faults.add("status", path="*/resolve/*", status=404, times=0)
    with pytest.raises(LancenbError):
        lancenb.convert(stream, tmp_path / "t.lance")
    assert not (tmp_path / "t.lance" / "_versions").exists()
