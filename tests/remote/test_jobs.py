"""Work in the server: numbered events, followed by any engine, taken up again, stopped."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from lancenb.errors import Busy, Cancelled, NotFound
from lancenb.progress import Job, Progress
from lancenb.remote._handlers import HANDLERS
from lancenb.remote._hub import Feed
from lancenb.remote._jobs import Jobs
from lancenb.remote._limits import Limits
from lancenb.remote._ops import OPS
from lancenb.remote._serve import serve

from ._engines import TOKEN
from ._samples import points


def test_events_are_numbered_and_taken_up_again():
    feed = Feed(keep=3)
    for number in range(5):
        feed.put("progress", number)
    feed.close()
    assert [(e["seq"], e["data"]) for e in feed.follow(3)] == [(4, 3), (5, 4)]
    assert next(feed.follow(1))["event"] == "gap"
    assert list(feed.follow(5)) == []


def test_many_follow_the_same_feed_while_it_grows():
    feed, seen = Feed(), [[] for _ in range(5)]

    def follow(into: list[Any]) -> None:
        into.extend(event["seq"] for event in feed.follow(0) if "seq" in event)

    threads = [threading.Thread(target=follow, args=(each,)) for each in seen]
    for thread in threads:
        thread.start()
    for number in range(500):
        feed.put("x", number)
    feed.close()
    for thread in threads:
        thread.join(60)
    assert all(each == list(range(1, 501)) for each in seen)


def test_jobs_belong_to_their_owner_and_end():
    jobs, go = Jobs(), threading.Event()

    def work(*, progress: Any, cancel: Any) -> Any:
        while not go.is_set():
            cancel.check()
            time.sleep(0.005)
        return {"x": 1}

    mine = jobs.start("a", "convert", "n", work)
    other = jobs.start("b", "convert", "n", work)
    assert [each.job for each in jobs.list("a")] == [mine.job]
    assert len(jobs.list(None)) == 2
    with pytest.raises(NotFound):
        jobs.facts(mine.job, "b")
    with pytest.raises(NotFound):
        jobs.cancel(mine.job, "b")
    jobs.cancel(other.job, "b")
    assert [e["event"] for e in jobs.events(other.job, "b", 0)][-1] == "cancelled"
    go.set()
    last = list(jobs.events(mine.job, "a", 0))[-1]
    assert (last["event"], last["data"]) == ("done", {"x": 1})
    assert jobs.facts(mine.job, None).state == "done"
    jobs.stop(1)


def test_the_place_of_a_job_is_free_when_its_end_is_told():
    jobs, told = Jobs(), []

    def done() -> None:
        (facts,) = jobs.list(None)
        told.append((facts.state, facts.events))

    def work(*, progress: Any, cancel: Any) -> None:
        started.wait(60)

    started = threading.Event()
    job = jobs.start("a", "convert", "n", work, done).job
    started.set()
    assert [event["event"] for event in jobs.events(job, "a", 0)] == ["done"]
    assert told == [("running", 0)]


def test_a_job_can_be_stopped_as_soon_as_it_is_known(monkeypatch):
    jobs, seen = Jobs(), []

    class Slow(Job):
        def __init__(self, *args: Any, **more: Any):
            looks = threading.Thread(target=look)
            looks.start()
            looks.join(0.2)  # somebody looks while it is being made
            super().__init__(*args, **more)

    def look() -> None:
        seen.extend(jobs.list(None))
        for each in seen:
            jobs.cancel(each.job, None)
        looked.set()

    def work(*, progress: Any, cancel: Any) -> None:
        assert looked.wait(60)
        cancel.check()

    looked = threading.Event()
    monkeypatch.setattr("lancenb.remote._jobs.Job", Slow)
    job = jobs.start("a", "convert", "n", work).job
    assert list(jobs.events(job, "a", 0))[-1]["event"] == "cancelled"
    assert [each.job for each in seen] == [job]


@pytest.fixture
def held(monkeypatch):
    """Conversions on the server tell something, and go on only when they are stopped."""
    convert = HANDLERS["convert"]

    def holding(ctx: Any, name: str, source: str, *, progress: Any, cancel: Any, **more: Any):
        progress(Progress("convert"))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            cancel.check()
            time.sleep(0.005)
        return convert(ctx, name, source, progress=progress, cancel=cancel, **more)

    monkeypatch.setitem(HANDLERS, "convert", holding)


def test_a_job_is_followed_from_where_it_was_left(engine, tmp_path):
    with serve(tmp_path, token=TOKEN) as server, server.connect(engine) as dm:
        job = dm._call(OPS["convert"], {"name": "n", "source": "synthetic:images"}).value["job"]
        first = []
        for event in dm._follow(OPS["job_events"], {"job": job}):
            first.append(event["seq"])
            if len(first) == 2:
                break
        rest = list(dm._follow(OPS["job_events"], {"job": job, "after": first[-1]}))
        numbers = first + [event["seq"] for event in rest]
        assert numbers == list(range(1, len(numbers) + 1))
        assert rest[-1]["event"] == "done"
        facts = dm.job(job)
        assert (facts.state, facts.op, facts.name) == ("done", "convert", "n")
        assert [each.job for each in dm.jobs()] == [job]
        assert list(dm._follow(OPS["job_events"], {"job": job, "after": facts.events})) == []


def test_a_job_of_another_client_is_cancelled(engine, tmp_path, held):
    with serve(tmp_path, token=TOKEN) as server, server.connect(engine) as dm:
        with server.connect(engine) as other:

            def stop(event: Any) -> None:
                for each in other.jobs():
                    other.cancel_job(each.job)

            with pytest.raises(Cancelled):
                dm.convert("synthetic:images", "n", progress=stop)
        assert "n" not in dm
        assert dm.jobs()[0].state == "cancelled"


def test_jobs_have_a_limit_and_places_come_back(engine, tmp_path, held):
    limits = Limits(max_jobs=1, max_jobs_each=1, queue_seconds=0.05)
    with serve(tmp_path, token=TOKEN, limits=limits) as server, server.connect(engine) as dm:
        job = dm._call(OPS["convert"], {"name": "n", "source": "synthetic:images"}).value["job"]
        with pytest.raises(Busy) as caught:
            dm._transport.call(OPS["convert"], {"name": "m", "source": "synthetic:images"},
                               request_id="r")  # fmt: skip
        assert caught.value.details["retry_after"] > 0
        dm.cancel_job(job)
        for _ in dm._follow(OPS["job_events"], {"job": job}):
            pass
        dm.convert(points(), "p")
        assert dm.optimize("p").fragments_before == 1


def test_what_is_written_is_told_to_those_who_watch(engine, tmp_path):
    with serve(tmp_path, token=TOKEN) as server:
        told, ready = [], threading.Event()

        def watch() -> None:
            with server.connect(engine) as other:
                events = other.watch(0)
                ready.set()
                for event in events:
                    told.append(event)
                    if event["op"] == "rollback":
                        return

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert ready.wait(60)
        with server.connect(engine) as dm:
            dm.convert(points(), "p")
            dm.upsert("p", {"id": 1, "x": 5.0}, key="id")
            dm.get("p")
            dm.delete("p", dry_run=True)
            dm.rollback("p", 1)
        watcher.join(60)
        assert [(e["op"], e["before"], e["after"]) for e in told] == [
            ("write", None, 1), ("upsert", 1, 2), ("rollback", 2, 3),
        ]  # fmt: skip
        first = told[0]["seq"]
        assert [e["seq"] for e in told] == [first, first + 1, first + 2]
        assert {(e["name"], e["who"]) for e in told} == {("p", "given at start")}
