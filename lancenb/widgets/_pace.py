"""Words for progress: what was done, how fast, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from lancenb._html import size
from lancenb.progress import Progress
from lancenb.store import redact

_WINDOW = 8.0  # seconds of which the speed is taken
_PATIENCE = 2.0  # seconds before anything is said about the time left


class Pace:
    """Turns progress events into the traits of a job card, with the speed of the last seconds."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float]] = deque()
        self._phase = ""

    def read(self, event: Progress) -> dict[str, Any]:
        """Return the traits ``fraction``, ``phase``, ``message`` and ``detail``."""
        speed = self._speed(event)
        parts = [event.phase, _amount(event), _rate(event, speed)]
        message = redact(event.message)
        if event.phase != "done":
            parts.append(time_left(self._left(event, speed)))
        parts.append(message)
        return {
            "fraction": event.fraction,
            "phase": event.phase,
            "message": message,
            "detail": " · ".join(part for part in parts if part),
        }

    def silent(self, seconds: float) -> str:
        """Return words for work that has not reported anything yet."""
        return "starting" if seconds < _PATIENCE else f"working for {duration(seconds)}"

    def summary(self, event: Progress | None) -> str:
        """Return words for work that has ended."""
        if event is None:
            return ""
        parts = [_amount(event)]
        if event.elapsed >= 0.1:
            parts.append(f"in {duration(event.elapsed)}")
        return " ".join(part for part in parts if part)

    def _speed(self, event: Progress) -> float:
        done, now = float(event.rows or event.bytes), time.monotonic()
        if event.phase != self._phase or (self._marks and done < self._marks[-1][1]):
            self._marks.clear()
            self._phase = event.phase
        self._marks.append((now, done))
        while now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        began, first = self._marks[0]
        return (done - first) / (now - began) if now - began >= 1.0 else event.rate

    def _left(self, event: Progress, speed: float) -> float | None:
        total = event.total_rows or event.total_bytes
        if not total or event.elapsed < _PATIENCE or speed <= 0:
            return None
        return max(0.0, total - (event.rows if event.total_rows else event.bytes)) / speed


def _amount(event: Progress) -> str:
    words = []
    if event.rows or event.total_rows:
        of = f" of {event.total_rows:,}" if event.total_rows and event.phase != "done" else ""
        words.append(
            f"{event.rows:,}{of} row{'' if (event.total_rows or event.rows) == 1 else 's'}"
        )
    if event.bytes:
        of = f" of {size(event.total_bytes)}" if event.total_bytes and event.phase != "done" else ""
        words.append(f"{size(event.bytes)}{of}")
    return ", ".join(words)


def _rate(event: Progress, speed: float) -> str:
    if event.phase == "done" or event.elapsed < 0.5 or speed <= 0:
        return ""
    if event.rows:
        return f"{speed:,.0f} rows/s" if speed >= 10 else f"{speed:.1f} rows/s"
    return f"{size(int(speed))}/s"


def duration(seconds: float) -> str:
    """Return a span of time for people.

    >>> duration(0.42), duration(75), duration(7300)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def time_left(seconds: float | None) -> str:
    """Return the time left in words that do not pretend to be exact.

    >>> time_left(3), time_left(44), time_left(200)
    ('a few seconds left', 'about 45 s left', 'about 3 min left')
    """
    if seconds is None:
        return ""
    if seconds < 6:
        return "a few seconds left"
    if seconds < 55:
        return f"about {max(10, 5 * round(seconds / 5))} s left"
    if seconds < 3300:
        return f"about {max(1, round(seconds / 60))} min left"
    return f"about {duration(60 * (seconds // 60))} left"
