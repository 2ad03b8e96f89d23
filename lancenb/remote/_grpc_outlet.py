"""A streamed answer: made in a thread, sent by the event loop, a few messages ahead."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

#: Messages that are made before the last one has gone out.
_AHEAD = 3


class Outlet:
    """Hands messages from the thread that makes them to the event loop that sends them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._changed = threading.Condition()
        self._messages: deque[bytes] = deque()
        self._waiting = self._over = self._closed = False
        self._error: BaseException | None = None

    def start(self, messages: Iterator[bytes], close: Callable[[], None]) -> None:
        """Make messages until there are no more, or nobody wants them.

        Args:
            messages: makes them, in a thread.
            close: called there at the end, however it came.
        """
        # Not of a pool: those who follow events stay for long, and must not hold up the exit.
        threading.Thread(
            target=self._run, args=(messages, close), name="lancenb-grpc-out", daemon=True
        ).start()

    def _run(self, messages: Iterator[bytes], close: Callable[[], None]) -> None:
        try:
            for message in messages:
                if not self._put(message):
                    return
        except Exception as error:
            self._error = error
        finally:
            try:
                close()
            finally:
                with self._changed:
                    self._over = True
                    self._wake()

    def _put(self, message: bytes) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: len(self._messages) < _AHEAD or self._closed)
            if not self._closed:
                self._messages.append(message)
                self._wake()
            return not self._closed

    def _wake(self) -> None:
        if self._waiting:
            self._waiting = False
            with contextlib.suppress(RuntimeError):  # the loop is gone: the process ends
                self._loop.call_soon_threadsafe(self._ready.set)

    async def next(self) -> bytes | None:
        """Return the next message, ``None`` at the end (event loop only).

        Raises:
            Exception: what broke the stream.
        """
        while True:
            with self._changed:
                if self._messages:
                    message = self._messages.popleft()
                    self._changed.notify()
                    return message
                if self._over:
                    if self._error is not None:
                        raise self._error
                    return None
                self._ready.clear()
                self._waiting = True
            await self._ready.wait()

    @property
    def over(self) -> bool:
        """Whether the thread is through."""
        return self._over

    def close(self) -> None:
        """Let the thread stop at its next message."""
        with self._changed:
            self._closed = True
            self._changed.notify()
