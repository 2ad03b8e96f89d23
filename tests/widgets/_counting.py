"""An S3 server seen through a proxy that counts what it serves."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lancenb.store import Store
from tests.store._servers import serving


@dataclass
class Served:
    """What went through the proxy so far."""

    requests: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@contextlib.contextmanager
def counted(server: Any, uri: str) -> Iterator[tuple[Store, Served]]:
    """Yield a Store on ``uri`` behind the proxy, and the counts."""
    to, served = urlsplit(server.endpoint), Served()

    def handle(handler: Any) -> None:
        upstream = http.client.HTTPConnection(to.hostname or "", to.port, timeout=60)
        try:
            upstream.request(handler.command, handler.path, handler.body(), dict(handler.headers))
            got = upstream.getresponse()
            body = got.read()
        finally:
            upstream.close()
        with served.lock:
            served.requests += 1
            served.bytes += len(body)
        drop = {"transfer-encoding", "connection", "server", "date"}
        kept = {k: v for k, v in got.getheaders() if k.lower() not in drop}
        if handler.command == "HEAD":
            handler.send_response(got.status)
            for name, value in kept.items():
                handler.send_header(name, value)
            handler.end_headers()
        else:
            kept = {k: v for k, v in kept.items() if k.lower() != "content-length"}
            handler.answer(got.status, body, kept)

    with serving(handle) as address:
        yield Store(uri, **{**server.options(), "endpoint": address}), served
