"""How much a server takes on: sizes, times, and how many things at once."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lancenb.errors import Busy, InvalidArgument, RequestTooLarge

from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, JOB
from ._tokenfile import Principal

#: Each has places of its own, so that long work never keeps short calls waiting.
CALL, STREAM, WATCH, WORK = QUEUES = ("call", "stream", "watch", "job")
_QUEUE_OF = {ARROW_OUT: STREAM, ARROW_IN: STREAM, BYTES_IN: STREAM, EVENTS: WATCH, JOB: WORK}
_RETRY_AFTER = {CALL: 1, STREAM: 5, WATCH: 10, WORK: 15}
_MAX_DEPTH = 100
_WAITING = 4


@dataclass(frozen=True)
class Limits:
    """Limits of one server; times in seconds, sizes in bytes, ``_each`` per token.

    Attributes:
        max_json: of a JSON body or message.
        max_body: of one upload or one stream of rows that comes in.
        max_header: of all headers of a request.
        max_seconds: for a call that is neither a stream nor a job.
        idle_seconds: without a byte from a client that owes some.
        header_seconds: until the headers of a request are there.
        queue_seconds: a call waits so long for a free place before it is refused.
        max_calls: short calls at once.
        max_calls_each: the same, per token.
        max_streams: streams of rows or files at once.
        max_streams_each: the same, per token.
        max_watches: streams of events at once.
        max_watches_each: the same, per token.
        max_jobs: jobs at once.
        max_jobs_each: the same, per token.
        max_sockets: connections at once.
        max_events: events kept for those who come back.
    """

    max_json: int = 1 << 20
    max_body: int = 64 << 30
    max_header: int = 32 << 10
    max_seconds: float = 120.0
    idle_seconds: float = 60.0
    header_seconds: float = 10.0
    queue_seconds: float = 5.0
    max_calls: int = 64
    max_calls_each: int = 64
    max_streams: int = 32
    max_streams_each: int = 32
    max_watches: int = 256
    max_watches_each: int = 128
    max_jobs: int = 8
    max_jobs_each: int = 8
    max_sockets: int = 1024
    max_events: int = 10_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
                raise InvalidArgument(f"the limit {name}={value!r} is not a positive number")


class Gate:
    """Counts what is running, and makes whoever is too many wait or go.

    A free place goes to the token that holds the fewest, so that one busy client does not keep
    the others out.
    """

    def __init__(self, limits: Limits | None = None):
        self.limits = limits or Limits()
        self._changed = threading.Condition()
        self._running: dict[str, Counter[str]] = {queue: Counter() for queue in QUEUES}
        self._waiting: dict[str, list[_Place]] = {queue: [] for queue in QUEUES}

    def running(self, queue: str | None = None) -> int:
        """Return how much is running, of one queue or of all."""
        with self._changed:
            queues = QUEUES if queue is None else (queue,)
            return sum(self._running[each].total() for each in queues)

    @contextlib.contextmanager
    def enter(self, principal: Principal, op: str, shape: str = "unary") -> Iterator[None]:
        """Hold a place while the body runs.

        Args:
            principal: who asks.
            op: what for, to be named in the error.
            shape: of the operation, or the name of a queue.

        Raises:
            Busy: no place became free; ``details["retry_after"]`` says when to come back.
        """
        leave = self.take(principal, op, shape)
        try:
            yield
        finally:
            leave()

    def take(self, principal: Principal, op: str, shape: str = "unary") -> Any:
        """Take a place as :meth:`enter` does; call what is returned to give it back, once or more.

        Raises:
            Busy: no place became free.
        """
        queue = shape if shape in QUEUES else _QUEUE_OF.get(shape, CALL)
        most = getattr(self.limits, f"max_{_PLURAL[queue]}")
        each = getattr(self.limits, f"max_{_PLURAL[queue]}_each")
        place = _Place(principal.id)
        with self._changed:
            running, waiting = self._running[queue], self._waiting[queue]
            # Per token as many may wait as may run: beyond that, waiting only makes all late.
            free = running.total() < most and running[principal.id] < each
            mine = sum(other.who == principal.id for other in waiting)
            if not free and (mine >= each or len(waiting) >= _WAITING * most):
                raise _busy(op, queue, most, each)
            waiting.append(place)
            turn = self._changed.wait_for(
                lambda: self._next(queue, most, each) is place, self.limits.queue_seconds
            )
            waiting.remove(place)
            if not turn:
                self._changed.notify_all()
                raise _busy(op, queue, most, each)
            running[principal.id] += 1
            self._changed.notify_all()

        def leave() -> None:
            with self._changed:
                if place.left:
                    return
                place.left = True
                running[principal.id] -= 1
                if not running[principal.id]:
                    del running[principal.id]
                self._changed.notify_all()

        return leave

    def _next(self, queue: str, most: int, each: int) -> _Place | None:
        """Return whose turn it is: the first of those who hold the fewest places."""
        running = self._running[queue]
        if running.total() >= most:
            return None
        may = [place for place in self._waiting[queue] if running[place.who] < each]
        return min(may, key=lambda place: running[place.who], default=None)


_PLURAL = {CALL: "calls", STREAM: "streams", WATCH: "watches", WORK: "jobs"}


class _Place:
    """One who waits, or holds a place."""

    def __init__(self, who: str):
        self.who, self.left = who, False


def _busy(op: str, queue: str, most: int, each: int) -> Busy:
    after = _RETRY_AFTER[queue]
    return Busy(
        f"the server is busy: {op} has to wait until another {queue} has ended",
        hint=f"nothing was changed; try again in {after} s",
        details={"retry_after": after, "limit": most, "limit_each": each},
    )


def metered(body: Iterable[Any] | None, limit: int, what: str = "body") -> Iterator[Any]:
    """Hand on the pieces of a body until there are more bytes than allowed.

    Raises:
        RequestTooLarge: at the piece that is too much; it is not handed on.
    """
    total = 0
    try:
        for piece in body or ():
            total += len(memoryview(piece).cast("B")) if len(piece) else 0
            if total > limit:
                raise _too_large(what, limit)
            yield piece
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def check_length(length: int | str | None, limit: int, what: str = "body") -> int | None:
    """Return the length that a request announces, if it may be that long.

    Raises:
        RequestTooLarge: it is longer.
        InvalidArgument: it is no number.
    """
    if length is None or length == "":
        return None
    text = str(length)
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidArgument(f"the length {text[:40]!r} of the {what} is no number")
    if int(text) > limit:
        raise _too_large(what, limit)
    return int(text)


def parse_json(text: bytes | str, limit: int = Limits.max_json) -> Any:
    """Return what a JSON text says, if it is neither too long nor too deep.

    Raises:
        RequestTooLarge: more bytes than ``limit``.
        InvalidArgument: no JSON, nested too deeply, a number of absurd length, half a surrogate.
    """
    if len(text) > limit:
        raise _too_large("JSON", limit)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidArgument(f"the JSON cannot be read: {reason[:200]}") from None
    _check_tree(value)
    return value


def _check_tree(value: Any) -> None:
    layer, depth = [value], 0
    while layer:
        if depth > _MAX_DEPTH:
            raise InvalidArgument(f"the JSON is nested more than {_MAX_DEPTH} deep")
        inner: list[Any] = []
        for item in layer:
            if isinstance(item, dict):
                inner.extend(item.keys())
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
            elif isinstance(item, str) and not item.isascii():
                try:
                    item.encode()
                except UnicodeEncodeError:
                    raise InvalidArgument("a text in the JSON is not valid Unicode") from None
        layer, depth = inner, depth + 1


def _too_large(what: str, limit: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"the {what} is larger than {limit:,} bytes, the most this server takes",
        hint="send less at once, or ask the operator for a higher limit",
        details={"limit": limit},
    )
