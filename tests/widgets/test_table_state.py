"""What pages and people set on a table view: refused politely, redacted, never broken."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter
from lancenb.widgets import table_view
from lancenb.widgets._lane import Lane
from tests.widgets.conftest import Gate, Held

SECRET = "https://me:s3cretPW@host/x"


def test_a_lane_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    lane, done = Lane("test"), []
    with caplog.at_level(logging.ERROR):
        lane.do(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
        lane.do(lambda: done.append(1))
        assert lane.settle(60)
    assert done == [1]
    assert "lane 'test' failed" in caplog.text


@pytest.mark.parametrize(
    "state",
    [
        {"shown": [999]},
        {"shown": [-99]},
        {"shown": ["x"]},
        {"sort": {"column": 999, "way": "asc"}},
        {"sort": {"column": "x", "way": "asc"}},
        {"sort": {"column": 0, "way": "sideways"}},
        {"sort": {"column": [1]}},
        {"at": []},
        {"selected": [10**12, -5]},
        {"where": "id > 3"},
    ],
    ids=str,
)
def test_forged_state_never_breaks_a_view(dm: lnb.DataManager, state: dict[str, Any]) -> None:
    view = lnb.TableView(dm["table"])
    heard: list[Any] = []
    view.set_state(state)
    view.set_state({"asked": "id > 5"})
    assert view.settle(60)
    assert (view.where, view.count) == ("id > 5", 44)
    view.send = lambda content, buffers=(): heard.append(content)
    args = {"offset": 0, "limit": 5, "columns": [0], "epoch": view.epoch}
    view._receive(view, {"ask": "rows", "id": 1, "args": args}, None)
    assert view.settle(60)
    assert len(heard[0]["body"]["rows"]) == 5
    assert view.selected_rows().num_rows == 0
    assert "44 match" in repr(view)


def test_where_can_be_set(dm: lnb.DataManager) -> None:
    view = lnb.TableView(dm["table"])
    view.where = "id < 5"
    assert (view.count, view.asked, view.rows().num_rows) == (5, "id < 5", 5)
    with pytest.raises(ColumnNotFound):
        view.where = "nope = 1"
    with pytest.raises(InvalidFilter, match="too long"):
        view.where = "x" * 5_000
    with pytest.raises(InvalidArgument):
        view.sort = {"column": 999, "way": "asc"}
    assert (view.where, view.count, view.sort) == ("id < 5", 5, {})
    view.where = ""
    assert view.count == 50


def test_secrets_in_a_filter_stay_in_python(dm: lnb.DataManager) -> None:
    view = lnb.TableView(dm["table"])
    column = next(f.name for f in view.source.schema if pa.types.is_string(f.type))
    for words in (f"{column} = '{SECRET}'", f"nothing = '{SECRET}'"):
        view.set_state({"asked": words})
        assert view.settle(60)
        assert view.asked == words
        whole = json.dumps(view.get_state(), default=str) + str(view._repr_mimebundle_())
        assert "s3cretPW" not in whole
    assert SECRET in view.where
    assert view.problem


def test_no_rows_in_order(tmp_path: Path) -> None:
    uri = str(tmp_path / "empty.lance")
    lance.write_dataset(pa.table({"a": pa.array([], pa.int64())}), uri)
    assert lnb.TableView(uri, order_by="a").rows().num_rows == 0
    full = str(tmp_path / "full.lance")
    lance.write_dataset(pa.table({"a": [2, 1]}), full)
    assert lnb.TableView(full, order_by="a").rows(limit=0).num_rows == 0


def test_half_precision_is_not_sorted(tmp_path: Path) -> None:
    uri = str(tmp_path / "half.lance")
    lance.write_dataset(pa.table({"h": pa.array(np.array([2, 1], np.float16))}), uri)
    view = lnb.TableView(uri)
    assert not view.columns[0]["sorts"]
    with pytest.raises(InvalidArgument, match="no order"):
        view.sort_by("h")


ASC, DESC = ({"column": 0, "way": way} for way in ("asc", "desc"))


def test_an_order_wished_while_another_one_is_made_is_not_overwritten(
    numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = lnb.TableView(numbers)
    gate = Gate(table_view.Rows)
    monkeypatch.setattr(table_view, "Rows", gate)
    view.set_state({"sort": ASC})
    assert gate.began.wait(60)
    view.set_state({"sort": DESC})
    gate.go.set()
    assert view.settle(60)
    assert (view.sort, view.rows(1)["a"].to_pylist()) == (DESC, [19])
    view.close()


def test_an_order_wished_while_another_one_is_refused_is_not_taken_back(
    numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, real = lnb.TableView(numbers), table_view.Rows

    def picky(source: Any, where: Any, order: Any) -> Any:
        if order == ("a", "asc"):
            raise InvalidArgument("too many rows")
        return real(source, where, order)

    gate = Gate(picky)
    monkeypatch.setattr(table_view, "Rows", gate)
    view.set_state({"sort": ASC})
    assert gate.began.wait(60)
    view.set_state({"sort": DESC})
    gate.go.set()
    assert view.settle(60)
    assert (view.sort, view.rows(1)["a"].to_pylist(), view.problem) == (DESC, [19], {})
    view.close()


def test_a_filter_of_python_keeps_an_order_that_is_being_made(
    numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, waits = lnb.TableView(numbers), threading.Event()
    gate, swap = Gate(table_view.Rows), view._swap

    class Watched:
        """The view's lock, which tells that the filter has come to it."""

        def __enter__(self) -> None:
            if threading.current_thread() is filtering:
                waits.set()
            swap.acquire()

        def __exit__(self, *_error: object) -> None:
            swap.release()

    filtering = threading.Thread(target=view.filter, args=("a < 5",))
    monkeypatch.setattr(table_view, "Rows", gate)
    monkeypatch.setattr(view, "_swap", Watched())
    view.set_state({"sort": DESC})
    assert gate.began.wait(60)
    filtering.start()
    assert waits.wait(60)
    gate.go.set()
    filtering.join(60)
    assert view.settle(60)
    assert (view.where, view.sort) == ("a < 5", DESC)
    assert view.rows()["a"].to_pylist() == [4, 3, 2, 1, 0]
    view.close()


def test_a_filter_of_python_is_not_undone_by_a_wish_of_before(
    numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, gate = lnb.TableView(numbers), Gate(table_view.written)
    applied: list[str] = []
    view.observe(lambda change: applied.append(change.new), "where")
    monkeypatch.setattr(table_view, "written", gate)
    monkeypatch.setattr(view, "_swap", Held(view._swap, gate.go))
    view.set_state({"asked": "a < 5"})
    assert gate.began.wait(60)
    view.filter("a >= 10")
    gate.go.set()
    assert view.settle(60)
    assert applied == ["a < 5", "a >= 10"]
    assert (view.where, view.rows().num_rows) == ("a >= 10", 10)
    view.close()
