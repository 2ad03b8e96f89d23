"""The two sources of rows: a table opened here, a manager far away."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter, LancenbError
from lancenb.widgets._far_source import FarSource
from lancenb.widgets._source import TableSource, open_source


@pytest.fixture(params=["here", "far"])
def source(request: pytest.FixtureRequest, dm: lnb.DataManager, far: Any) -> Any:
    """The table of 50 rows, seen both ways."""
    found = open_source(dm["table"] if request.param == "here" else far.get("table"))
    assert isinstance(found, TableSource if request.param == "here" else FarSource)
    return found


def test_both_say_what_they_are(source: Any) -> None:
    assert (source.title, source.kind, source.version) == ("table", "table", 1)
    assert source.schema.names == ["id", "text", "score", "split"]


def test_both_count_and_page(source: Any) -> None:
    assert source.count() == 50
    assert source.count("split = 'test'") == 10
    assert source.rows(48, 10, ["id"])["id"].to_pylist() == [48, 49]
    assert source.rows(1, 2, ["id"], where=[("id", ">", 9)])["id"].to_pylist() == [11, 12]
    assert source.rows(0, 2, ["id"], order_by="id desc")["id"].to_pylist() == [49, 48]
    assert source.rows(0, 0).num_rows == 0


def test_both_take_any_rows_in_any_order(source: Any) -> None:
    taken = source.take([49, 0, 7, 7], ["id", "split"])
    assert taken["id"].to_pylist() == [49, 0, 7, 7]
    assert taken.schema.names == ["id", "split"]
    assert source.take([], ["id"]).num_rows == 0
    with pytest.raises((InvalidArgument, LancenbError)):
        source.take([50], ["id"])


def test_both_refuse_a_wrong_filter(source: Any) -> None:
    with pytest.raises(ColumnNotFound):
        source.count("nothing = 1")
    with pytest.raises(InvalidFilter):
        source.rows(0, 1, where="id >")


def test_positions_are_those_of_the_table_after_deletions(dm: lnb.DataManager) -> None:
    dm.delete_rows("table", "id % 2 = 0")
    source = open_source(dm["table"])
    places = source.positions("id >= 41")
    assert places is not None
    assert places.tolist() == [20, 21, 22, 23, 24]
    assert source.take(places.tolist(), ["id"])["id"].to_pylist() == [41, 43, 45, 47, 49]


def test_a_source_stays_at_its_version(dm: lnb.DataManager, far: Any) -> None:
    here, away = open_source(dm["table"]), open_source(far.get("table"))
    dm.delete_rows("table", "id > 9")
    assert here.rows(limit=None, columns=["id"]).num_rows == 50
    assert away.rows(limit=None, columns=["id"]).num_rows == 50
    assert open_source(dm["table"]).count() == 10


def test_payloads_beside_the_table_are_read_only_when_named(dm: lnb.DataManager) -> None:
    source = open_source(dm["net"])
    assert "data" not in source.rows().schema.names
    sizes = [len(b) for b in source.take([0, 2], ["nbytes", "data"])["data"].to_pylist()]
    assert sizes == source.take([0, 2], ["nbytes"])["nbytes"].to_pylist()


def test_what_holds_no_rows_is_refused(dm: lnb.DataManager) -> None:
    with pytest.raises(InvalidArgument):
        open_source(dm)
    with pytest.raises(InvalidArgument):
        open_source(pa.table({"n": [1]}))
