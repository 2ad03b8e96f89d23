"""Copies on disk: whole, incomplete, damaged; the message says exactly what is missing."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tarfile

import pytest

from lancenb.download import registry
from lancenb.download.registry import DatasetEntry, OfficialFile
from lancenb.errors import Cancelled, InvalidArgument, SourceNotFound
from lancenb.progress import CancelToken


@pytest.fixture
def known(monkeypatch):
    """Make other facts known of a data set for one test."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def change(name, **facts):
        return registry.add(dataclasses.replace(registry.info(name), **facts), replace=True)

    return change


def tree(root, **splits):
    """Write ``root/split/class/n.JPEG``; splits are ``{class: pictures}``."""
    for split, classes in splits.items():
        for name, count in classes.items():
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                (root / split / name / f"{name}_{i}.JPEG").write_bytes(b"x")
    return root


def test_imagenet_with_two_classes_passes_when_told_so(tmp_path):
    root = tree(tmp_path, train={"n01440764": 3, "n01443537": 2}, val={"n01440764": 1,
                                                                    "n01443537": 1})  # fmt: skip
    report = registry.check("imagenet", root, classes=2, counts={"train": 5, "validation": 2})
    assert report.ok
    assert str(report) == (
        f"imagenet in {root}: complete\n"
        "  found    train: 2 class folders\n"
        "  found    train: 5 images in class folders\n"
        "  found    validation: 2 class folders\n"
        "  found    validation: 2 images in class folders"
    )
    assert registry.check("imagenet", root, classes=2).ok
    assert registry.check("imagenet", root / "train", classes=2).ok
    assert registry.check("imagenet", root, classes=2, counts={"train": 5}).ok


def test_imagenet_with_two_classes_fails_with_the_exact_message(tmp_path):
    root = tree(tmp_path, train={"n01440764": 3, "cats": 2})
    report = registry.check("imagenet", root)
    assert not report.ok
    guide = registry.info("imagenet").guide
    assert str(report) == (
        f"imagenet in {root}: not complete\n"
        f"  missing  validation: neither a folder val/ nor ILSVRC2012_img_val.tar is in {root}\n"
        "  wrong    train has 2 class folders, 1,000 are expected\n"
        "  wrong    train has 5 images in class folders, 1,281,167 are expected\n"
        "  note     train: cats is no WordNet id such as n01440764\n"
        f"  note     {guide}"
    )
    (root / "train" / "empty").mkdir()
    (root / "train" / "loose.JPEG").write_bytes(b"x")
    report = registry.check("imagenet", root, classes=3, counts={"train": 6})
    assert report.wrong == (
        "train has 5 images in class folders, 6 are expected",
        "train: 1 class folder without images, such as empty",
        "train: 1 image beside the class folders, so without a label",
    )
    assert guide not in report.notes, "nothing has to be got: only numbers differ"
    assert repr(report) == f"<CheckReport imagenet in {root}: not right (1 found, 3 wrong)>"
    assert "wrong" in report._repr_html_()
    assert registry.check("imagenet", root, classes=4).wrong[0] == (
        "train has 3 class folders, 4 are expected"
    )


def test_short_and_unknown_names_of_splits(tmp_path):
    root = tree(tmp_path, val={"n01440764": 4})
    assert registry.check("imagenet", root, classes=1, counts={"val": 4}).ok
    with pytest.raises(InvalidArgument, match="no split 'evaluation'") as caught:
        registry.check("imagenet", root, counts={"evaluation": 4})
    assert "train, validation" in caught.value.hint


def test_imagenet_archives(tmp_path, known):
    archive = tmp_path / "ILSVRC2012_img_val.tar"
    with tarfile.open(archive, "w") as made:
        made.addfile(tarfile.TarInfo("ILSVRC2012_val_00000001.JPEG"), io.BytesIO())
    size = archive.stat().st_size
    report = registry.check("imagenet", archive)
    assert report.wrong == (
        f"{archive} has {size:,} bytes, 6,744,924,160 are expected (cut off, or another edition)",
    )
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    files = (OfficialFile(archive.name, "", size, "", md5, "validation"),)
    known("imagenet", files=files)
    report = registry.check("imagenet", archive)
    assert report.found == (f"{archive.name} ({size:,} bytes) has the right md5",)
    assert report.ok
    assert "has to be unpacked" in report.notes[0]
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    assert f"{md5} is expected" in registry.check("imagenet", archive).wrong[0]
    assert registry.check("imagenet", archive, hashes=False).ok


def test_cifar_archive_and_batches(tmp_path, known):
    batches = {name: name.encode() * 10 for name in ("data_batch_1", "test_batch", "batches.meta")}
    sums = {name: hashlib.md5(data).hexdigest() for name, data in batches.items()}
    file = OfficialFile("cifar-10-python.tar.gz", "http://x/c", 4, "", "", None, sums)
    known("cifar10", files=(file,))
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name, data in batches.items():
        (folder / name).write_bytes(data)
    for place in (folder, tmp_path / "data", tmp_path):
        assert registry.check("cifar10", place).ok
    (folder / "data_batch_1").write_bytes(b"x" * 120)
    (folder / "batches.meta").unlink()
    report = registry.check("cifar10", tmp_path / "data")
    assert len(report.wrong) == len(report.missing) == 1
    assert "data_batch_1 has md5" in report.wrong[0]
    assert report.missing[0] == "batches.meta (in cifar-10-python.tar.gz) is not there"
    assert report.notes == ("download('cifar10:official') fetches what its makers publish",)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert registry.check("cifar10", empty).missing == (
        "cifar-10-python.tar.gz (4 bytes) is not there",
    )
    (empty / "cifar-10-python.tar.gz").write_bytes(b"four")
    assert registry.check("cifar10", empty).ok


def test_mnist_packed_and_unpacked(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)

    def idx(name, *dims, extra=0):
        volume = 1
        for dim in dims:
            volume *= dim
        head = bytes([0, 0, 8, len(dims)]) + b"".join(n.to_bytes(4, "big") for n in dims)
        (raw / name).write_bytes(head)
        with (raw / name).open("r+b") as file:  # sparse
            file.truncate(len(head) + volume + extra)

    idx("t10k-images-idx3-ubyte", 10_000, 28, 28)
    idx("t10k-labels-idx1-ubyte", 10_000)
    report = registry.check("mnist", tmp_path, counts={"test": 10_000})
    assert report.ok
    assert report.found == (
        "t10k-images-idx3-ubyte: 10,000 rows", "t10k-labels-idx1-ubyte: 10,000 rows",
    )  # fmt: skip
    idx("t10k-labels-idx1-ubyte", 9_999)
    idx("t10k-images-idx3-ubyte", 10_000, 28, 28, extra=-5)
    (raw / "train-labels-idx1-ubyte").write_bytes(b"<html>none</html>")
    report = registry.check("mnist", tmp_path)
    assert report.missing == ("train-images-idx3-ubyte.gz (9,912,422 bytes) is not there",)
    assert report.wrong == (
        f"{raw / 'train-labels-idx1-ubyte'} is no idx file",
        f"{raw / 't10k-images-idx3-ubyte'} has 7,840,011 bytes, its head promises 7,840,016",
        "t10k-labels-idx1-ubyte has 9,999 rows, 10,000 are expected",
    )
    assert registry.check("fashion-mnist", tmp_path).name == "fashion_mnist"


def test_coco_folders_and_archives(tmp_path):
    for name, count in (("train2017", 4), ("val2017", 2)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.jpg").write_bytes(b"x")
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        (tmp_path / "annotations" / f"instances_{split}2017.json").write_text("{}")
    assert registry.check("coco", tmp_path, counts={"train": 4, "validation": 2}).ok
    assert registry.check("coco", tmp_path, counts={"validation": 2}).ok
    report = registry.check("coco", tmp_path)
    assert report.wrong == (
        "train2017 has 4 pictures, 118,287 are expected",
        "val2017 has 2 pictures, 5,000 are expected",
    )
    (tmp_path / "annotations" / "instances_val2017.json").unlink()
    assert registry.check("coco", tmp_path, counts={"validation": 2}).missing == (
        "instances_val2017.json (in annotations_trainval2017.zip (252,907,541 bytes)) is not there",
    )


def test_own_checks_nothing_there_and_cancel(tmp_path, known):
    def check(request):
        request.tracker.advance(1)
        request.found.append(f"{request.entry.name} looks good")

    known("cifar10", check=check)
    assert registry.check("cifar10", tmp_path).found == ("cifar10 looks good",)
    with pytest.raises(SourceNotFound, match="nowhere"):
        registry.check("mnist", tmp_path / "nowhere")
    with pytest.raises(SourceNotFound, match="no known dataset"):
        registry.check("mnist2", tmp_path)
    registry.add(DatasetEntry("bare", "table", "hub", "a/bare"), replace=True)
    assert registry.check("bare", tmp_path).missing == (f"nothing in {tmp_path} belongs to bare",)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        registry.check("cifar10", tmp_path, cancel=token)
    events = []
    registry.check("cifar10", tmp_path, progress=events.append)
    assert events[-1].phase == "done"
