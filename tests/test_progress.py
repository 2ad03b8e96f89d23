"""Progress, cancel and jobs."""

from __future__ import annotations

import itertools
import pickle
import threading
import time
from types import SimpleNamespace

import pytest

from lancenb import errors
from lancenb._events import done_last
from lancenb.progress import CancelToken, Job, Progress, Tracker


def test_events_are_throttled_and_complete(monkeypatch: pytest.MonkeyPatch):
    events, clock = [], itertools.count(1000.0, 0.001)
    ticking = SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr("lancenb._events.time", ticking)
    tracker = Tracker(events.append, total_rows=1000, per_second=5)
    for _ in range(1000):  # a millisecond each
        tracker.advance(1, 8)
    tracker.enter("done")
    assert events[-1].phase == "done"
    assert (events[-1].rows, events[-1].bytes, events[-1].fraction) == (1000, 8000, 1.0)
    assert 5 <= len(events) <= 7


def test_done_is_held_back_until_a_block_has_ended_well():
    events: list[Progress] = []

    def work(fail: bool) -> None:
        with done_last(events.append) as told:
            tracker = Tracker(told)
            tracker.enter("done", "one part")
            tracker.enter("write")
            tracker.enter("done", "all")
            events.append(Progress("listed"))
            if fail:
                raise OSError("disk")

    work(fail=False)
    assert [e.phase for e in events] == ["write", "listed", "done"]
    assert events[-1].message == "all"
    events.clear()
    with pytest.raises(OSError, match="disk"):
        work(fail=True)
    assert [e.phase for e in events] == ["write", "listed"]
    for silent in (None, False):
        with done_last(silent) as told:
            assert told is silent


def test_rate_and_eta_come_from_the_average():
    event = Progress("write", rows=50, total_rows=100, elapsed=10.0)
    assert event.rate == 5.0
    assert event.eta == 10.0
    assert "50 %" in str(event)
    assert "10 s left" in str(event)
    assert Progress("write", rows=5).eta is None


def test_cancel_stops_at_the_next_step():
    token = CancelToken()
    tracker = Tracker(None, token)
    tracker.advance(1)
    token.cancel()
    with pytest.raises(errors.Cancelled):
        tracker.advance(1)


def test_job_gives_result_progress_and_state():
    release = threading.Event()

    def work(progress, cancel):
        progress(Progress("read", rows=1))
        release.wait()
        return 42

    seen = []
    job = Job(work, name="w", on_done=lambda j: seen.append(j.state))
    assert job.state == "running"
    with pytest.raises(TimeoutError):
        job.result(timeout=0.01)
    release.set()
    assert job.result(timeout=60) == 42
    assert job.state == "done"
    assert job.progress is not None
    job.on_done(lambda j: seen.append("late"))
    deadline = time.monotonic() + 60
    while len(seen) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(seen) == ["done", "late"]


def test_job_error_is_raised_to_who_asks_and_shown():
    def work(progress, cancel):
        raise errors.CorruptInput("a.png is damaged")

    job = Job(work)
    with pytest.raises(errors.CorruptInput, match=r"a\.png"):
        job.result(timeout=60)
    assert job.state == "failed"
    assert "CorruptInput" in repr(job)
    assert "Traceback" in job.traceback


def test_job_can_be_cancelled():
    def work(progress, cancel):
        while True:
            cancel.check()
            cancel.wait(0.01)

    job = Job(work)
    job.cancel()
    with pytest.raises(errors.Cancelled):
        job.result(timeout=60)
    assert job.state == "cancelled"


def all_errors():
    return [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]


@pytest.mark.parametrize("cls", all_errors(), ids=lambda c: c.__name__)
def test_errors_survive_pickle_and_wire(cls):
    error = cls("m", hint="h", details={"row": 3})
    for copy in (pickle.loads(pickle.dumps(error)), errors.from_dict(error.to_dict())):
        assert type(copy) is cls
        assert (copy.message, copy.hint, copy.details) == ("m", "h", {"row": 3})


def test_codes_are_unique():
    codes = [c.__dict__.get("code") for c in all_errors()]
    assert None not in codes
    assert len(set(codes)) == len(codes)


def test_hint_is_shown_on_its_own_line():
    assert str(errors.NotFound("nothing here", hint="look there")) == (
        "nothing here\n  hint: look there"
    )
    assert str(errors.NotFound("nothing here")) == "nothing here"


def test_the_text_bar_counts_bytes_where_there_are_no_rows(capsys: pytest.CaptureFixture[str]):
    tracker = Tracker(True, total_bytes=4_000_000, per_second=1000)
    tracker.enter("download")
    tracker.advance(0, 1_000_000)
    tracker.enter("done")
    shown = capsys.readouterr().err
    assert " 25%" in shown
    assert "1.00M/4.00M" in shown
    tracker = Tracker(True, total_rows=8)
    tracker.advance(2, 500)
    tracker.enter("done")
    assert "2/8" in capsys.readouterr().err


def test_the_text_bar_says_nothing_when_nothing_moves(capsys):
    tracker = Tracker(True)
    tracker.enter("resolve")
    tracker.enter("done")
    assert capsys.readouterr().err == ""
    tracker = Tracker(True, per_second=1e9)
    tracker.advance(nbytes=100)
    tracker.enter("done")
    shown = capsys.readouterr().err
    assert "100" in shown
    assert ": :" not in shown
