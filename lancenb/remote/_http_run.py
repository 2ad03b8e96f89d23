"""An HTTP server in a thread of its own, with its own event loop; ``stop`` ends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, ServerError

from ._http_app import needs

if TYPE_CHECKING:
    from ._limits import Limits
    from ._tls import TLS

#: Seconds that answers under way get when the server is stopped; then they are broken off.
_GRACE = 2
_START = 30.0


class Running:
    """A server that runs.

    Attributes:
        host: where it listens.
        port: where it listens, also when any port was asked for.
    """

    def __init__(self, server: Any, sock: socket.socket):
        self.host, self.port = sock.getsockname()[:2]
        self._server, self._sock = server, sock
        state = getattr(server.config.app, "state", None)
        self._workers = getattr(state, "workers", None)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lancenb-http", daemon=True)
        self._thread.start()
        self._wait()

    def _run(self) -> None:
        # Never the loop of a notebook; and uvicorn takes signals in main threads only.
        try:
            asyncio.run(self._server.serve(sockets=[self._sock]))
        except BaseException as error:
            self._error = error

    def _wait(self) -> None:
        end = time.monotonic() + _START
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                self.stop()
                raise ServerError("the HTTP server did not start") from self._error
            time.sleep(0.002)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Take nothing more, give answers under way two seconds, and end."""
        self._server.should_exit = True
        self._thread.join(_GRACE + 1.5)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(1.0)
        # A server that is forced to end leaves out what its application does at the end.
        if self._workers is not None:
            self._workers.close()
        with contextlib.suppress(OSError):
            self._sock.close()


def run_http(
    app: Any,
    host: str,
    port: int,
    tls: TLS | None = None,
    *,
    limits: Limits,
    **options: Any,
) -> Running:
    """Start a server and return once it listens.

    Args:
        app: the application.
        host: where to listen.
        port: where to listen; 0 takes any free one.
        tls: certificate and key.
        limits: what it takes on.
        options: further options of ``uvicorn.Config``.

    Raises:
        InvalidArgument: nobody can listen there.
        MissingDependency: uvicorn is not installed.
    """
    try:
        import uvicorn

        from ._http_protocol import Protocol
    except ImportError:
        raise needs("uvicorn and httptools") from None
    sock = _bound(host, port)
    try:
        config = uvicorn.Config(
            app, http=Protocol.within(limits), loop="asyncio", lifespan="on", log_config=None,
            access_log=False, log_level="critical", proxy_headers=False, server_header=False,
            timeout_graceful_shutdown=_GRACE, timeout_keep_alive=int(limits.idle_seconds) or 1,
            **({} if tls is None else tls.uvicorn()), **options,
        )  # fmt: skip
        return Running(uvicorn.Server(config), sock)
    except BaseException:
        sock.close()
        raise


def _bound(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, proto, _, address = found[0]
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        raise InvalidArgument(f"{host!r} is no address of this machine: {error}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise InvalidArgument(
            f"a server cannot listen on {host}:{port}: {error.strerror}",
            hint="port 0 takes any free one",
        ) from None
    return sock
