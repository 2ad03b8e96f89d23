"""CIFAR-10 and CIFAR-100 as their makers publish them, and what pretends to be."""

from __future__ import annotations

import io
import os
import pickle
import resource
import shutil
import tarfile
import tempfile
import zipfile

import numpy as np
import pytest
from PIL import Image

import lancenb
from lancenb.convert.images import class_names
from lancenb.convert.images._pickle_data import read_pickle
from lancenb.download import registry
from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    LancenbError,
    OutOfSpace,
    StoreNotWritable,
    UnsafeInput,
    UnsupportedFormat,
)

from .conftest import table_of
from .layouts import CIFAR10, cifar10_batch, packed, write_cifar10, write_cifar100

ORDER = ["data_batch_4", "test_batch", "batches.meta", "data_batch_1", "data_batch_3"]
ORDER += ["data_batch_2", "data_batch_5"]


def convert(source, tmp_path, **options):
    return lancenb.convert(source, tmp_path / "t.lance", **options)


def pixels_of(table):
    return np.stack([np.array(Image.open(io.BytesIO(data))) for data in table["image"].to_pylist()])


@pytest.fixture
def theirs(monkeypatch):
    """torchvision's reader, made to read batches that are not the official ones."""
    from torchvision import datasets

    def read(cls, root, train):
        monkeypatch.setattr(cls, "_check_integrity", lambda self: True)
        monkeypatch.setattr(cls, "_load_meta", lambda self: None)
        return cls(root, train=train)

    return lambda name, root, train: read(getattr(datasets, name), root, train)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pixels_and_labels_equal_those_of_torchvision(tmp_path, theirs, protocol):
    folder = write_cifar10(tmp_path, protocol=protocol)
    report = convert(folder, tmp_path)
    table = table_of(report)
    train, test = theirs("CIFAR10", tmp_path, True), theirs("CIFAR10", tmp_path, False)
    assert (pixels_of(table) == np.concatenate([train.data, test.data])).all()
    assert table["label"].to_pylist() == [*train.targets, *test.targets]
    assert table["split"].to_pylist() == ["train"] * 60 + ["test"] * 12
    assert class_names(report.schema) == CIFAR10
    assert table["path"].to_pylist()[:2] == ["picture_0_0.png", "picture_0_1.png"]


def test_archive_folder_and_single_batch_give_the_same(tmp_path, monkeypatch):
    folder = write_cifar10(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    whole = table_of(convert(folder, tmp_path))
    archive = packed(folder, ORDER)
    assert table_of(lancenb.convert(archive, tmp_path / "a.lance")).equals(whole)
    assert not list(scratch.iterdir()), "what was unpacked is gone"
    root = lancenb.convert(tmp_path / "cifar-10-batches-py", tmp_path / "r.lance", split="test")
    assert table_of(root).equals(whole.slice(60).drop_columns("split"))
    one = table_of(lancenb.convert(folder / "data_batch_2", tmp_path / "o.lance"))
    assert one.equals(whole.slice(12, 12).drop_columns("split"))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as made:
        for name in ORDER:
            made.write(folder / name, f"deep/{name}")
    assert table_of(lancenb.convert(tmp_path / "c.zip", tmp_path / "z.lance")).equals(whole)


def test_without_its_list_of_names_the_known_ones_are_taken(tmp_path):
    folder = write_cifar10(tmp_path)
    (folder / "batches.meta").unlink()
    assert class_names(convert(folder, tmp_path).schema) == list(registry.info("cifar10").classes)


def test_cifar100_has_fine_and_coarse_labels(tmp_path, theirs):
    folder = write_cifar100(tmp_path)
    report = convert(folder, tmp_path)
    table = table_of(report)
    train = theirs("CIFAR100", tmp_path, True)
    assert (pixels_of(table)[:12] == train.data).all()
    assert table["label"].to_pylist()[:12] == train.targets
    assert class_names(report.schema) == [f"fine{i}" for i in range(100)]
    batch = pickle.loads((folder / "train").read_bytes())
    assert table["coarse_label"].to_pylist()[:12] == batch["coarse_labels"]
    assert '"coarse3"' in report.schema.metadata[b"huggingface"].decode()
    coarse = lancenb.convert(folder, tmp_path / "c.lance", label="coarse_label")
    assert class_names(coarse.schema) == [f"coarse{i}" for i in range(20)]
    assert table_of(coarse)["label"].to_pylist()[:12] == batch["coarse_labels"]
    assert table_of(coarse)["fine_label"].to_pylist()[:12] == train.targets
    none = table_of(lancenb.convert(folder, tmp_path / "n.lance", label=None))
    assert not [name for name in none.column_names if "label" in name]
    archive = packed(folder, ["test", "train", "meta"])
    assert table_of(lancenb.convert(archive, tmp_path / "a.lance")).equals(table)


def test_binary_versions(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    batches = [cifar10_batch(7, seed) for seed in range(3)]
    for name, batch in zip(("data_batch_1", "data_batch_2", "test_batch"), batches, strict=True):
        rows = [bytes([n]) + row.tobytes() for n, row in zip(batch["labels"], batch["data"],
                                                             strict=True)]  # fmt: skip
        (folder / f"{name}.bin").write_bytes(b"".join(rows))
    (folder / "batches.meta.txt").write_text("\n".join(CIFAR10) + "\n\n")
    (folder / "readme.html").write_text("<html>")
    report = convert(folder, tmp_path)
    wanted = np.concatenate([batch["data"] for batch in batches])
    assert (
        pixels_of(table_of(report)) == wanted.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    ).all()
    assert table_of(report)["label"].to_pylist() == [n for b in batches for n in b["labels"]]
    assert class_names(report.schema) == CIFAR10
    assert lancenb.sniff(folder / "data_batch_1.bin").kind == "images"
    (folder / "data_batch_1.bin").write_bytes(bytes([3]) + bytes(3072) + bytes([10]) + bytes(3072))
    with pytest.raises(CorruptInput, match=r"data_batch_1.bin row 1: label 10 is outside 0 to 9"):
        convert(folder / "data_batch_1.bin", tmp_path, mode="overwrite")
    (folder / "data_batch_1.bin").write_bytes(bytes(3072))
    with pytest.raises(CorruptInput, match="not a multiple of the 3,073"):
        convert(folder, tmp_path, mode="overwrite")
    assert table_of(report).num_rows == 21

    fine = tmp_path / "cifar-100-binary"
    fine.mkdir()
    (fine / "train.bin").write_bytes(bytes([4, 77]) + bytes(3072))
    (fine / "test.bin").write_bytes(bytes([5, 99]) + bytes([255]) * 3072)
    for name, count in (("fine_label_names.txt", 100), ("coarse_label_names.txt", 20)):
        (fine / name).write_text("".join(f"{name[:4]}{i}\n" for i in range(count)))
    rows = table_of(lancenb.convert(fine, tmp_path / "f.lance")).to_pylist()
    assert [(r["label"], r["coarse_label"], r["split"]) for r in rows] == [
        (77, 4, "train"), (99, 5, "test"),
    ]  # fmt: skip


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['LANCENB_PICKLE_MARKER']}",)


class EvilEval:
    def __reduce__(self):
        return eval, ("__import__('os').mkdir(__import__('os').environ['LANCENB_PICKLE_MARKER'])",)


@pytest.mark.parametrize("evil", [Evil, EvilEval])
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("place", ["data", "labels", "more", "meta"])
def test_a_pickle_with_code_runs_nothing(tmp_path, monkeypatch, evil, protocol, place):
    marker = tmp_path / "marker"
    monkeypatch.setenv("LANCENB_PICKLE_MARKER", str(marker))
    folder = write_cifar10(tmp_path)
    content = cifar10_batch(3, 0) if place != "meta" else {"label_names": CIFAR10}
    content[{"meta": "x"}.get(place, place)] = evil()
    name = "batches.meta" if place == "meta" else "data_batch_3"
    (folder / name).write_bytes(pickle.dumps(content, protocol))
    for source in (folder, packed(folder, ORDER)):
        with pytest.raises((UnsafeInput, UnsupportedFormat)) as caught:
            convert(source, tmp_path)
        assert name in caught.value.message
    if protocol >= 2:
        assert "nothing was run" in str(caught.value)
    assert not marker.exists()
    assert not (tmp_path / "t.lance").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [1, 2, 30]}, "row 2: label 30 is outside 0 to 9"),
        ({"labels": [1, -1, 3]}, "row 1: label -1 is outside 0 to 9"),
        ({"labels": [1, 2]}, "3 pictures and 2 labels"),
        ({"labels": ["a", "b", "c"]}, "'labels' is not a list of whole numbers"),
        ({"labels": [1.5, 2, 3]}, "'labels' is not a list of whole numbers"),
        ({"labels": [2**70, 2, 3]}, "'labels' is not a list of whole numbers"),
        ({"data": np.zeros((3, 3071), np.uint8)}, "rows of 3,072 bytes"),
        ({"data": np.zeros((3, 3072), np.int16)}, "rows of 3,072 bytes"),
        ({"data": np.zeros(3072, np.uint8)}, "rows of 3,072 bytes"),
        ({"data": b"abc"}, "rows of 3,072 bytes"),
        ({"data": np.array([{}, 1], object)}, "no whole pickle"),
    ],
)
def test_damaged_batches_name_the_file(tmp_path, change, message):
    folder = write_cifar10(tmp_path)
    (folder / "data_batch_2").write_bytes(pickle.dumps({**cifar10_batch(3), **change}, 4))
    with pytest.raises(LancenbError, match=message) as caught:
        convert(folder, tmp_path)
    assert "data_batch_2" in caught.value.message
    assert not (tmp_path / "t.lance").exists()


def test_other_damage(tmp_path):
    folder = write_cifar10(tmp_path)
    whole = (folder / "data_batch_1").read_bytes()
    for data, error in (
        (whole[: len(whole) // 2], CorruptInput),
        (b"", EmptyInput),
        (whole[:10], CorruptInput),
        (pickle.dumps([1, 2]), CorruptInput),
        (pickle.dumps({"data": np.zeros((1, 3072), np.uint8)}), CorruptInput),
        (b"\x80\x04" + b"}" * 100, CorruptInput),
    ):
        (folder / "data_batch_1").write_bytes(data)
        with pytest.raises(error, match="data_batch_1"):
            convert(folder, tmp_path)
    (folder / "data_batch_1").write_bytes(whole)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [1, 2]}))
    with pytest.raises(CorruptInput, match=r"batches\.meta"):
        convert(folder, tmp_path)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": CIFAR10[:5]}))
    with pytest.raises(CorruptInput, match="outside 0 to 4"):
        convert(folder, tmp_path)
    shutil.copytree(folder, tmp_path / "two" / "a")
    shutil.copytree(folder, tmp_path / "two" / "b")
    with pytest.raises(UnsupportedFormat, match="more than one set"):
        convert(tmp_path / "two", tmp_path)


def test_hostile_archives(tmp_path):
    folder = write_cifar10(tmp_path)
    for entry in ("link", "slip"):
        path = tmp_path / f"{entry}.tar.gz"
        with tarfile.open(path, "w:gz") as made:
            made.add(folder / "data_batch_1", "x/data_batch_1")
            info = tarfile.TarInfo("../data_batch_2" if entry == "slip" else "x/data_batch_2")
            info.type = tarfile.SYMTYPE if entry == "link" else tarfile.REGTYPE
            info.linkname = "/etc/passwd"
            made.addfile(info, io.BytesIO())
        with pytest.raises(UnsafeInput, match=path.name):
            convert(path, tmp_path)
    whole = packed(folder, ORDER).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptInput, match=r"cut\.tar\.gz"):
        convert(tmp_path / "cut.tar.gz", tmp_path)


def test_a_full_disk_says_how_much_is_needed(tmp_path, monkeypatch):
    archive = packed(write_cifar10(tmp_path), ORDER)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutOfSpace, match="data_batch_4") as caught:
            convert(archive, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "TMPDIR" in caught.value.hint
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(StoreNotWritable, match="nowhere"):
        convert(archive, tmp_path)


def test_pickles_of_python_2_are_read():
    """Short texts, long texts and names as Python 2 wrote them (protocol 2 and 0)."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftb"
    )
    old = b"\x80\x02}q\x00(U\x04dataq\x04" + array + b"U\x06labelsq\x05]q\x06(K\x03K\x01eu."
    found = read_pickle(memoryview(old), "old")
    assert found["data"].tolist() == [[97, 98, 99], [100, 101, 102]]
    assert found["labels"] == [3, 1]
    text = b"(dp1\nS'num_cases_per_batch'\np2\nI10000\nsS'label_names'\np3\n(lp4\nS'cat'\np5\nas."
    assert read_pickle(memoryview(text), "old") == {
        "num_cases_per_batch": 10000, "label_names": ["cat"],
    }  # fmt: skip


def test_any_bytes_give_plain_data_or_a_typed_error():
    dice, refused = np.random.default_rng(0), []
    good = pickle.dumps(cifar10_batch(1), 4)
    edge = [i for i in range(len(good)) if i < 200 or i > len(good) - 200]
    for _ in range(4000):
        data = bytearray(good)
        for place in dice.choice(edge, dice.integers(1, 5)):
            data[place] = dice.integers(0, 256)
        try:
            read_pickle(memoryview(bytes(data)), "x")
        except LancenbError as error:
            refused.append(error.message)
    assert len(refused) > 1000
    assert all(message.startswith("x ") for message in refused)
