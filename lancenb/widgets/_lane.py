"""Questions answered one after another, off the caller's thread."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from . import _threads


class Lane:
    """Runs functions in order, in a thread that lives only while there is work.

    >>> said = []
    >>> lane = Lane("example")
    >>> lane.do(lambda: said.append(1)); lane.settle(5)
    True
    >>> said
    [1]
    """

    def __init__(self, name: str):
        self._name = name
        self._lock = threading.Lock()
        self._work: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False

    def do(self, work: Callable[[], None]) -> None:
        """Run ``work`` after what was asked before; what it raises goes to the log."""
        with self._lock:
            if self._closed:
                return
            self._work.append(work)
            if self._thread is None:
                self._thread = _threads.start(self._run, name=self._name)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._work:
                    self._thread = None
                    return
                work = self._work.popleft()
            try:
                work()
            except Exception:  # what was asked after it must still be done
                logging.getLogger(__name__).exception("a task of the lane %r failed", self._name)

    def settle(self, timeout: float = 10) -> bool:
        """Wait until everything asked is done; False when that takes too long."""
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            return not thread.is_alive()
        return True

    def close(self) -> None:
        """Take no more work and forget what has not begun."""
        with self._lock:
            self._closed = True
            self._work.clear()
