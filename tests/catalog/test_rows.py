"""Rows: search, delete, upsert, history (D2, D4, D5)."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from lancenb.catalog import DataManager
from lancenb.errors import (
    ArtifactNotFound,
    ColumnNotFound,
    InvalidArgument,
    InvalidFilter,
    LancenbError,
    SchemaMismatch,
    VersionNotFound,
)

from .helpers import points, rows_of, run_all


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    dm = DataManager(tmp_path / "root")
    dm.convert(points(0, 10), "pts")
    return dm


def ids(table: pa.Table) -> list[int]:
    return table["id"].to_pylist()


def test_d2_search_rows(dm: DataManager):
    assert ids(dm.search_rows("pts", [("x", ">", 3), ("id", "!=", 8)])) == [7, 9]
    assert ids(dm.search_rows("pts", "x > 3 AND id <> 8")) == [7, 9]
    assert ids(dm.search_rows("pts", limit=2, offset=3)) == [3, 4]
    assert dm.search_rows("pts", columns=["x"], limit=1).column_names == ["x"]
    assert dm.search_rows("pts", [("name", "=", "row-3")]).to_pylist() == points(3, 1).to_pylist()
    assert dm.search_rows("pts", [("id", "in", [])]).num_rows == 0
    assert dm["pts"].search_rows([("id", "<", 2)]).num_rows == 2
    dm.delete_rows("pts", "true")
    assert dm.search_rows("pts").num_rows == 0
    assert dm.search_rows("pts", version=1).num_rows == 10
    with pytest.raises(VersionNotFound):
        dm.search_rows("pts", version=9)


def test_w41_order_by(dm: DataManager):
    dm.upsert("pts", [{"id": 3, "x": None}, {"id": 4, "x": 3.5}], key="id")
    for order in ("x desc", "x DESC", ["x desc"], [("x", "desc")], ("x", "desc"), "`x` desc"):
        assert ids(dm.search_rows("pts", order_by=order, limit=1)) == [9], order
    assert ids(dm.search_rows("pts", order_by=["x desc", "id asc"]))[:4] == [9, 8, 4, 7]
    assert ids(dm.search_rows("pts", order_by=["x desc", "id desc"]))[:4] == [9, 8, 7, 4]
    assert ids(dm.search_rows("pts", order_by="x"))[0] == 0
    assert ids(dm.search_rows("pts", order_by="x asc nulls first"))[0] == 3
    assert ids(dm.search_rows("pts", order_by="x desc nulls last"))[-1] == 3
    with pytest.raises(ColumnNotFound, match="'y'"):
        dm.search_rows("pts", order_by="y desc")
    for odd in ("", [], [("x", "sideways")]):
        with pytest.raises(InvalidArgument):
            dm.search_rows("pts", order_by=odd)


def test_mistakes_in_a_search_are_typed(dm: DataManager):
    for mistake, error in (
        ({"where": [("y", "=", 1)]}, ColumnNotFound),
        ({"where": "y = 1"}, ColumnNotFound),
        ({"where": "id = = 1"}, InvalidFilter),
        ({"where": "id = 'a'"}, InvalidFilter),
        ({"where": [("id", "=", "a")]}, InvalidFilter),
        ({"columns": ["id", "y"]}, ColumnNotFound),
        ({"limit": -1}, InvalidArgument),
        ({"limit": 1.5}, InvalidArgument),
        ({"offset": True}, InvalidArgument),
    ):
        with pytest.raises(error) as caught:
            dm.search_rows("pts", **mistake)
        assert ".rs:" not in str(caught.value), mistake
        assert "LanceError" not in str(caught.value), mistake


def test_w39_d4_delete_rows_counts_and_deletes_just_that(dm: DataManager):
    with pytest.raises(ColumnNotFound):
        dm.delete_rows("pts", [("true OR id", "=", 3)])
    with pytest.raises(InvalidFilter):
        dm.delete_rows("pts", "id = 3; id = 4")
    for nothing in (None, []):
        with pytest.raises(InvalidArgument):
            dm.delete_rows("pts", nothing)
    assert (dm["pts"].rows, dm["pts"].version) == (10, 1)
    assert dm.delete_rows("pts", [("x", ">", 3)], dry_run=True) == 3
    assert dm["pts"].version == 1
    assert dm.delete_rows("pts", [("x", ">", 3)]) == 3
    assert dm.delete_rows("pts", [("x", ">", 3)]) == 0
    assert (dm["pts"].rows, dm["pts"].version) == (7, 2)
    assert rows_of(dm, "pts", 1) == points(0, 10).to_pylist()
    assert dm.versions("pts")[-1].message.startswith("delete rows")


def test_d5_upsert(dm: DataManager):
    done = dm.upsert("pts", [{"id": 3, "x": -1.0, "name": "new"}, {"id": 99, "x": 1.0}], key="id")
    assert (done.inserted, done.updated, done.version) == (1, 1, 2)
    assert dm.get_row("pts", "id", 3) == {"id": 3, "x": -1.0, "name": "new"}
    assert dm.get_row("pts", "id", 99) == {"id": 99, "x": 1.0, "name": None}
    assert dm["pts"].rows == 11
    assert dm.versions("pts")[-1].message == "upsert of 2 rows by id"
    dm.upsert("pts", {"id": 3, "x": 7}, key="id", message="int fits float")
    assert dm.get_row("pts", "id", 3) == {"id": 3, "x": 7.0, "name": "new"}  # the name stayed
    frame = pd.DataFrame({"id": [3, 4], "name": ["p", "q"]})
    assert dm.upsert("pts", frame, key=["id"]).updated == 2
    assert dm.get_row("pts", "id", 4) == {"id": 4, "x": 2.0, "name": "q"}
    assert dm.get_row("pts", "id", 12345) is None
    assert dm.upsert("pts", {"id": [500, 501], "x": [1.0, 2.0]}, key=("id",)).inserted == 2
    assert dm.upsert("pts", {"name": "q", "id": 4, "x": 0.0}, key=["id", "name"]).updated == 1


def test_w40_a_missing_artefact_is_made_only_when_told(dm: DataManager):
    with pytest.raises(ArtifactNotFound) as caught:
        dm.upsert("new", points(), key="id")
    assert "create=True" in caught.value.hint
    assert "new" not in dm
    assert dm.upsert("new", points(), key="id", create=True).version == 1
    assert dm.upsert("new", points(), key="id", create=True).updated == 5
    assert dm["new"].rows == 5


def test_w40_trouble_on_opening_never_overwrites(dm: DataManager):
    before = rows_of(dm, "pts")
    versions = Path(dm["pts"].uri, "_versions")
    aside = versions.with_name("aside")
    versions.rename(aside)  # what a blip of the network looks like: it cannot be opened
    for create in (False, True):
        with pytest.raises(LancenbError):
            dm.upsert("pts", points(50, 1), key="id", create=create)
    aside.rename(versions)
    assert rows_of(dm, "pts") == before
    assert dm["pts"].version == 1


def test_w44_duplicate_and_null_keys_are_refused(dm: DataManager):
    with pytest.raises(InvalidArgument) as caught:
        dm.upsert("pts", [{"id": 1}, {"id": 2}, {"id": 2}], key="id")
    assert "{'id': 2}" in caught.value.message
    assert "2 times" in caught.value.message
    with pytest.raises(InvalidArgument, match="nulls"):
        dm.upsert("pts", [{"id": 1}, {"id": None}], key="id")
    with pytest.raises(ColumnNotFound):
        dm.upsert("pts", [{"id": 1}], key="key")
    assert dm["pts"].version == 1


@pytest.mark.parametrize(
    "rows", [[{"id": 1, "y": 2}], [{"id": "a"}], [{"id": 1, "x": "far"}], 5, [5], "abc"]
)
def test_rows_that_do_not_fit_are_refused(dm: DataManager, rows: Any):
    with pytest.raises((SchemaMismatch, InvalidArgument)):
        dm.upsert("pts", rows, key="id")
    assert dm["pts"].version == 1
    assert dm.fsck().problems == []


def test_row_history(dm: DataManager):
    dm.upsert("pts", {"id": 3, "x": 50.0}, key="id")
    dm.upsert("pts", {"id": 8, "x": 51.0}, key="id")
    dm.delete_rows("pts", [("id", "=", 3)])
    dm.rollback("pts", 1)
    history = dm.row_history("pts", "id", 3)
    assert [(c.version, c.action) for c in history] == [
        (1, "added"),
        (2, "changed"),
        (4, "removed"),
        (5, "added"),
    ]
    assert [c.row and c.row["x"] for c in history] == [1.5, 50.0, None, 1.5]
    assert all(c.time.tzinfo is not None for c in history)
    assert dm.row_history("pts", "id", 777) == []
    with pytest.raises(ColumnNotFound):
        dm.row_history("pts", "idd", 1)


def test_get_row_wants_one_row(dm: DataManager):
    dm.convert(points(0, 1), "pts", mode="append")
    with pytest.raises(InvalidArgument, match="several"):
        dm.get_row("pts", "id", 0)


def test_keys_of_every_sort(tmp_path: Path):
    dm = DataManager(tmp_path / "root")
    day = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    for name, first, second in (
        ("text", "o'x", "é😀"),
        ("time", day, day + dt.timedelta(microseconds=1)),
        ("raw", b"\x00'", b""),
        ("day", day.date(), dt.date(1950, 1, 1)),
    ):
        rows = [{"k": first, "v": 1, "w": 5}, {"k": second, "v": 2, "w": 6}]
        dm.upsert(name, rows, key="k", create=True)
        assert dm.upsert(name, {"k": second, "v": 9}, key="k").updated == 1
        assert dm.get_row(name, "k", second) == {"k": second, "v": 9, "w": 6}, name
        assert dm.get_row(name, "k", first) == {"k": first, "v": 1, "w": 5}


def test_upserts_that_replace_whole_fragments_stay_one_version(dm: DataManager):
    for i in range(3):  # every row a fragment of its own
        dm.upsert("pts", {"id": 100 + i, "x": 0.0}, key="id")
    dm.dataset("pts").create_scalar_index("id", "BTREE")
    version = dm["pts"].version
    done = dm.upsert("pts", [{"id": i, "x": 5.0} for i in (100, 101, 500)], key="id")
    assert (done.inserted, done.updated, done.version) == (1, 2, version + 1)
    assert ids(dm.search_rows("pts", [("x", "=", 5.0), ("id", ">=", 100)])) == [100, 101, 500]
    assert dm.search_rows("pts", [("id", "=", 101)]).num_rows == 1
    dm.delete_rows("pts", "true")
    assert dm.upsert("pts", {"id": 1, "x": 1.0}, key="id").inserted == 1
    assert dm["pts"].rows == 1
    dm.dataset("pts").validate()


@pytest.mark.parametrize("case", ["insert", "replaces a fragment", "empty table"])
def test_of_two_upserts_prepared_on_the_same_rows_one_starts_over(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch, case: str
):
    from lancenb.catalog import _upsert

    dm.upsert("pts", {"id": 100, "x": 0.0}, key="id")  # a fragment of its own
    if case == "empty table":
        dm.delete_rows("pts", "true")
    rows = [{"id": 500, "x": 1.0}]
    rows += [{"id": 100, "x": 1.0}] if case == "replaces a fragment" else []
    exclusive, calls = _upsert._exclusive, []

    def overtaken(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:  # prepared, not committed: now somebody else inserts the same key
            DataManager(dm.store.uri).upsert("pts", {"id": 500, "x": 2.0}, key="id")
        return exclusive(*args)

    monkeypatch.setattr(_upsert, "_exclusive", overtaken)
    done = dm.upsert("pts", rows, key="id")
    assert (done.inserted, done.updated) == (0, len(rows))
    assert dm.get_row("pts", "id", 500) == {"id": 500, "x": 1.0, "name": None}
    assert len(calls) == 3
    assert dm.fsck().problems == []


def _upserts(root: str, who: int, rounds: int) -> None:
    dm = DataManager(root)
    for i in range(rounds):
        dm.upsert("pts", {"id": 1000 + i, "x": float(who)}, key="id")


def test_racing_upserts_of_the_same_new_keys_make_no_doubles(dm: DataManager):
    run_all(_upserts, [(dm.store.uri, who, 5) for who in range(4)])
    found = ids(dm.search_rows("pts"))
    assert len(found) == len(set(found)) == 10 + 5
    assert dm["pts"].version == 1 + 4 * 5
    assert dm.fsck().of("uncommitted_files") == []


def test_row_history_over_changes_of_the_key_column(tmp_path: Path):
    dm = DataManager(tmp_path / "root")
    dm.convert(pa.table({"id": [1, 2], "x": [0.5, 1.5]}), "t")
    dm.convert(pa.table({"id": ["1"]}), "t", mode="overwrite")
    dm.convert(pa.table({"other": [1]}), "t", mode="overwrite")
    steps = [(c.version, c.action) for c in dm.row_history("t", "id", 1)]
    assert steps == [(1, "added"), (2, "removed")]
    steps = [(c.version, c.action) for c in dm.row_history("t", "id", "1")]
    assert steps == [(2, "added"), (3, "removed")]
    with pytest.raises(InvalidFilter):
        dm.row_history("t", "other", "text")
    with pytest.raises(ColumnNotFound):
        dm.row_history("t", "nowhere", 1)


def test_no_rows_in_order_are_no_rows(tmp_path):
    dm = DataManager(tmp_path / "store")
    dm.convert(points(3), "rows")
    assert dm.search_rows("rows", limit=0, order_by="x").num_rows == 0
