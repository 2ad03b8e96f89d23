"""Known data sets: what is said of them, names, own entries, packages' entries."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import EntryPoint

import pytest

from lancenb.download import download, parse, registry
from lancenb.download.registry import DatasetEntry, OfficialFile
from lancenb.errors import AlreadyExists, InvalidArgument, SourceNotFound


@pytest.fixture
def fresh(monkeypatch):
    """A registry of its own for one test."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setattr(registry, "_plugins_loaded", False)


@pytest.mark.parametrize("name", registry.list())
def test_entries_are_well_formed(name):
    entry = registry.info(name)
    assert entry.licence
    assert entry.splits
    assert all(count > 0 for count in entry.splits.values())
    assert len(entry.mean) == len(entry.std)
    assert all(0 < value < 1 for value in (*entry.mean, *entry.std))
    assert len(set(entry.classes)) == len(entry.classes)
    assert name in str(entry)
    assert {f.split for f in entry.files} <= {None, *entry.splits}
    for file in entry.files:
        assert file.size > 0
        assert re.fullmatch(r"[0-9a-f]{32}", file.md5)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256) or entry.source == "guided"
        assert re.fullmatch(r"https?://\S+/" + re.escape(file.name), file.url) or not file.url


def test_files_are_those_of_torchvision():
    from torchvision import datasets
    from torchvision.datasets import imagenet

    for name, cls in (("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)):
        (file,) = registry.info(name).files
        assert (file.url, file.md5) == (cls.url, cls.tgz_md5)
        theirs = dict([*cls.train_list, *cls.test_list])
        assert dict(file.contents) == {**theirs, cls.meta["filename"]: cls.meta["md5"]}
    for name, cls in (("mnist", datasets.MNIST), ("fashion_mnist", datasets.FashionMNIST)):
        files = registry.info(name).files
        assert {f.name: f.md5 for f in files} == dict(cls.resources)
        assert {f.url.removesuffix(f.name) for f in files} <= {*cls.mirrors}
    theirs = dict(imagenet.ARCHIVE_META.values())
    assert all(theirs[f.name] == f.md5 for f in registry.info("imagenet").files)


def test_class_names_are_those_of_torchvision():
    from torchvision.models import get_weight

    seen = get_weight("FasterRCNN_ResNet50_FPN_Weights.COCO_V1").meta["categories"]
    wanted = tuple(name for name in seen if name not in ("N/A", "__background__"))
    assert registry.info("coco").classes == wanted
    counts = {"cifar10": 10, "cifar100": 100, "mnist": 10, "fashion_mnist": 10, "coco": 80}
    for name, count in counts.items():
        assert len(registry.info(name).classes) == count


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("CIFAR-10", "cifar10"),
        ("uoft-cs/cifar10", "cifar10"),
        ("uoft-cs/cifar100", "cifar100"),
        ("Fashion-MNIST", "fashion_mnist"),
        ("zalando-datasets/fashion_mnist", "fashion_mnist"),
        ("ylecun/mnist", "mnist"),
        ("ImageNet-1k", "imagenet"),
        ("ILSVRC2012", "imagenet"),
        ("COCO 2017", "coco"),
    ],
)
def test_names_and_aliases(name, entry):
    found = registry.find(name)
    assert found is registry.info(entry)


def test_specs():
    assert parse("uoft-cs/cifar10") == parse("cifar10") == parse("CIFAR-10")
    assert parse("cifar10").kind == "arrow"
    assert (parse("mnist:official").kind, parse("coco").kind) == ("official", "official")
    assert parse("Fashion-MNIST:official").name == "fashion_mnist"
    with pytest.raises(SourceNotFound, match="there is nothing at"):
        parse("cifar11")


def test_names_that_are_nearly_right_and_other_forms():
    for ask in (registry.info, parse):
        with pytest.raises(SourceNotFound) as caught:
            ask("cifar-11")
        assert "did you mean cifar10" in caught.value.hint
    assert registry.info("synthetic:table") is registry.info("synthetic-table")
    assert parse("synthetic:table") == parse("synthetic-table")
    assert str(DatasetEntry("x", "images", "hub", "a/b")) == "x: images"
    assert "1,000 classes" in repr(registry.info("imagenet"))
    assert registry.info("imagenet").nbytes == sum(f.size for f in registry.info("imagenet").files)
    assert "airplane" in registry.info("cifar10")._repr_html_()


def test_w55_imagenet_is_refused_with_a_guide_and_says_why():
    with pytest.raises(SourceNotFound, match="cannot be downloaded automatically") as caught:
        download("imagenet")
    for word in (
        *("image-net.org/download-images.php", "accepted in person", "ILSVRC2012_img_train.tar"),
        *("ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz", "one folder per class"),
        *("registry.check('imagenet', folder)", "hf:dataset:ILSVRC/imagenet-1k"),
    ):
        assert word in caught.value.hint
    with pytest.raises(SourceNotFound, match="cannot be downloaded automatically"):
        download("imagenet:official")


@pytest.mark.usefixtures("fresh")
def test_own_entries():
    mine = DatasetEntry("mine", "images", "hub", "me/mine", aliases=("My Set",))
    registry.add(mine)
    assert registry.find("my-set") is registry.find("me/mine") is mine
    assert "mine" in registry.list()
    with pytest.raises(AlreadyExists, match="'mine'"):
        registry.add(mine)
    other = DatasetEntry("mine", "images", "hub", "me/mine2", aliases=("second",))
    registry.add(other, replace=True)
    assert registry.find("second") is registry.find("mine") is other
    assert registry.find("My Set") is None
    part = DatasetEntry("part", "images", "hub", "uoft-cs/cifar10")
    registry.add(part)
    assert registry.info("uoft-cs/cifar10").name == "cifar10", "the earlier one keeps the Hub id"
    with pytest.raises(AlreadyExists, match="'cifar10'"):
        registry.add(DatasetEntry("x", "images", "hub", "a/b", aliases=("cifar10",)), replace=True)
    for wrong, message in (
        (DatasetEntry("a b", "images", "hub", "a/b"), "no name"),
        (DatasetEntry("a", "images", "web", "a/b"), "source='web'"),
        (DatasetEntry("a", "images", "hub", "a/b", mean=(0.1,)), "mean and std"),
        (DatasetEntry("a", "images", "official", "", files=(OfficialFile("x"),)), "without files"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            registry.add(wrong)


def one_entry():
    return DatasetEntry("from-a-package", "images", "hub", "a/b")


def two_entries():
    return [DatasetEntry(name, "table", "hub", f"a/{name}") for name in ("p1", "p2")]


@pytest.mark.usefixtures("fresh")
def test_entries_of_packages(monkeypatch):
    import importlib.metadata

    here = __name__
    points = [
        EntryPoint("one", f"{here}:one_entry", registry.GROUP),
        EntryPoint("two", f"{here}:two_entries", registry.GROUP),
        EntryPoint("gone", "no_such_module_anywhere:x", registry.GROUP),
        EntryPoint("wrong", "math:pi", registry.GROUP),
    ]
    asked = []

    def entry_points(*, group):
        asked.append(group)
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert registry.find("cifar10") is not None
    assert asked == [], "nobody is asked for what is known"
    with pytest.warns(UserWarning, match="are left out") as caught:
        assert registry.info("from-a-package").target == "a/b"
    assert {"p1", "p2"} <= {*registry.list()}
    assert asked == [registry.GROUP]
    texts = [str(warning.message) for warning in caught]
    assert any("no_such_module_anywhere" in text for text in texts)
    assert any("math:pi" in text for text in texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.list()


@pytest.mark.usefixtures("fresh")
def test_real_entry_points_of_an_installed_package(tmp_path, monkeypatch):
    (tmp_path / "my_sets.py").write_text(
        "from lancenb.download.registry import DatasetEntry\n"
        "pets = DatasetEntry('pets', 'images', 'hub', 'me/pets')\n"
    )
    info = tmp_path / "my_sets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_sets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lancenb.datasets]\npets = my_sets:pets\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.info("pets").target == "me/pets"
    assert parse("pets").name == "me/pets"
