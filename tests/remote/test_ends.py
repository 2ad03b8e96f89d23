"""Ends that meet: of jobs, streams, servers and processes, and of those who wait for them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lancenb.errors import Cancelled
from lancenb.progress import Progress
from lancenb.remote import _grpc_server
from lancenb.remote._handlers import HANDLERS
from lancenb.remote._jobs import Jobs
from lancenb.remote._serve import Server, serve
from lancenb.remote._wire import Answer

from ._engines import TOKEN
from .grpc_parts import Canned, ask
from .grpc_parts import engine as grpc_engine


class Wanted:
    """A lock; ``tried`` is set when somebody has to wait for it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.tried = threading.Event()

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.tried.set()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Awaited(threading.Event):
    """An event that tells ``asked`` when somebody waits for it."""

    def __init__(self, asked: threading.Event):
        super().__init__()
        self._asked = asked

    def wait(self, timeout: float | None = None) -> bool:
        self._asked.set()
        return super().wait(timeout)


# --- jobs


def test_a_state_that_is_final_and_the_last_event_are_seen_together():
    """Whoever sees the event, at the very moment it is there, finds the state final."""
    jobs, go, seen = Jobs(), threading.Event(), []
    job = jobs.start("a", "convert", "n", lambda **_: go.wait(60)).job
    running = jobs._jobs[job]
    running.guard = Wanted()
    put = running.feed.put

    def look() -> None:
        seen.append((next(jobs.events(job, "a", 0))["event"], jobs.facts(job, "a")))
        running.guard.tried.set()

    def slow(event: str, data: Any) -> int:
        number = put(event, data)
        looks.start()
        assert running.guard.tried.wait(60)  # it has looked, or waits until it may
        return number

    looks = threading.Thread(target=look)
    running.feed.put = slow
    go.set()
    assert running.over.wait(60)
    looks.join(60)
    ((event, facts),) = seen
    assert (event, facts.state, facts.events) == ("done", "done", 1)
    assert facts.ended is not None


def test_jobs_that_are_stopped_have_told_their_end():
    jobs, ready, asked, told = Jobs(), threading.Event(), threading.Event(), []

    def work(*, progress: Any, cancel: Any) -> None:
        assert cancel.wait(60)
        assert ready.wait(60)
        cancel.check()

    job = jobs.start("a", "convert", "n", work, lambda: told.append(asked.wait(60))).job
    jobs._jobs[job].over = Awaited(asked)
    ready.set()
    jobs.stop(60)
    facts = jobs.facts(job, None)
    assert (facts.state, facts.events, told) == ("cancelled", 1, [True])
    assert [event["event"] for event in jobs.events(job, "a", 0)] == ["cancelled"]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions on the server begin, and end only when they are stopped."""

    def holding(ctx: Any, name: str, source: str, *, progress: Any, cancel: Any, **more: Any):
        progress(Progress("convert"))
        assert cancel.wait(60)
        cancel.check()

    monkeypatch.setitem(HANDLERS, "convert", holding)


def stopped_while_followed(server: Server, engine: str, meddle: Callable[[Any], None]) -> Any:
    """Stop a server while somebody follows a job of it; return what the follower gets."""
    began, got = threading.Event(), []

    def follow() -> None:
        with server.connect(engine) as dm:
            try:
                dm.convert("synthetic:images", "n", progress=lambda event: began.set())
            except Exception as error:
                got.append(error)

    follower = threading.Thread(target=follow)
    follower.start()
    assert began.wait(60)
    (running,) = server._dispatcher.house.jobs._jobs.values()
    meddle(running)
    server.stop()
    follower.join(60)
    return got[0]


def then_set(work: Callable[..., Any], event: threading.Event) -> Callable[..., Any]:
    """Return the work, with an event that is set after it."""

    def both(*args: Any) -> Any:
        try:
            return work(*args)
        finally:
            event.set()

    return both


def test_who_follows_a_job_hears_of_its_end_when_the_server_stops(engine, tmp_path, held):
    """However late the end comes: stop() closes no connection before it is told."""
    server, moved = serve(tmp_path, token=TOKEN), threading.Event()

    def meddle(running: Any) -> None:
        end = running.end
        running.over = Awaited(moved)
        running.end = lambda *args: (moved.wait(60), end(*args))
        server._ends = [then_set(each, moved) for each in server._ends]

    assert isinstance(stopped_while_followed(server, engine, meddle), Cancelled)


def test_who_follows_a_job_late_hears_of_its_end_too(engine, tmp_path, held):
    """Those who follow take the last event before connections are closed."""
    server, moved = serve(tmp_path, token=TOKEN), threading.Event()
    gate, taken = server._dispatcher.gate, threading.Event()

    def meddle(running: Any) -> None:
        since = running.feed._since

        def late(after: int) -> Any:
            new = since(after)
            if new and new[-1]["event"] == "cancelled":
                taken.set()
                changed = running.feed._changed
                changed.release()
                try:
                    assert moved.wait(60)
                finally:
                    changed.acquire()
            return new

        running.feed._since = late
        gate.running = then_set(gate.running, moved)
        server._ends = [then_set(each, moved) for each in server._ends]

    assert isinstance(stopped_while_followed(server, engine, meddle), Cancelled)
    assert taken.is_set()


# --- streams


def test_a_follower_that_left_has_no_place_any_more():
    """Although its thread waits for the next event."""
    pytest.importorskip("grpc")
    left, go = threading.Event(), threading.Event()

    def events() -> Iterator[dict[str, Any]]:
        yield {"seq": 1, "event": "ready", "data": {}}
        go.wait()

    canned = Canned(watch=lambda call: Answer(body=events(), release=left.set))
    with grpc_engine(canned) as transport:
        try:
            answer = ask(transport, "watch")
            assert next(answer.body)["event"] == "ready"  # type: ignore[arg-type]
            answer.close()
            assert left.wait(60)
        finally:
            go.set()


_ENDS = """
import sys, threading
from tests.remote.grpc_parts import *

def forever(call):
    yield {"seq": 1, "event": "ready", "data": {}}
    threading.Event().wait()

def rows(call):
    while True:
        yield bytes(1 << 20)

canned = Canned(
    watch=lambda call: Answer(body=forever(call)), read=lambda call: Answer({}, body=rows(call))
)
served = engine(canned)
answer = ask(served.__enter__(), *WHAT)
next(iter(answer.body))
print("done", flush=True)
"""


@pytest.mark.parametrize("what", [("watch",), ("read", {"name": "n"})], ids=["watch", "read"])
def test_a_program_ends_although_somebody_follows_its_server(what):
    pytest.importorskip("grpc")
    done = subprocess.run(
        [sys.executable, "-c", _ENDS.replace("WHAT", repr(what))], capture_output=True, text=True,
        timeout=120, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


# --- servers


class Meeting:
    """Two who stop the same thing, the second while the first is at it."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.lock = Wanted()
        self._begun, self._go = threading.Event(), threading.Event()

    def hold(self) -> None:
        """Be a part of stopping that takes long."""
        self._begun.set()
        assert self._go.wait(60)
        self.order.append("stopped")

    def run(self, stop: Callable[[], None], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Let both stop it."""

        def again() -> None:
            stop()
            self.order.append("left")
            self.lock.tried.set()

        first, second = threading.Thread(target=stop), threading.Thread(target=again)
        first.start()
        try:
            assert self._begun.wait(60)
            second.start()
            assert self.lock.tried.wait(60)  # it waits for the first, or left at once
            meanwhile()
        finally:
            self._go.set()
        first.join(60)
        second.join(60)


def test_who_stops_a_server_again_leaves_when_it_is_stopped(tmp_path):
    server, meeting = serve(tmp_path, token=TOKEN, grpc=None), Meeting()
    server._ending = meeting.lock  # type: ignore[assignment]
    server._ends.append(meeting.hold)

    def look() -> None:
        assert "state: stopping" in repr(server)
        assert not server.stopped

    meeting.run(server.stop, look)
    assert meeting.order == ["stopped", "left"]
    assert "state: stopped" in repr(server)
    assert server.stopped


def test_who_stops_grpc_again_leaves_when_it_is_stopped(monkeypatch):
    pytest.importorskip("grpc")
    monkeypatch.setattr(_grpc_server, "GRACE", 120.0)
    running, meeting = _grpc_server.run_grpc(Canned(), "127.0.0.1", 0), Meeting()
    shut = running._health.enter_graceful_shutdown

    async def slow() -> None:
        await asyncio.to_thread(meeting.hold)
        await shut()

    running._guard = meeting.lock
    running._health.enter_graceful_shutdown = slow
    meeting.run(running.stop)
    assert meeting.order == ["stopped", "left"]
