"""What a client streams to a gRPC server, as an iterator for the thread that does the work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from lancenb.errors import InvalidArgument, LancenbError, ServerUnreachable, TimedOut

from ._grpc_convert import message_class
from ._grpc_frames import unframe
from ._grpc_proto import END, HEAD, PIECE


def _gone() -> LancenbError:
    return ServerUnreachable("the client went away before its stream was whole")


class Inlet:
    """The pieces of a stream, without its request and its end mark.

    gRPC tells a server that a client has finished and that a client is gone in ways that can look
    alike, so only the end mark ends the iteration; anything else raises.

    Args:
        context: of the call.
        message: name of the message that the stream is made of.
        idle: seconds within which the next piece has to come.
    """

    def __init__(self, context: Any, message: str, idle: float):
        self._context, self._message, self._idle = context, message, idle
        self._loop = asyncio.get_running_loop()
        self._ahead: Future[tuple[int, Any]] | None = None
        self._broken = False
        self._ended = False

    async def first(self) -> bytes:
        """Return the request, which is the first message.

        Raises:
            InvalidArgument: it is something else.
            TimedOut: it does not come.
        """
        try:
            async with asyncio.timeout(self._idle):
                field, content = await self._read()
        except TimeoutError:
            raise self._slow() from None
        if field != HEAD:
            raise InvalidArgument("a stream of pieces begins with its request")
        return bytes(content)

    def _slow(self) -> LancenbError:
        return TimedOut(
            f"the request did not go on for {self._idle:g} seconds", hint="send it again"
        )

    async def _read(self) -> tuple[int, Any]:
        import grpc

        raw = await self._context.read()
        if raw is grpc.aio.EOF:  # pyright: ignore[reportAttributeAccessIssue]
            raise _gone()
        return unframe(raw, self._parse)

    def _parse(self, raw: bytes) -> tuple[int, Any]:
        try:
            message = message_class(self._message).FromString(raw)
        except Exception:
            raise InvalidArgument(f"what came is not a {self._message} message") from None
        known = {"request": HEAD, "piece": PIECE, "end": END}
        name = message.WhichOneof("content")
        if name is None:
            raise InvalidArgument(f"an empty {self._message} message")
        content = getattr(message, name)
        return known[name], content.SerializeToString() if name == "request" else content

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._ended:
            raise StopIteration
        try:
            coming = self._ahead or self._ask()
            field, content = coming.result(self._idle)
            # One piece is on its way while the last one is worked on.
            self._ahead = self._ask() if field == PIECE else None
        except TimeoutError:
            raise self._slow() from None
        except LancenbError:
            raise
        except BaseException:
            raise _gone() from None
        if field == PIECE:
            return content
        if field != END:
            raise InvalidArgument("a stream of pieces has one request")
        self._ended = True
        raise StopIteration

    def _ask(self) -> Future[tuple[int, Any]]:
        if self._broken:
            raise _gone()
        return asyncio.run_coroutine_threadsafe(self._read(), self._loop)

    def break_off(self) -> None:
        """Let whoever waits for a piece know that none will come."""
        self._broken = True
        if self._ahead is not None:
            self._ahead.cancel()
