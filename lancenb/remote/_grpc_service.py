"""Methods of the gRPC service, one for each operation, made from the table."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from lancenb.errors import LancenbError, RequestTooLarge, TimedOut

from . import _grpc_convert as convert
from . import _grpc_errors as wire
from ._grpc_frames import frame, frames
from ._grpc_inlet import Inlet
from ._grpc_outlet import Outlet
from ._grpc_proto import HEAD, PIECE
from ._grpc_slots import SERVICE, camel
from ._limits import Limits
from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, UNARY, Op
from ._ops import OPS
from ._wire import Answer, Call, unexpected


class Service:
    """The methods.

    Args:
        dispatcher: answers calls.
        pool: where it does so.
        limits: sizes and times.
        metrics: counts what is refused here.
    """

    def __init__(self, dispatcher: Any, pool: ThreadPoolExecutor, limits: Limits, metrics: Any):
        self._dispatcher, self._pool = dispatcher, pool
        self._limits, self._metrics = limits, metrics

    def handlers(self) -> Any:
        """Return what a gRPC server takes."""
        import grpc

        methods = {camel(op.name): self._method(op) for op in OPS.values()}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _method(self, op: Op) -> Any:
        import grpc

        if op.shape in (ARROW_OUT, EVENTS):

            async def stream(request: bytes, context: Any) -> None:
                await self._guarded(context, self._stream(op, request, context))

            return grpc.unary_stream_rpc_method_handler(stream)
        if op.shape in (ARROW_IN, BYTES_IN):

            async def take(_: Any, context: Any) -> bytes:
                return await self._guarded(context, self._take(op, context))

            return grpc.stream_unary_rpc_method_handler(take)

        async def answer(request: bytes, context: Any) -> bytes:
            return await self._guarded(context, self._answer(op, request, context))

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _guarded(self, context: Any, work: Awaitable[Any]) -> Any:
        """Await work; an error becomes a status, and goes whole into the metadata."""
        import grpc

        try:
            return await work
        except grpc.aio.AbortError:
            raise
        except LancenbError as caught:
            error = caught
        except Exception:
            error = unexpected()
        code = grpc.StatusCode[wire.status_name(error)]
        await context.abort(code, wire.brief(error), ((wire.ERROR, wire.packed(error)),))

    # --- the three ways

    async def _answer(self, op: Op, request: bytes, context: Any) -> bytes:
        seconds = self._limits.max_seconds if op.shape == UNARY else None
        call = _call(op, context)
        answer = await self._called(op, request, call, seconds)
        await _lead(context, call, answer)
        return convert.response_bytes(op, answer.value)

    async def _take(self, op: Op, context: Any) -> bytes:
        inlet = Inlet(context, f"{camel(op.name)}Piece", self._limits.idle_seconds)
        try:
            request = await inlet.first()
            call = _call(op, context, inlet)
            answer = await self._called(op, request, call)
            await _lead(context, call, answer)
            return convert.response_bytes(op, answer.value)
        finally:
            # Work that still reads must learn that nothing more will come.
            inlet.break_off()

    async def _stream(self, op: Op, request: bytes, context: Any) -> None:
        call = _call(op, context)
        answer = await self._called(op, request, call)
        outlet = Outlet()
        try:
            outlet.start(_messages(op, answer), answer.close)
            await _lead(context, call, answer)
            while (message := await outlet.next()) is not None:
                await context.write(message)
        finally:
            outlet.close()
            if op.shape == EVENTS and not outlet.over:
                # Its thread may wait for the next event for a while; the place is free at once.
                threading.Thread(target=answer.close, daemon=True).start()

    # --- parts

    async def _called(
        self, op: Op, request: bytes, call: Call, seconds: float | None = None
    ) -> Answer:
        """Let the dispatcher answer."""
        if len(request) > self._limits.max_json:
            if self._metrics is not None:
                self._metrics.rejected("request_too_large")
            raise RequestTooLarge(
                f"the request is larger than {self._limits.max_json:,} bytes",
                hint="send rows and files as streams",
            )

        def work() -> Answer:
            call.args = convert.request_args(op, request)
            return self._dispatcher.call(call)

        future = self._pool.submit(work)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            future.add_done_callback(_drop)
            raise TimedOut(
                f"{op.name} takes longer than {seconds:g} s", hint="ask for less at a time"
            ) from None
        except asyncio.CancelledError:
            future.add_done_callback(_drop)
            raise


def _drop(future: Future[Answer]) -> None:
    """Close an answer that nobody waits for any more."""
    if not future.cancelled() and future.exception() is None:
        future.result().close()


def _call(op: Op, context: Any, body: Iterator[Any] | None = None) -> Call:
    """Return a call as far as it does not depend on the request."""
    from ._door import bearer

    metadata = [(k, v) for k, v in context.invocation_metadata() or () if isinstance(v, str)]
    given = dict(metadata)
    call = Call(op.name, {}, bearer(metadata), engine="grpc", peer=_peer(context.peer()), body=body)
    if re.fullmatch(r"[!-~]{1,128}", given.get(wire.REQUEST_ID, "")):
        call.request_id = given[wire.REQUEST_ID]
    call.idempotency_key = given.get(wire.KEY)
    call.if_match = given.get(wire.IF_MATCH)
    call.deadline = context.time_remaining()
    return call


def _peer(text: str) -> str:
    """Return the address of ``ipv4:127.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000``."""
    return unquote(text).partition(":")[2].rpartition(":")[0].strip("[]") or text


async def _lead(context: Any, call: Call, answer: Answer) -> None:
    """Send what goes before an answer."""
    metadata = [(wire.REQUEST_ID, call.request_id)]
    if answer.etag:
        metadata.append((wire.ETAG, answer.etag))
    await context.send_initial_metadata(tuple(metadata))


def _messages(op: Op, answer: Answer) -> Iterator[bytes]:
    """Yield the messages of a streamed answer."""
    body = answer.body if answer.body is not None else iter(())
    if op.shape == EVENTS:
        for event in body:
            yield convert.event_bytes(event)
        return
    yield frame(HEAD, convert.response_bytes(op, answer.value))
    yield from frames(PIECE, body)
