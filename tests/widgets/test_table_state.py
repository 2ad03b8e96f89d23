"""What pages and people set on a table view: refused politely, redacted, never broken."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter
from lancenb.widgets import _figures, table_view
from lancenb.widgets._column_stats import ColumnStats
from lancenb.widgets._lane import Lane

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


class Gate:
    """Stands in the way of ``real``: ``began`` tells that somebody waits, ``go`` lets all pass."""

    def __init__(self, real: Callable[..., Any]):
        self.real, self.began, self.go = real, threading.Event(), threading.Event()

    def __call__(self, *args: Any) -> Any:
        self.began.set()
        assert self.go.wait(600)
        return self.real(*args)


ASC, DESC = ({"column": 0, "way": way} for way in ("asc", "desc"))


@pytest.fixture
def numbers(tmp_path: Path) -> str:
    """A table of 20 rows and three columns of numbers."""
    uri = str(tmp_path / "numbers.lance")
    lance.write_dataset(pa.table({name: range(20) for name in "abc"}), uri)
    return uri


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


@pytest.mark.parametrize("whole", [False, True])
def test_a_column_chosen_while_others_are_measured_is_measured_next(
    numbers: str, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(_figures, "FIRST_ROWS", 10)
    view, told = lnb.TableView(numbers, columns=["a"]), threading.Event()
    gate = Gate(ColumnStats.add)
    monkeypatch.setattr(ColumnStats, "add", lambda *args: gate(*args))
    view.observe(lambda change: "2" in change.new and told.set(), "stats")
    view.measure(whole)
    assert gate.began.wait(60)
    view.set_state({"shown": [0, 2]})
    gate.go.set()
    assert told.wait(60)
    job = view._figures.job
    assert job is not None
    assert job.wait(60)
    rows = 20 if whole else 10
    assert {place: facts["rows"] for place, facts in view.stats.items()} == {"0": rows, "2": rows}
    view.close()


def test_a_column_chosen_before_measuring_was_cancelled_waits_to_be_asked_for(
    numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, gate = lnb.TableView(numbers, columns=["a"]), Gate(ColumnStats.add)
    monkeypatch.setattr(ColumnStats, "add", lambda *args: gate(*args))
    job = view.measure()
    assert gate.began.wait(60)
    view.set_state({"shown": [0, 2]})
    job.cancel()
    gate.go.set()
    assert job.wait(60)
    job._thread.join(60)  # it asks for what is missing, if anybody does
    assert view.settle(60)
    assert (view._figures.job, job.state) == (job, "cancelled")
    view.close()
