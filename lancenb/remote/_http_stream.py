"""Streams between the event loop, which talks to clients, and threads, which do the work."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from queue import SimpleQueue
from typing import Any

from lancenb.errors import Busy, ServerUnreachable, TimedOut

from ._wire import Answer

Receive = Callable[[], Awaitable[Any]]

#: Bytes of a request body that wait for the work.
_AHEAD = 4 << 20
#: Bytes that must come while the server waits ``idle`` seconds; fewer is an attack, or no network.
_LEAST = 1024
#: Pieces of an answer that wait for the client.
_PIECES = 2


class Workers:
    """The threads in which calls are answered; what waits for one is bounded.

    Lighter than an executor, whose futures are made for more; and a thread that hangs in a read
    from a store does not keep the process from ending.
    """

    def __init__(self, size: int):
        self._size, self._threads, self._now = size, 0, 0
        self._queue: SimpleQueue[Any] = SimpleQueue()

    async def run(
        self, work: Callable[..., Any], *args: Any, drop: Callable[[Any], None] | None = None
    ) -> Any:
        """Run work in a thread.

        Args:
            work: what to run.
            args: its arguments.
            drop: gets the result when nobody waits for it any more.

        Raises:
            Busy: too many wait already.
        """
        if self._now >= 2 * self._size:
            raise Busy(
                "the server has as many calls as it takes on", hint="try again",
                details={"retry_after": 1},
            )  # fmt: skip
        self._now += 1
        if self._now > self._threads < self._size:
            self._threads += 1
            name = f"lancenb-http-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put((loop, future, work, args, drop))
        return await future

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            loop, future, work, args, drop = job
            result = error = None
            try:
                result = work(*args)
            except BaseException as caught:
                error = caught
            try:
                loop.call_soon_threadsafe(self._settle, future, result, error, drop)
            except RuntimeError:  # the loop is gone: the server stopped
                if drop is not None and error is None:
                    drop(result)
            del job, future, work, args, result, error
        self._queue.put(None)  # for the next one

    def _settle(self, future: Any, result: Any, error: Any, drop: Any) -> None:
        self._now -= 1
        if future.done():
            if drop is not None and error is None:
                threading.Thread(target=drop, args=(result,), daemon=True).start()
        elif error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def close(self) -> None:
        """Let the threads end, also one that begins only now; from any thread, once or twice."""
        self._queue.put(None)


class Inlet:
    """A request body: read by the event loop, iterated in a thread, never all in memory.

    Args:
        receive: gives the next message of the client.
        idle: seconds within which something has to come.
    """

    def __init__(self, receive: Receive, idle: float):
        self._receive, self._idle = receive, idle
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._error: Exception | None = None
        self._discard = False
        self.ended = False

    async def pump(self) -> None:
        """Bring in what the client sends, as fast as it is taken."""
        try:
            async for piece in arriving(self._receive, self._idle):
                if not self._discard and piece:
                    await self._put(piece)
        except Exception as error:
            self._finish(error)
        except asyncio.CancelledError:
            self._finish(ServerUnreachable("the server is being stopped"))
            raise
        else:
            self._finish(None)

    async def _put(self, piece: bytes) -> None:
        self._room.clear()
        with self._changed:
            self._pieces.append(piece)
            self._size += len(piece)
            full = self._size >= _AHEAD
            self._changed.notify()
        if full and not self._discard:
            await self._room.wait()

    def _finish(self, error: Exception | None) -> None:
        with self._changed:
            self._error, self.ended = error, True
            self._changed.notify()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._changed:
            while not self._pieces and not self.ended:
                self._changed.wait()
            if not self._pieces:
                if self._error is not None:
                    raise self._error
                raise StopIteration
            piece = self._pieces.popleft()
            before, self._size = self._size, self._size - len(piece)
        if before >= _AHEAD > self._size:
            with contextlib.suppress(RuntimeError):  # the loop is gone: the server stopped
                self._loop.call_soon_threadsafe(self._room.set)
        return piece

    async def discard(self, pump: asyncio.Task[None]) -> None:
        """Throw away what is still to come."""
        self._discard = True
        self._pieces.clear()
        self._room.set()
        await pump


async def arriving(receive: Receive, idle: float) -> AsyncIterator[bytes]:
    """Yield the pieces of a request body.

    Raises:
        TimedOut: next to nothing comes.
        ServerUnreachable: the client went away before the end.
    """
    waited, came = 0.0, 0
    while True:
        start = time.monotonic()
        try:
            async with asyncio.timeout(idle):
                message = await receive()
        except TimeoutError:
            raise _slow(idle) from None
        if message["type"] == "http.disconnect":
            raise ServerUnreachable("the client went away before its request was whole")
        body = message.get("body", b"")
        yield body
        if not message.get("more_body", False):
            return
        waited, came = waited + time.monotonic() - start, came + len(body)
        if waited >= idle:
            if came < _LEAST:
                raise _slow(idle)
            waited, came = 0.0, 0


def _slow(idle: float) -> TimedOut:
    return TimedOut(f"the request did not go on for {idle:g} seconds", hint="send it again")


class Outlet:
    """The body of an answer: iterated in a thread of its own, taken by the event loop."""

    def __init__(self, answer: Answer):
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._slots = threading.Semaphore(_PIECES)
        self._over = False
        self._thread = threading.Thread(target=self._run, name="lancenb-http-out", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        end: Any = None
        try:
            for piece in self._answer.body or ():
                self._slots.acquire()
                if self._over:
                    break
                self._hand(piece)
        except Exception as error:
            end = error
        finally:
            self._answer.close()
            self._hand(end)

    def _hand(self, item: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone: the server stopped
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    async def next(self) -> Any:
        """Return the next piece, ``None`` at the end.

        Raises:
            Exception: what the body raises.
        """
        if self._over:
            return None
        item = await self._queue.get()
        if isinstance(item, Exception):
            raise item
        return None if self._over else item

    def sent(self) -> None:
        """Say that a piece is on its way, so that another one may be made."""
        self._slots.release()

    def stop(self) -> None:
        """End it: the client went away."""
        if not self._over:
            self._over = True
            self._slots.release()
            self._queue.put_nowait(None)

    def close(self) -> None:
        """End it and let go of what it holds, also while the thread waits for an event."""
        self.stop()
        if self._thread.is_alive():
            threading.Thread(target=self._answer.close, daemon=True).start()
