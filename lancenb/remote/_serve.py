"""A server for one root: the engines over one dispatcher, started and stopped together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, MissingDependency

from ._server import Server

if TYPE_CHECKING:
    from lancenb.catalog import DataManager

    from ._dispatch import Dispatcher
    from ._door import Door
    from ._limits import Limits


def serve(
    root: Any,
    *,
    http: int | None = 0,
    grpc: int | None = 0,
    host: str = "127.0.0.1",
    token: str | None = None,
    tokens: str | Path | None = None,
    no_token: bool = False,
    certificate: str | Path | None = None,
    key: str | Path | None = None,
    origins: Sequence[str] = (),
    names: Sequence[str] = (),
    limits: Limits | None = None,
    allow_private_downloads: bool = False,
    **store_options: Any,
) -> Server:
    """Serve a catalogue over HTTP, WebSocket and gRPC, in the background of this process.

    Args:
        root: folder, ``"s3://bucket/prefix"``, :class:`~lancenb.Store` or
            :class:`~lancenb.DataManager`.
        http: port for HTTP and WebSocket; 0 takes a free one, ``None`` leaves them out.
        grpc: port for gRPC; likewise.
        host: address to bind to. Anything but loopback needs a token of yours.
        token: the token to ask for, good for everything; else the environment's
            ``LANCENB_TOKEN``, and else those of ``tokens``; when there is none at all one is made.
        tokens: file with tokens and scopes, managed by ``lancenb token``; the root's own when
            ``None``.
        no_token: let anybody on this machine do anything; loopback only.
        certificate: PEM file for TLS, on both ports.
        key: its private key.
        origins: web pages that may call, such as ``"https://lab.example.org"``.
        names: further host names under which it is reached.
        limits: what it takes on.
        allow_private_downloads: let it download from private addresses.
        **store_options: options of :class:`~lancenb.Store`.

    Returns:
        A :class:`Server`: ``url``, ``token``, ``connect()``, ``stop()``; it also stops at the end
        of a ``with`` block and with the process.

    Raises:
        InvalidArgument: a binding that is not safe, or options that do not go together.
        MissingDependency: the extra ``server`` is not installed.

    >>> import tempfile, lancenb as lnb
    >>> server = lnb.serve(tempfile.mkdtemp(), grpc=None)
    >>> dm = server.connect()
    >>> dm.upsert("points", [{"id": 1, "x": 0.5}], key="id", create=True).version
    1
    >>> server.stop()
    """
    if http is None and grpc is None:
        raise InvalidArgument("a server needs http= or grpc=", hint="0 takes a free port")
    if (certificate is None) != (key is None):
        raise InvalidArgument("TLS needs certificate= and key=")
    _require(http, grpc)
    from ._tls import TLS

    tls = TLS(certificate, key) if certificate is not None and key is not None else None
    manager = _manager_of(root, store_options)
    door, own = _door(manager, host, token, tokens, no_token, tls is not None, origins, names)
    dispatcher = _dispatcher(manager, door, limits, allow_private_downloads)
    server = Server(dispatcher, door, tls is not None)
    server._own = own
    try:
        if http is not None:
            _start_http(server, host, http, tls)
        if grpc is not None:
            _start_grpc(server, host, grpc, tls)
    except BaseException:
        server.stop()
        raise
    return server


def _require(http: int | None, grpc: int | None) -> None:
    import importlib.util

    wanted = ["prometheus_client"]
    wanted += ["fastapi", "uvicorn", "websockets"] if http is not None else []
    wanted += ["grpc", "grpc_health", "grpc_reflection"] if grpc is not None else []
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependency(
            f"serving needs {', '.join(missing)}", hint="pip install 'lancenb[server]'"
        )


def _manager_of(root: Any, options: dict[str, Any]) -> DataManager:
    from lancenb.catalog import DataManager
    from lancenb.store import Store

    if isinstance(root, DataManager):
        return root
    return DataManager(Store.of(root, **options).create())


def _door(
    manager: DataManager, host: str, token: str | None, tokens: Any, no_token: bool, secure: bool,
    origins: Sequence[str], names: Sequence[str],
) -> tuple[Door, str | None]:  # fmt: skip
    from ._door import Door
    from ._state import token_file
    from ._tokens import Tokens, from_environment, new_token

    path = Path(tokens) if tokens is not None else token_file(manager.store)
    fixed = [token] if token else from_environment()
    known = Tokens(None if no_token else path, fixed or None)
    door = Door(known, host=host, tls=secure, anonymous=no_token, names=names, origins=origins)
    if no_token or door.made or token:
        return door, token
    own = new_token()  # for Server.connect: of the others it knows only hashes, or several
    door.tokens = Tokens(path, [*fixed, own])
    return door, own


def _dispatcher(
    manager: DataManager, door: Door, limits: Limits | None, private: bool
) -> Dispatcher:
    from ._audit import Audit
    from ._confine import Confined
    from ._context import House
    from ._dispatch import Dispatcher
    from ._hub import Feed
    from ._jobs import Jobs
    from ._journal import Journal
    from ._limits import Gate, Limits
    from ._metrics import Metrics
    from ._ops import OPS
    from ._state import state_folder
    from ._uploads import Uploads

    limits = limits or Limits()
    state = state_folder(manager.store)
    uploads = Uploads(state / "uploads")
    # Whether there is such an upload is asked when it is used: an answer may be known already.
    confined = Confined(manager, allow_private_downloads=private)
    house = House(
        manager, confined, limits, Jobs(), uploads, Feed(limits.max_events, int(1000 * time.time()))
    )
    gate = Gate(limits)
    metrics = Metrics(OPS, queue=lambda: audit.queued)
    metrics.watch(gate.running)
    audit = Audit(manager.store, on_error=metrics.audit_failed)
    return Dispatcher(
        house, door=door, gate=gate, journal=Journal(state / "once"), audit=audit,
        metrics=metrics,
    )  # fmt: skip


def _start_http(server: Server, host: str, port: int, tls: Any) -> None:
    from ._http_app import http_app
    from ._http_run import run_http
    from ._rest_join import namespace_routes_of
    from ._ws_server import uvicorn_options, ws_route

    dispatcher, limits = server._dispatcher, server._dispatcher.house.limits
    shared: dict[str, Any] = {
        "door": server._door, "limits": limits, "metrics": dispatcher.metrics,
    }  # fmt: skip
    sockets: Any = ws_route(dispatcher, **shared)
    tables = namespace_routes_of(dispatcher)
    app = http_app(dispatcher, **shared, extra_routes=[sockets, *tables])
    running = run_http(app, host, port, tls, limits=limits, **uvicorn_options(limits))
    # Sockets are closed with a word of farewell while the server can still send it.
    server._ends += [sockets.stop, running.stop, tables.close]
    place = f"{_shown(host)}:{running.port}"
    server.url = f"{'https' if tls else 'http'}://{place}"
    server.ws_url = f"{'wss' if tls else 'ws'}://{place}"


def _start_grpc(server: Server, host: str, port: int, tls: Any) -> None:
    from ._grpc_server import run_grpc

    dispatcher = server._dispatcher
    running = run_grpc(
        dispatcher, host, port, tls=tls, limits=dispatcher.house.limits, metrics=dispatcher.metrics
    )
    server._ends.append(running.stop)
    server.grpc_url = f"{'grpcs' if tls else 'grpc'}://{_shown(host)}:{running.port}"


def _shown(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host
