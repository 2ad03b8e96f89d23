"""What people and threads do while a panel is in the middle of something else."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import comm
import pyarrow as pa
import pytest
from comm.base_comm import BaseComm

import lancenb as lnb
from lancenb.download import DownloadPlan
from lancenb.errors import Conflict, InvalidArgument
from lancenb.widgets import ConvertPanel, DownloadPanel, JobCard, job_card
from lancenb.widgets._fields import Code, text
from lancenb.widgets._panel import Panel
from lancenb.widgets._side_work import SideWork
from lancenb.widgets.register_panel import RegisterPanel
from lancenb.widgets.rollback_panel import RollbackPanel
from tests.widgets.conftest import Held

pytestmark = pytest.mark.usefixtures("loud")


class Asked(threading.Event):
    """An end that opens a gate for who begins to wait for it."""

    def __init__(self, gate: threading.Event):
        super().__init__()
        self.set()
        self._gate = gate

    def wait(self, timeout: float | None = None) -> bool:
        """Open the gate, then wait."""
        self._gate.set()
        return super().wait(timeout)


class Says(Panel):
    """Returns its word."""

    def _inputs(self) -> Any:
        return [text("Word", key="word")]

    def _work(self) -> Any:
        word = self.inputs["word"]
        return lambda progress=None, cancel=None: word


class Both(SideWork, Says):
    """Returns its word, and has other work."""

    def _main_work(self) -> Any:
        return Says._work(self)


class Ending:
    """Keeps the end of a panel's work from being told to all, until somebody waits for that."""

    def __init__(self, panel: Any, monkeypatch: pytest.MonkeyPatch):
        self.reached, self.go = threading.Event(), threading.Event()
        monkeypatch.setattr(job_card, "_HEARING", 60.0)
        monkeypatch.setattr(panel.card, "_settled", Asked(self.go))
        self._held = False
        panel.card.on_end(self._hold)

    def _hold(self, _job: object) -> None:
        if not self._held:
            self._held = True
            self.reached.set()
            assert self.go.wait(60)


# Work that is asked for while the end of other work is told ------------------------------------


def run_again(panel: Both) -> Any:
    return panel.run(word="two")


def other_work(panel: Both) -> Any:
    return panel._do(lambda progress=None, cancel=None: "two", "other").result(60)


def work_of_the_card(panel: Both) -> Any:
    return panel.card.start(lambda progress=None, cancel=None: "two", name="other").result(60)


def job_of_somebody(panel: Both) -> Any:
    return panel.card.show(lnb.Job(lambda progress, cancel: "two")).result(60)


@pytest.mark.parametrize("act", [run_again, other_work, work_of_the_card, job_of_somebody])
def test_work_that_is_over_stops_no_other_work(act: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Both(key="")
    ending = Ending(panel, monkeypatch)
    try:
        assert panel.run(wait=False, word="one").result(60) == "one"
        assert ending.reached.wait(60)
        assert act(panel) == "two"
    finally:
        ending.go.set()
    assert panel.card.wait(60)


def test_the_end_of_earlier_work_changes_no_form_that_was_filled_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Tidies(Says):
        def _ended(self, job: Any) -> None:
            super()._ended(job)
            ending.reached.set()
            assert ending.go.wait(60)
            self.fields["word"].value = ""

    panel = Tidies(key="")
    ending = Ending(panel, monkeypatch)
    job = panel.run(wait=False, word="one")
    assert ending.reached.wait(60)
    assert job.result(60) == "one"
    assert panel.run(word="two") == "two"


def test_who_is_told_of_an_end_neither_waits_for_it_nor_gets_the_old_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_card, "_HEARING", 600.0)
    panel, heard = Says(key=""), list[Any]()

    def again(_result: Any) -> None:
        for word in ("one", "two"):
            try:
                heard.append(panel.run(wait=False, word=word))
            except Conflict as error:
                heard.append(error.message)

    panel.on_result(again)
    assert panel.run(wait=False, word="one").result(60) == "one"
    assert panel.card.wait(60)
    assert heard == ["Panel still runs in this panel"] * 2


# Buttons --------------------------------------------------------------------------------------


def test_download_is_heard_as_soon_as_the_button_says_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = DownloadPanel(spec="synthetic", key="")
    panel.fields["limit"].value = 5
    ending = Ending(panel, monkeypatch)
    panel.primary.click()
    plan = panel.card.job
    assert ending.reached.wait(60)
    assert panel.primary.description.startswith("Download")
    assert not panel.primary.disabled
    panel.primary.click()
    assert panel.card.job is not plan
    assert panel.card.wait(60)
    assert panel.card.state == "done"
    assert panel.result.lineage["rows"] == 5


def test_a_plan_that_is_asked_for_while_another_one_ends_downloads_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = DownloadPanel(spec="synthetic", key="")
    ending = Ending(panel, monkeypatch)
    panel.card._enders.insert(0, ending._hold)  # before the panel itself hears of the end
    panel.look(wait=False, limit=5).result(60)
    assert ending.reached.wait(60)
    assert isinstance(panel.look(limit=5), DownloadPlan)
    assert panel.result is None


def test_what_is_just_done_is_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = numbers(tmp_path)
    panel = ConvertPanel(manager, pa.table({"id": [7]}), "mine", key="")
    panel.fields["mode"].value = "append"
    assert panel.settle()
    ending = Ending(panel, monkeypatch)
    panel.card._enders.insert(0, ending._hold)
    panel.primary.click()
    assert ending.reached.wait(60)
    panel.fields["name"]._handle_custom_msg({"event": "submit"}, [])
    assert panel.card.wait(60)
    assert panel.card.error == ""
    assert manager["mine"].rows == 4


def test_undo_is_heard_while_a_listener_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = numbers(tmp_path)
    panel = chosen(manager, "1")
    ending = Ending(panel, monkeypatch)
    panel.on_result(ending._hold)
    panel.confirm.click()
    panel.confirm.click()
    assert ending.reached.wait(60)
    [undo] = panel.result_row.children[1].children
    undo.click()
    assert panel.card.wait(60)
    assert panel.card.error == ""
    assert panel.settle()
    assert tuple(panel.result) == (3, 4, 5)
    assert manager["mine"].rows == 3


def test_a_click_that_cannot_be_followed_is_answered_beside_the_running_job() -> None:
    panel, go = Both(key=""), threading.Event()
    panel._do(lambda progress=None, cancel=None: go.wait(60), "count")
    panel.guard(lambda: panel._do(lambda: None, "other"))()
    assert panel.card.state == "running"
    assert panel.card.error == "other work of this panel still runs"
    assert panel.card.hint == "wait for its end"
    go.set()
    assert panel.card.wait(60)
    assert (panel.card.state, panel.card.error, panel.card.hint) == ("done", "", "")
    assert panel.error is None


# Closing --------------------------------------------------------------------------------------


class Leaving(BaseComm):
    """A connection that somebody closes while a message is on its way."""

    close_it: Any = None

    @property
    def kernel(self) -> bool:
        """Whether there is a kernel: ipywidgets asks before it sends."""
        act, Leaving.close_it = Leaving.close_it, None
        if act is not None:
            thread = threading.Thread(target=act)
            thread.start()
            thread.join(60)
        return True

    def publish_msg(self, *args: Any, **more: Any) -> None:
        """Go nowhere."""


def test_a_view_that_is_closed_on_the_way_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "create_comm", Leaving)
    for act in (lambda view: view.send({"a": 1}), lambda view: view.send_state("label")):
        view = Code(code="1")
        Leaving.close_it = view.close
        act(view)
        assert view.comm is None
    view = JobCard()
    monkeypatch.setattr(view.comm, "send", lambda **more: getattr(view, "such"))  # noqa: B009
    with pytest.raises(AttributeError, match="such"):
        view.send({"a": 1})


# Registering ----------------------------------------------------------------------------------


def test_changes_are_never_those_of_another_artefact(
    dm: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    dm.update("shapes", description="round and square")
    dm.update("net", description="deep")
    panel, began, go = RegisterPanel(dm, name="shapes", key=""), *gates()
    assert panel.settle()
    start = panel._start_with

    def slow(**values: Any) -> None:
        began.set()
        assert go.wait(60)
        start(**values)

    monkeypatch.setattr(panel, "_start_with", slow)
    monkeypatch.setattr(panel, "_guard", Held(panel._guard, go))
    panel.fields["name"].value = "net"
    assert began.wait(60)
    panel.primary.click()
    go.set()
    assert panel.card.wait(60)
    assert panel.settle()
    assert dm["net"].description == "deep"
    assert panel.card.error == "nothing about net was changed"


def test_a_parent_that_is_added_while_another_one_is_looked_up_stays(dm: lnb.DataManager) -> None:
    began, go = gates()

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(dm, name)

        def get(self, name: str) -> Any:
            if name == "net" and not go.is_set():
                began.set()
                assert go.wait(60)
            return dm.get(name)

    panel = RegisterPanel(Slow(), key="")
    assert panel.settle()
    panel.fields["parents"].value = ["net"]
    assert began.wait(60)
    panel.fields["parents"].value = ["net", "table"]
    go.set()
    assert panel.settle()
    assert panel.fields["parents"].value == ["net@2", "table@1"]


# Versions -------------------------------------------------------------------------------------


def gates() -> tuple[threading.Event, threading.Event]:
    """Return what says that a place is reached, and what lets go on from there."""
    return threading.Event(), threading.Event()


def numbers(folder: Path) -> lnb.DataManager:
    """Return a manager with three versions of ``mine``."""
    manager = lnb.DataManager(folder / "store")
    for count in (1, 2, 3):
        manager.convert(pa.table({"id": list(range(count))}), "mine", mode="overwrite")
    return manager


def chosen(manager: Any, version: str) -> RollbackPanel:
    """Return a panel that shows what going back to a version would change."""
    panel = RollbackPanel(manager, "mine", key="")
    panel._fill({"version": version})
    assert panel.settle()
    return panel


@pytest.mark.parametrize(("before", "typed"), [("1", "2"), ("good", "1")])
def test_a_version_that_is_typed_while_the_list_is_read_again_stays(
    before: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = numbers(tmp_path)
    manager.tag("mine", "good", 1)
    panel, began, go = chosen(manager, before), *gates()
    manager.tag("mine", "good", 2, move=True)
    find = panel.timeline.find

    def slow(word: str) -> Any:
        found = find(word)
        if threading.current_thread() is not threading.main_thread() and not began.is_set():
            began.set()
            assert go.wait(60)
        return found

    lock = getattr(panel, "_choosing", threading.RLock())
    monkeypatch.setattr(panel, "_choosing", Held(lock, go), raising=False)
    monkeypatch.setattr(panel.timeline, "find", slow)
    panel.refresh()
    assert began.wait(60)
    panel.fields["version"].value = typed
    go.set()
    assert panel.settle()
    assert panel.fields["version"].value == typed
    assert panel.confirm.text == f"Roll back to version {typed}"


def test_versions_that_come_after_another_name_was_typed_are_not_shown(tmp_path: Path) -> None:
    manager = numbers(tmp_path)
    manager.convert(pa.table({"id": [1]}), "other")
    (began, go), (second, end) = gates(), gates()

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(manager, name)

        def get(self, name: str) -> Any:
            if name == "other":
                second.set()
                assert end.wait(60)
            return manager.get(name)

        def versions(self, name: str) -> Any:
            found = manager.versions(name)
            if slow:
                began.set()
                assert go.wait(60)
            return found

    slow = False
    panel = chosen(Slow(), "1")
    slow = True
    panel.refresh()
    assert began.wait(60)
    panel.fields["name"].value = "other"
    go.set()
    assert second.wait(60)
    assert panel.timeline.total == 0
    assert panel.confirm.disabled
    end.set()
    assert panel.settle()
    assert panel.timeline.label == "versions of other"


def test_a_tag_goes_to_the_version_shown_while_the_list_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = numbers(tmp_path)
    panel, began, go = chosen(manager, "1"), *gates()
    panel._tag.value = "good"
    put = panel.timeline.put

    def slow(**traits: Any) -> None:
        if "label" in traits and not began.is_set():
            began.set()
            assert go.wait(60)
        put(**traits)

    monkeypatch.setattr(panel.timeline, "put", slow)
    monkeypatch.setattr(panel, "_choosing", Held(panel._choosing, go))
    manager.convert(pa.table({"id": [7]}), "mine", mode="append")
    panel.refresh()
    assert began.wait(60)
    assert not panel._put_tag.disabled
    panel._put_tag.click()
    go.set()
    assert panel.card.wait(60)
    assert panel.settle()
    assert (panel.card.error, manager.tags("mine")) == ("", {"good": 1})


def test_no_version_is_no_version_to_tag(tmp_path: Path) -> None:
    panel = chosen(numbers(tmp_path), "")
    with pytest.raises(InvalidArgument, match="no version is chosen"):
        panel._tag_it()


def test_a_difference_that_comes_late_is_not_shown_beside_another_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, (began, go) = chosen(numbers(tmp_path), ""), gates()
    timeline = panel.timeline

    class Slow:
        """The list, which is looked at for long by who has compared two versions."""

        @property
        def chosen(self) -> Any:
            found = timeline.chosen
            if threading.current_thread() is not threading.main_thread() and not began.is_set():
                began.set()
                assert go.wait(60)
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(timeline, name)

    monkeypatch.setattr(panel, "_choosing", Held(panel._choosing, go))
    monkeypatch.setattr(panel, "timeline", Slow())
    panel.fields["version"].value = "1"
    assert began.wait(60)
    panel.fields["version"].value = ""
    go.set()
    assert panel.settle()
    assert (panel.diff, panel._change.value) == (None, "")


# Buttons --------------------------------------------------------------------------------------


class Slow:
    """A button that takes its time to be switched off."""

    def __init__(self, button: Any, began: threading.Event, go: threading.Event):
        vars(self).update(_button=button, _began=began, _go=go)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._button, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "disabled" and value:
            self._began.set()
            assert self._go.wait(60)
        setattr(self._button, name, value)


def verify_button(manager: lnb.DataManager) -> tuple[Any, str, str, Any]:
    panel = RegisterPanel(manager, name="mine", key="")
    assert panel.settle()
    return panel, "_verify", "_resting", panel._look.ask


def tag_button(manager: lnb.DataManager) -> tuple[Any, str, str, Any]:
    panel = chosen(manager, "1")
    return panel, "_put_tag", "_choosing", lambda: setattr(panel._tag, "value", "good")


def plan_button(_manager: lnb.DataManager) -> tuple[Any, str, str, Any]:
    panel = DownloadPanel(key="")
    return panel, "primary", "_resting", lambda: panel._present(None)


@pytest.mark.parametrize("make", [verify_button, tag_button, plan_button])
def test_a_button_comes_back_though_a_thread_looked_before_the_end(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, button, lock, look = make(numbers(tmp_path))
    began, go = gates()
    panel._busy(True)
    panel.card.put(state="running")
    monkeypatch.setattr(panel, button, Slow(getattr(panel, button), began, go))
    monkeypatch.setattr(panel, lock, Held(getattr(panel, lock), go))
    looking = threading.Thread(target=look)
    looking.start()
    assert began.wait(60)
    panel._busy(False)
    go.set()
    looking.join(60)
    assert not hasattr(panel, "settle") or panel.settle()
    assert not getattr(panel, button).disabled
    panel.close()
