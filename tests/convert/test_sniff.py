"""Content decides what a source is; the suffix is a hint."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lancenb as lnb
from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def put(folder, name, data):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def safetensors_bytes():
    header = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\x07"


def zip_bytes(names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


def parquet_bytes(table):
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.png", PNG, "images"),
        ("named.jpg", PNG, "images"),
        ("no_suffix", PNG, "images"),
        ("UPPER.PNG", PNG, "images"),
        ("w.safetensors", safetensors_bytes(), "weights"),
        ("w.pth", safetensors_bytes(), "weights"),
        ("w.bin", safetensors_bytes(), "weights"),
        ("a.csv", "a,b\n1,2\n", "text"),
        ("a.tsv", "a\tb\n1\t2\n", "text"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n"), "text"),
        ("a.json", '[{"a":1}]', "text"),
        ("a.jsonl", '{"a":1}\n', "text"),
        ("noname_json", '{"a":1}', "text"),
        ("deep.json", "[" * 100_000, "text"),
        ("utf16.txt", "héllo".encode("utf-16"), "text"),
        ("nul.csv", b"a,b,c\n1,2\0,3\n", "text"),
        ("a.parquet", parquet_bytes(pa.table({"x": [1]})), "table"),
        ("no_parquet_suffix", parquet_bytes(pa.table({"x": [1]})), "table"),
        ("t.zip", zip_bytes(["a.csv", "b.csv"]), "table"),
        ("i.zip", zip_bytes(["c/a.png", "c/b.jpg", "readme.txt"]), "images"),
        ("c.pth", zip_bytes(["archive/data.pkl", "archive/data/0"]), "weights"),
        ("c.zip.pth", zip_bytes(["archive/data.pkl"]), "weights"),
        ("old.pt", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "weights"),
    ],
)
def test_files_are_recognised(tmp_path, name, data, kind):
    assert lnb.sniff(put(tmp_path, name, data)).kind == kind


def test_parquet_with_encoded_images_goes_to_the_images_room(tmp_path):
    image = pa.array([{"bytes": PNG, "path": "a.png"}])
    path = put(tmp_path, "a.parquet", parquet_bytes(pa.table({"img": image, "label": [3]})))
    assert lnb.sniff(path).kind == "images"


@pytest.mark.parametrize(
    ("name", "data", "error", "words"),
    [
        ("a.pth", "<!DOCTYPE html><html>404</html>", CorruptInput, "HTML page"),
        ("a.png", "\n <html><body>login", CorruptInput, "HTML page"),
        ("a.safetensors", "version https://git-lfs.github.com/spec/v1\n", CorruptInput, "git-LFS"),
        ("a.csv", "version https://git-lfs.github.com/spec/v1\n", CorruptInput, "git-LFS"),
        ("a.png", b"", EmptyInput, "empty"),
        ("a.csv", parquet_bytes(pa.table({"x": [1]})), CorruptInput, "parquet"),
        ("a.png", safetensors_bytes(), CorruptInput, "safetensors"),
        ("a.csv", PNG, CorruptInput, "png"),
        ("a.txt", bytes(range(256)) * 4, CorruptInput, "does not hold text"),
        ("a.dat2", bytes(range(256)) * 4, UnsupportedFormat, "no kind"),
        ("a.wav", b"RIFF....WAVEfmt ", UnsupportedFormat, "audio"),
        ("a.pkl", b"\x80\x04\x95", UnsafeInput, "pickle"),
        ("a.csv", zip_bytes(["data.pkl"]), CorruptInput, "checkpoint"),
    ],
)
def test_wrong_content_is_named(tmp_path, name, data, error, words):
    path = put(tmp_path, name, data)
    with pytest.raises(error, match=words) as caught:
        lnb.sniff(path)
    assert str(path) in caught.value.message


def test_missing_path_offers_a_neighbour(tmp_path):
    put(tmp_path, "flowers.csv", "a\n1\n")
    with pytest.raises(SourceNotFound) as caught:
        lnb.sniff(tmp_path / "flower.csv")
    assert "flowers.csv" in caught.value.hint


def test_missing_folder_and_pattern(tmp_path):
    with pytest.raises(SourceNotFound):
        lnb.sniff(tmp_path / "nowhere" / "x.csv")
    with pytest.raises(SourceNotFound, match="matches"):
        lnb.sniff(str(tmp_path / "*.csv"))


def test_folders_lists_and_patterns(tmp_path):
    put(tmp_path, "pets/cat/1.png", PNG)
    put(tmp_path, "pets/dog/2.png", PNG)
    put(tmp_path, "pets/.DS_Store", b"x")
    assert lnb.sniff(tmp_path / "pets").kind == "images"
    assert lnb.sniff(str(tmp_path / "pets" / "*" / "*.png")).kind == "images"
    csv = put(tmp_path, "t/a.csv", "a\n1\n")
    assert lnb.sniff(tmp_path / "t").kind == "text"
    assert lnb.sniff([csv, csv]).kind == "text"
    with pytest.raises(UnsupportedFormat, match="mixes"):
        lnb.sniff([csv, tmp_path / "pets" / "cat" / "1.png"])
    with pytest.raises(EmptyInput):
        lnb.sniff([])


def test_model_folder_and_lance_folder(tmp_path):
    put(tmp_path, "m/model.safetensors", safetensors_bytes())
    put(tmp_path, "m/config.json", "{}")
    assert lnb.sniff(tmp_path / "m").kind == "weights"
    lnb.convert(tmp_path / "m", tmp_path / "t.lance")
    assert lnb.sniff(tmp_path / "t.lance").kind == "weights"
    assert lnb.sniff(tmp_path / "t.lance").format == "lance"
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptyInput):
        lnb.sniff(tmp_path / "empty")


def test_addresses_are_sent_to_download():
    with pytest.raises(UnsupportedFormat) as caught:
        lnb.sniff("https://example.org/a.pth")
    assert "download" in caught.value.hint


def test_a_known_name_gets_the_code_to_download_it():
    with pytest.raises(SourceNotFound) as caught:
        lnb.sniff("cifar10")
    assert "convert(lancenb.download('cifar10'), ...)" in caught.value.hint


def test_objects():
    torch = pytest.importorskip("torch")
    assert lnb.sniff({"w": torch.zeros(1)}).kind == "weights"
    assert lnb.sniff(torch.nn.Linear(1, 1)).kind == "weights"
    assert lnb.sniff(pa.table({"x": [1]})).kind == "table"
    with pytest.raises(UnsupportedFormat):
        lnb.sniff(42)


def test_datasets_of_the_hub_library(tmp_path):
    datasets = pytest.importorskip("datasets")
    image = datasets.Features({"img": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"img": [{"bytes": PNG, "path": "a.png"}], "label": [0]}
    one = datasets.Dataset.from_dict(rows, features=image)
    plain = datasets.Dataset.from_dict({"x": [1]})
    both = datasets.DatasetDict(train=one)
    assert lnb.sniff(one).kind == lnb.sniff(both).kind == "images"
    assert lnb.sniff(plain).kind == "table"
    assert lnb.sniff(one.data.table).kind == "images"
    one.save_to_disk(tmp_path / "one")
    both.save_to_disk(tmp_path / "both")
    plain.save_to_disk(tmp_path / "plain")
    kinds = [lnb.sniff(tmp_path / n).kind for n in ("one", "both", "plain")]
    assert kinds == ["images", "images", "table"]
