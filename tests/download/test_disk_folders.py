"""Folders written by ``save_to_disk``: used where they are."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Value

import lancenb
from lancenb.download import Cache, DatasetDownloader, download
from lancenb.errors import CorruptInput, InvalidArgument, LancenbError, SourceNotFound
from lancenb.store import open_table
from tests.download.arrow_data import picture, read

FEATURES = Features({"img": Image(), "kind": ClassLabel(names=["cat", "dog"]), "n": Value("int32")})


def pets(rows: int) -> Dataset:
    cells = [{"bytes": picture(i), "path": None} for i in range(rows)]
    columns = {"img": cells, "kind": [i % 2 for i in range(rows)], "n": list(range(rows))}
    return Dataset.from_dict(columns, features=FEATURES)


@pytest.fixture
def both(cache: Path, tmp_path: Path) -> Path:
    """Return a saved dictionary of splits, the second of them shuffled."""
    folder = tmp_path / "both"
    DatasetDict(train=pets(30), test=pets(12).shuffle(seed=1)).save_to_disk(folder)
    return folder


def files_of(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(p), p.stat().st_mtime_ns) for p in folder.rglob("*"))


def test_one_split_is_its_own_folder(both: Path, cache: Path) -> None:
    before = files_of(both)
    result = download(str(both), split="test")
    assert result.path == both / "test"
    assert (result.from_cache, result.kind, result.lineage["rows"]) == (True, "dataset", 12)
    assert Cache(cache).entries("arrow") == [], "nothing was copied"
    assert files_of(both) == before
    report = lancenb.convert(result, cache.parent / "t.lance")
    rows = open_table(report.uri).to_table()
    assert rows["n"].to_pylist() == pets(12).shuffle(seed=1)["n"][:]
    with pytest.raises(SourceNotFound, match="no split 'dev'") as caught:
        download(both, split="dev")
    assert "train, test" in caught.value.hint


def test_all_of_it(both: Path) -> None:
    whole = download(both)
    assert whole.path == both
    named = download(both, split="all")
    assert named.path == both
    assert named.lineage["splits"] == {"train": 30, "test": 12}
    assert DatasetDownloader(str(both)).download().path == both / "train"
    assert DatasetDownloader(str(both), split=None).download().path == both / "train"
    with pytest.raises(InvalidArgument):
        download(both, split="all", limit=3)


def test_first_rows_come_as_parquet_in_their_order(both: Path) -> None:
    result = download(both, split="test", limit=5)
    table = read(result.path)
    assert table["n"].to_pylist() == pets(12).shuffle(seed=1)["n"][:5]
    assert Features.from_arrow_schema(table.schema) == FEATURES
    assert download(both, split="test", limit=5).from_cache
    assert read(download(both, split="test", limit=500).path).num_rows == 12


def test_a_single_saved_data_set(cache: Path, tmp_path: Path) -> None:
    data = pets(9)
    data.save_to_disk(tmp_path / "one")
    assert download(tmp_path / "one", split="train").path == tmp_path / "one"
    for limit in (None, 3):
        with pytest.raises(SourceNotFound, match="no named splits") as caught:
            download(tmp_path / "one", split="nonsense", limit=limit)
        assert caught.value.hint == "leave out split="
    named = Dataset(data.data, split=datasets.Split.TEST)
    named.save_to_disk(tmp_path / "named")
    assert download(tmp_path / "named", split="test").lineage["rows"] == 9
    with pytest.raises(SourceNotFound):
        download(tmp_path / "named", split="train")


def test_a_copy_elsewhere(both: Path, tmp_path: Path) -> None:
    result = download(both, split="test", to=tmp_path / "here")
    assert result.path == tmp_path / "here"
    assert len(datasets.load_from_disk(str(tmp_path / "here"))) == 12


def test_damage_is_told(both: Path) -> None:
    next((both / "test").glob("*.arrow")).unlink()
    with pytest.raises(CorruptInput, match="readable"):
        download(both, split="test")
    (both / "test" / "state.json").unlink()
    with pytest.raises(CorruptInput, match="'test' is missing"):
        download(both, split="train")
    (both / "dataset_dict.json").write_text("{")
    with pytest.raises(LancenbError):
        download(both, split="train")


def test_nothing_is_decoded(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(Image, "decode_example", refuse)
    assert read(download(both, split="test", limit=3).path).num_rows == 3
    lancenb.convert(both / "test", both.parent / "t.lance", kind="table")
