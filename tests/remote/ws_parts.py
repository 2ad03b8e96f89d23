"""A small dispatcher behind a real WebSocket server, a proxy that can be cut, a raw client."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from websockets.sync.client import connect

from lancenb.errors import ArtifactNotFound
from lancenb.remote import _ws_flow
from lancenb.remote._http_run import run_http
from lancenb.remote._hub import Feed
from lancenb.remote._limits import Limits
from lancenb.remote._ops import OPS
from lancenb.remote._transport import Reach
from lancenb.remote._wire import Answer, Call
from lancenb.remote._ws import HEADER, PATH, SUBPROTOCOL
from lancenb.remote._ws_client import WsTransport
from lancenb.remote._ws_server import uvicorn_options, ws_route

PIECE = bytes(range(256)) * 4096
#: Silence that counts; most tests have more patience, see ``patience``.
SILENT_BEATS = _ws_flow._SILENT_BEATS


class Desk:
    """Answers a few operations, and remembers what happened to them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.produced = 0
        self.taken = 0
        self.closed = threading.Event()
        self.broken: BaseException | None = None
        self.committed = 0
        self.slow = threading.Event()
        self.slow.set()
        self.feed = Feed()

    def call(self, call: Call) -> Answer:
        self.calls.append(call)
        return getattr(self, f"_{call.op}")(call)

    def _about(self, call: Call) -> Answer:
        self.slow.wait(120)
        return Answer({"args": call.args, "token": call.token, "key": call.idempotency_key,
                       "engine": call.engine}, etag=call.if_match)  # fmt: skip

    def _get(self, call: Call) -> Answer:
        raise ArtifactNotFound(f"there is no {call.args['name']!r}", hint="look", details={"a": 1})

    def _job(self, call: Call) -> Answer:
        raise ZeroDivisionError("a secret")

    def _read(self, call: Call) -> Answer:
        def pieces() -> Iterator[bytes]:
            try:
                for number in range(call.args["limit"]):
                    if number == call.args.get("offset"):
                        raise ArtifactNotFound("gone in the middle")
                    self.produced += 1
                    yield PIECE
            finally:
                self.closed.set()

        return Answer({"head": 1}, pieces())

    def _write(self, call: Call) -> Answer:
        assert call.body is not None
        try:
            size = 0
            for piece in call.body:
                size += len(piece)
                self.taken += len(piece)
                self.slow.wait(120)
        except BaseException as error:
            self.broken = error
            raise
        finally:
            self.closed.set()
        self.committed += 1
        return Answer({"size": size})

    def _upsert(self, call: Call) -> Answer:
        assert call.body is not None
        next(call.body)
        raise ArtifactNotFound("no such table, and no need to send more")

    def _upload(self, call: Call) -> Answer:
        return Answer({"known": True})

    def _watch(self, call: Call) -> Answer:
        after = call.args.get("after")
        begin = self.feed.seq if after is None else after
        return Answer(body=self._events(begin), release=self.closed.set)

    def _events(self, begin: int) -> Iterator[dict[str, Any]]:
        yield {"seq": begin, "event": "ready", "data": {}}
        yield from self.feed.follow(begin)


class Served:
    """A server of a dispatcher."""

    def __init__(self, desk: Any, *, limits: Limits | None = None, door: Any = None):
        limits = limits or Limits()
        self.desk = desk
        self.route = ws_route(desk, door=door, limits=limits)
        app = Starlette(routes=[self.route])
        # The HTTP server's own limits would count these connections, too, and hang up earlier.
        more = uvicorn_options(limits)
        self.running = run_http(app, "127.0.0.1", 0, limits=Limits(), **more)
        self.port = self.running.port
        self.url = f"ws://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.route.stop()  # type: ignore[attr-defined]
        self.running.stop()


@contextlib.contextmanager
def served(desk: Any = None, **options: Any) -> Iterator[Served]:
    server = Served(desk or Desk(), **options)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def transport(url: str, **options: Any) -> Iterator[WsTransport]:
    made = WsTransport(Reach(url, **{"timeout": 120.0, "connect_seconds": 60.0, **options}))
    try:
        yield made
    finally:
        made.close()


_ASKED = iter(range(1, 10**9))


def ask(carrier: WsTransport, op: str, args: dict[str, Any] | None = None, **more: Any) -> Answer:
    return carrier.call(OPS[op], args or {}, request_id=f"r{next(_ASKED)}", **more)


class Raw:
    """A client that sends whatever it is told to."""

    def __init__(self, url: str, *, headers: dict[str, str] | None = None, **options: Any):
        self._held = contextlib.ExitStack()
        made = connect(
            url + PATH, subprotocols=[SUBPROTOCOL], additional_headers=headers or {},  # type: ignore[list-item]
            compression=None, ping_interval=None, max_size=None, close_timeout=1, open_timeout=120,
            **options,
        )  # fmt: skip
        self.connection = self._held.enter_context(made)

    def send(self, *messages: Any) -> None:
        for message in messages:
            self.connection.send(json.dumps(message) if isinstance(message, dict) else message)

    def piece(self, stream: int, flag: int, data: bytes = b"") -> None:
        self.connection.send(HEADER.pack(stream, flag) + data)

    def get(self) -> Any:
        """The next frame that is no sign of life; bytes as they are."""
        while True:
            message = self.connection.recv(timeout=60)
            if isinstance(message, bytes):
                return message
            envelope = json.loads(message)
            if "ping" in envelope:
                self.send({"pong": envelope["ping"]})
            elif "pong" not in envelope:
                return envelope

    def ask(self, *messages: Any) -> Any:
        self.send(*messages)
        return self.get()

    def code(self) -> tuple[int | None, str | None]:
        """Read until the server closes; return how it closed."""
        with contextlib.suppress(Exception):
            while True:
                self.get()
        self.connection.recv_events_thread.join(60)
        return self.connection.close_code, self.connection.close_reason

    def close(self) -> None:
        self._held.close()


@contextlib.contextmanager
def raw(url: str, **options: Any) -> Iterator[Raw]:
    client = Raw(url, **options)
    try:
        yield client
    finally:
        client.close()


class Proxy:
    """Passes bytes on, until it is cut or holds its breath."""

    def __init__(self, port: int):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.silent = False
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((near, far))
                self.connections += 1  # counted when it can be cut
                threading.Thread(target=self._pump, args=(near, far), daemon=True).start()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                if self.silent:
                    time.sleep(0.05)
                    continue
                for ready in select.select([near, far], [], [], 0.1)[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return self._drop((near, far))
                    (far if ready is near else near).sendall(data)

    def _drop(self, pair: tuple[socket.socket, socket.socket]) -> None:
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._drop(pair)

    def close(self) -> None:
        self._listener.close()
        self.cut()
        self.silent = False  # the threads of a silent one see that their sockets are closed


@contextlib.contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    made = Proxy(port)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def apart() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    code = f"from {__name__} import serve_here; serve_here()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def serve_here() -> None:
    _ws_flow._SILENT_BEATS = 60
    server = Served(Desk())
    print(server.url, flush=True)
    threading.Event().wait()


class OnlyWhenTold(threading.Condition):
    """Wakes nobody but when it is notified."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(600.0)


def until(what: Any, seconds: float = 60.0) -> bool:
    """Whether something becomes true."""
    end = time.monotonic() + seconds
    while not (become := bool(what())) and time.monotonic() < end:
        time.sleep(0.01)
    return become
