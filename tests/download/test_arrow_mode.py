"""Data sets as Arrow: from the local Hub, from folders, from the registry."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lancenb.download import DatasetDownloader, download, registry
from lancenb.download.registry import DatasetEntry
from lancenb.errors import AlreadyExists, InvalidArgument, Offline, SourceNotFound
from lancenb.progress import Progress
from lancenb.testing import HubStub
from tests.download.arrow_data import picture, read, shard


@pytest.fixture
def pets(hub: HubStub) -> HubStub:
    repo = hub.repos.create("dataset", "acme/pets", card={"license": "mit"})
    repo.commit(
        {
            "data/train-00000-of-00002.parquet": shard(0, 400),
            "data/train-00001-of-00002.parquet": shard(400, 800),
            "data/test-00000-of-00001.parquet": shard(800, 860),
        }
    )
    return hub


def test_w4_split_and_limit_are_honoured_at_the_source(pets: HubStub) -> None:
    result = DatasetDownloader("acme/pets", split="train", limit=30).download()
    table = read(result.path)
    assert table.num_rows == 30
    assert table["img"][7]["bytes"].as_py() == picture(7)
    assert not pets.cdn.requests(path=sha256_of(pets, "data/test-00000-of-00001.parquet"))
    assert not pets.cdn.requests(path=sha256_of(pets, "data/train-00001-of-00002.parquet"))
    assert result.lineage["rows"] == 30
    assert result.lineage["split"] == "train"
    assert result.lineage["license"] == "mit"


def sha256_of(hub: HubStub, path: str) -> str:
    repo = hub.repos._repos["dataset", "acme/pets"]
    return repo.commits[repo.refs["main"]][path].sha256 or ""


def test_class_names_and_bytes_are_kept(pets: HubStub) -> None:
    import datasets

    result = download("hf:dataset:acme/pets", split="test")
    table = read(result.path)
    assert table.num_rows == 60
    features = datasets.Features.from_arrow_schema(table.schema)
    assert features["label"].names == ["cat", "dog"]
    assert isinstance(features["img"], datasets.Image)
    assert [row["bytes"] for row in table["img"].to_pylist()] == [
        picture(i) for i in range(800, 860)
    ]
    again = datasets.load_dataset("parquet", data_files=str(result.path / "*.parquet"))
    assert again["train"][0]["img"].size == (24, 24)


def test_second_call_comes_from_the_cache(pets: HubStub) -> None:
    first = download("hf:dataset:acme/pets", split="test")
    pets.hub.log.clear()
    second = download("hf:dataset:acme/pets", split="test")
    assert (first.from_cache, second.from_cache) == (False, True)
    assert len(pets.hub.log) == 1
    assert download("hf:dataset:acme/pets", split="test", offline=True).path == first.path
    with pytest.raises(Offline):
        download("hf:dataset:acme/pets", split="test", limit=5, offline=True)


def test_w6_a_pinned_revision_gives_the_old_rows(pets: HubStub) -> None:
    repo = pets.repos._repos["dataset", "acme/pets"]
    old = repo.refs["main"]
    repo.commit({"data/test-00000-of-00001.parquet": shard(0, 3)})
    assert read(download("hf:dataset:acme/pets", split="test").path).num_rows == 3
    pinned = download(f"hf:dataset:acme/pets@{old}", split="test")
    assert read(pinned.path).num_rows == 60
    assert pinned.lineage["commit"] == old


def test_errors_name_what_there_is(pets: HubStub) -> None:
    with pytest.raises(SourceNotFound, match="no split 'dev'") as caught:
        download("datasets:acme/pets", split="dev")
    assert "train" in caught.value.hint
    with pytest.raises(SourceNotFound):
        download("datasets:acme/nothing")
    with pytest.raises(SourceNotFound, match="other"):
        download("datasets:acme/pets:other")
    for bad in (0, -1, True, 2.5):
        with pytest.raises(InvalidArgument):
            download("datasets:acme/pets", limit=bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        download("datasets:acme/pets", split="train[:10]")


def test_a_folder_in_hub_layout(cache: Path, tmp_path: Path) -> None:
    local = tmp_path / "pets"
    (local / "data").mkdir(parents=True)
    (local / "data" / "train-00000-of-00001.parquet").write_bytes(shard(0, 20))
    (local / "data" / "test-00000-of-00001.parquet").write_bytes(shard(20, 30))
    assert read(DatasetDownloader(str(local), split="test").download().path).num_rows == 10
    result = download(local, split="train", limit=5)
    assert read(result.path).num_rows == 5
    (local / "data" / "train-00000-of-00001.parquet").write_bytes(shard(0, 25))
    assert not download(local, split="train", limit=5).from_cache


def test_a_folder_of_images_carries_its_bytes(cache: Path, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "in" / name / f"{i}.png").write_bytes(picture(i))
    result = download(tmp_path / "in", split="train")
    table = read(result.path)
    assert sorted(row["bytes"] for row in table["image"].to_pylist()) == sorted(
        [picture(i) for i in range(3)] * 2
    )


def test_text_formats_without_declared_features(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.csv").write_text("a,b\n1,x\n2,y\n")
    assert read(download(tmp_path / "in", split="train").path).to_pydict() == {
        "a": [1, 2],
        "b": ["x", "y"],
    }


def test_cifar10_is_a_known_name(hub: HubStub) -> None:
    repo = hub.repos.create("dataset", "uoft-cs/cifar10")
    repo.commit({"plain_text/train-00000-of-00001.parquet": shard(0, 12)})
    result = DatasetDownloader("cifar10", limit=10).download()
    assert result.lineage["repo_id"] == "uoft-cs/cifar10"
    assert read(result.path).num_rows == 10
    assert download("CIFAR-10", split="train", limit=10).path == result.path
    files = DatasetDownloader("cifar10", mode="repo").download()
    assert [file.name for file in files] == ["plain_text/train-00000-of-00001.parquet"]


def test_real_cifar10_files(cache: Path, shared_data: Path) -> None:
    result = download(shared_data / "cifar10", split="test", limit=100)
    table = read(result.path)
    assert table.num_rows == 100
    import datasets

    names = datasets.Features.from_arrow_schema(table.schema)["label"].names
    assert tuple(names) == registry.info("cifar10").classes


def test_progress_counts_rows(pets: HubStub) -> None:
    events: list[Progress] = []
    download("datasets:acme/pets", split="test", limit=40, progress=events.append)
    assert events[-1].phase == "done"
    assert events[-1].rows == events[-1].total_rows == 40


def test_registry_entries_are_well_formed() -> None:
    assert {"cifar10", "cifar100", "mnist", "fashion_mnist", "synthetic"} <= set(registry.list())
    for name in registry.list():
        entry = registry.info(name)
        assert entry.licence
        assert entry.splits
        assert len(entry.mean) == len(entry.std)
        assert str(entry).startswith(name)
    assert len(registry.info("cifar100").classes) == 100
    assert registry.info("CIFAR-10") is registry.info("cifar10")
    with pytest.raises(SourceNotFound, match="known"):
        registry.info("nothing")
    with pytest.raises(SourceNotFound, match="automatically") as caught:
        download("imagenet")
    assert "image-net.org" in caught.value.hint


def test_users_add_their_own(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.csv").write_text("a\n1\n")
    mine = DatasetEntry("mine", "table", "spec", f"datasets:{tmp_path / 'in'}", splits={"train": 1})
    registry.add(mine)
    try:
        with pytest.raises(AlreadyExists):
            registry.add(mine)
        assert read(download("mine").path).num_rows == 1
    finally:
        registry._entries.pop("mine")


def test_whole_parquet_splits_are_used_as_they_are(pets: HubStub, cache: Path) -> None:
    pets.cdn.faults.add("cut")
    result = download("hf:dataset:acme/pets", split="train")
    assert [part.name for part in sorted(result.path.iterdir())] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    assert all(part.resolve().parent.name == "blobs" for part in result.path.iterdir())
    assert read(result.path).num_rows == result.lineage["rows"] == 800
    assert len({file.sha256 for file in result}) == 2
    assert not pets.cdn.requests(path=sha256_of(pets, "data/test-00000-of-00001.parquet"))


def test_plain_parquet_gets_its_features_from_the_card(cache: Path, tmp_path: Path) -> None:
    data = tmp_path / "in" / "data"
    data.mkdir(parents=True)
    table = pq.read_table(io.BytesIO(shard(0, 20))).replace_schema_metadata(None)
    pq.write_table(table, data / "train-00000-of-00001.parquet")
    (tmp_path / "in" / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: img\n    dtype: image\n  - name: label\n"
        "    dtype:\n      class_label:\n        names:\n          '0': cat\n          '1': dog\n"
        "  splits:\n  - name: train\n    num_examples: 20\n---\n"
    )
    import datasets

    got = read(download(tmp_path / "in", split="train").path)
    assert datasets.Features.from_arrow_schema(got.schema)["label"].names == ["cat", "dog"]
    assert got["img"][3]["bytes"].as_py() == picture(3)
