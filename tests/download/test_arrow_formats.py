"""Rows of every format of data repositories, undecoded, with their features."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import wave
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from lancenb.download import download
from lancenb.errors import CorruptInput, SourceNotFound, UnsupportedFormat
from lancenb.testing import HubStub
from tests.download.arrow_data import numbers, picture, read, repo, shard


def features(folder: Path) -> object:
    import datasets

    return datasets.Features.from_arrow_schema(read(folder).schema)


def sound(seed: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes([seed, 0]) * 400)
    return buffer.getvalue()


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "json", "txt"])
def test_text_formats(hub: HubStub, kind: str, limit: int | None) -> None:
    rows = [
        {"a": i, "b": f'line "{i}",\nwith more' if kind != "txt" else f"t{i}"} for i in range(9)
    ]
    if kind.startswith("csv"):
        text = "a,b\n" + "".join(
            f'{row["a"]},"{row["b"].replace(chr(34), chr(34) * 2)}"\n' for row in rows
        )
    elif kind == "txt":
        text = "".join(f"{row['b']}\n" for row in rows)
    elif kind == "json":
        text = json.dumps(rows)
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    body = gzip.compress(text.encode()) if kind.endswith("gz") else text.encode()
    repo(hub, "acme/text", {f"train.{kind}": body})
    table = read(download("datasets:acme/text", limit=limit).path)
    assert table["text" if kind == "txt" else "b"].to_pylist() == [r["b"] for r in rows][:limit]


def test_quoted_line_breaks_at_a_cut(hub: HubStub) -> None:
    cell = "x\n" * 60_000  # 120 kB each: the first megabyte ends within one
    text = "a,b\n" + "".join(f'{i},"{cell}"\n' for i in range(40))
    repo(hub, "acme/cut", {"train.csv": text.encode()})
    table = read(download("datasets:acme/cut", limit=20).path)
    assert table["a"].to_pylist() == list(range(20))
    assert set(table["b"].to_pylist()) == {cell}


def test_a_folder_of_images_with_classes(hub: HubStub) -> None:
    files = {f"train/{n}/{i}.png": picture(i) for n in ("cat", "dog") for i in range(3)}
    files["test/dog/9.png"] = picture(9)
    repo(hub, "acme/pets", files)
    train = download("datasets:acme/pets", split="train")
    assert features(train.path)["label"].names == ["cat", "dog"]
    test = read(download("datasets:acme/pets", split="test").path)
    assert test["label"].to_pylist() == [1], "classes are numbered over all splits"
    assert test["image"].to_pylist() == [{"bytes": picture(9), "path": "9.png"}]
    assert train.lineage["format"] == "imagefolder"


@pytest.mark.parametrize("limit", [None, 2])
def test_a_folder_of_images_with_a_description(hub: HubStub, limit: int | None) -> None:
    files = {f"train/{i}.png": picture(i) for i in range(4)}
    lines = [{"file_name": f"{i}.png", "caption": f"number {i}"} for i in range(4)]
    files["train/metadata.jsonl"] = "".join(json.dumps(x) + "\n" for x in lines).encode()
    repo(hub, "acme/said", files)
    table = read(download("datasets:acme/said", limit=limit).path)
    assert table["caption"].to_pylist() == [f"number {i}" for i in range(4)][:limit]
    assert [c["bytes"] for c in table["image"].to_pylist()] == [picture(i) for i in range(4)][
        :limit
    ]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_images_in_a_zip(hub: HubStub) -> None:
    repo(hub, "acme/zip", {"train.zip": zipped({f"{i}.png": picture(i) for i in range(6)})})
    table = read(download("datasets:acme/zip", limit=4).path)
    assert [c["bytes"] for c in table["image"].to_pylist()] == [picture(i) for i in range(4)]
    assert read(download("datasets:acme/zip").path).num_rows == 6
    classes = {f"{name}/{i}.png": picture(i) for name in ("cat", "dog") for i in range(3)}
    repo(hub, "acme/classes", {"train.zip": zipped(classes)})
    with pytest.raises(UnsupportedFormat, match="folders in an archive") as caught:
        download("datasets:acme/classes", limit=2)
    assert "lancenb.convert" in caught.value.hint


def test_sounds_stay_encoded(hub: HubStub) -> None:
    import datasets

    repo(hub, "acme/calls", {f"train/{i}.wav": sound(i) for i in range(3)})
    result = download("datasets:acme/calls")
    assert isinstance(features(result.path)["audio"], datasets.Audio)
    assert [c["bytes"] for c in read(result.path)["audio"].to_pylist()] == [
        sound(i) for i in range(3)
    ]


def test_webdataset_and_arrow_files(hub: HubStub, tmp_path: Path) -> None:
    import datasets

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for i in range(6):
            for suffix, data in (("png", picture(i)), ("txt", f"number {i}".encode())):
                info = tarfile.TarInfo(f"{i:04d}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    repo(hub, "acme/web", {"train-0000.tar": buffer.getvalue()})
    table = read(download("datasets:acme/web", limit=4).path)
    assert table["txt"].to_pylist() == [f"number {i}" for i in range(4)]
    assert table["png"].to_pylist()[2]["bytes"] == picture(2)
    datasets.Dataset.from_dict({"x": list(range(20))}).save_to_disk(tmp_path / "saved")
    body = next((tmp_path / "saved").glob("*.arrow")).read_bytes()
    repo(hub, "acme/ipc", {"train.arrow": body})
    assert read(download("datasets:acme/ipc", limit=5).path)["x"].to_pylist() == list(range(5))


def test_a_lance_repository_in_arrow_mode(hub: HubStub, tmp_path: Path) -> None:
    import lancenb
    from lancenb.store import lance_module

    pictures = tmp_path / "pictures"
    for name in ("cat", "dog"):
        (pictures / name).mkdir(parents=True)
        for i in range(4):
            (pictures / name / f"{i}.png").write_bytes(picture(i))
    path = tmp_path / "repo" / "data" / "pets.lance"
    lancenb.convert(pictures, path)
    lance_module().dataset(str(path)).delete("label = 0")
    hub.repos.import_folder("dataset", "acme/lance", tmp_path / "repo")
    for limit in (None, 2):
        result = download("datasets:acme/lance", limit=limit)
        table = read(result.path)
        assert features(result.path)["label"].names == ["cat", "dog"]
        assert set(table["label"].to_pylist()) == {1}, "deleted rows stay deleted"
        held = [cell["bytes"] for cell in table["image"].to_pylist()]
        assert held == [picture(i) for i in range(4)][:limit]


def test_all_splits_at_once(hub: HubStub) -> None:
    files = {
        f"data/{split}-00000-of-00001.parquet": shard(*rows)
        for split, rows in {"train": (0, 60), "test": (60, 80), "odd": (80, 90)}.items()
    }
    repo(hub, "acme/pets", files)
    result = download("datasets:acme/pets", split="all")
    assert sorted(path.name for path in result.path.iterdir()) == ["odd", "test", "train"]
    assert result.lineage["splits"] == {"train": 60, "test": 20, "odd": 10}
    assert read(result.path / "odd")["img"][0]["bytes"].as_py() == picture(80)
    assert download("datasets:acme/pets", split="all").from_cache
    few = download("datasets:acme/pets", split="all", limit=4)
    assert [read(few.path / name).num_rows for name in ("train", "test", "odd")] == [4, 4, 4]
    one = download("datasets:acme/pets", limit=4)
    assert one.lineage["split"] == "train"
    assert "split='all'" in one.lineage["notes"][0]


def test_configurations_have_their_own_files(hub: HubStub) -> None:
    card = (
        "---\nconfigs:\n- config_name: small\n  data_files: s/*.csv\n"
        "- config_name: large\n  default: true\n  data_files:\n  - split: train\n"
        "    path: l/train.csv\n  - split: dev\n    path: l/dev.csv\n---\n"
    )
    texts = {"s/a.csv": "x\n1\n", "l/train.csv": "x\n2\n", "l/dev.csv": "x\n3\n"}
    repo(hub, "acme/two", {"README.md": card.encode(), **{k: v.encode() for k, v in texts.items()}})
    assert read(download("datasets:acme/two:small").path)["x"].to_pylist() == [1]
    assert read(download("datasets:acme/two").path)["x"].to_pylist() == [2]
    assert read(download("datasets:acme/two:large", split="dev").path)["x"].to_pylist() == [3]


def test_lineage_says_where_rows_come_from(hub: HubStub) -> None:
    body = shard(0, 20)
    files = {"data/train-00000-of-00001.parquet": body, "train.csv": b"a\n1\n"}
    repo(hub, "acme/pets", files, card={"license": "mit"})
    lineage = download("datasets:acme/pets", limit=5, token="hf_ann").lineage
    import hashlib

    assert lineage["source_files"] == [
        {
            "name": "data/train-00000-of-00001.parquet",
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
    ]
    assert lineage["partly_read"] == ["data/train-00000-of-00001.parquet"], "no hash covers it"
    assert download("datasets:acme/pets", split="train").lineage["partly_read"] == []
    assert lineage["license"] == "mit"
    assert len(lineage["commit"]) == 40
    assert "hf_ann" not in json.dumps(lineage)


def test_columns_that_change_on_the_way_are_told(hub: HubStub) -> None:
    repo(hub, "acme/two", {"train-1.csv": b"a\n1\n", "train-2.csv": b"a,b\n1,2\n"})
    with pytest.raises(CorruptInput, match="changes its columns") as caught:
        download("datasets:acme/two")
    assert "lancenb.convert" in caught.value.hint


def test_what_cannot_be_read_is_told(hub: HubStub) -> None:
    repo(hub, "acme/none", {"notes.xyz": b"1"})
    with pytest.raises(SourceNotFound, match="no data files"):
        download("datasets:acme/none")
    repo(hub, "acme/code", {"code.py": b"import os", "train.csv": b"a\n1\n"})
    with pytest.raises(UnsupportedFormat, match="not run"):
        download("datasets:acme/code")
    for body in (b"a,b\n1,2\n1,2,3\n", b'a\n"never closed\n', b"a\n\xff\xfe\xfa\n"):
        repo(hub, "acme/csv", {"train.csv": body})
        with pytest.raises(CorruptInput):
            download("datasets:acme/csv", limit=5)
    repo(hub, "acme/bad", {"train.parquet": b"PAR1" + bytes(100)})
    with pytest.raises(CorruptInput):
        download("datasets:acme/bad")
    with pytest.raises(CorruptInput):
        download("datasets:acme/bad", limit=2)


def test_nested_features_and_null_cells(hub: HubStub) -> None:
    import datasets

    kinds = datasets.Features(
        {
            "pages": datasets.List(datasets.Image()),
            "facts": {
                "name": datasets.Value("string"),
                "tags": datasets.List(datasets.Value("int32")),
            },
        }
    )
    rows = {
        "pages": [[{"bytes": picture(1), "path": None}], [], None],
        "facts": [{"name": "a", "tags": [1, 2]}, {"name": None, "tags": None}, None],
    }
    sink = io.BytesIO()
    import pyarrow.parquet as pq

    pq.write_table(pa.table(rows, kinds.arrow_schema), sink)
    repo(hub, "acme/nested", {"train.parquet": sink.getvalue()})
    for limit in (None, 3):
        table = read(download("datasets:acme/nested", limit=limit).path)
        assert table.to_pydict() == rows
        assert datasets.Features.from_arrow_schema(table.schema) == kinds


def test_rows_that_need_several_shards_without_features(hub: HubStub) -> None:
    files = {f"train-{i}.parquet": numbers(50, start=50 * i) for i in range(3)}
    repo(hub, "acme/plain", files)
    assert read(download("datasets:acme/plain").path)["id"].to_pylist() == list(range(150))
    some = read(download("datasets:acme/plain", limit=120).path)
    assert some["id"].to_pylist() == list(range(120))
