"""Hostile texts, filters and paths: one typed error each, nothing lost, nothing left behind."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb.catalog import DataManager
from lancenb.catalog._owner import this_owner
from lancenb.errors import (
    AlreadyExists,
    CorruptInput,
    InvalidArgument,
    InvalidFilter,
    SchemaMismatch,
    StoreNotWritable,
)
from lancenb.store import Store, lance_module

from .helpers import points, rows_of

HALF = "\ud800"  # half of a surrogate pair: Python text that no file can hold


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    dm = DataManager(tmp_path / "root")
    dm.convert(points(), "pts")
    return dm


@pytest.mark.parametrize(
    "sql",
    [
        "id >= 0) AND (id < 2",
        "id = 1))",
        "id > 0); AND id = 2",
        "id > 0) -- (",
        "id > 0) OR name = '('",
        "(id = 1",
    ],
)
def test_text_behind_a_stray_parenthesis_is_not_dropped(dm: DataManager, sql: str):
    for verb in (dm.search_rows, dm.delete_rows):
        with pytest.raises(InvalidFilter, match="parenthesis"):
            verb("pts", sql)
    assert dm["pts"].version == 1


def test_parentheses_in_quotes_and_comments_do_not_count(dm: DataManager):
    for sql in ("name = 'a)' OR id = 1", "id = 1 -- :)", "id = 1 /* ( */", "(`id` = 1)"):
        assert dm.search_rows("pts", sql).num_rows == 1, sql
    assert dm.search_rows("pts", "name = 'it''s :)'").num_rows == 0


@pytest.mark.parametrize("sql", ["id / 0 = 1", "CAST(name AS INT) = 1"])
def test_filters_that_fail_on_rows(dm: DataManager, sql: str):
    for verb in (dm.search_rows, dm.delete_rows):
        with pytest.raises(InvalidFilter):
            verb("pts", sql)


def test_long_filters_make_short_messages(dm: DataManager):
    for search in (lambda: dm.search_rows("pts", "(" * 9000), lambda: dm.search(where="(" * 9000)):
        with pytest.raises(InvalidFilter) as caught:
            search()
        assert len(str(caught.value)) < 1000
    for where in ("NOT " * 5000 + "kind = 'x'", "(" * 5000 + "1 = 1" + ")" * 5000):
        with pytest.raises(InvalidFilter, match="too deeply"):
            dm.search(where=where)


def test_a_column_twice(dm: DataManager):
    with pytest.raises(InvalidArgument, match="twice"):
        dm.search_rows("pts", columns=["id", "id"])


def test_numbers_beyond_int64_in_an_upsert(dm: DataManager):
    with pytest.raises(SchemaMismatch):
        dm.upsert("pts", {"id": 2**64 - 1}, key="id")


def texts(dm: DataManager, bad: Any) -> list[Any]:
    return [
        lambda: dm.convert(points(), "pts", mode="append", description=bad),
        lambda: dm.convert(points(), "pts", mode="append", message=bad),
        lambda: dm.convert(points(), "new", lineage={"source": bad} if bad == HALF else bad),
        lambda: dm.convert(points(), "new", parents=[{"uri": "x", "relation": HALF}]),
        lambda: dm.convert(points(), "new", parents=[f"a/{HALF}"]),
        lambda: dm.convert(points(), "new", parents=[{"uri": "x", "version": object()}]),
        lambda: dm.register("new", dm["pts"].uri, description=bad),
        lambda: dm.update("pts", description=bad),
        lambda: dm.update("pts", tags=[bad]),
        lambda: dm.update("pts", metadata={"a": HALF}),
        lambda: dm.update("pts", metadata={HALF: 1}),
        lambda: dm.rollback("pts", 1, message=bad),
        lambda: dm.forward("pts", 1, message=bad),
        lambda: dm.upsert("pts", {"id": 1}, key="id", message=bad),
        lambda: DataManager(dm.store, actor=bad),
    ]


@pytest.mark.parametrize("bad", [HALF, 5])
def test_texts_that_cannot_be_kept_change_nothing(dm: DataManager, bad: Any):
    for attempt in texts(dm, bad):
        with pytest.raises(InvalidArgument):
            attempt()
    assert dm["pts"].version == 1
    assert dm.list().names == ["pts"]
    assert dm.fsck().problems == []


def test_metadata_nested_without_end(dm: DataManager):
    deep: list[Any] = []
    for _ in range(150):
        deep = [deep]
    with pytest.raises(InvalidArgument, match="nested"):
        dm.update("pts", metadata={"a": deep})
    nested: Any = 1
    for _ in range(90):
        nested = {"a": nested}
    dm.update("pts", metadata={"deep": nested})
    assert pickle.loads(pickle.dumps(dm["pts"])).metadata == {"deep": nested}


def test_given_lineage_keeps_no_secret(dm: DataManager):
    facts = {
        "password": "hunter2",
        "u": "https://a:hunter2@h/x?sig=hunter2",
        "n": [{"token": "hunter2"}],
    }
    report = dm.convert(points(), "new", lineage={**facts, "epochs": 3})
    assert "hunter2" not in f"{report.lineage}{dm.versions('new')[0].properties}"
    assert dm.versions("new")[0].properties["lancenb.epochs"] == "3"


def test_one_table_has_one_name_over_a_link_too(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    dm, other = DataManager(tmp_path / "link"), DataManager(tmp_path / "real")
    dm.convert(points(), "pts")
    for manager, uri in ((dm, other["pts"].uri), (other, dm["pts"].uri)):
        with pytest.raises(AlreadyExists):
            manager.register("again", uri)
    assert rows_of(other, "pts") == rows_of(dm, "pts")


LEASES = [
    *("", "null", "[]", '"x"', "5", "[" * 90_000, '{"lease": "2000-01-01T00:00:00"}'),
    *('{"lease": "9999-01-01T00:00:00+00:00"}', '{"since": "2000-01-01T00:00:00"}'),
    *('{"host": "HOST", "pid": "../x"}', '{"host": "HOST", "pid": null}'),
    '{"host": "HOST", "pid": PID, "started": "STARTED", "token": [1]}',
]


@pytest.mark.parametrize("text", LEASES, ids=range(len(LEASES)))
def test_hostile_leases_hold_nothing_up(dm: DataManager, text: str):
    mine = this_owner("x", "x")
    for name, value in (("HOST", "host"), ("PID", "pid"), ("STARTED", "started")):
        text = text.replace(name, str(mine[value]))
    path = Path(dm.store.uri, "_leases", f"{dm['pts'].id}--HOSTILE.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert dm.fsck().of("stale_lease")
    assert dm.fsck(repair=True).ok
    path.write_text(text)
    dm.delete("pts", confirm="pts")
    assert not path.exists()


def test_a_folder_among_the_leases(dm: DataManager):
    Path(dm.store.uri, "_leases", "odd--folder.json").mkdir(parents=True)
    assert dm.fsck().ok


def set_registry(dm: DataManager, **columns: Any) -> DataManager:
    """Let a stranger rewrite columns of the registry."""
    lance = lance_module()
    table = lance.dataset(dm.registry.uri).to_table()
    for name, values in columns.items():
        if name in table.schema.names:
            table = table.drop_columns([name])
        if values is not None:
            table = table.append_column(name, pa.array(values))
    lance.write_dataset(table, dm.registry.uri, mode="overwrite")
    return DataManager(dm.store)


@pytest.mark.parametrize(
    "columns",
    [
        {"id": None},
        {"name": None},
        {"name": [5]},
        {"name": [""]},
        *({name: ["{broken"]} for name in ("metadata", "parents", "owner", "history", "aliases")),
        *({name: ["[1]"]} for name in ("metadata", "parents", "owner", "history", "aliases")),
        *({"uri": [uri]} for uri in ("../../etc", "", "datasets//x", "a/../../x")),
    ],
    ids=str,
)
def test_a_registry_spoilt_by_others_is_named_and_left_alone(
    dm: DataManager, columns: dict[str, Any]
):
    dm = set_registry(dm, **columns)
    before = lance_module().dataset(dm.registry.uri).version
    for verb in (
        dm.list,
        dm.fsck,
        lambda: dm["pts"],
        lambda: dm.convert(points(), "new"),
        lambda: dm.delete("pts", confirm="pts"),
    ):
        with pytest.raises(CorruptInput, match=r"registry\.lance"):
            verb()
    assert "registry.lance" in repr(dm)
    assert "registry.lance" in dm._repr_html_()
    assert lance_module().dataset(dm.registry.uri).version == before


def test_columns_of_a_newer_release_survive(dm: DataManager):
    dm = set_registry(dm, future=["kept"], later=pa.array([{"a": 1}]))
    dm.convert(points(), "new")
    dm.update("pts", description="changed")
    table = lance_module().dataset(dm.registry.uri).to_table()
    kept = {row["name"]: (row["future"], row["later"]) for row in table.to_pylist()}
    assert kept == {"pts": ("kept", {"a": 1}), "new": (None, None)}


def test_a_read_only_store_is_read_and_never_written(dm: DataManager):
    dm.convert(points(9, 1), "pts", mode="append")
    before = {path: path.stat().st_mtime_ns for path in Path(dm.store.uri).rglob("*")}
    ro = DataManager(Store(dm.store.uri, read_only=True))
    assert ro.cleanup("pts", keep=1, dry_run=True).versions == (1,)
    assert ro.delete_rows("pts", "id = 1", dry_run=True) == 1
    assert ro.delete("pts", dry_run=True).versions == 2
    assert ro.fsck().ok
    assert ro.lineage("pts").origins
    for verb in (
        lambda: ro.convert(points(), "pts", mode="append"),
        lambda: ro.convert(points(), "new"),
        lambda: ro.upsert("pts", {"id": 1, "x": 2.0}, key="id"),
        lambda: ro.delete_rows("pts", "id = 1"),
        lambda: ro.rollback("pts", 1),
        lambda: ro.tag("pts", "prod"),
        lambda: ro.rename("pts", "other"),
        lambda: ro.update("pts", description="x"),
        lambda: ro.delete("pts", confirm="pts"),
        lambda: ro.cleanup("pts", keep=1),
        lambda: ro.optimize("pts"),
    ):
        with pytest.raises(StoreNotWritable):
            verb()
    assert {path: path.stat().st_mtime_ns for path in Path(dm.store.uri).rglob("*")} == before
