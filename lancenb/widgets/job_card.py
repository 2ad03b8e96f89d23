"""The job card: one background job, as people see it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from traceback import format_exc
from typing import Any, TypeVar

import traitlets as t

from lancenb.errors import Cancelled, Conflict
from lancenb.progress import Job
from lancenb.store import redact

from . import _threads
from ._assets import css, esm
from ._display import card, esc
from ._pace import Pace
from ._view import View, sentence

T = TypeVar("T")
_log = logging.getLogger("lancenb")
_GAP = 0.1  # seconds between two updates of the front end
_TRACE = 20_000  # characters of a traceback that travel
_HEARING = 10.0  # seconds that new work waits for those who hear of the end of the last one


class JobCard(View):
    """Shows one job at a time: state, progress, rate, time left, errors, and a Cancel button.

    Args:
        job: a job to show from the start; :meth:`start` begins one.
        label: accessible name of the card.

    The card follows the job from a thread of its own, ten times a second at most, so that work is
    never slowed by the front end and the last state always arrives.

    >>> card = JobCard()
    >>> card.start(lambda progress, cancel: 6 * 7, name="answer").result(timeout=10)
    42
    >>> card.wait(timeout=10), card.state
    (True, 'done')
    """

    _esm = esm("job")
    _css = css()

    kind = t.Unicode("job").tag(sync=True)
    label = t.Unicode("job").tag(sync=True)
    name = t.Unicode("").tag(sync=True)
    state = t.Enum(("idle", "running", "done", "failed", "cancelled"), "idle").tag(sync=True)
    cancelling = t.Bool(False).tag(sync=True)
    fraction = t.Float(None, allow_none=True).tag(sync=True)
    phase = t.Unicode("").tag(sync=True)
    message = t.Unicode("").tag(sync=True)
    detail = t.Unicode("").tag(sync=True)
    error = t.Unicode("").tag(sync=True)
    hint = t.Unicode("").tag(sync=True)
    traceback = t.Unicode("").tag(sync=True)

    def __init__(self, job: Job[Any] | None = None, **traits: Any):
        self.job: Job[Any] | None = None
        self._settled = threading.Event()
        self._settled.set()
        self._here = threading.local()  # whether this is the thread that tells of the end
        self._enders: list[Callable[[Job[Any]], None]] = []
        super().__init__(**traits)
        if job is not None:
            self.show(job)

    def start(self, work: Callable[..., T], *, name: str = "job") -> Job[T]:
        """Run ``work(progress=, cancel=)`` in the background and show it.

        Raises:
            Conflict: the job shown here still runs.
        """
        self.settle()
        with self._guard:
            self._insist_free()
            return self.show(Job(work, name=name))

    def show(self, job: Job[T]) -> Job[T]:
        """Show a job that somebody else started, running or ended."""
        if job is not self.job:
            self.settle()
        with self._guard:
            if job is not self.job:
                self._insist_free()
            self.job = job
            self._settled.clear()
            self.put(
                name=redact(job.name),
                state="running",
                cancelling=job.token.cancelled,
                fraction=None,
                phase="",
                message="",
                detail="starting",
                error="",
                hint="",
                traceback="",
            )
        _threads.start(self._follow, job, name=f"card-{job.name}")
        return job

    def _insist_free(self) -> None:
        if self.job is not None and not self._settled.is_set():
            raise Conflict(
                f"{self.job.name} still runs here", hint="wait for its end, or cancel it first"
            )

    def on_end(self, callback: Callable[[Job[Any]], None]) -> None:
        """Call ``callback(job)`` in a thread whenever a job shown here has ended."""
        self._enders.append(callback)

    def cancel(self) -> None:
        """Ask the job to stop; nothing happens when none runs."""
        with self._guard:
            if self.job is not None and self.state == "running":
                self.job.cancel()
                self.put(cancelling=True)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended and the card says so; False when time ran out."""
        return self._settled.wait(timeout)

    def settle(self) -> None:
        """Wait a moment until all have heard that the job is over; one that runs stays as it is.

        Who is just being told does not wait. Call it without the guard of a panel: those who are
        told may need it.
        """
        job = self.job
        if job is not None and job.state != "running" and not hasattr(self._here, "tells"):
            self._settled.wait(_HEARING)

    @property
    def running(self) -> bool:
        """Whether a job shown here still runs."""
        return not self._settled.is_set()

    def fail(self, error: BaseException, trace: str = "") -> None:
        """Show an error that happened before any job began."""
        self.put(
            state="failed",
            name="",
            cancelling=False,
            fraction=None,
            phase="",
            message="",
            detail="",
            **_complaint(error, trace),
        )

    def remark(self, error: BaseException, trace: str = "") -> None:
        """Say what is wrong beside the job that is shown, and stays."""
        self.put(**_complaint(error, trace))

    def clear(self) -> None:
        """Go back to ``idle``, unless a job runs."""
        if not self.running:
            self.put(
                state="idle",
                name="",
                fraction=None,
                phase="",
                message="",
                detail="",
                error="",
                hint="",
                traceback="",
            )

    def _follow(self, job: Job[Any]) -> None:
        pace, seen, began = Pace(), None, time.monotonic()
        self._here.tells = True
        try:
            while not job.wait(_GAP):
                event = job.progress
                if event is not None and event is not seen:
                    seen = event
                    self.put(**pace.read(event))
                elif event is None:
                    self.put(detail=pace.silent(time.monotonic() - began))
            self.put(**_ending(job, pace))
        except Exception as error:
            self.put(**_complaint(error, format_exc()))
        finally:
            self._tell(job)
            self._settled.set()

    def _tell(self, job: Job[Any]) -> None:
        """Tell the listeners; what one of them raises stops no other, and is shown."""
        for tell in list(self._enders):
            try:
                tell(job)
            except Exception as error:  # belongs on the card, not into a cell
                _log.exception("a listener of the job card failed")
                self.put(**_complaint(error, format_exc()))

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("do") == "cancel":
            self.cancel()
        else:
            super()._receive(widget, content, buffers)

    def _static(self) -> tuple[str, str]:
        share = "" if self.fraction is None else f"{100 * self.fraction:.0f} %"
        facts = [fact for fact in (share, self.detail) if fact]
        trouble = f'<div>{esc(self.error)}</div><div class="lnb-dim">{esc(self.hint)}</div>'
        html = card(self.name or self.label, [self.state], facts, trouble if self.error else "")
        tail = [self.error] if self.error else []
        words = [self.name or self.label, self.state, *facts, *tail]
        return html, f"<JobCard {' · '.join(word for word in words if word)}>"


def _complaint(error: BaseException, trace: str) -> dict[str, str]:
    return {
        "error": sentence(error),
        "hint": redact(getattr(error, "hint", "") or ""),
        "traceback": redact(trace[-_TRACE:]),
    }


def _ending(job: Job[Any], pace: Pace) -> dict[str, Any]:
    """Return the traits of a job that has ended."""
    found: dict[str, Any] = {"state": job.state, "cancelling": False}
    found |= {"error": "", "hint": "", "traceback": ""}  # of a remark
    if job.progress is not None:
        found |= pace.read(job.progress)
    found["detail"] = pace.summary(job.progress)
    if job.state == "done":
        return found | {"fraction": 1.0}
    if isinstance(job.error, Cancelled):
        # Only the work knows what of it stays.
        kept = redact(job.error.hint.partition("; run it again")[0])
        detail = f"stopped; {kept}" if kept else "stopped"
        return found | {"message": "", "hint": "", "detail": detail}
    if job.error is not None:
        return found | _complaint(job.error, job.traceback)
    return found
