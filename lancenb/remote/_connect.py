"""From an address to a catalogue."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lancenb.errors import InvalidArgument

from ._transport import Reach, Transport

if TYPE_CHECKING:
    from ._client import RemoteManager

_SCHEMES = ("http", "https", "grpc", "grpcs", "ws", "wss")


def connect(
    url: str,
    *,
    token: str | None = None,
    ca: str | Path | None = None,
    timeout: float | None = 600.0,
) -> RemoteManager:
    """Connect to a catalogue that :func:`lancenb.serve` or ``lancenb serve`` serves.

    Args:
        url: ``"http://host:8080"``, ``"grpc://host:50051"`` or ``"ws://host:8080"``; with TLS
            ``https``, ``grpcs``, ``wss``. All three do the same.
        token: the bearer token; the environment's ``LANCENB_TOKEN`` when ``None``.
        ca: file with the certificates to trust; the system's when ``None``.
        timeout: seconds that one answer may take.

    Returns:
        An object with the verbs of :class:`~lancenb.DataManager`, of the same results and errors.

    Raises:
        ServerUnreachable: no server answers there.
        Unauthorized: the server wants a token, or does not know this one.
        InvalidArgument: this is no address of a server.

    >>> import tempfile, lancenb as lnb
    >>> with lnb.serve(tempfile.mkdtemp(), grpc=None) as server:
    ...     dm = lnb.connect(server.url, token=server.token)
    ...     dm.upsert("points", [{"id": 1, "x": 0.5}], key="id", create=True)
    points: 1 row inserted, 0 updated (version 1)
    """
    manager = reconnect(Reach(_checked(url), token or os.environ.get("LANCENB_TOKEN"), ca,
                              timeout=timeout))  # fmt: skip
    try:
        manager.about()  # an address or token that is wrong shows here, not later
    except BaseException:
        manager.close()
        raise
    return manager


def reconnect(reach: Reach) -> RemoteManager:
    """Return a catalogue without asking the server anything yet."""
    from ._client import RemoteManager

    # Its verbs come from the table of operations, which a type checker does not see.
    make: Any = RemoteManager
    return make(transport_of(reach))


def transport_of(reach: Reach) -> Transport:
    """Return the engine for the scheme of an address."""
    scheme = urlsplit(reach.url).scheme
    if scheme in ("grpc", "grpcs"):
        from ._grpc_client import GrpcTransport

        return GrpcTransport(reach)
    if scheme in ("ws", "wss"):
        from ._ws_client import WsTransport

        return WsTransport(reach)
    from ._http_client import HttpTransport

    return HttpTransport(reach)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        good = parts is not None and parts.scheme in _SCHEMES and bool(parts.hostname)
        _ = parts.port if parts is not None else None
    except ValueError:
        good = False
    if not good or parts is None:
        raise InvalidArgument(
            f"{url!r:.80} is no address of a server",
            hint="such as http://127.0.0.1:8080, grpc://127.0.0.1:50051 or ws://127.0.0.1:8080",
        )
    if parts.username is not None or parts.password is not None or parts.query:
        raise InvalidArgument(
            "the address of a server holds no credentials", hint="give the token as token=..."
        )
    return url.rstrip("/")
