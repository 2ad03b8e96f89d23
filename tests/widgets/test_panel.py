"""The base of all panels, without a browser."""

from __future__ import annotations

import gc
import importlib
import inspect
import pkgutil
import threading
import time
from typing import Any

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances

from lancenb.errors import Conflict, InvalidArgument
from lancenb.progress import Tracker
from lancenb.widgets import _cells
from lancenb.widgets._fields import (
    Code,
    Confirm,
    choice,
    facts,
    fold,
    note,
    number,
    switch,
    tags,
    tell,
    text,
)
from lancenb.widgets._panel import Panel
from lancenb.widgets._side_work import SideWork
from tests.widgets.conftest import left_threads


class Count(Panel):
    """Counts slowly."""

    title, verb = "Count rows", "Count"
    started = 0
    go = threading.Event()  # where it is cleared, work waits for it

    def _inputs(self):
        return [text("Name", key="name"), number("Rows", key="rows", value=3)]

    def _advanced(self):
        return [switch("Broken", key="broken"), tags("Tags", key="tags")]

    def _actions(self):
        return [Confirm("Delete", "Delete 'x'?", lambda: None)]

    def _work(self):
        inputs, go = self.inputs, Count.go
        if not inputs["name"]:
            raise InvalidArgument("name an artefact", hint="for example mnist")

        def work(progress=None, cancel=None):
            Count.started += 1
            assert go.wait(600)
            track = Tracker(progress, cancel, total_rows=inputs["rows"])
            for _ in range(inputs["rows"]):
                time.sleep(0.01)
                track.advance(1)
            if inputs["broken"]:
                raise OSError("the disk is full")
            return inputs["rows"]

        return work

    def _code(self):
        return f"count({self.inputs['name']!r}, rows={self.inputs['rows']})"

    def _show(self, result):
        return [facts("Counted", [("rows", result)])]


class Both(SideWork, Count):
    """Counts, and does something else."""

    def _main_work(self):
        return Count._work(self)


@pytest.fixture(autouse=True)
def fresh() -> None:
    Count.started, Count.go = 0, threading.Event()
    Count.go.set()


def test_run_does_what_the_button_does(loud: Any) -> None:
    panel = Count()
    heard: list[int] = []
    panel.on_result(heard.append)
    assert panel.run(name="mnist", rows=4) == panel.result == 4
    assert heard == [4]
    assert panel.error is None
    panel.primary.click()
    panel.card.job.wait()
    assert panel.card.wait(60)
    assert heard == [4, 4]
    assert panel.code_line.code == "count('mnist', rows=4)"
    assert len(panel.result_row.children) == 1
    assert not panel.primary.disabled


def test_unknown_and_unfit_inputs_are_refused_with_the_names_there_are() -> None:
    panel = Count()
    with pytest.raises(InvalidArgument, match="no input 'size'") as caught:
        panel.run(size=3)
    assert caught.value.hint == "its inputs are: name, rows, broken, tags"
    with pytest.raises(InvalidArgument, match="rows="):
        panel.run(rows="many")
    assert Count.started == 0


def test_errors_reach_the_panel_and_the_caller(loud: Any) -> None:
    panel = Count()
    panel.primary.click()
    assert panel.card.error == "name an artefact"
    assert panel.card.hint == "for example mnist"
    assert panel.card.traceback == "", "an error of the form needs no traceback"
    with pytest.raises(OSError, match="disk is full"):
        panel.run(name="x", broken=True)
    assert panel.card.state == "failed"
    assert "OSError" in panel.card.traceback
    panel.guard(lambda: 1 / 0)()
    assert "division" in panel.card.error
    assert panel.run(name="x", broken=False) == 3
    assert panel.card.error == ""


def test_a_refusal_goes_when_the_inputs_change_and_a_failure_stays(loud: Any) -> None:
    panel = Count()
    panel.primary.click()
    assert panel.card.error == "name an artefact"
    panel.fields["name"].value = "x"
    assert (panel.card.state, panel.card.error, panel.error) == ("idle", "", None)
    panel.fields["broken"].value = True
    with pytest.raises(OSError, match="disk is full"):
        panel.run()
    panel.fields["name"].value = "y"
    assert panel.card.state == "failed"


def test_the_same_work_is_joined_and_other_work_refused() -> None:
    panel = Count()
    Count.go.clear()
    job = panel.run(name="x", rows=30, wait=False)
    assert panel.run(name="x", rows=30, wait=False) is job
    with pytest.raises(Conflict, match="still runs"):
        panel.run(name="y", rows=30)
    assert panel.card.state == "running", "a refusal leaves the running job on show"
    panel.cancel()
    Count.go.set()
    assert panel.card.wait(60)
    assert Count.started == 1


def test_a_run_knows_nothing_of_what_earlier_runs_were_given() -> None:
    panel = Count()
    panel.run(name="x", rows=1, tags="a")
    assert panel.run(name="y") == 3
    assert panel.inputs == {"name": "y", "rows": 3, "broken": False, "tags": ""}
    with pytest.raises(OSError, match="disk is full"):
        panel.run(name="x", broken=True)
    assert panel.run(name="x") == 3, "nor of those of one that failed"
    before = panel.inputs
    with pytest.raises(InvalidArgument, match="rows="):
        panel.run(name="z", rows="many")
    assert panel.inputs == before, "what does not fit leaves the form as it was"
    assert panel.run() == 3, "without inputs the form is taken as it stands"
    with pytest.raises(InvalidArgument, match="name an artefact"):
        panel.run(rows=2)


def test_side_work_is_never_taken_for_the_work_of_the_button() -> None:
    panel, go = Both(), threading.Event()
    panel.run(name="x")
    side = panel._do(lambda progress=None, cancel=None: go.wait(600), "set the tags")
    with pytest.raises(Conflict, match="set the tags still runs"):
        panel.run()
    with pytest.raises(Conflict):
        panel._do(lambda progress=None, cancel=None: None, "set the tags")
    go.set()
    assert side.wait(60)
    assert panel.card.wait(60)
    direct = threading.Event()
    panel.card.start(lambda progress=None, cancel=None: direct.wait(600), name="repair")
    with pytest.raises(Conflict, match="repair still runs"):
        panel.run()
    direct.set()
    assert panel.card.wait(60)
    assert panel.run() == 3


@pytest.mark.parametrize("manager", ["/tmp/x", 3, object()])
def test_what_is_no_manager_is_refused_at_once(manager: Any) -> None:
    before = set(_instances)
    with pytest.raises(InvalidArgument) as caught:
        Count(manager)
    assert "DataManager(" in caught.value.hint
    assert set(_instances) == before


def test_a_constructor_that_refuses_leaves_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Late(Count):
        def __init__(self, bad: str):
            super().__init__(key="")
            raise ValueError(bad)

    class Early(Count):
        def _advanced(self):
            made = [switch("Broken", key="broken")]
            raise ValueError(f"no room for {len(made)}")

    class Half(Code):
        def __init__(self):
            raise ValueError("not even begun")

        def close(self):
            self._nothing_of_this_is_there_yet()  # type: ignore[attr-defined]

    before = set(_instances)
    for make in (lambda: Late("x"), Early, Half):
        with pytest.raises(ValueError, match=r"x|no room|not even"):
            make()
    gc.collect()
    assert set(_instances) == before
    assert "ignored" not in capfd.readouterr().err
    assert Count(key="").primary.comm is not None, "what was made well stays"


def test_a_choice_names_what_it_offers() -> None:
    class Choosing(Count):
        def _advanced(self):
            return [choice("Mode", [("make", "create"), ("append", "append")], key="mode")]

    with pytest.raises(InvalidArgument, match="mode='apend'") as caught:
        Choosing().run(name="x", mode="apend")
    assert caught.value.hint == "did you mean 'append'? one of 'create', 'append'"


def test_listeners_that_raise_stop_neither_others_nor_the_panel() -> None:
    panel = Count()
    heard: list[int] = []
    panel.on_result(lambda result: 1 / 0)
    panel.on_result(heard.append)
    assert panel.run(name="x") == 3
    assert heard == [3]
    assert (panel.error, panel.card.error) == (None, "")

    class Stumbling(Count):
        def _ended(self, job):
            raise RuntimeError("stumbled")

    other = Stumbling()
    other.card.on_end(lambda job: heard.append(4))
    other.run(name="x")
    assert not other.primary.disabled
    assert heard == [3, 4]
    assert "stumbled" in other.card.error


def test_a_new_panel_of_the_same_key_takes_the_running_job_over() -> None:
    first = Count(key="a")
    Count.go.clear()
    job = first.run(name="x", rows=30, wait=False)
    heard: list[int] = []
    second = Count(key="a")
    second.on_result(heard.append)
    assert second.job is job
    assert first.comm is None
    assert second.primary.disabled
    assert second.run(name="x", rows=30, wait=False) is job
    Count.go.set()
    assert second.card.wait(60)
    assert job.result() == 30
    assert Count.started == 1
    assert heard == [30]
    assert first.result is None
    assert Count(key="b").job is None


def test_fifty_panels_in_one_place_leave_one() -> None:
    Count(key="a").run(name="x")
    before, threads = len(_instances), set(threading.enumerate())
    for _ in range(50):
        Count(key="a").run(name="x", rows=0)
    assert len(_instances) <= before
    assert left_threads(threads) == []


def test_close_leaves_nothing() -> None:
    before = set(_instances)
    panel = Count(key="a")
    panel.run(name="x")
    panel.close()
    assert set(_instances) == before
    assert "Count rows [done]" in repr(panel)
    assert set(panel._repr_mimebundle_()) == {"text/html", "text/plain"}
    panel.close()
    assert _cells._living.get((Count, "key a")) is None


def test_the_place_is_the_cell_and_the_turn_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = ("message 1", "cell 1")
    monkeypatch.setattr(_cells, "_cell", lambda: now)
    first, twin = Count(), Count()
    assert first.comm is not None, "two panels in one cell live side by side"
    now = ("message 2", "cell 2")
    other = Count()
    now = ("message 3", "cell 1")
    again = Count()
    assert first.comm is None
    assert twin.comm is not None
    assert other.comm is not None
    now = ("", "")
    assert Count().comm is not None
    assert again.comm is not None
    assert Count(key="").comm is not None
    assert again.comm is not None


def test_the_static_form_tells_inputs_state_result_and_code_without_secrets() -> None:
    panel = Count()
    panel.run(name="https://me:pa55w0rd@host/x?sig=abc", rows=2)
    data = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    for form in (data["text/html"], data["text/plain"]):
        assert "Count rows" in form
        assert "Rows" in form
        assert "done" in form
        assert "count(" in form
        assert "pa55w0rd" not in form
        assert "sig=abc" not in form
    assert "pa55w0rd" not in panel.code_line.code


def test_enter_in_a_text_field_presses_the_button(loud: Any) -> None:
    panel = Count()
    panel.fields["name"].value = "x"
    panel.fields["name"]._handle_custom_msg({"event": "submit"}, [])
    assert panel.card.wait(60)
    assert panel.result == 3


def test_callbacks_may_come_from_any_thread(loud: Any) -> None:
    panel = Count()
    panel.fields["name"].value = "x"
    Count.go.clear()  # else a late thread finds it ended and rightly starts it anew
    clicks = [threading.Thread(target=panel.primary.click) for _ in range(8)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    Count.go.set()
    assert panel.card.wait(60)
    assert Count.started == 1
    assert panel.card.error == ""


def test_a_result_that_cannot_be_shown_is_still_returned() -> None:
    class Clumsy(Count):
        def _show(self, result):
            raise RuntimeError("no picture of s3://me:pa55w0rd@host")

    panel = Clumsy()
    assert panel.run(name="x") == 3
    assert "no picture" in panel.card.error
    assert "pa55w0rd" not in panel.card.error
    assert not panel.primary.disabled


def test_two_step_button() -> None:
    done: list[int] = []
    button = Confirm("Delete", "Delete 'mnist'?", lambda: done.append(1))
    button.click()
    assert button.armed
    assert not done
    button.disarm()
    button.click()
    assert not done
    button._until = 0.0
    button.click()
    assert not done, "after its time the first click counts for nothing"
    button._handle_custom_msg({"do": "click", "armed": False}, [])
    assert not done, "a tab that showed the button unarmed only arms it"
    button._handle_custom_msg({"do": "click", "armed": True}, [])
    assert done == [1]
    assert not button.armed
    button.disabled = True
    button._handle_custom_msg({"do": "click", "armed": True}, [])
    assert done == [1]


def test_fields_notes_and_facts_are_plain_text() -> None:
    words = note("<b>bold</b> token=s3cr3t1")
    assert "&lt;b&gt;" in words.value
    assert "s3cr3t1" not in words.value
    tell(words, "")
    assert words.value == ""
    shown = facts("<i>", [("<u>", "<s>"), ("empty", ""), ("zero", 0)])
    assert "<i>" not in shown.value
    assert "<s>" not in shown.value
    assert "empty" not in shown.value
    assert ">0<" in shown.value
    field = tags("Tags", value="a, b,,a ")
    assert field.words == ["a", "b"]
    field.words = ["c", "d"]
    assert field.value == "c, d"
    assert fold("More", [words]).children[0].opened is False
    assert Code(code="1 + 1")._static()[1] == "1 + 1"


def test_widgets_of_a_panel_do_without_images_that_have_no_text() -> None:
    kinds = {type(widget).__name__ for widget in _cells._tree(Count())}
    assert not kinds & {"Image", "FloatProgress", "Password", "Accordion"}
    assert isinstance(Count(), ipywidgets.VBox)


def _open_hooks(made: type) -> list[str]:
    """Return the methods of a class that our bases leave for it to write."""
    names = {n for c in made.__mro__ if c.__module__.startswith("lancenb.") for n in vars(c)}
    methods = ((name, inspect.getattr_static(made, name)) for name in names)
    return [
        f"{made.__name__}.{name}"
        for name, method in methods
        if inspect.isfunction(method) and method.__code__.co_names == ("NotImplementedError",)
    ]


def test_no_class_for_users_leaves_a_hook_of_its_base_open() -> None:
    import lancenb.widgets as room

    names = [f"{room.__name__}.{module.name}" for module in pkgutil.iter_modules(room.__path__)]
    classes = {
        made
        for name in names
        for made in vars(importlib.import_module(name)).values()
        if isinstance(made, type) and made.__module__ == name
    }
    last = {made for made in classes if not type.__subclasses__(made)}
    for_users = {made for name in room.__all__ if isinstance(made := getattr(room, name), type)}
    assert sum(bool(_open_hooks(made)) for made in classes) >= 4, "the hooks were not found"
    assert [hook for made in last | for_users for hook in _open_hooks(made)] == []
