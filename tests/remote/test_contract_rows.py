"""Rows by every engine: the same values, the same Arrow bytes."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ._compare import ipc, plain
from ._samples import MOMENT, PARIS, TEXTS, everything, picture_folder, points, state


def both(dm: Any, twin: Any, name: str, *args: Any, **options: Any) -> pa.Table:
    """Search by an engine and without; the answers are the same to the last bit."""
    found, local = dm.search_rows(name, *args, **options), twin.search_rows(name, *args, **options)
    assert found.schema.equals(local.schema, check_metadata=True)
    assert ipc(found) == ipc(local)
    read, direct = dm.read(name, *args, **options), twin.read(name, *args, **options)
    assert ipc(read) == ipc(direct)
    return found


def test_every_type_arrives_as_it_was_sent(dm, twin, fresh):
    name, sent = fresh("all"), everything()
    assert dm.convert(sent, name).rows == 4
    assert ipc(twin.search_rows(name)) == ipc(sent.replace_schema_metadata(None)) or (
        twin.search_rows(name).to_pylist().__repr__() == sent.to_pylist().__repr__()
    )
    found = both(dm, twin, name)
    assert repr(found.to_pylist()) == repr(sent.to_pylist())
    assert dm[name].schema.equals(twin[name].schema, check_metadata=True)


def test_batches_have_the_same_borders(dm, twin, fresh):
    name = fresh("many")
    batches = points(0, 700).to_batches(max_chunksize=50)
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, iter(batches))
    assert dm.convert(reader, name).rows == 700
    for size in (None, 1, 64, 1000):
        mine = [b.num_rows for b in dm.read(name, limit=130, batch_rows=size)]
        assert mine == [b.num_rows for b in twin.read(name, limit=130, batch_rows=size)]
    assert both(dm, twin, name).num_rows == 700
    with dm.read(name, batch_rows=10) as reader:  # let go in the middle
        assert next(reader).num_rows == 10
    assert dm.search_rows(name, "id = 699").to_pylist() == points(699, 1).to_pylist()


def test_no_rows_keep_their_schema(dm, twin, fresh):
    name = fresh("none")
    dm.convert(everything().slice(0, 0), name)
    assert both(dm, twin, name).num_rows == 0
    assert both(dm, twin, name, columns=["zoned", "words"]).num_columns == 2
    assert both(dm, twin, name, limit=0).num_rows == 0


def test_what_converters_made_is_read_alike(dm, twin, fresh, tmp_path):
    images, weights = fresh("pics"), fresh("net")
    dm.convert(picture_folder(tmp_path / "p", "cat", "dog"), images)
    dm.save_weights(weights, state())
    assert both(dm, twin, images)["label"].to_pylist() == [0, 0, 1, 1]
    assert both(dm, twin, images, columns=["image"]).num_rows == 4
    assert both(dm, twin, weights).num_rows == len(state())


FILTERS: list[tuple[Any, list[int]]] = [
    (None, [1, 2, 3, 4]),
    ([], [1, 2, 3, 4]),
    ("true", [1, 2, 3, 4]),
    ("f64 IS NULL or text = 'it''s'", [3]),
    (("text", "=", TEXTS[0]), [1]),
    ([("text", "=", TEXTS[1])], [2]),
    ([("text", "is", None)], [3]),
    ([("text", "in", ["", None])], [3, 4]),
    ([("text", "contains", "\N{PILE OF POO}")], [2]),
    ([("text", "like", "o'x%")], [1]),
    ([("i64", "=", -(2**63))], [1]),
    ([("i64", ">", 2**53)], [2, 4]),
    ([("u64", "=", 2**64 - 1)], [1]),
    ([("u64", "<", 2**70)], [1, 2, 4]),
    ([("i64", "=", np.int64(2**53 + 1))], [4]),
    ([("i8", "in", [np.int8(127), np.uint64(0)])], [2, 4]),
    ([("f32", "=", np.float32(1 / 3))], [1]),
    ([("f64", "=", math.nan)], [4]),
    ([("f64", "=", -math.inf)], [2]),
    ([("f64", "<", np.float64(1))], [1, 2]),
    ([("flag", "=", np.True_)], [1, 4]),
    ([("flag", "is", False)], [2]),
    ([("raw", "=", b"\x00\xff")], [1]),
    ([("raw", "in", [b"'", None])], [3, 4]),
    ([("six", "=", b"abcdef")], [4]),
    ([("day", "<", date(1970, 1, 1))], [1, 4]),
    ([("clock", "=", time(23, 59, 59, 999999))], [1]),
    ([("span", "<", timedelta(0))], [1]),
    ([("at", "=", MOMENT)], [1, 4]),
    ([("at", ">", np.datetime64("2024-01-01"))], [1, 4]),
    ([("zoned", "=", MOMENT.replace(tzinfo=UTC))], [1]),
    ([("zoned", "=", MOMENT.replace(tzinfo=PARIS))], [4]),
    ([("zoned", "<", datetime(2024, 2, 29, 23, tzinfo=UTC))], [4]),
    ([("money", "=", Decimal("-0.01"))], [2]),
    ([("money", ">", Decimal("12345678901234567890"))], [1]),
    ([("words", "=", "cat")], [1, 4]),
    ([("ints", "contains", 2**40)], [4]),
    ([("pair.a", "=", 3)], [4]),
    ([[("id", "=", 1)], [("id", ">", 2), ("id", "<", 4)]], [1, 3]),
    ([("id", "in", (1, 2)), ("id", "not in", {2})], [1]),
    ([("id", "in", range(3, 9))], [3, 4]),
    ([("id", "in", np.array([2, 3]))], [2, 3]),
    ([["id", "=", 2]], [2]),
]


def test_filters_with_values_of_all_types(dm, twin, fresh):
    name = fresh("filtered")
    dm.convert(everything(), name)
    for where, ids in FILTERS:
        found = dm.search_rows(name, where, columns=["id"])
        assert ipc(found) == ipc(twin.search_rows(name, where, columns=["id"])), where
        assert found["id"].to_pylist() == ids, where


ORDERS: list[Any] = [
    "x", "x desc", "name desc nulls first", ["x desc", "id"], [("x", "desc"), ("id", "asc")],
    ("x", "id"),
]  # fmt: skip


def test_orders_columns_limits_and_versions(dm, twin, fresh):
    name = fresh("sorted")
    dm.convert(points(0, 4), name)
    dm.convert(pa.table({"id": [9], "x": [None], "name": [None]}, schema=points().schema), name,
               mode="append")  # fmt: skip
    dm.tag(name, "first", 1)
    for order in ORDERS:
        both(dm, twin, name, order_by=order)
    assert both(dm, twin, name, order_by="x desc nulls first")["id"].to_pylist()[0] == 9
    assert both(dm, twin, name, columns=["name", "id"]).column_names == ["name", "id"]
    assert both(dm, twin, name, columns=("id",)).column_names == ["id"]
    assert both(dm, twin, name, limit=2, offset=1)["id"].to_pylist() == [1, 2]
    assert both(dm, twin, name, limit=np.int64(2), offset=np.int32(3)).num_rows == 2
    assert both(dm, twin, name, version=1).num_rows == 4
    assert both(dm, twin, name, version="first").num_rows == 4
    assert both(dm, twin, dm[name], version=2).num_rows == 5
    assert ipc(dm[name].search_rows("id > 2")) == ipc(twin[name].search_rows("id > 2"))
    assert ipc(dm[name].read("id > 2")) == ipc(twin[name].read("id > 2"))


def test_one_row_and_its_life(dm, twin, fresh):
    name = fresh("lives")
    dm.convert(everything(), name)
    for key, value in (("id", 1), ("raw", b"'"), ("day", date(1969, 12, 31)), ("id", 77)):
        row = dm.get_row(name, key, value)
        assert plain(row) == plain(twin.get_row(name, key, value)), key
    assert dm.get_row(name, "id", 77) is None
    dm.upsert(name, {"id": 4, "text": "new"}, key="id")
    assert dm.delete_rows(name, [("id", "=", 4)], dry_run=True) == 1
    assert dm[name].version == 2
    assert dm.delete_rows(name, [("id", "=", np.int64(4))]) == 1
    life = dm.row_history(name, "id", 4)
    assert [change.action for change in life] == ["added", "changed", "removed"]
    assert plain(life) == plain(twin.row_history(name, "id", 4))
    assert dm.delete_rows(name, "id > 100") == 0
    assert dm.get_row(name, "id", 4, version=2)["text"] == "new"
    assert plain(dm.get_row(name, "id", 4, version=1)) == plain(everything().to_pylist()[3])


def test_upserts_of_all_forms(dm, twin, fresh):
    name = fresh("upserted")
    made = dm.upsert(name, [{"id": 1, "x": 0.5, "t": "a"}], key="id", create=True, message="hi")
    assert plain(made) == ["Upsert", plain({"name": name, "inserted": 1, "updated": 0,
                                            "version": 1})]  # fmt: skip
    partial = dm.upsert(name, {"id": 1, "x": 9.0}, key="id")
    assert (partial.inserted, partial.updated, partial.version) == (0, 1, 2)
    mixed = dm.upsert(name, pa.table({"id": [1, 2], "t": ["b", "\N{PILE OF POO}"]}), key=["id"])
    assert (mixed.inserted, mixed.updated) == (1, 1)
    columns = dm.upsert(name, {"id": [3, 4], "x": [math.nan, None]}, key=("id",), create=True)
    assert columns.inserted == 2
    pandas = pytest.importorskip("pandas")
    dm.upsert(dm[name], pandas.DataFrame({"id": [5], "t": ["p"]}), key="id")
    rows = both(dm, twin, name, order_by="id").to_pylist()
    assert repr(rows) == repr([
        {"id": 1, "x": 9.0, "t": "b"}, {"id": 2, "x": None, "t": "\N{PILE OF POO}"},
        {"id": 3, "x": math.nan, "t": None}, {"id": 4, "x": None, "t": None},
        {"id": 5, "x": None, "t": "p"},
    ])  # fmt: skip
    assert dm.versions(name)[0].message == "hi"
    assert plain(dm.versions(name)) == plain(twin.versions(name))
