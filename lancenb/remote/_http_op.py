"""One request for an operation: its arguments and body in, its answer out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from lancenb.errors import (
    InvalidArgument,
    LancenbError,
    PreconditionFailed,
    UnsupportedFormat,
)

from ._door import bearer
from ._http_pages import cut, page_wanted
from ._http_reply import Reply
from ._http_stream import Inlet, Workers, arriving
from ._http_wire import JSON, TIMEOUT, from_address, loads, media_type, paged
from ._journal import mark_of
from ._limits import check_length
from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, Op
from ._typed import argument
from ._wire import Answer, Call

if TYPE_CHECKING:
    from ._door import Door
    from ._limits import Limits


class OpHandler:
    """Answers requests for operations, knowing none of them.

    Args:
        dispatcher: what answers calls.
        door: whom it lets in.
        limits: what the server takes on.
        workers: threads to call it in.
    """

    def __init__(self, dispatcher: Any, door: Door, limits: Limits, workers: Workers):
        self._dispatcher, self._door = dispatcher, door
        self._limits, self._workers = limits, workers

    async def handle(
        self, op: Op, placed: dict[str, Any], scope: Mapping[str, Any], reply: Reply
    ) -> None:
        """Answer one request.

        Args:
            op: the operation.
            placed: the arguments in the path.
            scope: the request.
            reply: where the answer goes.
        """
        call = self._call(op, scope, reply)
        try:
            headers = one_each(scope["headers"])
            query = query_of(scope["query_string"])
            page = page_wanted(query) if paged(op) else None
            await self._asked(op, placed, call, headers, query, reply)
        except LancenbError:
            # Who may not ask at all is told that, and nothing of how to ask.
            await self._workers.run(self._door.admit, call, op.scope)
            raise
        if op.shape in (ARROW_IN, BYTES_IN):
            await self._streamed_in(call, reply)
            return
        answer = await self._run(call)
        if op.shape == ARROW_OUT:
            await reply.arrow(answer)
        elif op.shape == EVENTS:
            await reply.events(answer)
        else:
            if page is not None:
                reply.headers |= cut(answer.value, *page, scope["path"], query)
            await self._valued(op, answer, headers, reply)

    async def _asked(
        self,
        op: Op,
        placed: dict[str, Any],
        call: Call,
        headers: dict[str, str],
        query: dict[str, str],
        reply: Reply,
    ) -> None:
        """Read what a request says into its call; of a stream, what stands before it."""
        call.idempotency_key = headers.get("idempotency-key")
        if call.idempotency_key is not None:
            mark_of("", call.idempotency_key)
        call.if_match = headers.get("if-match")
        call.deadline = _seconds(headers.get(TIMEOUT.lower()))
        if op.shape in (ARROW_IN, BYTES_IN):
            check_type(headers, media_type(op))
            check_length(headers.get("content-length"), self._limits.max_body)
        if op.in_query:
            given = _in_query(op, query)
        elif query:
            raise InvalidArgument(
                f"{next(iter(query))!r:.60} does not belong into the address",
                hint="send the arguments as a JSON object in the body",
            )
        else:
            given = await self._json(headers, reply)
        for name in placed.keys() & given.keys():
            raise InvalidArgument(
                f"{name} is given in the address and beside it", details={"argument": name}
            )
        call.args = {**given, **placed}
        if op.shape == EVENTS and "after" in op.params:
            _resume(op, call.args, headers)

    def _call(self, op: Op, scope: Mapping[str, Any], reply: Reply) -> Call:
        return Call(
            op.name,
            {},
            token=bearer(scope["headers"]),
            request_id=reply.headers["x-request-id"],
            engine="http",
            peer=str((scope.get("client") or ("", 0))[0]),
        )

    async def _run(self, call: Call) -> Answer:
        return await self._workers.run(self._dispatcher.call, call, drop=Answer.close)

    async def _valued(self, op: Op, answer: Answer, headers: dict[str, str], reply: Reply) -> None:
        etag = answer.etag
        if etag is None:
            await reply.value(answer)
            return
        reply.headers["etag"] = etag
        if op.method == "GET":
            if "if-match" in headers and not _listed(etag, headers["if-match"]):
                raise PreconditionFailed(
                    "the entry is not the one that was asked for", hint="get it again"
                )
            if "if-none-match" in headers and _listed(etag, headers["if-none-match"]):
                await reply.whole(304, b"", {})
                return
        await reply.value(answer)

    async def _json(self, headers: dict[str, str], reply: Reply) -> dict[str, Any]:
        """Read the JSON object in the body of a request."""
        limit = self._limits.max_json
        check_length(headers.get("content-length"), limit, "JSON")
        body = bytearray()
        async for piece in arriving(reply.receive, self._limits.idle_seconds):
            body += piece
            if len(body) > limit:
                check_length(len(body), limit, "JSON")
        if not body:
            return {}
        check_type(headers, JSON)
        data = loads(bytes(body), limit)
        if not isinstance(data, dict):
            raise InvalidArgument("the arguments are no JSON object")
        return data

    async def _streamed_in(self, call: Call, reply: Reply) -> None:
        inlet = Inlet(reply.receive, self._limits.idle_seconds)
        pump = asyncio.create_task(inlet.pump())
        call.body = inlet
        reply.rest = lambda: inlet.discard(pump)
        try:
            await reply.value(await self._run(call))
        except asyncio.CancelledError:
            pump.cancel()
            raise


def one_each(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers of a request by name, in lower case.

    Raises:
        InvalidArgument: one that decides something is there twice.
    """
    found: dict[str, str] = {}
    for key, value in pairs:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        if name in found and name in _SINGLE and found[name] != text:
            raise InvalidArgument(f"the header {name} is there twice")
        found[name] = text
    return found


_SINGLE = {"content-type", "if-match", "idempotency-key", "last-event-id", TIMEOUT.lower()}


def query_of(raw: bytes) -> dict[str, str]:
    """Return the query of an address.

    Raises:
        InvalidArgument: a name is there twice, or it is not UTF-8.
    """
    if not raw:
        return {}
    try:
        pairs = parse_qsl(
            raw.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=100
        )
    except ValueError:
        raise InvalidArgument("the query of the address cannot be read") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidArgument(f"{name!r:.60} is there twice in the address")
        found[name] = value
    return found


def _in_query(op: Op, query: dict[str, str]) -> dict[str, Any]:
    return {
        name: from_address(op.hints[name], text, name) if name in op.params else text
        for name, text in query.items()
    }


def check_type(headers: Mapping[str, str], wanted: str) -> None:
    """Refuse a body of another type.

    Raises:
        UnsupportedFormat: it is of another type.
    """
    given = headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != wanted:
        raise UnsupportedFormat(
            f"the body is {given or 'of no type'!r:.60}, not {wanted}",
            hint=f"send it with the header Content-Type: {wanted}",
        )


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidArgument(f"{TIMEOUT}: {text:.40} is no number of seconds")
    return seconds


def _resume(op: Op, args: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Go on after the event that a browser says it saw last."""
    if "after" in args:
        argument(op.hints["after"], args["after"], "after")
    last = headers.get("last-event-id")
    if last is not None:  # an empty one is no number either
        args["after"] = from_address(int, last, "Last-Event-ID")


def _listed(etag: str, header: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags
