"""Where the Hub is, and whether it answers, in seconds instead of the client's 23."""

from __future__ import annotations

import os
import socket
import time
from urllib.parse import urlsplit

from ._http import proxy_for
from ._hub_errors import unreachable

_TIMEOUT = 3.0
_TRUST = 30.0
_answered: dict[str, float] = {}


def endpoint() -> str:
    """Return the Hub's address: ``HF_ENDPOINT`` as it is now, else the client's default."""
    chosen = os.environ.get("HF_ENDPOINT")
    if chosen:
        return chosen.rstrip("/")
    from huggingface_hub import constants

    return constants.ENDPOINT.rstrip("/")


def is_offline() -> bool:
    """Whether the environment forbids asking the Hub (``HF_HUB_OFFLINE``)."""
    from huggingface_hub import constants

    return bool(constants.is_offline_mode())


def preflight(address: str, source: str) -> None:
    """Connect once, quickly.

    Raises:
        Offline: nobody listens at ``address`` (or at the proxy in front of it).
    """
    target = urlsplit(proxy_for(address) or address)
    host = target.hostname or ""
    port = target.port or (443 if target.scheme == "https" else 80)
    key = f"{host}:{port}"
    if time.monotonic() - _answered.get(key, -_TRUST) < _TRUST:
        return
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:2]
    except OSError as error:
        raise unreachable(address, source) from error
    last: OSError | None = None
    for family, kind, protocol, _, where in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(_TIMEOUT)
            try:
                probe.connect(where)
            except OSError as error:
                last = error
                continue
            _answered[key] = time.monotonic()
            return
    raise unreachable(address, source) from last
