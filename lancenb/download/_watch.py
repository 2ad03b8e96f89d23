"""Stopping network work at once: sockets that are waited on are hung up from another thread."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from types import TracebackType

from ..errors import Cancelled
from ..progress import CancelToken

_LOOK = 0.2
current: ContextVar[Watch | None] = ContextVar("lancenb_watch", default=None)


class Watch:
    """The sockets of one download, which end when ``cancel`` is set or :meth:`stop` is called.

    A thread that waits in ``recv`` or ``connect`` cannot look at a flag; hanging up the socket
    under it wakes it. Use as a context manager around all the network work of a download.
    """

    def __init__(self, cancel: CancelToken | None = None):
        self.cancel = cancel
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._live: set[socket.socket] = set()
        self._looker: threading.Thread | None = None

    @property
    def stopped(self) -> bool:
        """Whether the work shall end."""
        return self._stopped.is_set() or (self.cancel is not None and self.cancel.cancelled)

    def check(self) -> None:
        """Raise :class:`~lancenb.errors.Cancelled` if the work shall end."""
        if self.cancel is not None:
            self.cancel.check()
        if self._stopped.is_set():
            raise Cancelled("the transfer was stopped", hint="what has arrived is kept")

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the work shall end."""
        if self._stopped.wait(seconds):
            self.check()

    def stop(self) -> None:
        """End all work over the watched sockets."""
        self._stopped.set()
        with self._lock:
            for sock in self._live:
                # not SSLSocket.shutdown: it takes the TLS object away from under the reader
                with suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def add(self, sock: socket.socket) -> None:
        """Watch one more socket.

        Raises:
            Cancelled: it is too late.
        """
        with self._lock:
            self._live.add(sock)
        if self.stopped:
            self.discard(sock)
            self.check()

    def discard(self, sock: socket.socket) -> None:
        """Leave a socket alone; call this before closing it."""
        with self._lock:
            self._live.discard(sock)

    def _look(self) -> None:
        assert self.cancel is not None
        while not self._stopped.is_set():
            if self.cancel.wait(_LOOK):
                self.stop()

    def __enter__(self) -> Watch:
        if self.cancel is not None:
            self.cancel.check()
            self._looker = threading.Thread(target=self._look, name="lancenb-watch", daemon=True)
            self._looker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
