"""Where the Hub is, and whether it answers, in seconds instead of the client's 23."""

from __future__ import annotations

import os
import time
from urllib.parse import urlsplit

from ..errors import InvalidArgument
from ..progress import CancelToken
from ._addresses import connect, look_up
from ._connect import proxy_for
from ._hub_errors import unreachable

_TIMEOUT = 1.8  # per address, twice that for all; looking up the name takes up to six more
_TRUST = 30.0
_answered: dict[str, float] = {}


def endpoint() -> str:
    """Return the Hub's address: ``HF_ENDPOINT`` as it is now, else the client's default.

    Raises:
        InvalidArgument: ``HF_ENDPOINT`` is no address, or holds credentials.
    """
    chosen = os.environ.get("HF_ENDPOINT")
    if chosen:
        return _checked(chosen.strip().rstrip("/"))
    from huggingface_hub import constants

    return constants.ENDPOINT.rstrip("/")


def _checked(address: str) -> str:
    """Refuse what is no address, and credentials that would end up in messages and lineage."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
        parts = urlsplit("")
    if not good or "@" in parts.netloc or parts.query:
        raise InvalidArgument(
            "HF_ENDPOINT is not an address of the form https://hub.example",
            hint="without user, password or query; tokens go into HF_TOKEN",
        )
    return address


def is_offline() -> bool:
    """Whether the environment forbids asking the Hub (``HF_HUB_OFFLINE``)."""
    from huggingface_hub import constants

    return bool(constants.is_offline_mode())


def preflight(address: str, source: str, cancel: CancelToken | None = None) -> None:
    """Connect once, within ten seconds in all.

    Args:
        address: the Hub's.
        source: what is wanted, for the message.
        cancel: ends the wait.

    Raises:
        Offline: nobody listens at ``address`` (or at the proxy in front of it).
    """
    target = urlsplit(proxy_for(address) or address)
    host = target.hostname or ""
    port = target.port or (443 if target.scheme == "https" else 80)
    key = f"{host}:{port}"
    if time.monotonic() - _answered.get(key, -_TRUST) < _TRUST:
        return
    stopped = cancel.check if cancel is not None else None
    try:
        connect(look_up(host, port, stopped), _TIMEOUT, stopped=stopped).close()
    except OSError as error:
        raise unreachable(address, source) from error
    _answered[key] = time.monotonic()
