"""Connections to an HTTP server that notice an answer, and a dead server, while they still send."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from lancenb.errors import InvalidArgument, LancenbError, ServerUnreachable, TimedOut

if TYPE_CHECKING:
    from ._transport import Reach

_POOLED = 64
_SENT = {"sent": True}
#: A machine that vanished (no word of its end) is noticed after about this many seconds.
_SILENT = 5
#: The same while it is sent a body: a server that is busy takes nothing for a while, and the system
#: counts that like silence.
_BUSY = 60


def _options() -> list[tuple[int, int, int]]:
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    options.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
    for name, value in (("TCP_KEEPIDLE", 2), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT * 1000))
    return options


def _bear(sock: Any, seconds: int) -> None:
    """Let so many seconds pass in which nothing that was sent arrives."""
    if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)


class _Attentive:
    """Looks, before each part of a body is sent, whether the server has answered already.

    A server that refuses a large body answers at once; who only sends would never read why.
    """

    _in_body = False
    sock: Any

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        if self._in_body:
            _bear(self.sock, _SILENT)
        self._in_body = False
        super().putrequest(*args, **kwargs)  # type: ignore[misc]

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        super().endheaders(*args, **kwargs)  # type: ignore[misc]
        self._in_body = True

    def send(self, data: Any) -> None:
        if self._in_body:
            _bear(self.sock, _BUSY)
        # What arrives over TLS need not be an answer, so there only the broken connection tells.
        watched = self._in_body and type(self.sock) is socket.socket and hasattr(select, "poll")
        if not watched:
            super().send(data)  # type: ignore[misc]
            return
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLOUT)
        view, limit = memoryview(data), self.sock.gettimeout()
        while view.nbytes:
            ready = poll.poll(None if limit is None else limit * 1000)
            if not ready:
                raise TimeoutError("the server takes nothing more")
            if ready[0][1] & ~select.POLLOUT:
                raise BrokenPipeError  # urllib3 reads the answer then
            view = view[self.sock.send(view) :]


class _Connection(_Attentive, HTTPConnection):
    default_socket_options = _options()  # type: ignore[misc]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{**kwargs, "socket_options": _options()})


class _SecureConnection(_Attentive, HTTPSConnection):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{**kwargs, "socket_options": _options()})


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection  # type: ignore[assignment]


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection  # type: ignore[assignment]


def pool_of(reach: Reach) -> urllib3.HTTPConnectionPool:
    """Return a pool of connections to the one host that gets the token.

    Raises:
        InvalidArgument: the address is none of an HTTP server.
    """
    try:
        parts = urlsplit(reach.url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, parts, port = None, None, None
    if not host or parts is None or parts.scheme not in ("http", "https"):
        raise InvalidArgument(
            "this is no address of an HTTP server", hint="such as http://127.0.0.1:8080"
        )
    shown = f"[{host}]" if ":" in host else host
    shared: dict[str, Any] = {"maxsize": _POOLED, "block": False, "retries": False}
    if parts.scheme == "http":
        return _Pool(shown, port or 80, **shared)
    from ._tls import client_context

    return _SecurePool(shown, port or 443, ssl_context=client_context(reach.ca), **shared)


def translated(error: Exception, where: str, seconds: float | None) -> LancenbError:
    """Return what went wrong with a connection as one of our errors.

    Args:
        error: what urllib3, the connection or the socket raised.
        where: host and port.
        seconds: how long was waited, at most.
    """
    kinds = urllib3.exceptions
    if isinstance(error, LancenbError):
        return error
    if isinstance(error, (kinds.NewConnectionError, kinds.ConnectTimeoutError)):
        return ServerUnreachable(
            f"no server answers at {where}", hint="is it running, and is the address right?"
        )
    if isinstance(error, (kinds.SSLError, ssl.SSLError)):
        return _insecure(error, where)
    if isinstance(error, (kinds.ReadTimeoutError, TimeoutError)) and not _gone(error):
        return TimedOut(
            f"the server at {where} did not answer within {seconds or 0:g} seconds",
            hint="it may still be at work; give it more with timeout=", details=_SENT,
        )  # fmt: skip
    if isinstance(error, (ValueError, UnicodeError)):
        return InvalidArgument(
            "the token or a key holds characters that no header can hold",
            hint="a token read from a file may end in a line break: token.strip()",
        )
    return ServerUnreachable(
        f"the connection to {where} broke off before the answer was whole",
        hint="is the server still running, and is this its HTTP port, with or without TLS?",
        details=_SENT,
    )  # fmt: skip


def _gone(error: Exception) -> bool:
    """Whether the system gave up the connection, rather than we the wait."""
    return isinstance(error, OSError) and bool(error.errno)


def _insecure(error: Exception, where: str) -> ServerUnreachable:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        from ._tls import untrusted

        return untrusted(text, where)
    return ServerUnreachable(
        f"no TLS connection to {where} came about", hint="does the server speak https there?"
    )


def hang_up(response: Any) -> None:
    """Close the connection of a response, also while another thread waits for it."""
    with contextlib.suppress(Exception):
        response.shutdown()  # wakes who is reading; closing alone would wait for it
    with contextlib.suppress(Exception):
        response.close()
