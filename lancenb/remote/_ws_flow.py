"""Many streams over one connection: credit, taking turns, signs of life; the same at both ends.

Threads make and take the data; one event loop moves the frames. What threads call here only
schedules work in that loop, without locks shared with it: a generator may be closed by the garbage
collector at any moment, also inside one of these functions.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from lancenb.errors import LancenbError, TimedOut

from ._ws import ABORT, DATA, END, encode, frame

#: Bytes of a stream that wait for their turn; its producer pauses beyond.
_UNSENT = 1 << 20
#: Bytes of answers that wait; nothing is read beyond, so that nobody can make them pile up.
_BACKLOG = 8 << 20
_BEAT_SECONDS = 1.0
_SILENT_BEATS = 4


class Outgoing:
    """A stream that is sent: its producer waits for credit and for its turn.

    Args:
        outbox: the way out.
        number: the stream's number.
        window: credit at the beginning, and at most.
        chunk: bytes of a frame.
    """

    def __init__(self, outbox: Outbox, number: int, window: int, chunk: int):
        self.frames: deque[tuple[str | bytes, int]] = deque()
        self.number = number
        self._outbox, self._chunk = outbox, chunk
        self._credit = self._window = window
        self._unsent = 0
        self._error: LancenbError | None = None
        self._changed = threading.Condition()

    def send(self, piece: Any, timeout: float | None = None) -> None:
        """Send a piece, in frames.

        Raises:
            TimedOut: the receiver took nothing for ``timeout`` seconds.
            LancenbError: what :meth:`fail` was given.
        """
        view = memoryview(piece).cast("B")
        for start in range(0, view.nbytes, self._chunk):
            part = view[start : start + self._chunk]
            self._take(part.nbytes, timeout)
            self._outbox.put(frame(self.number, DATA, part), self, part.nbytes)

    def send_text(self, text: str) -> None:
        """Send a text frame in the order of the stream."""
        self._take(len(text), None)
        self._outbox.put(text, self, len(text))

    def end(self, text: str | None = None) -> None:
        """Send the frame that ends the stream, after what is under way."""
        self._outbox.put(frame(self.number, END) if text is None else text, self)

    def abort(self) -> None:
        """Tell the receiver that the stream breaks off."""
        self._outbox.drop(self)
        self._outbox.put(frame(self.number, ABORT), self)

    def _take(self, size: int, timeout: float | None) -> None:
        # A frame larger than the window would wait for ever: half of it is enough to begin.
        needed = min(size, self._window // 2)
        with self._changed:
            while self._error is None and (self._credit < needed or self._unsent >= _UNSENT):
                if not self._changed.wait(timeout):
                    raise TimedOut(
                        f"the other side took nothing for {timeout:g} seconds",
                        hint="allow more time, or look whether the server is busy",
                    )
            if self._error is not None:
                raise self._error
            self._credit -= size
            self._unsent += size

    def grant(self, size: int) -> None:
        """Let more bytes come; never more than a window, whatever the receiver says."""
        with self._changed:
            self._credit = min(self._credit + size, self._window)
            self._changed.notify_all()

    def sent(self, size: int) -> None:
        """Note that a frame is on its way."""
        with self._changed:
            self._unsent -= size
            self._changed.notify_all()

    def fail(self, error: LancenbError) -> None:
        """Let the producer stop; what waits for its turn is dropped."""
        self._outbox.drop(self)
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()


class Incoming:
    """A stream that is received: an iterator for one thread, fed by the event loop.

    Args:
        window: bytes that may wait here.
        grant: tells the sender that it may send so many more bytes.
        idle: seconds to wait for the next piece, ``None`` for ever.
        what: it is, for the error.
    """

    def __init__(self, window: int, grant: Callable[[int], None], idle: float | None, what: str):
        self._queue: queue.SimpleQueue[tuple[Any, int]] = queue.SimpleQueue()
        self._window = window
        self._grant = grant
        self._idle, self._what = idle, what
        # Each of the two is written by one thread only.
        self._fed = 0
        self._taken = 0
        self._granted = 0
        self._last: BaseException | None = None

    def feed(self, piece: Any, size: int) -> bool:
        """Take a piece in; ``False`` when the sender sent more than it was granted."""
        self._fed += size
        self._queue.put((piece, size))
        return self._fed - self._taken <= self._window

    def finish(self) -> None:
        """Let the iterator end after what was fed."""
        self._queue.put((StopIteration(), -1))

    def fail(self, error: LancenbError) -> None:
        """Let the iterator raise after what was fed."""
        self._queue.put((error, -1))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._last is not None:
            raise self._last
        try:
            piece, size = self._queue.get(timeout=self._idle)
        except queue.Empty:
            piece, size = self._late(), -1
        if size < 0:
            self._last = piece
            raise piece
        self._taken += size
        if self._taken - self._granted >= self._window // 4:
            self._grant(self._taken - self._granted)
            self._granted = self._taken
        return piece

    def _late(self) -> LancenbError:
        return TimedOut(
            f"the {self._what} did not go on for {self._idle:g} seconds", hint="send it again"
        )


class Outbox:
    """The way out of a connection: answers first, then streams in turn.

    Args:
        send: sends one frame; waits while the network takes no more.
    """

    def __init__(self, send: Callable[[str | bytes], Awaitable[None]]):
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._first: deque[str | bytes] = deque()
        self._turns: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._waiting = 0

    def tell(self, envelope: dict[str, Any]) -> None:
        """Send an envelope before all data that waits."""
        self.put(encode(envelope))

    def put(self, data: str | bytes, stream: Outgoing | None = None, size: int = 0) -> None:
        """Send a frame from any thread, in the turns of its stream if it has one."""
        self._soon(self.add, data, stream, size)

    def drop(self, stream: Outgoing) -> None:
        """Forget what of a stream still waits."""
        self._soon(stream.frames.clear)

    def _soon(self, what: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *args)
        except RuntimeError:  # the loop is closed, and with it every connection
            return

    def add(self, data: str | bytes, stream: Outgoing | None = None, size: int = 0) -> None:
        """Send a frame, called in the event loop: before what threads put from now on."""
        if stream is None:
            self._first.append(data)
            self._waiting += len(data)
            if self._waiting > _BACKLOG:
                self._room.clear()
        else:
            if not stream.frames:
                self._turns.append(stream)
            stream.frames.append((data, size))
        self._wake.set()

    async def room(self) -> None:
        """Wait while too many answers wait."""
        await self._room.wait()

    async def run(self) -> None:
        """Send what comes, until cancelled or the connection breaks."""
        while True:
            while self._first:
                data = self._first.popleft()
                await self._send(data)
                self._waiting -= len(data)
                if self._waiting <= _BACKLOG:
                    self._room.set()
            if self._turns:
                await self._turn(self._turns.popleft())
            elif not self._first:
                self._wake.clear()
                await self._wake.wait()

    async def _turn(self, stream: Outgoing) -> None:
        if not stream.frames:  # dropped
            return
        data, size = stream.frames.popleft()
        if stream.frames:
            self._turns.append(stream)
        await self._send(data)
        stream.sent(size)


class Pulse:
    """Notices when the other side gives no sign of life.

    Beats are counted, not seconds: an event loop that was held up itself first reads what came
    meanwhile.
    """

    def __init__(self, outbox: Outbox):
        self.heard = True
        self._outbox = outbox

    async def run(self) -> None:
        """Return when the other side was silent for too long."""
        silent = 0
        while silent < _SILENT_BEATS:
            await asyncio.sleep(_BEAT_SECONDS)
            silent = 0 if self.heard else silent + 1
            self.heard = False
            if silent:
                self._outbox.tell({"ping": silent})
