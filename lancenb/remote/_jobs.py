"""Long work in the server: started by a call, followed by its events, stopped on request."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lancenb.errors import NotFound
from lancenb.progress import Job, Progress

from ._hub import Feed
from ._models import JobFacts
from ._wire import error_dict

_FOLDERS = re.compile(r"(?<![:/\w.])/(?:[^\s/'\"]+/)+")
_KEPT, _MOST = timedelta(hours=1), 1000
_FEED = 2000


@dataclass
class _Running:
    id: str
    owner: str
    op: str
    name: str
    started: datetime
    feed: Feed = field(default_factory=lambda: Feed(_FEED))
    state: str = "running"
    ended: datetime | None = None
    job: Any = None
    over: threading.Event = field(default_factory=threading.Event)
    guard: Any = field(default_factory=threading.Lock)

    def facts(self) -> JobFacts:
        with self.guard:
            return JobFacts(
                self.id, self.op, self.name, self.state, self.feed.seq, self.started, self.ended
            )

    def end(self, state: str, data: Any) -> None:
        """Tell the end: who sees the state finds the last event there, and the other way round."""
        with self.guard:
            self.feed.put(state, data)
            self.state, self.ended = state, datetime.now(UTC)
        self.feed.close()


class Jobs:
    """The jobs of a server; what ended is kept for an hour."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Running] = {}
        self._lock = threading.Lock()

    def start(
        self,
        owner: str,
        op: str,
        name: str,
        work: Callable[..., Any],
        done: Callable[[], None] = lambda: None,
    ) -> JobFacts:
        """Run ``work(progress=, cancel=)``, which returns JSON data, in the background.

        Args:
            owner: id of the principal; only it and admins see the job.
            op: the operation.
            name: the artefact.
            work: the work.
            done: called when it is over, however it ended, before its last event.
        """
        running = _Running(secrets.token_hex(16), owner, op, name, datetime.now(UTC))

        def finish(job: Job[Any]) -> None:
            try:
                done()  # before anybody hears of the end: its place is free by then
            finally:
                try:
                    data = job.result() if job.error is None else error_dict(job.error)
                    running.end(job.state, data)
                finally:
                    running.over.set()

        with self._lock:  # who finds it can stop it
            self._forget()
            running.job = Job(
                work,
                name=f"{op}-{name}",
                on_progress=lambda event: _tell(running.feed, event),
                on_done=finish,
            )
            self._jobs[running.id] = running
        return running.facts()

    def finished(self, owner: str, op: str, name: str, result: Any) -> JobFacts:
        """Enter work that was done before (by an earlier server, say) as a job that has ended."""
        now = datetime.now(UTC)
        running = _Running(secrets.token_hex(16), owner, op, name, now, state="done", ended=now)
        running.feed.put("done", result)
        running.feed.close()
        with self._lock:
            self._jobs[running.id] = running
        return running.facts()

    def _forget(self) -> None:
        limit = datetime.now(UTC) - _KEPT
        ended = [job for job in self._jobs.values() if job.ended is not None]
        for number, job in enumerate(reversed(ended)):
            if number >= _MOST or (job.ended is not None and job.ended < limit):
                del self._jobs[job.id]

    def _find(self, ident: str, owner: str | None) -> _Running:
        with self._lock:
            running = self._jobs.get(ident)
        if running is None or (owner is not None and running.owner != owner):
            raise NotFound(
                f"there is no job {ident!r:.80}",
                hint="jobs end with the server, and are forgotten an hour after their end",
            )
        return running

    def list(self, owner: str | None) -> list[JobFacts]:
        """Return the jobs of an owner, newest first; all for ``None``."""
        with self._lock:
            found = [job for job in self._jobs.values() if owner in (None, job.owner)]
        return [job.facts() for job in reversed(found)]

    def facts(self, ident: str, owner: str | None) -> JobFacts:
        """Return the state of a job."""
        return self._find(ident, owner).facts()

    def events(self, ident: str, owner: str | None, after: int) -> Iterator[dict[str, Any]]:
        """Follow a job from an event on."""
        return self._find(ident, owner).feed.follow(after)

    def cancel(self, ident: str, owner: str | None) -> JobFacts:
        """Ask a job to stop."""
        running = self._find(ident, owner)
        if running.job is not None:
            running.job.cancel()
        return running.facts()

    def stop(self, seconds: float) -> None:
        """Ask all to stop, and wait until the end of each is told, for so many seconds each."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if job.job is not None]
        for job in jobs:
            job.job.cancel()
        for job in jobs:
            job.over.wait(seconds)


def _tell(feed: Feed, event: Progress) -> None:
    message = _FOLDERS.sub("", event.message)  # where the server keeps things is its own affair
    feed.put("progress", {**asdict(event), "message": message})
