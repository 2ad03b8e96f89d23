"""Pipes, links that go in circles, names that are not Unicode, arguments of the wrong type."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lance
import pytest

import lancenb
from lancenb.convert._folder import files_below, saved_dataset_kind, walk
from lancenb.errors import (
    AlreadyExists,
    CorruptInput,
    InvalidArgument,
    InvalidName,
    LancenbError,
    UnsupportedFormat,
)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    source = tmp_path / "rows.csv"
    source.write_text("x\n1\n2\n")
    return source


_HANGS = """
import sys, lancenb
try:
    lancenb.convert(sys.argv[1], sys.argv[2], kind=sys.argv[3] or None)
except lancenb.LancenbError as error:
    print(error.code)
"""


@pytest.mark.parametrize("kind", ["", "weights", "text"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    args = [str(tmp_path / "pipe.csv"), str(tmp_path / "o.lance"), kind]
    done = subprocess.run(
        [sys.executable, "-c", _HANGS, *args], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == UnsupportedFormat.code, done.stderr


def test_a_pipe_in_a_folder_is_not_opened_by_the_look_at_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.parquet")
    (tmp_path / "b").write_text("words")
    assert [p.name for p in files_below(tmp_path)] == ["b"]


def test_a_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="/dev/zero"):
        lancenb.convert("/dev/zero", tmp_path / "o.lance")


def test_walk_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1").touch()
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "self").symlink_to("self")
    assert [name for name, _ in walk(tmp_path)] == ["a/1", "b/1", "self"]


def test_walk_ends_where_links_multiply_and_goes_deep(tmp_path: Path) -> None:
    for i in range(7):
        (tmp_path / f"d{i}").mkdir()
        (tmp_path / f"d{i}" / "f").touch()
        for j in range(7):
            (tmp_path / f"d{i}" / f"to{j}").symlink_to(f"../d{j}")
    assert sum(1 for _ in walk(tmp_path)) < 20_000


def test_walk_goes_deeper_than_python_recurses(tmp_path: Path) -> None:
    deep = [tmp_path / "deep"]
    while len(deep) < 1200:
        deep.append(deep[-1] / "x")
    for folder in deep:
        os.mkdir(folder)
    (deep[-1] / "f").touch()
    try:
        assert [name.count("/") for name, _ in walk(deep[0])] == [1199]
    finally:  # a recursive removal would fail
        (deep[-1] / "f").unlink()
        for folder in reversed(deep):
            os.rmdir(folder)


@pytest.mark.parametrize("text", ["{", "[1]", '{"features": [1]}', '"x"'])
def test_a_damaged_description_of_a_saved_dataset(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "dataset_info.json").write_text(text)
    with pytest.raises(LancenbError):
        lancenb.convert(tmp_path, tmp_path.parent / "o.lance")


def test_a_saved_dataset_that_contains_itself(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["."]}')
    assert saved_dataset_kind(tmp_path) is None
    (tmp_path / "dataset_dict.json").write_text("[")
    with pytest.raises(CorruptInput, match=r"dataset_dict\.json"):
        lancenb.convert(tmp_path, tmp_path.parent / "o.lance")


def test_a_source_whose_path_is_not_unicode(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/t.csv", "wb") as file:
        file.write(b"x\n1\n")
    report = lancenb.convert(os.fsdecode(folder + b"/t.csv"), tmp_path / "o.lance")
    assert report.rows == 1
    properties = lance.dataset(report.uri).read_transaction(1).transaction_properties
    assert "/caf" in str(properties)


def test_a_target_whose_path_is_not_unicode(rows: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidName):
        lancenb.convert(rows, f"{tmp_path}/\udcff.lance")


def test_a_table_is_not_put_among_other_files(rows: Path, tmp_path: Path) -> None:
    home = tmp_path / "mine"
    (home / "empty").mkdir(parents=True)
    for mode in ("create", "overwrite"):
        with pytest.raises(AlreadyExists, match="empty"):
            lancenb.convert(rows, home, mode=mode)
    assert os.listdir(home) == ["empty"]


@pytest.mark.parametrize("source", [[None], [5], [b"x"], [[]], [object()]])
def test_lists_of_what_is_no_path(tmp_path: Path, source: list[object]) -> None:
    for kind in (None, "images"):
        with pytest.raises(LancenbError):
            lancenb.convert(source, tmp_path / "o.lance", kind=kind)


@pytest.mark.parametrize("target", [None, 5, b"/tmp/x.lance", object()])
def test_targets_that_are_no_place(rows: Path, target: object) -> None:
    with pytest.raises(InvalidArgument):
        lancenb.convert(rows, target)


@pytest.mark.parametrize(
    "options",
    [
        {"message": 5},
        {"lineage": 5},
        {"lineage": {5: 1}},
        {"progress": 5},
        {"cancel": 5},
        {"store": 5},
    ],
)
def test_arguments_of_the_wrong_type(rows: Path, tmp_path: Path, options: dict) -> None:
    with pytest.raises(InvalidArgument):
        lancenb.convert(rows, tmp_path / "o.lance", **options)
    assert not (tmp_path / "o.lance").exists()


def test_lineage_that_turns_in_circles(rows: Path, tmp_path: Path) -> None:
    ring: dict[str, object] = {}
    ring["self"] = ring
    with pytest.raises(InvalidArgument):
        lancenb.convert(rows, tmp_path / "o.lance", lineage=ring)


def test_no_secret_in_lineage_or_message(rows: Path, tmp_path: Path) -> None:
    lineage = {
        "origin": "https://me:hunter2@host/x?sig=hunter2",
        "run": {"api_key": "hunter2", "password": 4711, "epochs": 3},
        "bytes\udcff": "\udcff",
    }
    report = lancenb.convert(
        rows, tmp_path / "o.lance", lineage=lineage, message="token=hunter2 \udcff"
    )
    stored = lance.dataset(report.uri).read_transaction(1).transaction_properties
    shown = f"{stored} {report.lineage}"
    assert "hunter2" not in shown
    assert "4711" not in shown
    assert '"epochs": 3' in stored["lancenb.run"]
