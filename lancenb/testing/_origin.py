"""One HTTP origin on loopback: requests, their log, small answers, remote control."""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ._body import Incoming, hang_up, send_body
from ._content import send_content
from ._control import control
from ._faults import Fault, Faults


class Refused(Exception):
    """Ends a request with an error answer, worded as the Hub words it."""

    def __init__(self, status: int, code: str, message: str, **headers: str):
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, "Content-Type": "application/json"}
        self.headers |= {"X-Error-Code": code} if code else {}
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass
class Seen:
    """One request as the server saw it.

    Attributes:
        method: GET, HEAD, POST …
        path: path without the query, unquoted.
        headers: request headers with lower-case names; left out of the text form, because they
            hold the token.
        status: what was answered; 0 when the connection ended without an answer.
        sent: bytes of the body that went out.
        received: bytes of the request's body that came in.
    """

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    status: int = 0
    sent: int = 0
    received: int = 0

    @property
    def auth(self) -> str | None:
        """The Authorization header."""
        return self.headers.get("authorization")

    @property
    def range(self) -> str | None:
        """The Range header."""
        return self.headers.get("range")

    @property
    def bytes_sent(self) -> int:
        """Bytes of the body that went out."""
        return self.sent

    def to_dict(self) -> dict[str, object]:
        """Return the form of ``GET /_stub/log``: whether there was a token, not which."""
        return {
            "method": self.method,
            "path": self.path,
            "range": self.range,
            "auth": self.auth is not None,
            "status": self.status,
            "bytes_sent": self.sent,
            "bytes_received": self.received,
        }


class Handler(BaseHTTPRequestHandler):
    """Passes requests to the origin's application and logs them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the ACK of its headers
    server: _Server

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.segments = [unquote(part) for part in parts.path.strip("/").split("/")]
        self.route = unquote(parts.path)
        self.params = parse_qs(parts.query, keep_blank_values=True)
        self.query = {key: value[-1] for key, value in self.params.items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.seen = Seen(self.command, self.route, headers)
        self.__dict__.pop("body", None)  # one handler serves all requests of a connection
        self.incoming = Incoming(self.rfile, headers)
        origin = self.server.origin
        try:
            if origin.closing.is_set():
                hang_up(self, reset=False)
            elif self.segments[0] == "_stub":
                control(self, origin)
            else:
                origin.log.append(self.seen)
                self._work(origin)
        except ConnectionError:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _work(self, origin: Origin) -> None:
        fault = origin.faults.take(self.command, self.route, "request")
        if fault and fault.kind == "status":
            self.answer(fault.status, b"no", fault.headers())
            return
        if fault and fault.kind == "stall":
            origin.closing.wait(fault.seconds)
        elif fault:
            hang_up(self, reset=fault.kind == "rst")
            return
        try:
            origin.app(self)
        except Refused as refused:
            self.answer(
                refused.status, json.dumps({"error": str(refused)}).encode(), refused.headers
            )
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            # Our own mistake, or a request out of shape: say so instead of hanging up.
            origin.errors.append(traceback.format_exc())
            self.answer(500, traceback.format_exc().encode())

    @cached_property
    def body(self) -> bytes:
        """The whole body of the request."""
        return self.incoming.read()

    @property
    def json(self) -> Any:
        """The body of the request as JSON; an empty object when there is none."""
        return json.loads(self.body or b"{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send a small answer."""
        fault = self.body_fault(status, len(body))
        shown = fault.strike(len(body)) if fault and fault.kind == "truncate" else len(body)
        self.begin(status, {**(headers or {}), "Content-Length": str(shown)})
        if self.command != "HEAD":
            send_body(self, body, 0, shown, fault)

    def answer_json(
        self, value: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Send JSON."""
        more = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        self.answer(status, json.dumps(value, default=str).encode(), more)

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the status line and the headers, once all of the request has come."""
        self.incoming.drain()
        self.seen.received = self.incoming.count
        self.seen.status = status
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def body_fault(self, status: int, length: int) -> Fault | None:
        """Return the fault that strikes the body of this answer, if any."""
        if self.command == "HEAD" or not length or not 200 <= status < 300:
            return None
        return self.server.origin.faults.take(self.command, self.route, "body")

    def send_content(
        self, data: bytes | Path, headers: dict[str, str], *, chunked: bool = False
    ) -> None:
        """Send a file: ranges, conditions and faults included."""
        send_content(self, data, headers, chunked=chunked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    origin: Origin

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up in these tests all the time."""


class Origin:
    """A server on its own port of 127.0.0.1.

    Args:
        app: called with the handler of every request.
        port: where to listen; 0 for any free port.

    Attributes:
        url: its address, without a slash at the end.
        log: every request since the start (:class:`Seen`).
        faults: what to do wrong (:class:`Faults`).
        errors: tracebacks of requests that the application could not handle.
        sides: the origins that ``/_stub/…`` on this one controls, by name.
    """

    def __init__(self, app: Callable[[Any], None], *, port: int = 0):
        self.app = app
        self.log: list[Seen] = []
        self.faults = Faults()
        self.errors: list[str] = []
        self.closing = threading.Event()
        self.sides: dict[str, Origin] = {"files": self}
        self._server = _Server(("127.0.0.1", port), Handler)
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
