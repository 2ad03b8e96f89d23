"""What a download gives goes into convert: its own files, Lance tables, specs."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save

import lancenb
from lancenb import DataManager, download
from lancenb.download import Cache
from lancenb.download.result import Download, DownloadedFile
from lancenb.errors import AlreadyExists, Cancelled, InvalidArgument, UnknownOption, UnsafeInput
from lancenb.progress import CancelToken
from lancenb.store import lance_module, open_table
from lancenb.testing import HubStub
from tests.download.conftest import hub  # noqa: F401

LANCE = "hf://datasets/acme/pets/data/pets.lance"


@pytest.fixture
def models(hub: HubStub) -> HubStub:  # noqa: F811
    for name, value in (("bert", 1.0), ("seal", 2.0)):
        weights = save({name: torch.full((4,), value)})
        repo = hub.repos.create("model", f"acme/{name}")
        repo.commit({"config.json": f'{{"n": "{name}"}}'.encode(), "model.safetensors": weights})
    return hub


@pytest.fixture
def pets(hub: HubStub, tmp_path: Path) -> HubStub:  # noqa: F811
    field = pa.field("raw", pa.large_binary(), metadata={"lance-encoding:blob": "true"})
    schema = pa.schema([("id", pa.int64()), field], metadata={"owner": "ann"})
    rows = pa.table({"id": range(40), "raw": [None, b"x" * 999] * 20}, schema=schema)
    lance_module().write_dataset(
        rows, str(tmp_path / "repo/data/pets.lance"), data_storage_version="2.2"
    )
    hub.repos.import_folder("dataset", "acme/pets", tmp_path / "repo")
    return hub


def taken(folder: Path, *names: str) -> Download:
    """Return a download of these files of a folder."""
    listed = tuple(DownloadedFile(folder / n, n, (folder / n).stat().st_size) for n in names)
    return Download(folder, listed, {"source": "test"}, False, "dataset")


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), shade).save(buffer, "png")
    return buffer.getvalue()


def test_another_model_is_not_put_over_the_first(models: HubStub, tmp_path: Path) -> None:
    first = download("hf:model:acme/bert", to=tmp_path / "mix")
    with pytest.raises(AlreadyExists, match=r"config\.json") as caught:
        download("hf:model:acme/seal", to=tmp_path / "mix")
    assert "force=True" in caught.value.hint
    assert "bert" in (tmp_path / "mix/config.json").read_text()
    assert download("hf:model:acme/bert", to=tmp_path / "mix").path == first.path
    (tmp_path / "other").mkdir()
    (tmp_path / "other/pytorch_model.bin").write_bytes(b"of another")
    with pytest.raises(AlreadyExists, match=r"other weights already: pytorch_model\.bin"):
        download("hf:model:acme/seal", to=tmp_path / "other")
    got = download("hf:model:acme/seal", to=tmp_path / "mix", force=True)
    assert "seal" in (got.path / "config.json").read_text()


def test_a_local_folder_is_not_copied_over_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text(f"n\n{name}\n")
    download(tmp_path / "a", to=tmp_path / "to")
    with pytest.raises(AlreadyExists, match=r"x\.csv"):
        download(tmp_path / "b", to=tmp_path / "to")
    assert (tmp_path / "to/x.csv").read_text() == "n\na\n"


def test_only_the_files_of_a_download_are_converted(tmp_path: Path) -> None:
    folder, dm = tmp_path / "mix", DataManager(tmp_path / "store")
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(save({"bert": torch.ones(2)}))
    (folder / "seal.safetensors").write_bytes(save({"seal": torch.ones(3)}))
    (folder / "config.json").write_text("{}")
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text(f"n\n{name}\n")
        pq.write_table(pa.table({"n": [name]}), folder / f"{name}.parquet")
        (folder / f"{name}.png").write_bytes(png(9))
    dm.convert(taken(folder, "seal.safetensors"), "seal")
    assert list(dm.load_weights("seal").state_dict) == ["seal"]
    for suffix in ("csv", "parquet"):
        dm.convert(taken(folder, f"b.{suffix}"), suffix)
        assert dm.dataset(suffix).to_table()["n"].to_pylist() == ["b"]
    dm.convert(taken(folder, "b.png"), "png")
    assert dm.dataset("png").to_table()["path"].to_pylist() == ["b.png"]
    assert lancenb.sniff(taken(folder, "b.png")).kind == "images"


def test_a_table_of_the_hub_becomes_one_of_ones_own(
    pets: HubStub,
    tmp_path: Path,
    cache: Path,
) -> None:
    dm = DataManager(tmp_path / "store")
    got = download(LANCE)
    with pytest.raises(InvalidArgument, match="cache of downloads") as caught:
        dm.register("pets", got)
    assert "dm.convert" in caught.value.hint
    with pytest.raises(InvalidArgument, match="cache of downloads"):
        dm.register("pets", str(got.path))
    report = dm.convert(got, "pets")
    assert (report.rows, report.kind) == (40, "table")
    dm.convert(LANCE, "again")
    dm.convert(LANCE, "again", mode="append")
    Cache(cache).clear()
    assert dm["again"].rows == 80
    table = dm.dataset("pets")
    rows = table.scanner(blob_handling="all_binary").to_table()
    assert rows["id"].to_pylist() == list(range(40))
    assert rows["raw"].to_pylist() == [None, b"x" * 999] * 20
    assert table.schema.metadata[b"owner"] == b"ann"
    origin = dm.lineage("pets").origins[0]
    assert origin.download["commit"] == got.lineage["commit"]
    assert origin.download["path"] == "data/pets.lance"
    assert "a table from a Lance table" in origin.title()


def test_weights_and_plain_tables_are_copied(tmp_path: Path) -> None:
    lancenb.convert({"w": torch.ones(3, dtype=torch.bfloat16)}, tmp_path / "w.lance")
    dm = DataManager(tmp_path / "store")
    dm.convert(str(tmp_path / "w.lance"), "w")
    assert dm.load_weights("w").state_dict["w"].dtype == torch.bfloat16
    lance_module().write_dataset(pa.table({"x": [1, 2]}), str(tmp_path / "x.lance"))
    lancenb.convert(tmp_path / "x.lance", tmp_path / "y.lance")
    assert open_table(tmp_path / "y.lance").to_table().to_pydict() == {"x": [1, 2]}
    with pytest.raises(UnknownOption, match="'label'"):
        lancenb.convert(tmp_path / "x.lance", tmp_path / "z.lance", label=None)
    assert dm.register("x", tmp_path / "x.lance").rows == 2


def test_a_spec_is_downloaded_first(models: HubStub, tmp_path: Path) -> None:
    from lancenb.cli import main

    dm, phases = DataManager(tmp_path / "store"), []
    dm.convert("hf:model:acme/bert", "bert", progress=lambda event: phases.append(event.phase))
    assert list(dm.load_weights("bert").state_dict) == ["bert"]
    assert dm.lineage("bert").origins[0].download["repo_id"] == "acme/bert"
    assert {"resolve", "write"} <= set(phases)
    assert main(["convert", "hf:model:acme/seal", "seal", "--root", str(tmp_path / "store")]) == 0
    assert list(dm.load_weights("seal").state_dict) == ["seal"]
    assert lancenb.convert("synthetic:table", tmp_path / "t.lance").rows > 0
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled) as caught:
        dm.convert("hf:model:acme/seal", "more", cancel=token)
    assert "goes on from there" in caught.value.hint


def test_a_table_that_names_files_of_this_machine_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "private.txt").write_text("mine")
    lance = lance_module()
    cells = lance.blob_array([f"file://{tmp_path}/private.txt"])
    rows = pa.table({"b": cells}, schema=pa.schema([lance.blob_field("b")]))
    lance.write_dataset(
        rows, tmp_path / "foreign.lance", data_storage_version="2.2",
        allow_external_blob_outside_bases=True,
    )  # fmt: skip
    with pytest.raises(UnsafeInput, match=r"private\.txt"):
        DataManager(tmp_path / "store").convert(tmp_path / "foreign.lance", "x")
