"""Small servers for the tests: a subprocess runner, a careless proxy, and endpoints that fail."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"


def unhurried(
    setattr: Callable[[Any, str, Any], Any] = setattr,
    setitem: Callable[[Any, str, Any], Any] = dict.__setitem__,
) -> None:
    """Give every question to an endpoint a minute; also for processes that a test starts."""
    from lancenb.store import _preflight

    setattr(_preflight, "DEADLINE", 60.0)
    setitem(_preflight.QUICK, "read_timeout", 50.0)


def free_port() -> int:
    """Return a TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen[Any], seconds: float) -> bool:
    """Wait until ``port`` accepts connections; False when the process ended or time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 0.5):
            return True
        time.sleep(0.05)
    return False


def start(command: list[str], log: Path, env: dict[str, str] | None = None) -> subprocess.Popen:
    """Start a process in a group of its own; its output goes to ``log``."""
    with open(log, "ab") as out:
        return subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )


def stop(process: subprocess.Popen, *, kill: bool = False) -> None:
    """End a process group started by :func:`start` and wait for it."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def start_moto(folder: Path, free_actions: int | None = None) -> tuple[subprocess.Popen, str]:
    """Start moto's server in a subprocess and return it with its address.

    With ``free_actions``, every request after that many has to be signed by a user moto knows.
    """
    env = dict(os.environ)
    if free_actions is not None:
        env["INITIAL_NO_AUTH_ACTION_COUNT"] = str(free_actions)
    for _ in range(3):  # the port may be taken between choosing and binding
        port = free_port()
        script = str(Path(__file__).with_name("_moto.py"))
        command = [sys.executable, script, "-H", LOOPBACK, "-p", str(port)]
        process = start(command, folder / "moto.log", env)
        if wait_for_port(port, process, 60):
            return process, f"http://{LOOPBACK}:{port}"
        stop(process, kill=True)
    raise RuntimeError("moto did not start:\n" + (folder / "moto.log").read_text()[-2000:])


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextlib.contextmanager
def serving(handle: Callable[[Any], None], tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve every request with ``handle(handler)`` and yield the address."""
    names = [f"do_{m}" for m in ("GET", "PUT", "HEAD", "POST", "DELETE")]
    methods = dict.fromkeys(names, lambda handler: handle(handler))
    server = ThreadingHTTPServer((LOOPBACK, 0), type("Handler", (_Quiet,), methods))
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def forgetful_proxy(
    target: str, first: Callable[[Any], None] = lambda handler: None
) -> Iterator[str]:
    """A proxy in front of ``target`` that drops ``If-None-Match``, as careless servers do.

    The host of the request is passed on unchanged, so signatures stay valid where they cover it.
    ``first`` is called with every request before it is passed on.
    """
    to = urlsplit(target)

    def handle(handler: Any) -> None:
        first(handler)
        headers = {k: v for k, v in handler.headers.items() if k.lower() != "if-none-match"}
        upstream = http.client.HTTPConnection(to.hostname or "", to.port, timeout=30)
        try:
            upstream.request(handler.command, handler.path, handler.body(), headers)
            got = upstream.getresponse()
            body = got.read()
        finally:
            upstream.close()
        drop = {"content-length", "transfer-encoding", "connection", "server", "date"}
        kept = {k: v for k, v in got.getheaders() if k.lower() not in drop}
        if handler.command == "HEAD":
            handler.send_response(got.status)
            for name, value in got.getheaders():
                if name.lower() not in drop - {"content-length"}:
                    handler.send_header(name, value)
            handler.end_headers()
        else:
            handler.answer(got.status, body, kept)

    with serving(handle) as address:
        yield address


@contextlib.contextmanager
def refused() -> Iterator[str]:
    """An address whose port nobody listens on (held, but never listening)."""
    with socket.socket() as held:
        held.bind((LOOPBACK, 0))
        yield f"http://{LOOPBACK}:{held.getsockname()[1]}"


@contextlib.contextmanager
def hanging() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen(64)
        yield f"http://{LOOPBACK}:{server.getsockname()[1]}"


@contextlib.contextmanager
def dropping() -> Iterator[str]:
    """A port whose queue is full: the kernel drops every further SYN."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind((LOOPBACK, 0))
        server.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        time.sleep(0.1)
        yield f"http://{LOOPBACK}:{server.getsockname()[1]}"


@contextlib.contextmanager
def trickling() -> Iterator[str]:
    """A server that sends one header byte a second: no single read ever times out."""
    done = threading.Event()

    def handle(handler: Any) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 600:
            if done.wait(1):
                return
            try:
                handler.wfile.write(bytes([byte]))
            except OSError:
                return

    with serving(handle) as address:
        try:
            yield address
        finally:
            done.set()
