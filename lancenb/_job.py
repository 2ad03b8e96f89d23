"""Background jobs: a thread with progress, cancel, result and error (public in ``progress``)."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from ._events import CancelToken, Progress, ProgressCallback
from .errors import Cancelled

T = TypeVar("T")


class Job(Generic[T]):
    """Long work in a background thread, with progress, cancel, result and error.

    Args:
        work: called as ``work(progress=callback, cancel=token)``.
        name: shown in ``repr`` and thread name.
        on_progress: called in the worker thread with every event.
        on_done: called in the worker thread once, with the finished job.

    ``result`` re-raises what the work raised, so that a failure in a thread is never silent.

    A conversion that leaves the notebook free, and can be stopped::

        job = lnb.Job(lambda **more: dm.convert("photos", "photos", **more), name="photos")
        job             # state and progress; job.cancel() stops it, job.result() waits for it
    """

    def __init__(
        self,
        work: Callable[..., T],
        *,
        name: str = "job",
        on_progress: ProgressCallback | None = None,
        on_done: Callable[[Job[T]], None] | None = None,
    ):
        self.name = name
        self.token = CancelToken()
        self.progress: Progress | None = None
        self.error: BaseException | None = None
        self.traceback = ""
        self._value: T | None = None
        self._state = "running"
        self._listeners: list[ProgressCallback] = [on_progress] if on_progress else []
        self._done_listeners: list[Callable[[Job[T]], None]] = [on_done] if on_done else []
        self._finished = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._run, args=(work,), name=f"lancenb-{name}", daemon=True
        )
        self._thread.start()

    def _run(self, work: Callable[..., T]) -> None:
        try:
            self._value = work(progress=self._emit, cancel=self.token)
            self._state = "done"
        except Cancelled as error:
            self.error, self._state = error, "cancelled"
        except BaseException as error:
            self.error, self._state = error, "failed"
            self.traceback = traceback.format_exc()
        with self._lock:
            listeners = list(self._done_listeners)
            self._finished.set()
        for listener in listeners:
            listener(self)

    def _emit(self, event: Progress) -> None:
        self.progress = event
        for listener in list(self._listeners):
            listener(event)

    @property
    def state(self) -> str:
        """``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``."""
        return self._state if self._finished.is_set() else "running"

    def on_progress(self, callback: ProgressCallback) -> None:
        """Also send events to ``callback``."""
        self._listeners.append(callback)

    def on_done(self, callback: Callable[[Job[T]], None]) -> None:
        """Call ``callback(job)`` when the work ends; at once if it has ended."""
        with self._lock:
            if not self._finished.is_set():
                self._done_listeners.append(callback)
                return
        callback(self)

    def cancel(self) -> None:
        """Ask the work to stop; :meth:`wait` tells when it has."""
        self.token.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False when ``timeout`` seconds passed first."""
        return self._finished.wait(timeout)

    def result(self, timeout: float | None = None) -> T:
        """Return what the work returned, or raise what it raised.

        Raises:
            TimeoutError: the work still runs after ``timeout`` seconds.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"{self.name} still runs after {timeout} s")
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]

    def __repr__(self) -> str:
        tail = f": {self.progress}" if self.progress and self.state == "running" else ""
        if self.error is not None:
            tail = f": {self.error.__class__.__name__}: {str(self.error).splitlines()[0]}"
        return f"<Job {self.name} {self.state}{tail}>"
