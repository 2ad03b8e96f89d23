"""Connections of the URL engine: pools, proxies, TLS, addresses checked before they are used."""

from __future__ import annotations

import functools
import os
import socket
import ssl
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ._addresses import check_public, connect, look_up
from ._answer import Body
from ._watch import current

CONNECT_TIMEOUT = 3.0


class _Wire:
    """Looks names up once, connects so that it can be stopped, and waits so for the answer."""

    guarded = False
    response_class = Body
    host: str
    port: int
    sock: socket.socket | None
    _dns_host: str
    answering: socket.socket | None = None
    _twin: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        me: Any = self
        watch = current.get()
        stopped = watch.check if watch is not None else None
        try:
            found = look_up(self._dns_host.strip("[]"), self.port, stopped)
            if self.guarded:
                check_public(self.host, found)
            sock = connect(found, CONNECT_TIMEOUT, me.socket_options, stopped)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, me, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(me, f"{self.host} does not answer") from error
        except OSError as error:
            raise NewConnectionError(me, f"no connection: {error}") from error
        if watch is not None:
            self._twin = twin = sock.dup()  # TLS takes the socket over; this one is for us
            try:
                watch.add(twin)
            except BaseException:
                sock.close()
                raise
        return sock

    def connect(self) -> None:
        """Connect; handshakes with proxy and TLS end when the download is stopped."""
        try:
            super().connect()  # type: ignore[misc]
        finally:
            watch, twin, self._twin = current.get(), self._twin, None
            if watch is not None and twin is not None:
                watch.discard(twin)
                twin.close()

    def getresponse(self) -> Any:
        """Wait for the answer; ends when the download is stopped."""
        watch, sock = current.get(), self.sock
        self.answering = sock  # urllib3 forgets it where the server will not keep it open
        if watch is None or sock is None:
            return super().getresponse()  # type: ignore[misc]
        watch.add(sock)
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            watch.discard(sock)


class _Http(_Wire, HTTPConnection):
    pass


class _Https(_Wire, HTTPSConnection):
    pass


class _GuardedHttp(_Http):
    guarded = True


class _GuardedHttps(_Https):
    guarded = True


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http  # type: ignore[assignment]


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https  # type: ignore[assignment]


class _GuardedHttpPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHttp  # type: ignore[assignment]


class _GuardedHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHttps  # type: ignore[assignment]


_OPEN = {"http": _HttpPool, "https": _HttpsPool}
_GUARDED = {"http": _GuardedHttpPool, "https": _GuardedHttpsPool}


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context


def pool(scheme: str, proxy: str | None = None, *, guarded: bool = False) -> urllib3.PoolManager:
    """Return the connections of this process (through ``proxy``, or to public addresses only)."""
    secure = scheme == "https" or (proxy or "").startswith("https")
    return _pool(secure, proxy, guarded, os.getpid())


@functools.cache
def _pool(secure: bool, proxy: str | None, guarded: bool, pid: int) -> urllib3.PoolManager:
    del pid  # part of the key: a forked child must not share sockets with its parent
    options: dict[str, Any] = {"num_pools": 8, "maxsize": 8, "retries": False}
    if secure:
        options["ssl_context"] = _tls()
    if not proxy:
        manager = urllib3.PoolManager(**options)
        manager.pool_classes_by_scheme = dict(_GUARDED if guarded else _OPEN)
        return manager
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    headers = None
    if parts.username:
        user, password = unquote(parts.username), unquote(parts.password or "")
        headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    through = urllib3.ProxyManager(bare, proxy_headers=headers, **options)
    through.pool_classes_by_scheme = dict(_OPEN)
    return through


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment sets for ``url`` (never for this machine itself)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
