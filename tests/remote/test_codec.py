"""Values as JSON and back: nothing is lost, nothing strange comes in."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lancenb.catalog.artifact import Artifact, Artifacts
from lancenb.catalog.results import Cleanup, Rollback, Version, Versions
from lancenb.errors import InvalidArgument
from lancenb.remote._codec import dump_any, load_any
from lancenb.remote._models import ArtifactFacts, Head
from lancenb.remote._ops import OPS
from lancenb.remote._typed import argument, dump, fits, load


def there_and_back(value: Any) -> Any:
    """Through JSON text, as on every wire."""
    return load_any(json.loads(json.dumps(dump_any(value), allow_nan=False)))


PARIS = ZoneInfo("Europe/Paris")
VALUES = [
    None, True, 0, -(2**70), 10**400, 1.5, -0.0, 5e-324, math.inf, "", "\u202e\U0001f4a9", "\ud800",
    b"\x00\xff", date(1, 1, 1), time(23, 59, 59, 999999), time(1, tzinfo=UTC), timedelta(-1, 1, 1),
    datetime(2024, 2, 29, 1, 2, 3, 4), datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1), datetime(2024, 3, 31, 2, 30, tzinfo=PARIS),
    datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))), Decimal("1.10"),
    Decimal("-Infinity"), Fraction(-1, 3), UUID(int=7), [1, [2, (3, {4})]], {"a": {"b": (1,)}},
    {"$bytes": "x"}, {1: "a", (2,): None}, {}, [], (), set(),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(value):
    back = there_and_back(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    if isinstance(value, datetime):
        assert (back.fold, back.tzinfo) == (value.fold, value.tzinfo)


def test_numbers_of_numpy_and_pandas_stay_what_they_are():
    pandas = pytest.importorskip("pandas")
    for value in (np.int8(-1), np.uint64(2**64 - 1), np.float16(0.1), np.float32(1 / 3), np.True_,
                  np.datetime64("2024-01-01"), np.datetime64(1, "ns"), np.timedelta64(-1, "D"),
                  pandas.Timestamp(1),
                  pandas.Timestamp("2024-01-01", tz="Europe/Paris")):  # fmt: skip
        back = there_and_back(value)
        assert back == value
        assert type(back) is type(value)
    assert there_and_back(pandas.NaT) is pandas.NaT
    assert math.isnan(there_and_back(math.nan))
    array = np.arange(6.0).reshape(2, 3)
    assert there_and_back(array).tolist() == array.tolist()
    assert there_and_back(range(3)) == [0, 1, 2]
    assert there_and_back(x for x in "ab") == ["a", "b"]
    assert there_and_back({1: 2}.keys()) == [1]


def test_what_nobody_understands_keeps_its_looks_and_nothing_else():
    class Thing:
        def __repr__(self) -> str:
            return "<a thing>"

    back = there_and_back([Thing(), 1j])
    assert [type(each).__name__ for each in back] == ["Thing", "complex"]
    assert [repr(each) for each in back] == ["<a thing>", "1j"]
    assert not isinstance(back[1], complex)


@pytest.mark.parametrize("bad", [
    {"$bytes": 5}, {"$bytes": "!"}, {"$date": "x"}, {"$what": 1}, {"$set": [[1]]}, {"$dict": [1]},
    {"$numpy": ["O", None, "AAAAAAAAAAA="]}, {"$numpy": ["<i8", [10**12], "AAAAAAAAAAA="]},
    {"$numpy": ["<U1000000000", None, ""]}, {"$decimal": "1" * 10 + "x"}, {"$timestamp": {}},
    {"$datetime": {"at": "2024-01-01", "zone": "../../etc/passwd", "fold": 0}},
    {"$fraction": "1/0"}, {"$other": "x"}, {"$timedelta": [10**30, 0, 0]}, {"$text": "/w=="},
    {"$float": "x"},
])  # fmt: skip
def test_what_is_no_such_value_is_refused(bad):
    with pytest.raises(InvalidArgument):
        load_any(bad)
    with pytest.raises(InvalidArgument):
        load_any([{"a": bad}])


def test_depth_has_an_end():
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    with pytest.raises(InvalidArgument):
        dump_any(deep)
    with pytest.raises(InvalidArgument):
        load_any(deep)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.datetimes() | st.dates() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
))  # fmt: skip
def test_anything_made_of_these_comes_back(value):
    assert there_and_back(value) == value


RESULTS: list[tuple[Any, Any]] = [
    (Rollback, Rollback("n", 1, 2, 3)),
    (Cleanup, Cleanup("n", (1, 2), 3, {"prod": 1}, 10**12, False)),
    (Versions, Versions([Version(1, datetime(2024, 1, 1, tzinfo=UTC), 5, tags=("a",))])),
    (dict[str, int], {"prod": 3}),
    (dict[str, Any] | None, {"x": b"\x00", "t": (1, 2)}),
    (timedelta, timedelta(days=1, microseconds=5)),
    (int | str | None, "prod"),
    (pa.Schema, pa.schema([pa.field("a", pa.int8(), metadata={"k": "v"})], {"m": "n"})),
    (Head, Head(1, 2, 3, pa.schema({"a": pa.list_(pa.int8())}))),
]


@pytest.mark.parametrize(("hint", "value"), RESULTS, ids=lambda v: getattr(v, "__name__", ""))
def test_results_come_back_as_they_were(hint, value):
    back = load(hint, json.loads(json.dumps(dump(hint, value), allow_nan=False)))
    assert back == value
    assert type(back) is type(value)


def test_artefacts_become_facts():
    names = set(ArtifactFacts.__dataclass_fields__)
    assert {"id", "name", "kind", "uri", "tags", "aliases", "parents", "history"} <= names
    assert dump(Artifacts, Artifacts([], "a note")) == {"items": [], "note": "a note"}
    assert all(name not in names for name in ("manager", "store"))
    assert Artifact is OPS["get"].result


@pytest.mark.parametrize(("hint", "good", "bad"), [
    (int, 5, True), (int | None, None, 1.5), (str, "x", None), (bool, False, 0),
    (list[str], ["a"], ["a", 5]), (list[str] | None, None, "a"), (float, 1, "1"),
    (dict[str, Any], {"a": []}, [["a", 1]]), (timedelta, 5.5, -1), (timedelta, 0, 1e300),
    (int | str | None, "v", [1]), (str | list[str], ["a"], {"a": 1}),
])  # fmt: skip
def test_arguments_have_the_form_of_their_type(hint, good, bad):
    assert fits(hint, good)
    argument(hint, good, "x")
    with pytest.raises(InvalidArgument) as caught:
        argument(hint, bad, "x")
    assert caught.value.details == {"argument": "x"}
    assert "x=" in caught.value.message
