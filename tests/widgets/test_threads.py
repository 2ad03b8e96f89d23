"""Widgets changed from threads a kernel knows nothing of, and messages a kernel would lose."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import comm
import pytest
from comm.base_comm import BaseComm

import lancenb as lnb
from lancenb.widgets import _threads
from lancenb.widgets._fields import note, tell, text
from lancenb.widgets._lane import Lane
from lancenb.widgets._panel import Panel
from tests.widgets.conftest import left_threads

_parent: ContextVar[dict[str, Any]] = ContextVar("shell_parent")


class StrictComm(BaseComm):
    """What ipykernel 7.0 does: a message needs the context of a cell."""

    def publish_msg(self, *args: Any, **kwargs: Any) -> None:
        """Refuse threads that inherited no cell."""
        _parent.get()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """Fail the test when a thread raises; messages need the context of this test."""
    heard: list[BaseException] = []
    monkeypatch.setattr(comm, "create_comm", StrictComm)
    known = set(threading.enumerate())  # threads of other tests may be ending still

    def hear(found: Any) -> None:
        if found.thread not in known:
            heard.append(found.exc_value)

    monkeypatch.setattr(threading, "excepthook", hear)
    token = _parent.set({})
    yield heard
    for thread in threading.enumerate():
        if thread not in known and isinstance(thread, threading.Timer):
            thread.join(60)
    assert left_threads(known) == []
    import ipywidgets

    ipywidgets.Widget.close_all()
    _parent.reset(token)
    assert not heard, f"a thread raised {heard[0]!r}"


def _elsewhere(act: Any) -> None:
    """Call ``act`` in a thread that knows no cell, as a callback of a timer does."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join(60)


def test_the_kernel_of_these_tests_refuses_plain_threads(strict: list[BaseException]) -> None:
    field = note()
    _elsewhere(lambda: tell(field, "from nowhere"))
    assert isinstance(strict.pop(), LookupError)


def test_threads_of_ours_may_change_any_widget(strict: list[BaseException]) -> None:
    field, lane = note(), Lane("test")
    _threads.start(tell, field, "from a thread", name="test").join(60)
    assert "from a thread" in field.value
    lane.do(lambda: tell(field, "from the lane"))
    assert lane.settle(60)
    assert "from the lane" in field.value


class Hello(Panel):
    """A panel whose result is made of new plain widgets."""

    title = "Hello"

    def _inputs(self) -> Any:
        return [text("Name", key="name")]

    def _work(self) -> Any:
        name = self.inputs["name"]
        return lambda progress=None, cancel=None: name

    def _show(self, result: Any) -> Any:
        return [note(f"hello {result}")]


def test_a_panel_and_views_work_for_any_thread(
    strict: list[BaseException], dm: lnb.DataManager
) -> None:
    panel = Hello(key="")
    assert panel.run(name="ann") == "ann"
    assert "hello ann" in panel.result_row.children[0].value
    view = lnb.TableView(dm["table"])
    job = view.measure()
    assert job.wait(60)
    _elsewhere(lambda: view.set_state({"asked": "id < 5"}))
    assert view.settle()
    assert view.count == 5
    curves = lnb.curves()
    _elsewhere(lambda: curves.add("run", 0, loss=1.0))
    end = time.monotonic() + 120
    while not curves.live and time.monotonic() < end:
        time.sleep(0.02)
    assert curves.live
    _elsewhere(view.close)
    _elsewhere(curves.close)


def test_a_copied_context_is_what_threads_get(strict: list[BaseException]) -> None:
    found: list[Any] = []
    _threads.start(lambda: found.append(_parent.get(None)), name="test").join(60)
    assert found == [copy_context()[_parent]]


class Kernel:
    """A real kernel without a page: messages go the way a page sends them."""

    def __init__(self) -> None:
        from jupyter_client.manager import start_new_kernel

        self.manager, self.client = start_new_kernel(120, "python3")

    def _heard(self, message: str, seconds: float = 200) -> str:
        """Return what a message printed, when the kernel is done with it."""
        words, end = "", time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                found = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            if found["parent_header"].get("msg_id") != message:
                continue
            words += found["content"].get("text", "")
            if found["content"].get("execution_state") == "idle":
                return words.strip()
        raise TimeoutError(words)

    def run(self, code: str) -> str:
        """Run code; return what it prints."""
        return self._heard(self.client.execute(code, store_history=False))

    def control(self, kind: str, **content: Any) -> dict[str, Any]:
        """Ask on the control channel."""
        self.client.control_channel.send(message := self.client.session.msg(kind, content))
        while True:
            found = self.client.get_control_msg(timeout=200)
            if found["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return found["content"]

    def type(self, widget: str, value: str, subshell: str) -> None:
        """Type into a widget on the page that uses this subshell."""
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        self._heard(message["header"]["msg_id"])

    def stop(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """A kernel that ends with the test."""
    pytest.importorskip("ipykernel")
    made = Kernel()
    yield made
    made.stop()


def test_a_page_is_heard_after_another_page_has_left(kernel: Kernel) -> None:
    kernel.run("from lancenb.widgets._fields import text; field = text('Word')")
    widget = kernel.run("print(field.comm.comm_id)")
    first, second = (kernel.control("create_subshell_request") for _ in range(2))
    if "subshell_id" not in first:
        pytest.skip("this kernel has no subshells")
    kernel.type(widget, "one", first["subshell_id"])
    assert kernel.control("delete_subshell_request", subshell_id=first["subshell_id"])
    kernel.type(widget, "two", second["subshell_id"])
    assert kernel.run("print(field.value)") == "two"
