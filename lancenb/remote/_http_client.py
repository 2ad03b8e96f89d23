"""The HTTP engine of a client: one call there and its answer back, over pooled connections."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3

from lancenb.errors import LancenbError, ServerError, ServerUnreachable

from ._http_connection import hang_up, pool_of, translated
from ._http_far import ArrowFile, Events
from ._http_wire import (
    HEAD_VALUE,
    JSON,
    NEXT_PAGE,
    SSE,
    TIMEOUT,
    dumps,
    media_type,
    paged,
    rest,
    target,
)
from ._op import ARROW_OUT, EVENTS, Op
from ._wire import ARROW, PROBLEM, Answer, error_from

if TYPE_CHECKING:
    from ._transport import Reach

#: Seconds without a sign of life after which a stream of events counts as broken; pings come
#: more often.
_QUIET = 45.0


class _Broken(Exception):
    """The pieces of a body could not be made; the error itself is kept beside it."""


class HttpTransport:
    """Carries calls to one HTTP server; safe to use from several threads.

    Args:
        reach: how to reach it.
    """

    def __init__(self, reach: Reach):
        self.reach = reach
        self._lock = threading.Lock()
        self._pool, self._owner = pool_of(reach), os.getpid()
        parts = urlsplit(reach.url)
        self._where = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")

    def __repr__(self) -> str:
        return f"HttpTransport({self._where!r})"

    def call(
        self,
        op: Op,
        args: dict[str, Any],
        *,
        request_id: str,
        body: Iterator[Any] | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Make one call; see :class:`~lancenb.remote._transport.Transport`."""
        headers = {"X-Request-Id": request_id, "Accept": f"{_expected(op)}, {PROBLEM}"}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if if_match is not None:
            headers["If-Match"] = if_match
        seconds = timeout if timeout is not None else self.reach.timeout
        if seconds is not None and op.shape != EVENTS:
            headers[TIMEOUT] = f"{seconds:g}"
        ask = _Ask(self, op, args, headers, body, seconds)
        if op.shape == EVENTS:
            events = Events(ask.events_after, ask.failed)
            return Answer(None, iter_events(events))
        if op.shape == ARROW_OUT:
            response = ask.send()
            head = response.headers.get(HEAD_VALUE)
            value = None if head is None else _answer(base64.b64decode(head.replace(", ", "")))
            return Answer(value, ArrowFile(response, ask.failed))
        if paged(op):
            return ask.all_pages()
        return ask.answer()

    def pool(self) -> urllib3.HTTPConnectionPool:
        """Return the connections of this process: those of a parent are not for its children."""
        with self._lock:
            if self._owner != os.getpid():
                self._pool, self._owner = pool_of(self.reach), os.getpid()
            return self._pool

    def close(self) -> None:
        """Let go of connections; a later call makes new ones."""
        with self._lock:
            old, self._pool = self._pool, pool_of(self.reach)
        old.close()


def iter_events(events: Events) -> Any:
    """Return the events as something to iterate and to close."""
    return _Closing(events)


class _Closing:
    def __init__(self, events: Events):
        self._events, self._iterator = events, iter(events)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._iterator)

    def close(self) -> None:
        self._events.close()


class _Ask:
    """One call on its way."""

    def __init__(
        self,
        transport: HttpTransport,
        op: Op,
        args: dict[str, Any],
        headers: dict[str, str],
        body: Iterator[Any] | None,
        seconds: float | None,
    ):
        self._transport, self._op, self._args = transport, op, args
        self._headers, self._body, self._seconds = headers, body, seconds
        self._trouble: BaseException | None = None

    def failed(self, error: Exception) -> LancenbError:
        """Return what went wrong as one of our errors."""
        return translated(error, self._transport._where, self._seconds)

    def events_after(self, after: int | None) -> Any:
        """Ask for events, of those after a number."""
        args = self._args if after is None else {**self._args, "after": after}
        return self.send(args, read=_QUIET)

    def answer(self, more: dict[str, str] | None = None) -> Answer:
        """Return the JSON answer."""
        response = self.send(more=more)
        value = _answer(self._whole(response))
        return Answer(value, etag=response.headers.get("ETag"))

    def all_pages(self) -> Answer:
        """Return a list that comes in pages as one."""
        first: Any = None
        more: dict[str, str] = {}
        while True:
            response = self.send(more=more)
            value = _answer(self._whole(response))
            if first is None:
                first = value
            else:
                first["items"] += value["items"]
            token = response.headers.get(NEXT_PAGE)
            if token is None:
                return Answer(first)
            more = {"page_token": token}

    def send(
        self,
        args: dict[str, Any] | None = None,
        *,
        more: dict[str, str] | None = None,
        read: float | None = None,
    ) -> Any:
        """Send the request and return the response, whose body is still to come.

        Raises:
            LancenbError: what the server answered, or what became of the connection.
        """
        op, args = self._op, self._args if args is None else args
        address = self._transport._prefix + target(op, args, more)
        headers, body = dict(self._headers), None
        if self._transport.reach.token is not None:
            headers["Authorization"] = f"Bearer {self._transport.reach.token}"
        if self._body is not None:
            headers["Content-Type"], body = media_type(op), self._pieces(self._body)
        elif not op.in_query and (given := rest(op, args)):
            headers["Content-Type"], body = JSON, dumps(given)
        response = self._requested(op, address, headers, body, read or self._seconds)
        if response.status != 200:
            self._refused(response)
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind != _expected(op):
            hang_up(response)
            raise self._foreign(response)
        return response

    def _requested(
        self, op: Op, address: str, headers: dict[str, str], body: Any, read: float | None
    ) -> Any:
        tries = 1 if op.writes or self._body is not None else 2
        timeout = urllib3.Timeout(connect=self._transport.reach.connect_seconds, read=read)
        while True:
            tries -= 1
            try:
                return self._transport.pool().urlopen(
                    op.method, address, body=body, headers=headers, redirect=False, retries=False,
                    timeout=timeout, preload_content=False, decode_content=False,
                    chunked=self._body is not None,
                )  # fmt: skip
            except _Broken:
                assert self._trouble is not None
                raise self._trouble from None
            except Exception as error:
                made = self.failed(error)
                # A connection kept open may have been closed just now; a look may look again.
                if not tries or not isinstance(made, ServerUnreachable) or not made.details:
                    raise made from None

    def _pieces(self, body: Iterator[Any]) -> Iterator[Any]:
        try:
            for piece in body:
                yield memoryview(piece).cast("B")
        except GeneratorExit:
            raise
        except BaseException as error:
            self._trouble = error
            raise _Broken from None

    def _whole(self, response: Any) -> bytes:
        try:
            data = response.read(decode_content=False)
            response.release_conn()
            return data
        except Exception as error:
            hang_up(response)
            raise self.failed(error) from None

    def _refused(self, response: Any) -> None:
        """Raise the error that an answer tells."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind != PROBLEM:
            hang_up(response)
            raise self._foreign(response)
        try:
            data = response.read(decode_content=False)
        except Exception as error:
            hang_up(response)
            raise self.failed(error) from None
        # With a body of ours perhaps half sent, the connection is good for nothing more.
        if self._body is not None:
            hang_up(response)
        else:
            response.release_conn()
        facts = _answer(data)
        if not isinstance(facts, dict) or not isinstance(facts.get("code"), str):
            raise self._foreign(response)
        raise error_from({key: facts.get(key) for key in ("code", "message", "hint", "details")})

    def _foreign(self, response: Any) -> LancenbError:
        """Return the error for an answer that is none of lancenb's."""
        status, where = response.status, self._transport._where
        details = {"status": status}
        if status in (502, 503, 504):
            return ServerUnreachable(
                f"what answers at {where} does not reach its server (HTTP status {status})",
                hint="is the server behind it running?", details={**details, "sent": True},
            )  # fmt: skip
        hint = "is this the address of a lancenb server, without anything in between?"
        if 300 <= status < 400:
            hint = "it sends elsewhere, which is not followed; give the address it leads to"
        return ServerError(
            f"what answers at {where} is no lancenb server (HTTP status {status})",
            hint=hint, details=details,
        )  # fmt: skip


def _expected(op: Op) -> str:
    return {ARROW_OUT: ARROW, EVENTS: SSE}.get(op.shape, JSON)


def _answer(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise ServerError("the server answered what is no JSON") from None
