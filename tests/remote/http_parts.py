"""Parts of the tests of the HTTP engine: a running server, raw sockets, a canned dispatcher."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from lancenb import DataManager
from lancenb.remote._client import RemoteManager
from lancenb.remote._door import Door
from lancenb.remote._http_app import http_app
from lancenb.remote._http_client import HttpTransport
from lancenb.remote._http_run import Running, run_http
from lancenb.remote._limits import Limits
from lancenb.remote._metrics import Metrics
from lancenb.remote._ops import OPS
from lancenb.remote._serve import _dispatcher
from lancenb.remote._tokens import Tokens
from lancenb.remote._transport import Reach
from lancenb.remote._wire import ARROW, Answer, Call

TOKEN = "a-token-for-the-http-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Site:
    """A running server and ways to talk to it."""

    def __init__(self, dispatcher: Any, door: Door, limits: Limits, metrics: Any, **options: Any):
        self.dispatcher, self.door = dispatcher, door
        tls = options.pop("tls", None)
        app = http_app(dispatcher, door=door, limits=limits, metrics=metrics, **options)
        self.running: Running = run_http(app, "127.0.0.1", 0, tls, limits=limits)
        self.port = self.running.port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def transport(self, token: str | None = TOKEN, **options: Any) -> HttpTransport:
        """Return a client engine."""
        return HttpTransport(Reach(self.url, token, **{"connect_seconds": 60.0, **options}))

    def manager(self, token: str | None = TOKEN) -> RemoteManager:
        """Return a catalogue over it."""
        return RemoteManager(self.transport(token))

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Make one plain request with the token; ``_`` in header names stands for ``-``."""
        import urllib3

        sent = dict(BEARER)
        if isinstance(body, (dict, list)):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value}
        answer = urllib3.request(
            method, self.url + path, body=body, headers=sent, retries=False, redirect=False
        )
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.data

    def problem(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """Make one plain request that is to fail, and return the problem."""
        status, told, data = self.ask(method, path, body, **headers)
        assert told["content-type"] == "application/problem+json"
        facts = json.loads(data)
        assert facts["status"] == status >= 400
        assert facts["detail"] == facts["message"]
        assert facts["code"] in facts["type"]
        return facts

    @contextlib.contextmanager
    def socket(self) -> Iterator[socket.socket]:
        """Open a bare connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as sock:
            yield sock


@contextlib.contextmanager
def real_site(root: Path | DataManager, limits: Limits | None = None) -> Iterator[Site]:
    """Serve a catalogue."""
    manager = root if isinstance(root, DataManager) else DataManager(root)
    manager.store.create()
    door = Door(Tokens(None, TOKEN))
    dispatcher = _dispatcher(manager, door, limits or patient(), False)
    site = Site(dispatcher, door, dispatcher.house.limits, dispatcher.metrics)
    try:
        yield site
    finally:
        dispatcher.house.closing = True
        dispatcher.house.feed.close()
        site.running.stop()
        dispatcher.audit.stop()
        dispatcher.house.uploads.close()


class Canned:
    """A dispatcher that answers what a test says."""

    def __init__(self, answer: Callable[[Call], Answer]):
        self.answer = answer
        self.calls: list[Call] = []
        self.house = SimpleNamespace(closing=False, manager=SimpleNamespace(list=lambda: []))

    def call(self, call: Call) -> Answer:
        """Answer."""
        self.calls.append(call)
        return self.answer(call)


@contextlib.contextmanager
def canned_site(
    answer: Callable[[Call], Answer], limits: Limits | None = None, **options: Any
) -> Iterator[Site]:
    """Serve canned answers."""
    door = Door(Tokens(None, TOKEN))
    site = Site(Canned(answer), door, limits or patient(), Metrics(OPS), **options)
    try:
        yield site
    finally:
        site.running.stop()


def patient(**changes: Any) -> Limits:
    """Return limits with changes; a client that is held up before it asks may be late."""
    return dataclasses.replace(Limits(), **{"header_seconds": 120.0, **changes})


def until(true: Callable[[], Any], seconds: float = 60.0) -> bool:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not (found := bool(true())) and time.monotonic() < end:
        time.sleep(0.01)
    return found


def stream_of(table: pa.Table) -> bytes:
    """Return a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def head_of(sock: socket.socket) -> bytes:
    """Return what comes until the connection is closed."""
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def strange_server(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """Run a server that is none of ours; ``answer`` gets a connection and the head of a request."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(120)
            head = b""
            while b"\r\n\r\n" not in head:
                part = sock.recv(65536)
                if not part:
                    return
                head += part
            answer(sock, head)

    def run() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                sock, _ = listener.accept()
                threading.Thread(target=one, args=(sock,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.close()


__all__ = [
    "ARROW", "BEARER", "TOKEN", "Answer", "Call", "Canned", "Site", "canned_site", "head_of",
    "patient", "real_site", "strange_server", "stream_of", "until",
]  # fmt: skip
