"""Versions, tags, rollback and forward (D3, D7), on real tables."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lancenb.catalog import DataManager
from lancenb.errors import (
    AlreadyExists,
    InvalidArgument,
    InvalidName,
    TagNotFound,
    VersionNotFound,
)

from .helpers import points, rows_of


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    """``pts`` with versions 1 to 4: ids 0-4, 0-9, 0-14, then only 100."""
    dm = DataManager(tmp_path / "root", actor="ada")
    dm.convert(points(), "pts", message="first")
    dm.convert(points(5), "pts", mode="append", message="second")
    dm.convert(points(10), "pts", mode="append")
    dm.convert(points(100, 1), "pts", mode="overwrite", message="fresh")
    return dm


def test_w37_versions_are_listed(dm: DataManager):
    versions = dm.versions("pts")
    assert [v.version for v in versions] == [1, 2, 3, 4]
    assert [v.rows for v in versions] == [5, 10, 15, 1]
    assert [v.current for v in versions] == [False, False, False, True]
    assert [v.message for v in versions][:2] == ["first", "second"]
    assert versions[3].message == "fresh"
    assert all(v.bytes > 0 for v in versions)
    assert versions[1].bytes > versions[0].bytes
    assert versions[0].properties["lancenb.actor"] == "ada"
    assert versions[0].properties["lancenb.name"] == "pts"
    assert versions == sorted(versions, key=lambda v: v.time)
    assert "4 (head)" in repr(versions)


def test_w38_d3_rollback_and_forward(dm: DataManager):
    size = sum(f.stat().st_size for f in Path(dm["pts"].uri, "data").iterdir())
    result = dm.rollback("pts", 2, message="bad data")
    assert (result.restored_from, result.old_head, result.new_head) == (2, 4, 5)
    assert tuple(result) == (2, 4, 5)
    assert rows_of(dm, "pts") == rows_of(dm, "pts", 2)
    assert dm["pts"].version == 5
    last = dm.versions("pts")[-1]
    assert last.message == "bad data"
    assert last.properties["lancenb.restored_from"] == "2"
    again = dm.forward("pts")
    assert tuple(again) == (4, 5, 6)
    assert rows_of(dm, "pts") == rows_of(dm, "pts", 4)
    # No data was copied: a rollback is one small manifest.
    assert sum(f.stat().st_size for f in Path(dm["pts"].uri, "data").iterdir()) == size
    events = [e for e in dm["pts"].history if e["what"] in ("rollback", "forward")]
    assert [(e["who"], e["restored_from"], e["new_head"]) for e in events] == [
        ("ada", 2, 5),
        ("ada", 4, 6),
    ]


def test_w38_a_rollback_keeps_indices(dm: DataManager):
    dm.rollback("pts", 3)
    dm.dataset("pts").create_scalar_index("id", "BTREE")
    head = dm["pts"].version
    dm.convert(points(200, 1), "pts", mode="overwrite")
    dm.rollback("pts", head)
    assert dm.dataset("pts").has_index
    assert dm.search_rows("pts", [("id", "=", 12)]).num_rows == 1


def test_forward_undoes_rollbacks_one_by_one(dm: DataManager):
    dm.rollback("pts", 3)  # 5
    dm.rollback("pts", 1)  # 6
    assert dm.forward("pts").restored_from == 5  # 7 is what 3 was
    assert rows_of(dm, "pts") == rows_of(dm, "pts", 3)
    assert dm.forward("pts").restored_from == 4  # 8
    with pytest.raises(InvalidArgument, match="no rollback"):
        dm.forward("pts")
    dm.rollback("pts", 1)
    dm.convert(points(50, 1), "pts", mode="append")
    with pytest.raises(InvalidArgument, match="no rollback"):
        dm.forward("pts")  # newer work would be hidden by guessing
    assert dm.forward("pts", 4).restored_from == 4


def test_rollback_to_what_is_not_there(dm: DataManager):
    for version in (99, 0, -1):
        with pytest.raises(VersionNotFound):
            dm.rollback("pts", version)
    with pytest.raises(TagNotFound):
        dm.rollback("pts", "nope")
    with pytest.raises(InvalidArgument, match="head"):
        dm.rollback("pts", 4)
    for odd in (1.5, True, None, [1]):
        with pytest.raises(InvalidArgument):
            dm.rollback("pts", odd)  # type: ignore[arg-type]
    dm.cleanup("pts", keep=1)
    with pytest.raises(VersionNotFound) as caught:
        dm.rollback("pts", 2)
    assert "pts" in caught.value.message
    assert dm["pts"].version == 4


def test_rollback_while_another_writer_appends(tmp_path: Path):
    dm = DataManager(tmp_path / "root")
    dm.convert(points(0, 3), "pts")
    failures: list[BaseException] = []

    def append() -> None:
        other = DataManager(tmp_path / "root")
        try:
            for i in range(12):
                other.convert(points(1000 + i, 1), "pts", mode="append")
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=append)
    thread.start()
    results = []
    for _ in range(4):
        while dm["pts"].version == 1 and thread.is_alive():
            time.sleep(0.001)
        results.append(dm.rollback("pts", 1))
    thread.join()
    assert not failures, failures
    for result in results:
        assert result.old_head == result.new_head - 1
        assert rows_of(dm, "pts", result.new_head) == points(0, 3).to_pylist()
    # Every append landed in some version, whole.
    seen = {row["id"] for v in dm.versions("pts") for row in rows_of(dm, "pts", v.version)}
    assert seen == {0, 1, 2, *range(1000, 1012)}


def test_tags_and_their_history(dm: DataManager):
    assert dm.tag("pts", "prod", 2) == 2
    assert dm.tag("pts", "best") == 4
    assert dm.tags("pts") == {"best": 4, "prod": 2}
    assert dm["pts"].aliases == {"best": 4, "prod": 2}
    assert dm.tag("pts", "prod", "best") == 4
    assert dm.dataset("pts", "prod").version == 4
    with pytest.raises(AlreadyExists):
        dm.tag("pts", "prod", 1, move=False)
    dm.tag("pts", "prod", 4, move=False)  # nothing to move
    dm.untag("pts", "prod")
    with pytest.raises(TagNotFound) as caught:
        dm.untag("pts", "bests")
    assert "did you mean 'best'" in caught.value.hint
    moves = [(e["what"], e["old"], e["new"], e["who"]) for e in dm.tag_history("pts", "prod")]
    assert moves == [("tag", None, 2, "ada"), ("tag", 2, 4, "ada"), ("untag", 4, None, "ada")]
    assert dm["pts"].aliases == dm.tags("pts") == {"best": 4}
    assert [v.tags for v in dm.versions("pts")] == [(), (), (), ("best",)]
    with pytest.raises(VersionNotFound):
        dm.tag("pts", "x", 77)


@pytest.mark.parametrize(
    "tag",
    ["", "模", "é", "a/b", "..", "a..b", "a.", "x.lock", "-a", "a b", "7", "😀", "x" * 200, 5],
)
def test_tag_names_that_would_break_lance_are_refused(dm: DataManager, tag: Any):
    with pytest.raises(InvalidName) as caught:
        dm.tag("pts", tag)
    assert "letter" in caught.value.hint
    assert dm.tags("pts") == {}
    assert dm.cleanup("pts", keep=2).versions == (1, 2)


def test_tags_moved_by_many_leave_index_and_table_alike(dm: DataManager):
    def move(i: int) -> None:
        DataManager(dm.store.uri).tag("pts", f"t{i % 2}", 1 + i % 4)

    threads = [threading.Thread(target=move, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dm["pts"].aliases == dm.tags("pts")
    assert set(dm.tags("pts")) == {"t0", "t1"}
    assert dm.fsck().problems == []


def test_dataset_is_pinned(dm: DataManager):
    pinned = dm.dataset("pts")
    dm.convert(points(300, 7), "pts", mode="append")
    assert pinned.count_rows() == 1
    assert dm["pts"].dataset(1).count_rows() == 5
    assert dm.dataset("pts", "2").count_rows() == 10


@pytest.mark.parametrize("odd", ["²", "٣"])
def test_odd_digits_are_no_version_number(tmp_path: Path, odd: str) -> None:
    dm = DataManager(tmp_path / "store")
    dm.convert(points(3), "rows")
    with pytest.raises(TagNotFound):
        dm.rollback("rows", odd)
