"""What becomes of a table view's figures when several threads ask for them at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import lancenb as lnb
from lancenb.widgets import _figures
from lancenb.widgets._column_stats import ColumnStats
from tests.widgets.conftest import Gate


@pytest.fixture
def view(numbers: str) -> Iterator[lnb.TableView]:
    made = lnb.TableView(numbers, columns=["a"])
    yield made
    made.close()


def ask(view: Any, what: str, **args: Any) -> None:
    """Ask as the front end does, without waiting for the answer."""
    view._receive(view, {"ask": what, "id": "1", "args": args}, [])


class Over:
    """``real``, but for some attributes."""

    def __init__(self, real: Any, **own: Any):
        self._real = real
        vars(self).update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def elsewhere(gate: Gate, calls: int = 0) -> Any:
    """Return ``gate.real`` with the gate in front, for other threads after so many calls."""
    me, seen = threading.current_thread(), iter(range(1_000_000))

    def go(*args: Any) -> Any:
        if threading.current_thread() is me or next(seen) < calls:
            return gate.real(*args)
        return gate(*args)

    return go


def test_a_job_of_a_cell_is_not_cancelled_by_the_first_page(
    view: lnb.TableView, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(view._fitting)
    monkeypatch.setattr(view, "_fitting", elsewhere(gate))
    ask(view, "rows", offset=0, limit=10, columns=[0], epoch=view.epoch)
    assert gate.began.wait(60)  # the page has seen that nothing was measured yet
    job = view.measure()
    gate.go.set()
    assert view.settle(60)
    assert job.result(60)["a"]["max"] == "19"
    assert view._figures.job is job


def test_a_job_of_a_cell_is_not_cancelled_by_columns_chosen_before_it(
    view: lnb.TableView, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring, gate = Gate(ColumnStats.add), Gate(view._fitting)
    monkeypatch.setattr(ColumnStats, "add", lambda *args: measuring(*args))
    view.measure(whole=False)
    assert measuring.began.wait(60)
    view.set_state({"shown": [0, 2]})
    monkeypatch.setattr(view, "_fitting", elsewhere(gate, calls=1))
    measuring.go.set()
    assert gate.began.wait(60)  # the column was found missing
    job = view.measure()
    gate.go.set()
    assert view.settle(60)
    assert job.result(60)["c"]["max"] == "19"
    assert view._figures.job is job


def test_a_job_that_begins_while_rows_change_measures_the_new_ones(
    view: lnb.TableView, monkeypatch: pytest.MonkeyPatch
) -> None:
    view.measure().result(60)
    schema = view.source.schema
    gate = Gate(schema.field)
    slow = Over(view.source, schema=Over(schema, field=elsewhere(gate)))
    monkeypatch.setattr(view, "source", slow)
    ask(view, "measure", whole=True)
    assert gate.began.wait(60)
    view.filter("a >= 10")
    gate.go.set()
    assert view.settle(60)
    job = view._figures.job
    assert job is not None
    assert job.result(60)["a"]["min"] == "10"
    assert view.stats["0"]["min"] == "10"


def test_figures_told_late_do_not_stand_beside_other_rows(
    view: lnb.TableView, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, first = Gate(view._names.index), iter([True])

    class Names(list[str]):
        """The names of the columns, looked up when figures are told: the first time it takes."""

        def index(self, *args: Any) -> int:
            return (index if next(first, False) else index.real)(*args)

    monkeypatch.setattr(view, "_names", Names(view._names))
    late = view.measure()
    assert index.began.wait(60)
    view.filter("a >= 10")
    assert view.measure().result(60)["a"]["min"] == "10"
    index.go.set()
    late._thread.join(60)
    assert view.stats["0"]["min"] == "10"
    assert view.measuring["state"] == "done"


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
