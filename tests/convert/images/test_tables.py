"""Parquet with pictures, datasets, and who else can open what was written."""

from __future__ import annotations

import hashlib
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lancenb.convert import convert
from lancenb.convert.images import PngConverter, class_names
from lancenb.errors import (
    ColumnNotFound,
    CorruptInput,
    InvalidArgument,
    SchemaMismatch,
    SourceNotFound,
    UnsupportedFormat,
)

from .conftest import picture, table_of

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def image_table(count: int = 6, **columns) -> pa.Table:
    images = [{"bytes": picture(seed=i), "path": f"{i}.png"} for i in range(count)]
    return pa.table({"img": pa.array(images, STRUCT), **columns})


def parquet(tmp_path, table, name="data/train-00000-of-00001.parquet"):
    path = tmp_path / "in" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def test_w16_cifar_rows_are_byte_equal_and_keep_their_class_names(shared_data, tmp_path):
    path = shared_data / "cifar10" / "data" / "test-00000-of-00001.parquet"
    source = pq.read_table(path)
    table = table_of(convert(path, tmp_path / "t.lance"))
    assert table.column_names[:2] == ["image", "label"]
    assert table["image"].to_pylist() == [row["bytes"] for row in source["img"].to_pylist()]
    assert table["label"].to_pylist() == source["label"].to_pylist()
    assert table["path"].to_pylist() == [row["path"] for row in source["img"].to_pylist()]
    assert class_names(table.schema)[3] == "cat"
    assert set(zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True)) == {
        (32, 32)
    }


def test_hub_folder_of_the_shared_data(shared_data, tmp_path):
    table = table_of(convert(shared_data / "cifar10", tmp_path / "t.lance"))
    assert table.num_rows == 12_000
    assert table["split"].to_pylist() == ["train"] * 10_000 + ["test"] * 2_000
    expected = {}
    with open(shared_data / "expectations.csv", encoding="utf-8", newline="") as file:
        import csv

        for row in csv.DictReader(file):
            if row["kind"] == "hf_parquet_images":
                expected[row["path"]] = row["content_sha256"]
    order = sorted(expected, key=lambda p: ("test" in p, p))
    at = 0
    for path in order:
        rows = 2_000 if "test" in path else 5_000
        digest = hashlib.sha256()
        part = table.slice(at, rows)
        for data, label in zip(part["image"].to_pylist(), part["label"].to_pylist(), strict=True):
            with Image.open(io.BytesIO(data)) as image:
                digest.update(image.tobytes() + label.to_bytes(8, "little"))
        assert digest.hexdigest() == expected[path]
        at += rows


def test_one_split_of_a_hub_folder(shared_data, tmp_path):
    report = PngConverter(split="test").convert(shared_data / "cifar10", tmp_path / "t.lance")
    assert report.rows == 2_000
    assert "split" not in report.schema.names
    with pytest.raises(SourceNotFound, match="nonsense"):
        PngConverter(split="nonsense").convert(shared_data / "cifar10", tmp_path / "u.lance")


def test_extra_columns_follow_and_clashes_are_renamed(tmp_path):
    source = image_table(
        3, label=[0, 1, 0], width=[1, 2, 3], note=["a", None, "c"], boxes=[[[1.0]], [], None]
    )
    table = table_of(PngConverter().convert(source, tmp_path / "t.lance"))
    assert table.column_names == [
        *("image", "label", "width", "height", "mode", "format", "path", "sha256"),
        *("source_width", "note", "boxes"),
    ]
    assert table["source_width"].to_pylist() == [1, 2, 3]
    assert table["boxes"].to_pylist() == [[[1.0]], [], None]
    assert class_names(table.schema) is None


def test_text_labels_are_numbered_in_sorted_order(tmp_path):
    path = parquet(tmp_path, image_table(4, label=["dog", "cat", None, "dog"]))
    table = table_of(PngConverter().convert(path, tmp_path / "t.lance"))
    assert class_names(table.schema) == ["cat", "dog"]
    assert table["label"].to_pylist() == [1, 0, None, 1]


def test_append_translates_ids_by_name(tmp_path):
    datasets = pytest.importorskip("datasets")

    def make(names, labels):
        features = datasets.Features(
            {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
        )
        rows = {
            "image": [{"bytes": picture(seed=i), "path": None} for i in range(len(labels))],
            "label": labels,
        }
        return datasets.Dataset.from_dict(rows, features=features)

    out = tmp_path / "t.lance"
    PngConverter().convert(make(["b", "a"], [0, 1, 1]), out)
    table = table_of(PngConverter().convert(make(["c", "a"], [0, 1, -1]), out, mode="append"))
    assert class_names(table.schema) == ["b", "a", "c"]
    assert table["label"].to_pylist() == [0, 1, 1, 2, 1, None]


def test_labels_without_a_class_name_are_refused(tmp_path):
    source = image_table(3, label=[0, 1, 7])
    source = source.replace_schema_metadata(
        {
            "huggingface": json.dumps(
                {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a", "b"]}}}}
            )
        }
    )
    with pytest.raises(SchemaMismatch, match=r"row 2.*label 7"):
        PngConverter().convert(source, tmp_path / "t.lance")
    assert not (tmp_path / "t.lance").exists()


def test_rows_without_a_picture_are_skipped(tmp_path):
    images = [{"bytes": picture(), "path": "a.png"}, None, {"bytes": None, "path": None}]
    source = pa.table({"image": pa.array(images, STRUCT), "label": [0, 1, 2]})
    report = PngConverter().convert(source, tmp_path / "t.lance")
    assert report.rows == 1
    assert [name for name, _ in report.skipped] == ["the table row 1", "the table row 2"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_plain_binary_columns_hold_pictures_too(tmp_path, kind):
    source = pa.table({"jpg": pa.array([picture("JPEG"), picture()], kind), "y": [1, 0]})
    table = table_of(PngConverter().convert(source.slice(1), tmp_path / "t.lance"))
    assert table["image"].to_pylist() == [picture()]
    assert table["label"].to_pylist() == [0]


def test_streams_and_wrong_columns(tmp_path):
    source = image_table(4, label=[0, 1, 0, 1])
    report = PngConverter().convert(source.to_reader(max_chunksize=2), tmp_path / "t.lance")
    assert report.rows == 4
    with pytest.raises(ColumnNotFound, match="nothing"):
        PngConverter(image="nothing").convert(source, tmp_path / "u.lance")
    with pytest.raises(InvalidArgument, match="not encoded"):
        PngConverter(image="label").convert(source, tmp_path / "u.lance")
    with pytest.raises(UnsupportedFormat, match="no column of images"):
        PngConverter().convert(pa.table({"x": [1]}), tmp_path / "u.lance")
    with pytest.raises(UnsupportedFormat):
        PngConverter().convert(object(), tmp_path / "u.lance")


def test_damaged_parquet_is_named(tmp_path):
    path = parquet(tmp_path, image_table())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorruptInput, match=r"train-00000"):
        PngConverter().convert(path, tmp_path / "t.lance")
    other = parquet(tmp_path, image_table(2, label=["a", "b"]), "data/a.parquet")
    third = parquet(tmp_path, image_table(2, label=[1, 2]), "data/b.parquet")
    with pytest.raises(SchemaMismatch, match=r"b\.parquet"):
        PngConverter().convert([other, third], tmp_path / "t.lance")


def test_class_names_from_a_dataset_card(tmp_path):
    path = parquet(tmp_path, image_table(2, label=[1, 0]))
    (tmp_path / "in" / "README.md").write_text(
        "---\ndataset_info:\n  features:\n  - name: img\n    dtype: image\n  - name: label\n"
        "    dtype:\n      class_label:\n        names: {'0': no, '1': yes}\n---\ntext\n"
    )
    assert path.exists()
    report = PngConverter().convert(tmp_path / "in", tmp_path / "t.lance")
    # YAML reads bare yes and no as booleans; they are names all the same.
    assert class_names(report.schema) == ["False", "True"]


class TestDatasets:
    @pytest.fixture
    def folder(self, make_folder):
        return make_folder(
            {f"{'ab'[i % 2]}/{i:02d}.png": picture(seed=i, size=(4 + i, 4)) for i in range(12)}
        )

    @pytest.fixture
    def loaded(self, folder, tmp_path):
        datasets = pytest.importorskip("datasets")
        return datasets.load_dataset(
            "imagefolder", data_dir=str(folder), split="train", cache_dir=str(tmp_path / "cache")
        )

    def test_shuffle_and_select_count(self, loaded, tmp_path):
        chosen = loaded.shuffle(seed=3).select(range(5))
        table = table_of(convert(chosen, tmp_path / "t.lance"))
        assert table["width"].to_pylist() == [image.width for image in chosen["image"]]
        assert table["label"].to_pylist() == list(chosen["label"])
        assert class_names(table.schema) == ["a", "b"]

    def test_rows_with_a_path_only_get_their_bytes(self, loaded, folder, tmp_path):
        assert loaded.data.column("image")[0].as_py()["bytes"] is None
        table = table_of(convert(loaded, tmp_path / "t.lance"))
        on_disk = {p.name: p.read_bytes() for p in folder.rglob("*.png")}
        for row in table.to_pylist():
            assert row["image"] == on_disk[row["path"]]
        assert table.num_rows == 12

    def test_saved_to_disk_and_dictionaries(self, loaded, tmp_path):
        loaded.save_to_disk(str(tmp_path / "saved"))
        table = table_of(convert(tmp_path / "saved", tmp_path / "t.lance"))
        assert table.num_rows == 12
        parts = loaded.train_test_split(test_size=3, seed=0)
        parts.save_to_disk(str(tmp_path / "parts"))
        for source in (parts, tmp_path / "parts"):
            table = table_of(PngConverter().convert(source, tmp_path / "u.lance", mode="overwrite"))
            assert table["split"].to_pylist() == ["train"] * 9 + ["test"] * 3
        only = PngConverter(split="test").convert(parts, tmp_path / "v.lance")
        assert only.rows == 3

    def test_streamed_datasets(self, loaded, tmp_path):
        report = PngConverter().convert(loaded.to_iterable_dataset(), tmp_path / "t.lance")
        assert report.rows == 12
        assert class_names(report.schema) == ["a", "b"]


class TestOthersOpenIt:
    @pytest.fixture
    def uri(self, make_folder, tmp_path):
        folder = make_folder(
            {"cat/1.jpg": picture("JPEG", size=(6, 5)), "dog/1.png": picture("PNG", size=(3, 2))}
        )
        return PngConverter().convert(folder, tmp_path / "t.lance").uri

    def test_lancedb(self, uri, tmp_path):
        lancedb = pytest.importorskip("lancedb")
        table = lancedb.connect(str(tmp_path)).open_table("t")
        rows = table.search().where("label = 1").limit(5).to_list()
        assert [row["path"] for row in rows] == ["dog/1.png"]
        assert rows[0]["image"][:4] == b"\x89PNG"

    def test_datasets_decodes_images_and_names(self, uri, tmp_path):
        datasets = pytest.importorskip("datasets")
        loaded = datasets.load_dataset(
            "lance", data_dir=uri, split="train", cache_dir=str(tmp_path / "cache")
        )
        assert isinstance(loaded.features["image"], datasets.Image)
        assert loaded.features["label"].names == ["cat", "dog"]
        row = loaded[1]
        assert row["image"].size == (3, 2)
        assert loaded.features["label"].int2str(row["label"]) == "dog"

    def test_duckdb_if_there(self, uri):
        duckdb = pytest.importorskip("duckdb")
        import lance

        stored = lance.dataset(uri)  # noqa: F841 - found by name
        assert duckdb.sql("select path from stored where width = 3").fetchall() == [("dog/1.png",)]
