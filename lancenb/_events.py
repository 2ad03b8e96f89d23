"""Progress events, cancel token and tracker (public in ``progress``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .errors import Cancelled, InvalidArgument


@dataclass(frozen=True)
class Progress:
    """One progress event.

    Attributes:
        phase: short verb, such as ``"read"``, ``"write"``, ``"commit"`` or ``"done"``.
        rows: rows handled so far.
        bytes: bytes handled so far.
        total_rows: rows expected, ``None`` when not known beforehand.
        total_bytes: bytes expected, ``None`` when not known beforehand.
        elapsed: seconds since the work began.
        message: free text for people.
    """

    phase: str
    rows: int = 0
    bytes: int = 0
    total_rows: int | None = None
    total_bytes: int | None = None
    elapsed: float = 0.0
    message: str = ""

    @property
    def fraction(self) -> float | None:
        """Share done between 0 and 1, or ``None`` when no total is known."""
        if self.total_rows:
            return min(1.0, self.rows / self.total_rows)
        if self.total_bytes:
            return min(1.0, self.bytes / self.total_bytes)
        return None

    @property
    def rate(self) -> float:
        """Rows per second so far (bytes per second when rows are not counted)."""
        done = self.rows or self.bytes
        return done / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds left at the average speed so far, ``None`` when unknown."""
        share = self.fraction
        if not share or self.elapsed <= 0:
            return None
        return self.elapsed * (1 - share) / share

    def __str__(self) -> str:
        parts = [self.phase]
        if self.fraction is not None:
            parts.append(f"{100 * self.fraction:.0f} %")
        if self.rows:
            of = f"/{self.total_rows:,}" if self.total_rows else ""
            parts.append(f"{self.rows:,}{of} rows")
        if self.bytes:
            parts.append(f"{self.bytes / 1e6:,.1f} MB")
        if self.rows and self.elapsed > 0:
            parts.append(f"{self.rate:,.0f} rows/s")
        if self.eta is not None and self.phase != "done":
            parts.append(f"{self.eta:.0f} s left")
        if self.message:
            parts.append(self.message)
        return " · ".join(parts)


ProgressCallback = Callable[[Progress], None]


class CancelToken:
    """A flag that asks running work to stop; safe to set from any thread.

    >>> token = CancelToken()
    >>> token.cancel(); token.cancelled
    True
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise :class:`~lancenb.errors.Cancelled` if a stop was asked for."""
        if self._event.is_set():
            raise Cancelled("cancelled on request", hint="nothing was changed; run it again")

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; return True at once when cancelled."""
        return self._event.wait(seconds)


class Tracker:
    """Counts work and sends at most ``per_second`` events to a callback.

    Args:
        progress: callable for events, ``True`` for a text bar, ``None``/``False`` for silence.
        cancel: token checked on every :meth:`advance`.
        total_rows: rows expected, when known.
        total_bytes: bytes expected, when known.
    """

    def __init__(
        self,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
        *,
        total_rows: int | None = None,
        total_bytes: int | None = None,
        per_second: float = 5.0,
    ):
        if not (progress is None or isinstance(progress, bool) or callable(progress)):
            raise InvalidArgument(
                f"progress={progress!r:.60} is no function", hint="True gives a text bar"
            )
        if cancel is not None and not isinstance(cancel, CancelToken):
            raise InvalidArgument(f"cancel={cancel!r:.60} is no CancelToken")
        self._callback = _text_bar() if progress is True else (progress or None)
        self._cancel = cancel
        self._gap = 1.0 / per_second
        self._last = 0.0
        self._start = time.monotonic()
        self.rows = 0
        self.bytes = 0
        self.total_rows = total_rows
        self.total_bytes = total_bytes
        self.phase = "read"

    @property
    def token(self) -> CancelToken | None:
        """The token that is checked, for work that has to be left while it blocks."""
        return self._cancel

    def advance(self, rows: int = 0, nbytes: int = 0, message: str = "") -> None:
        """Add work done; raises :class:`~lancenb.errors.Cancelled` when a stop was asked for."""
        if self._cancel is not None:
            self._cancel.check()
        self.rows += rows
        self.bytes += nbytes
        if self._callback is not None:
            now = time.monotonic()
            if now - self._last >= self._gap:
                self._last = now
                self._callback(self.snapshot(message))

    def enter(self, phase: str, message: str = "") -> None:
        """Begin a phase; always sends an event."""
        if self._cancel is not None and phase != "done":
            self._cancel.check()
        self.phase = phase
        if self._callback is not None:
            self._last = time.monotonic()
            self._callback(self.snapshot(message))

    def snapshot(self, message: str = "") -> Progress:
        """Return the current state as an event."""
        return Progress(
            self.phase,
            self.rows,
            self.bytes,
            self.total_rows,
            self.total_bytes,
            time.monotonic() - self._start,
            message,
        )


@contextmanager
def done_last(progress: ProgressCallback | bool | None) -> Iterator[ProgressCallback | bool | None]:
    """Hold the event ``"done"`` of a block back until the block has ended well.

    Who hears it looks at once for what was made, so all of it has to be there.

    Args:
        progress: as for :class:`Tracker`.

    Yields:
        What the block hands on instead.
    """
    tell = _text_bar() if progress is True else progress
    if not callable(tell):
        yield tell
        return
    held: list[Progress] = []

    def pass_on(event: Progress) -> None:
        if event.phase == "done":
            held[:] = [event]
        else:
            tell(event)

    yield pass_on
    for event in held:
        tell(event)


def _text_bar() -> ProgressCallback:
    """Return a bar that appears when the first byte or row moves, and not before."""
    from tqdm.auto import tqdm

    bar: Any = None

    def show(event: Progress) -> None:
        nonlocal bar
        if bar is None:
            if not (event.rows or event.bytes):
                return
            total = event.total_rows or event.total_bytes
            bar = tqdm(total=total, leave=True, unit="B", unit_scale=True, delay=1e9)
            bar.start_t -= event.elapsed
        if event.rows or event.total_rows:
            done, total, bar.unit, bar.unit_scale = event.rows, event.total_rows, " rows", False
        else:
            done, total, bar.unit, bar.unit_scale = event.bytes, event.total_bytes, "B", True
        if total != bar.total:
            began = bar.start_t
            bar.reset(total)
            bar.start_t = began
        bar.set_description_str(event.phase, refresh=False)
        bar.n = done
        bar.refresh()
        if event.phase == "done":
            bar.close()

    return show
