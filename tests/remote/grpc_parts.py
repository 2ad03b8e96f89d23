"""A gRPC server over a dispatcher of the test's own, and ways to talk to it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from lancenb.remote._grpc_client import GrpcTransport
from lancenb.remote._grpc_server import run_grpc
from lancenb.remote._limits import Limits
from lancenb.remote._op import OPS
from lancenb.remote._ops import OPS as _all
from lancenb.remote._transport import Reach
from lancenb.remote._wire import Answer, Call

assert _all is OPS
TOKEN = "a-token-for-tests"


class Canned:
    """Answers each operation with a function of the call."""

    def __init__(self, **answers: Callable[[Call], Any]):
        self.answers = answers
        self.calls: list[Call] = []

    def call(self, call: Call) -> Answer:
        self.calls.append(call)
        given = self.answers[call.op](call)
        return given if isinstance(given, Answer) else Answer(given)


class Body:
    """A streamed answer that notes when it is closed."""

    def __init__(self, items: Iterator[Any]):
        self.items = items
        self.closed = threading.Event()
        self.made = 0

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> Any:
        item = next(self.items)
        self.made += 1
        return item

    def close(self) -> None:
        self.closed.set()


@contextlib.contextmanager
def engine(
    dispatcher: Any, *, limits: Limits | None = None, tls: Any = None, **reach: Any
) -> Iterator[GrpcTransport]:
    """Serve a dispatcher, and yield a transport to it."""
    running = run_grpc(dispatcher, "127.0.0.1", 0, limits=limits, tls=tls)
    scheme = "grpc" if tls is None else "grpcs"
    to = Reach(f"{scheme}://localhost:{running.port}", TOKEN, **reach)
    transport = GrpcTransport(to)
    try:
        yield transport
    finally:
        transport.close()
        running.stop()


def ask(transport: Any, op: str, args: dict[str, Any] | None = None, **more: Any) -> Answer:
    """Make a call."""
    return transport.call(OPS[op], args or {}, **{"request_id": "asked-by-test", **more})
