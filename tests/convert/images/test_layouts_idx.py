"""MNIST and its kin as their makers publish them."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

import lancenb
from lancenb.convert.images import class_names
from lancenb.download import registry
from lancenb.errors import (
    ColumnNotFound,
    CorruptInput,
    EmptyInput,
    InvalidArgument,
    LancenbError,
    SchemaMismatch,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)

from .conftest import table_of
from .layouts import idx_bytes, write_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
DIGITS = [str(n) for n in range(10)]


def convert(source, tmp_path, **options):
    return lancenb.convert(source, tmp_path / "t.lance", **options)


def pixels_of(table):
    return np.stack([np.array(Image.open(io.BytesIO(data))) for data in table["image"].to_pylist()])


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_and_labels_equal_those_of_torchvision(tmp_path, packed):
    from torchvision.datasets import MNIST

    raw = tmp_path / "MNIST" / "raw"
    write_idx(raw, "train", 2100, packed=packed)
    write_idx(raw, "t10k", 30, seed=1, packed=packed)
    suffix = ".gz" if packed else ""
    report = convert(raw / f"{IMAGES}{suffix}", tmp_path)
    table = table_of(report)
    if packed:  # torchvision reads the unpacked ones
        for path in list(raw.glob("*.gz")):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    wanted = MNIST(tmp_path, train=True)
    assert (pixels_of(table) == wanted.data.numpy()).all()
    assert table["label"].to_pylist() == wanted.targets.tolist()
    assert class_names(report.schema) == DIGITS
    assert table.column_names == [
        "image", "label", "width", "height", "mode", "format", "path", "sha256",
    ]  # fmt: skip
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["mode"], first["format"], first["width"]) == ("L", "PNG", 28)
    assert first["path"] == f"{IMAGES}{suffix}#0"
    assert first["sha256"] == hashlib.sha256(first["image"]).hexdigest()


def test_a_folder_has_splits_and_twins_count_once(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    write_idx(raw, "train", 20)
    write_idx(raw, "train", 20, packed=True)
    pixels, _ = write_idx(raw, "t10k", 10, seed=1, packed=True)
    table = table_of(convert(tmp_path / "MNIST", tmp_path))
    assert table["split"].to_pylist() == ["train"] * 20 + ["test"] * 10
    only = table_of(lancenb.convert(raw, tmp_path / "test.lance", split="test"))
    assert "split" not in only.column_names
    assert (pixels_of(only) == pixels).all()
    with pytest.raises(SourceNotFound, match="no split 'dev2'"):
        lancenb.convert(raw, tmp_path / "x.lance", split="dev2")


def test_class_names_come_from_the_folder_the_download_or_the_user(tmp_path):
    fashion = tmp_path / "FashionMNIST" / "raw"
    write_idx(fashion, "train", 5)
    names = list(registry.info("fashion_mnist").classes)
    assert class_names(convert(fashion / IMAGES, tmp_path).schema) == names
    plain = tmp_path / "plain"
    write_idx(plain, "train", 5)

    class Got:
        path = plain
        lineage = {"dataset": "fashion_mnist"}

    got = lancenb.convert(Got(), tmp_path / "got.lance")
    assert class_names(got.schema) == names
    mine = [f"class {n}" for n in range(12)]
    given = lancenb.convert(plain, tmp_path / "given.lance", classes=mine)
    assert class_names(given.schema) == mine
    more = lancenb.convert(plain, tmp_path / "given.lance", mode="append")
    assert class_names(more.schema) == mine


def test_an_official_file_is_recognised_by_its_content(tmp_path, monkeypatch):
    from lancenb.download._entry import OfficialFile

    folder = tmp_path / "anywhere"
    write_idx(folder, "train", 5, packed=True)
    path = folder / f"{IMAGES}.gz"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = OfficialFile(path.name, "http://x/", path.stat().st_size, digest)
    entry = dataclasses.replace(registry.info("fashion_mnist"), files=(file,))
    known = registry.find
    monkeypatch.setattr(registry, "find", lambda n: entry if n == entry.name else known(n))
    report = convert(path, tmp_path)
    assert class_names(report.schema) == list(registry.info("fashion_mnist").classes)


def test_other_sets_have_as_many_classes_as_their_labels(tmp_path):
    values = np.arange(30)
    (tmp_path / "emnist-train-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros((30, 4, 3))))
    (tmp_path / "emnist-train-labels-idx1-ubyte").write_bytes(idx_bytes(values))
    report = convert(tmp_path / "emnist-train-images-idx3-ubyte", tmp_path)
    assert class_names(report.schema) == [str(n) for n in range(30)]
    row = table_of(report).slice(29, 1).to_pylist()[0]
    assert (row["label"], row["width"], row["height"]) == (29, 3, 4)


def test_labels_alone_are_a_column_and_pictures_alone_need_a_word(tmp_path):
    _, labels = write_idx(tmp_path, "train", 70)
    table = table_of(convert(tmp_path / LABELS, tmp_path))
    assert table.column_names == ["label"]
    assert table["label"].to_pylist() == labels.tolist()
    (tmp_path / LABELS).unlink()
    with pytest.raises(SourceNotFound, match=r"labels of .*train-labels-idx1-ubyte") as caught:
        lancenb.convert(tmp_path / IMAGES, tmp_path / "x.lance")
    assert "label=None" in caught.value.hint
    alone = table_of(lancenb.convert(tmp_path / IMAGES, tmp_path / "x.lance", label=None))
    assert "label" not in alone.column_names


def test_numbers_of_other_types_become_a_column(tmp_path):
    head = bytes([0, 0, 0x0C, 1]) + (3).to_bytes(4, "big")
    path = tmp_path / "values.idx"
    path.write_bytes(head + np.array([1, -2, 70000], ">i4").tobytes())
    assert table_of(convert(path, tmp_path))["value"].to_pylist() == [1, -2, 70000]


def test_labels_outside_the_classes_name_file_and_row(tmp_path):
    write_idx(tmp_path, "train", 5)
    (tmp_path / LABELS).write_bytes(idx_bytes(np.array([1, 2, 3, 12, 5])))
    with pytest.raises(SchemaMismatch, match=r"train-images-idx3-ubyte row 3: label 12 has no"):
        convert(tmp_path / IMAGES, tmp_path)
    assert not (tmp_path / "t.lance").exists()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: d[:-1], CorruptInput, "promises 5 x 28 x 28 values"),
        (lambda d: d + b"x", CorruptInput, "promises 5 x 28 x 28 values"),
        (lambda d: d[:4] + b"\xff\xff\xff\xff" + d[8:], CorruptInput, "promises 4,294,967,295"),
        (lambda d: d[:3] + b"\x09" + d[4:], CorruptInput, "9 dimensions"),
        (lambda d: b"\x89PNG" + d[4:], CorruptInput, "is no idx file"),
        (lambda d: d[:4] + b"\0\0\0\0" + d[8:16], EmptyInput, "has no rows"),
        (lambda d: d[:2] + b"\x0d" + d[3:], CorruptInput, "promises"),
        (lambda d: b"", EmptyInput, "empty"),
        (lambda d: b"\0\0\x08\x03\0\0\0\x05" + b"\xff" * 8, CorruptInput, "promises"),
    ],
)
def test_lying_heads(tmp_path, change, error, message):
    write_idx(tmp_path, "train", 5)
    path = tmp_path / IMAGES
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(error, match=message) as caught:
        convert(path, tmp_path)
    assert IMAGES in caught.value.message
    assert not (tmp_path / "t.lance").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: gzip.compress(d)[:-30], "damaged"),
        (lambda d: gzip.compress(d[:-800]), "ends in row 3; its head promises 5"),
        (lambda d: gzip.compress(d + b"more"), "goes on after the 5 rows"),
        (lambda d: gzip.compress(d)[:40] + b"\0\0\0\0" + gzip.compress(d)[44:], "damaged|ends in"),
    ],
)
def test_damage_in_gzip_is_found_while_reading(tmp_path, change, message):
    write_idx(tmp_path, "train", 5)
    data = (tmp_path / IMAGES).read_bytes()
    (tmp_path / IMAGES).unlink()
    (tmp_path / f"{IMAGES}.gz").write_bytes(change(data))
    with pytest.raises(CorruptInput, match=message) as caught:
        convert(tmp_path / f"{IMAGES}.gz", tmp_path)
    assert IMAGES in caught.value.message
    assert not (tmp_path / "t.lance").exists()


def test_counts_must_agree(tmp_path):
    write_idx(tmp_path, "train", 5)
    (tmp_path / LABELS).write_bytes(idx_bytes(np.zeros(4)))
    with pytest.raises(CorruptInput, match=r"5 pictures, .* 4 labels"):
        convert(tmp_path / IMAGES, tmp_path)


def test_a_gzip_bomb_is_refused(tmp_path):
    rows = 60_000
    head = idx_bytes(np.zeros(0), dims=(rows, 1000, 28))
    with gzip.open(tmp_path / f"{IMAGES}.gz", "wb", 9) as file:
        file.write(head)
        for _ in range(400):
            file.write(bytes(28_000))
    (tmp_path / LABELS).write_bytes(idx_bytes(np.zeros(rows)))
    with pytest.raises(UnsafeInput, match="bomb"):
        convert(tmp_path / f"{IMAGES}.gz", tmp_path)


def test_what_is_no_gray_picture_or_more_than_one_set(tmp_path):
    (tmp_path / IMAGES).write_bytes(idx_bytes(np.zeros((2, 3, 4, 5))))
    with pytest.raises(UnsupportedFormat, match="2 x 3 x 4 x 5"):
        convert(tmp_path / IMAGES, tmp_path)
    for name in ("a", "b"):
        write_idx(tmp_path / "two" / name, "train", 2)
    with pytest.raises(UnsupportedFormat, match="more than one set"):
        convert(tmp_path / "two", tmp_path)


def test_label_option(tmp_path):
    write_idx(tmp_path, "train", 2)
    with pytest.raises(InvalidArgument, match="labels of its own"):
        convert(tmp_path / IMAGES, tmp_path, label={"a": 1})
    with pytest.raises(ColumnNotFound, match="'colour'"):
        convert(tmp_path / IMAGES, tmp_path, label="colour")


def test_pictures_that_only_look_like_idx_are_left_alone(tmp_path):
    """A Windows icon begins with zeros too."""
    Image.new("RGB", (16, 16)).save(tmp_path / "a.ico")
    assert lancenb.sniff(tmp_path / "a.ico").kind == "images"
    with pytest.raises(LancenbError):
        lancenb.sniff(_written(tmp_path / "zeros.dat", bytes(100)))


def _written(path, data):
    path.write_bytes(data)
    return path
