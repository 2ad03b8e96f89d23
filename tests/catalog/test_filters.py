"""Typed filters against a Python oracle, and against people who mean harm."""

from __future__ import annotations

import datetime as dt
import math
import operator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lancenb.catalog.filters import OPERATORS, check_sql, to_sql
from lancenb.catalog.where import like
from lancenb.errors import ColumnNotFound, InvalidFilter

UTC = dt.UTC
TEXTS = [
    None,
    "",
    "a",
    "A",
    "o'x",
    '"q"',
    "100%",
    "a_b",
    "é模😀",
    "back\\slash",
    "true OR 1=1",
    "x\ny",
]
FLOATS = [None, 0.0, -0.0, 1.5, -2.25, math.nan, math.inf, -math.inf, 1e300, 3.0]
TIMES = [
    None,
    dt.datetime(1969, 12, 31, 23, 59, 59, 999_999),
    dt.datetime(1970, 1, 1),
    dt.datetime(2024, 2, 29, 12, 30, 0, 1),
    dt.datetime(1600, 1, 1),
]
DATA: dict[str, tuple[pa.DataType, list[Any]]] = {
    "i8": (pa.int8(), [None, -128, -1, 0, 1, 2, 127]),
    "i64": (pa.int64(), [None, -(2**63), -1, 0, 3, 2**53 + 1, 2**63 - 1]),
    "u64": (pa.uint64(), [None, 0, 1, 2**64 - 1]),
    "f64": (pa.float64(), FLOATS),
    "f32": (pa.float32(), [None, 0.0, 0.5, -2.25, math.nan, math.inf, 3.0]),
    "text": (pa.string(), TEXTS),
    "flag": (pa.bool_(), [None, True, False]),
    "raw": (pa.binary(), [None, b"", b"\x00a", b"'; drop", b"\xff"]),
    "day": (pa.date32(), [None, dt.date(1969, 12, 31), dt.date(2024, 2, 29), dt.date(1600, 1, 1)]),
    "time": (pa.timestamp("us"), TIMES),
    "utc": (pa.timestamp("us", "UTC"), [t and t.replace(tzinfo=UTC) for t in TIMES]),
    "clock": (pa.time64("us"), [None, dt.time(0), dt.time(12, 30, 0, 5), dt.time(23, 59, 59)]),
    "price": (pa.decimal128(10, 2), [None, Decimal("0.00"), Decimal("1.10"), Decimal("-3.05")]),
    "odd name": (pa.string(), ["a", None, "b"]),
    'select "x"': (pa.int32(), [1, None, 2]),
}
LENGTH = max(len(values) for _, values in DATA.values())
COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def _cycle(values: list[Any]) -> list[Any]:
    return [values[i % len(values)] for i in range(LENGTH)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from lancenb.store import lance_module

    columns = {name: pa.array(_cycle(vals), kind) for name, (kind, vals) in DATA.items()}
    columns["row"] = pa.array(range(LENGTH))
    path = tmp_path_factory.mktemp("filters") / "t.lance"
    return lance_module().write_dataset(pa.table(columns), str(path))


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _same(a: Any, b: Any) -> bool:
    return (_nan(a) and _nan(b)) or a == b


def oracle(cell: Any, op: str, value: Any) -> bool:
    """What the documented rules say about one cell."""
    if op == "is":
        return _same(cell, value) if value is not None else cell is None
    if op == "is not":
        return not oracle(cell, "is", value)
    if op == "in":
        return any(v is None if cell is None else v is not None and _same(cell, v) for v in value)
    if op == "not in":
        return cell is not None and not oracle(cell, "in", value)
    if value is None:
        return (cell is None) if op == "=" else (cell is not None)
    if cell is None:
        return False
    if op in ("=", "!="):
        return _same(cell, value) == (op == "=")
    if op in ("like", "ilike"):
        return like(value, op == "ilike").fullmatch(cell) is not None
    if op == "contains":
        return value in cell
    if _nan(cell) or _nan(value):
        return False
    return bool(COMPARE[op](cell, value))


def _values(name: str) -> st.SearchStrategy[Any]:
    kind, listed = DATA[name]
    known = [v for v in listed if v is not None]
    near = st.sampled_from(known)
    if pa.types.is_integer(kind):
        wide = st.integers(-(2**70), 2**70)
        return near | wide | st.sampled_from([0.5, -1.5, 2.0, -1e30, 1e30]) | st.integers(-3, 3)
    if pa.types.is_floating(kind):
        width = 32 if kind == pa.float32() else 64
        return near | st.floats(width=width) | st.integers(-3, 3)
    if pa.types.is_string(kind):
        return near | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    if pa.types.is_binary(kind):
        return near | st.binary(max_size=4)
    if pa.types.is_decimal(kind):
        return near | st.decimals(-99999, 99999, places=2)
    if pa.types.is_timestamp(kind):
        zone = st.just(UTC) if kind.tz else st.none()
        return near | st.datetimes(dt.datetime(1500, 1, 1), dt.datetime(2200, 1, 1), timezones=zone)
    return near


@st.composite
def triples(draw: Any) -> tuple[str, str, Any]:
    name = draw(st.sampled_from(sorted(DATA)))
    kind = DATA[name][0]
    ops = ["=", "!=", "in", "not in", "is", "is not", ">", ">=", "<", "<="]
    if pa.types.is_string(kind):
        ops += ["like", "ilike", "contains"]
    op = draw(st.sampled_from(ops))
    if op in ("is", "is not"):
        special = [None]
        special += [True, False] if pa.types.is_boolean(kind) else []
        special += [math.nan] if pa.types.is_floating(kind) else []
        return name, op, draw(st.sampled_from(special))
    values = _values(name)
    if op in ("in", "not in"):
        return name, op, draw(st.lists(values | st.none(), max_size=4))
    if op in ("like", "ilike"):
        piece = st.sampled_from(["%", "_", "a", "B", "o'", "\\%", "\\_", "模", "\n", "1"])
        return name, op, "".join(draw(st.lists(piece, max_size=4)))
    if op in ("=", "!="):
        return name, op, draw(values | st.none())
    return name, op, draw(values)


@given(st.lists(triples(), min_size=1, max_size=3))
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_filters_agree_with_a_python_oracle(dataset: Any, where: list[tuple[str, str, Any]]):
    rows = dataset.to_table().to_pylist()
    expected = [row["row"] for row in rows if all(oracle(row[c], o, v) for c, o, v in where)]
    sql = to_sql(where, dataset.schema)
    found = dataset.to_table(columns=["row"], filter=sql)["row"].to_pylist()
    assert sorted(found) == expected, sql


@pytest.mark.parametrize("op", OPERATORS)
def test_every_operator_is_understood_by_lance(dataset: Any, op: str):
    value: Any = {"in": ["a"], "not in": ["a"], "is": None, "is not": None}.get(op, "a")
    check_sql(dataset, to_sql([("text", op, value)], dataset.schema))


def test_or_of_ands_and_a_single_triple(dataset: Any):
    schema = dataset.schema
    either = [[("i8", "=", 1)], [("i8", "=", 2), ("row", ">=", 0)]]
    assert set(dataset.to_table(filter=to_sql(either, schema))["i8"].to_pylist()) == {1, 2}
    assert to_sql(("i8", "=", 1), schema) == to_sql([("i8", "=", 1)], schema)
    assert to_sql([], schema) is None
    assert to_sql(None, schema) is None


def test_lists_structs_and_nested_columns(tmp_path: Path):
    from lancenb.store import lance_module

    table = pa.table(
        {
            "tags": pa.array([["a", "o'x"], ["b"], None, []], pa.list_(pa.string())),
            "sizes": pa.array([[1, 2], [3], None, [300]], pa.list_(pa.int16())),
            "meta": [
                {"w": 1, "in": {"h": 5}},
                {"w": 2, "in": {"h": 6}},
                None,
                {"w": 3, "in": None},
            ],
            "row": [0, 1, 2, 3],
        }
    )
    data = lance_module().write_dataset(table, str(tmp_path / "t.lance"))

    def found(*where: Any) -> list[int]:
        return data.to_table(filter=to_sql(list(where), data.schema))["row"].to_pylist()

    assert found(("tags", "contains", "o'x")) == [0]
    assert found(("sizes", "contains", 300)) == [3]
    assert found(("sizes", "contains", 99999)) == []
    assert found(("meta.w", ">", 1)) == [1, 3]
    assert found(("meta.in.h", "in", [5, 6])) == [0, 1]
    assert found(("tags", "is", None)) == [2]
    with pytest.raises(ColumnNotFound, match=r"meta\.in\.d"):
        found(("meta.in.d", "=", 1))


def test_w39_a_column_name_is_never_sql(dataset: Any):
    with pytest.raises(ColumnNotFound) as caught:
        to_sql([("true OR row", "=", 3)], dataset.schema)
    assert "true OR row" in caught.value.message
    for evil in ("row` OR `row", "row) OR (true", "1=1 --", "row; DROP TABLE t"):
        with pytest.raises((ColumnNotFound, InvalidFilter)):
            to_sql([(evil, "=", 3)], dataset.schema)


@pytest.mark.parametrize("evil", ["' OR '1'='1", "x' OR true --", "\\' OR 1=1", "'; --", "'" * 7])
def test_w39_a_value_is_never_sql(dataset: Any, evil: str):
    for op, value in (("=", evil), ("in", [evil]), ("like", evil), ("contains", evil)):
        sql = to_sql([("text", op, value)], dataset.schema)
        assert dataset.count_rows(filter=sql) == 0, sql


def test_unknown_columns_get_a_suggestion(dataset: Any):
    with pytest.raises(ColumnNotFound) as caught:
        to_sql([("pricee", "=", 1)], dataset.schema)
    assert "did you mean 'price'" in caught.value.hint
    with pytest.raises(ColumnNotFound, match="pricee"):
        check_sql(dataset, "pricee > 1")


@pytest.mark.parametrize(
    "where",
    [
        [("i8", "=", "1")],
        [("i8", "=", True)],
        [("i8", ">", math.nan)],
        [("text", "=", 1)],
        [("text", "=", b"a")],
        [("flag", "=", 1)],
        [("raw", "=", "a")],
        [("f64", "=", "1.0")],
        [("day", "=", 5)],
        [("time", ">", dt.datetime(2024, 1, 1, tzinfo=UTC))],
        [("utc", ">", "yesterday")],
        [("price", "=", Decimal("1.105"))],
        [("i8", "like", "1")],
        [("text", "like", 1)],
        [("i8", "in", 5)],
        [("text", "in", "abc")],
        [("i8", "is", 5)],
        [("i8", ">", None)],
        [("i8", "~", 5)],
        [("i8", "=")],
        ["i8 = 1", "i64 = 2"],
        {"i8": 1},
        42,
        " ",
    ],
)
def test_what_cannot_be_meant_is_an_invalid_filter(dataset: Any, where: Any):
    with pytest.raises(InvalidFilter) as caught:
        to_sql(where, dataset.schema)
    assert "LanceError" not in str(caught.value)


@pytest.mark.parametrize(
    "sql", ["row = = 3", "row >", "(row = 1", "row = 1; row = 2", "row >= 0 LIMIT 1"]
)
def test_sql_text_that_makes_no_sense_is_one_typed_error(dataset: Any, sql: str):
    with pytest.raises(InvalidFilter) as caught:
        check_sql(dataset, to_sql(sql, dataset.schema))
    assert ".rs:" not in str(caught.value)
    assert sql in caught.value.message


def test_sql_text_may_hold_comments_and_or(dataset: Any):
    sql = to_sql("row = 1 OR row = 2 -- two rows", dataset.schema)
    assert dataset.count_rows(filter=check_sql(dataset, sql)) == 2


def test_iso_text_and_zones_for_times(dataset: Any):
    def count(*where: Any) -> int:
        return dataset.count_rows(filter=to_sql(list(where), dataset.schema))

    exact = dt.datetime(2024, 2, 29, 12, 30, 0, 1)
    assert count(("time", "=", exact)) == count(("time", "=", exact.isoformat())) > 0
    berlin = exact.replace(tzinfo=UTC).astimezone(dt.timezone(dt.timedelta(hours=1)))
    assert count(("utc", "=", berlin)) == count(("utc", "=", exact)) > 0
    assert count(("day", "<", dt.datetime(2024, 2, 29, 0, 0, 1))) == count(
        ("day", "<=", dt.date(2024, 2, 29))
    )
    assert count(("time", "=", np.datetime64(exact))) == count(("time", "=", exact))
