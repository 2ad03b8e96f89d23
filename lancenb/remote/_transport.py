"""What a client needs from an engine: carry one call there and its answer back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ._op import Op
from ._wire import Answer


@dataclass(frozen=True)
class Reach:
    """How to reach a server.

    Attributes:
        url: ``http(s)://``, ``grpc(s)://`` or ``ws(s)://`` with host and port.
        token: bearer token.
        ca: file with the certificates to trust; the system's when ``None``.
        connect_seconds: how long a connection may take to come about.
        timeout: how long an answer may take, ``None`` for as long as the server works on it.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ca: str | Path | None = None
    connect_seconds: float = 5.0
    timeout: float | None = 600.0


class Transport(Protocol):
    """A connection (or pool of them) to one server; used from several threads, never forked."""

    reach: Reach

    def call(
        self,
        op: Op,
        args: dict[str, Any],
        *,
        request_id: str,
        body: Iterator[Any] | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Make one call.

        ``args`` is JSON data as the server takes it, ``body`` bytes-like pieces. The answer's
        ``value`` is JSON data, its ``body`` pieces of an Arrow stream (an object with
        ``readinto`` is used as a file) or events (dicts, without keep-alives); it is closed by
        the caller, also in the middle.

        Raises:
            ServerUnreachable: no server, or it went away before the answer was whole. A call that
                may have reached the server has ``details={"sent": True}``.
            TimedOut: it took longer than ``timeout`` seconds.
            LancenbError: what the server answered, rebuilt from its wire form.
        """
        ...

    def close(self) -> None:
        """Let go of connections; a later call makes new ones."""
        ...
