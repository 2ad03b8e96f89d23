"""Work for the newest of many questions, off the caller's thread."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from . import _threads
from ._view import sentence

_log = logging.getLogger(__name__)


class Latest:
    """Runs a function for the last thing asked; what was asked meanwhile is dropped.

    A thread exists only while there is something to answer, so nothing is left behind.

    Args:
        work: called with what was asked, in the thread; what it raises goes to the log.
        pause: seconds to wait for a newer question before the work begins.
        failed: called with what the work raised.

    >>> said = []
    >>> latest = Latest(said.append, pause=0.01)
    >>> latest.ask(1); latest.ask(2); latest.settle(5)
    True
    >>> said[-1]
    2
    """

    def __init__(
        self,
        work: Callable[..., None],
        pause: float = 0.15,
        failed: Callable[[BaseException], None] | None = None,
    ):
        self._work, self._pause, self._failed = work, pause, failed
        self._lock = threading.Lock()
        self._asked: tuple[Any, ...] | None = None
        self._thread: threading.Thread | None = None
        self._newer = threading.Event()
        self._closed = False

    def ask(self, *what: Any) -> None:
        """Ask; an earlier question that was not begun is forgotten."""
        with self._lock:
            if self._closed:
                return
            self._asked = what
            self._newer.set()
            if self._thread is None:
                self._thread = _threads.start(self._run, name="ask")

    def _run(self) -> None:
        while True:
            while self._newer.is_set() and not self._closed:
                self._newer.clear()
                self._newer.wait(self._pause)
            with self._lock:
                what, self._asked = self._asked, None
                if what is None or self._closed:
                    self._thread = None
                    return
            self._answer(what)

    def _answer(self, what: tuple[Any, ...]) -> None:
        """Do the work; an error, or a panic of a native library, must not end the worker."""
        try:
            self._work(*what)
        except BaseException as error:
            _log.warning("a question of a panel was not answered: %s", sentence(error))
            if self._failed is not None and not self._closed:
                with contextlib.suppress(Exception):
                    self._failed(error)

    def settle(self, timeout: float = 10) -> bool:
        """Wait until everything asked is answered; False when that takes too long."""
        with self._lock:
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def close(self) -> None:
        """Take no more questions."""
        with self._lock:
            self._closed = True
            self._newer.set()
