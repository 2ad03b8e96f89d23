"""The job card without a browser: its traits are the truth."""

from __future__ import annotations

import threading
import time

import pytest

import lancenb as lnb
from lancenb.errors import Cancelled, Conflict, InvalidArgument
from lancenb.progress import Progress, Tracker
from lancenb.widgets import JobCard
from lancenb.widgets._pace import Pace, duration, time_left
from tests.widgets.conftest import left_threads

#: Rows that :func:`count` takes minutes for: only a cancel ends such work.
LONG = 30_000


def count(rows: int, seconds: float = 0.0):
    """Return work that counts rows."""

    def work(progress=None, cancel=None):
        track = Tracker(progress, cancel, total_rows=rows, per_second=1000)
        for _ in range(rows):
            time.sleep(seconds)
            track.advance(1, 1000)
        track.enter("done")
        return rows

    return work


def test_a_job_that_ends_leaves_its_result_and_a_summary() -> None:
    card = JobCard()
    assert card.state == "idle"
    assert not card.running
    assert card.start(count(40, 0.005), name="photos").result(60) == 40
    assert card.wait(60)
    assert (card.state, card.fraction, card.name) == ("done", 1.0, "photos")
    assert card.detail.startswith("40 rows, 40.0 kB in")
    assert "photos · done · 100 %" in repr(card)


def test_one_job_at_a_time() -> None:
    card, seen = JobCard(), threading.Event()

    def first(progress=None, cancel=None):
        assert seen.wait(200)
        return count(LONG, 0.01)(progress, cancel)

    job = card.start(first, name="first")
    with pytest.raises(Conflict, match="first still runs"):
        card.start(count(1), name="second")
    card.cancel()
    assert card.cancelling
    seen.set()
    assert card.wait(60)
    assert card.state == "cancelled"
    assert job.state == "cancelled"
    assert card.detail == "stopped; nothing was changed"
    card.start(count(1), name="second")
    assert card.wait(60)
    assert card.state == "done"
    assert not card.cancelling


def test_an_error_is_a_sentence_a_hint_and_a_folded_trace_without_secrets() -> None:
    def broken(progress=None, cancel=None):
        raise InvalidArgument(
            "no such place: s3://me:pa55w0rd@host/x", hint="use token=s3cr3t1 less"
        )

    card = JobCard()
    card.start(broken, name="s3://me:pa55w0rd@host")
    assert card.wait(60)
    assert card.state == "failed"
    assert card.error.startswith("no such place")
    shown = " ".join(map(str, card.get_state().values())) + repr(card) + str(card._static())
    assert "pa55w0rd" not in shown
    assert "s3cr3t1" not in shown
    assert "raise InvalidArgument" in card.traceback


def test_a_flood_of_reports_becomes_ten_updates_a_second_and_the_last_one_arrives() -> None:
    updates: list[float] = []

    def flood(progress=print, cancel=None):
        for row in range(20_000):
            progress(Progress("read", rows=row + 1, total_rows=20_000, elapsed=0.1))
        time.sleep(0.35)
        return "end"

    card, begin = JobCard(), time.monotonic()
    card.observe(lambda change: updates.append(change["new"]), names="fraction")
    card.start(flood, name="flood")
    assert card.wait(60)
    assert card.state == "done"
    assert updates[-1] == 1.0
    assert len(updates) <= 10 * (time.monotonic() - begin) + 2


def test_the_card_shows_a_job_somebody_else_started() -> None:
    job = lnb.Job(count(5), name="elsewhere")
    card = JobCard(job)
    assert card.wait(60)
    assert card.state == "done"
    assert card.job is job


def test_a_closed_card_leaves_the_job_alone_and_keeps_its_static_form() -> None:
    card = JobCard()
    job = card.start(count(30, 0.01), name="long")
    card.close()
    assert job.result(60) == 30
    assert card.wait(60)
    data, _ = card._repr_mimebundle_()
    assert "long" in data["text/plain"]
    assert "widget" not in "".join(data)


def test_a_message_of_the_front_end_cancels() -> None:
    card = JobCard()
    card.start(count(LONG, 0.01), name="long")
    card._handle_custom_msg({"do": "cancel"}, [])
    assert card.wait(60)
    assert card.state == "cancelled"


def test_two_hundred_jobs_leave_no_thread() -> None:
    card, before = JobCard(), set(threading.enumerate())
    for number in range(200):
        card.start(count(LONG, 0.01), name=f"job {number}")
        card.cancel()
        assert card.wait(60)
        assert card.state == "cancelled"
    assert left_threads(before) == []


def test_what_a_listener_raises_is_shown_on_the_card() -> None:
    card = JobCard()
    heard: list[str] = []
    card.on_end(lambda job: 1 / 0)
    card.on_end(lambda job: heard.append(job.state))
    card.start(count(1), name="x")
    assert card.wait(60)
    assert card.state == "done"
    assert card.error == "ZeroDivisionError: division by zero"
    assert heard == ["done"], "the others hear it all the same"


def test_only_the_work_itself_says_what_a_cancel_left() -> None:
    said = {"": "stopped", "what has arrived is kept": "stopped; what has arrived is kept"}
    for hint, words in said.items():

        def stopped(progress=None, cancel=None, hint=hint):
            raise Cancelled("stopped", hint=hint)

        card = JobCard()
        card.start(stopped, name="x")
        assert card.wait(60)
        assert (card.state, card.detail) == ("cancelled", words)


def test_words_for_speed_and_time() -> None:
    pace = Pace()
    told = pace.read(Progress("write", rows=500, total_rows=2000, bytes=10**6, elapsed=5.0))
    assert told["detail"] == "write · 500 of 2,000 rows, 1.0 MB · 100 rows/s · about 15 s left"
    early = Pace().read(Progress("read", bytes=10**6, total_bytes=10**9, elapsed=0.2))
    assert early["detail"] == "read · 1.0 MB of 1.0 GB"
    unknown = Pace().read(Progress("read", rows=1, elapsed=4.0))
    assert unknown["fraction"] is None
    assert unknown["detail"] == "read · 1 row · 0.2 rows/s"
    assert [time_left(s) for s in (None, 0, 12, 3000, 9000)] == [
        "", "a few seconds left", "about 10 s left", "about 50 min left", "about 2 h 30 min left",
    ]  # fmt: skip
    assert [duration(s) for s in (0.0, 59.6, 61, 700)] == ["0.0 s", "60 s", "1 min 1 s", "11 min"]
