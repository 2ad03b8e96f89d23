"""Folders and labels that mislead: links, strays beside splits, files that change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import lancenb
from lancenb.convert.images import PngConverter
from lancenb.convert.images._listing import Item
from lancenb.convert.images._read import read_files
from lancenb.errors import InvalidArgument
from tests.convert.images.conftest import picture, table_of


def test_links_in_a_class_folder(make_folder, tmp_path: Path) -> None:
    root = make_folder({"a/1.png": picture()})
    (root / "a" / "up").symlink_to("..")
    (root / "self").symlink_to("self")
    (root / "b").symlink_to("a")
    (root / "p").mkdir()
    (root / "p" / "q").symlink_to("..")
    report = lancenb.convert(root, tmp_path / "o.lance")
    assert table_of(report)["path"].to_pylist() == ["a/1.png", "b/1.png"]
    assert report.skipped == [("self", "cannot be read: Too many levels of symbolic links")]


def test_a_folder_of_links_to_class_folders_is_recognised(make_folder, tmp_path: Path) -> None:
    root = make_folder({"x/1.png": picture()})
    top = tmp_path / "top"
    top.mkdir()
    (top / "cat").symlink_to(root / "x")
    assert lancenb.convert(top, tmp_path / "o.lance").rows == 1


def test_a_stray_beside_splits_does_not_make_classes_of_them(make_folder, tmp_path: Path) -> None:
    root = make_folder(
        {
            "train/cat/1.png": picture(seed=1),
            "test/dog/2.png": picture(seed=2),
            "stray.png": picture(seed=3),
        }
    )
    report = lancenb.convert(root, tmp_path / "o.lance")
    table = table_of(report).sort_by("path")
    assert table["split"].to_pylist() == [None, "test", "train"]
    assert table["label"].to_pylist() == [None, 1, 0]
    only = lancenb.convert(root, tmp_path / "t.lance", split="train")
    assert table_of(only)["path"].to_pylist() == ["train/cat/1.png"]


def test_a_file_that_became_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    images, _ = read_files([Item("x.png", 70, str(tmp_path / "x.png"))])
    assert images.to_pylist() == [b""]


@pytest.mark.parametrize("label", [{}, {"elsewhere.png": 1}, lambda name: 2**70])
def test_labels_that_name_nothing(make_folder, tmp_path: Path, label: object) -> None:
    root = make_folder({"a/1.png": picture()})
    with pytest.raises(InvalidArgument):
        lancenb.convert(root, tmp_path / "o.lance", label=label)


def test_a_class_name_that_is_not_unicode(make_folder, tmp_path: Path) -> None:
    root = make_folder({"a/1.png": picture()})
    report = lancenb.convert(root, tmp_path / "o.lance", label=lambda name: "caf\udce9")
    assert table_of(report)["label"].to_pylist() == [0]


@pytest.mark.parametrize(
    "options",
    [{"classes": 5}, {"max_pixels": "x"}, {"threads": "x"}, {"threads": 1.5}, {"split": 5}],
)
def test_options_of_the_wrong_type(options: dict) -> None:
    with pytest.raises(InvalidArgument):
        PngConverter(**options)
