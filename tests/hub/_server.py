"""One HTTP origin with a request log and faults, and plain files on it."""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ._faults import Fault, Faults

_BLOCK = 1 << 16


@dataclass
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0

    @property
    def auth(self) -> str | None:
        """The Authorization header."""
        return self.headers.get("authorization")


class Handler(BaseHTTPRequestHandler):
    """Passes requests to the origin's application; sends bodies with faults."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.route = unquote(parts.path)
        self.query = {key: value[-1] for key, value in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else b""
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.seen = Seen(self.command, self.route, headers)
        origin = self.server.origin
        if origin.closing.is_set():
            self._hang_up(reset=False)
            return
        origin.log.append(self.seen)
        self.fault = origin.faults.take(self.command, self.route)
        if self.fault is not None and self.fault.kind == "status":
            more = {"Retry-After": self.fault.retry_after} if self.fault.retry_after else {}
            self.answer(self.fault.status, b"no", more)
            return
        try:
            origin.app(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send a small answer."""
        self.seen.status = status
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.seen.sent += len(body)

    def send_content(self, data: bytes | Path, headers: dict[str, str]) -> None:
        """Send a file: ranges, validators and the planned fault included."""
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        fault = self.fault or Fault("none")
        etag = headers.get("ETag")
        if etag and self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", headers)
            return
        start, stop, status = 0, size, 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        condition = self.headers.get("If-Range")
        fresh = condition is None or condition in (etag, headers.get("Last-Modified"))
        if wanted and fresh and fault.kind != "norange":
            start = int(wanted[1])
            stop = min(size, int(wanted[2]) + 1) if wanted[2] else size
            if start >= size:
                self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
                return
            status = 206
        length = stop - start
        shown = int(length * fault.at) if fault.kind == "truncate" else length
        self.seen.status = status
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if fault.kind != "norange":
            self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Length", str(shown))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(data, start, shown, fault, int(length * fault.at))

    def _send_body(
        self, data: bytes | Path, start: int, length: int, fault: Fault, strike: int
    ) -> None:
        file = None if isinstance(data, bytes) else data.open("rb")
        try:
            if file:
                file.seek(start)
            at = 0
            while at < length:
                count = min(_BLOCK, length - at)
                if fault.kind in ("cut", "rst", "stall", "corrupt") and at < strike:
                    count = min(count, strike - at)
                if fault.kind in ("cut", "rst", "stall") and at >= strike:
                    if fault.kind == "stall":
                        self.server.origin.closing.wait(fault.seconds)
                        fault = Fault("none")
                        continue
                    self._hang_up(reset=fault.kind == "rst")
                    return
                if isinstance(data, bytes):
                    block = data[start + at : start + at + count]
                else:
                    assert file is not None
                    block = file.read(count)
                if fault.kind == "corrupt" and at >= strike:
                    block = bytes([block[0] ^ 0xFF]) + block[1:]
                    fault = Fault("none")
                if fault.kind == "slow":
                    time.sleep(len(block) / fault.rate)
                self.wfile.write(block)
                at += len(block)
                self.seen.sent += len(block)
        finally:
            if file:
                file.close()

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        self.wfile.flush()
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    origin: Origin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up in these tests all the time."""


class Origin:
    """A server on its own port.

    Args:
        app: called with the :class:`Handler` of every request.
    """

    def __init__(self, app: Callable[[Handler], None]):
        self.app = app
        self.log: list[Seen] = []
        self.faults = Faults()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.origin = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def requests(self, method: str = "*", path: str = "") -> list[Seen]:
        """Return logged requests whose path contains ``path``."""
        return [seen for seen in self.log if method in ("*", seen.method) and path in seen.path]


@dataclass
class _Plain:
    data: bytes | Path
    headers: dict[str, str] = field(default_factory=dict)
    redirect: str | None = None
    token: str | None = None


class FileServer(Origin):
    """Plain files at plain addresses."""

    def __init__(self) -> None:
        self.files: dict[str, _Plain] = {}
        super().__init__(self._plain)

    def add(
        self,
        path: str,
        data: bytes | Path = b"",
        *,
        etag: bool = True,
        headers: dict[str, str] | None = None,
        redirect: str | None = None,
        token: str | None = None,
    ) -> str:
        """Publish ``data`` (or a redirect) at ``path`` and return the address."""
        more = dict(headers or {})
        if etag and redirect is None:
            content = data if isinstance(data, bytes) else data.read_bytes()
            more.setdefault("ETag", f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        self.files[path] = _Plain(data, more, redirect, token)
        return self.url + path

    def _plain(self, handler: Handler) -> None:
        file = self.files.get(handler.route)
        if file is None:
            handler.answer(404, b"not here")
        elif file.token and handler.seen.auth != f"Bearer {file.token}":
            handler.answer(401, b"who are you")
        elif file.redirect is not None:
            handler.answer(302, b"", {"Location": file.redirect, **file.headers})
        else:
            handler.send_content(file.data, file.headers)

    def __enter__(self) -> FileServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
