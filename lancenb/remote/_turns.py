"""One at a time per name, for as many names as there are."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Turns:
    """Locks by name; a name that nobody uses takes no room."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Let the body run when nobody else's body for ``name`` does."""
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[name]
                if users == 1:
                    del self._locks[name]
                else:
                    self._locks[name] = (lock, users - 1)
