"""A running server, and how it stops."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb import _html
from lancenb.errors import InvalidArgument

from ._connect import reconnect
from ._transport import Reach

if TYPE_CHECKING:
    from lancenb.catalog import DataManager

    from ._client import RemoteManager
    from ._dispatch import Dispatcher
    from ._door import Door

_STOP_SECONDS = 5.0
_FAREWELL_SECONDS = 2.0


class Server:
    """A running server; made by :func:`serve`.

    Attributes:
        url: where it speaks HTTP; empty when it does not.
        grpc_url: where it speaks gRPC.
        ws_url: where it speaks WebSocket.
        token: the token made at start, when none was given; ``None`` otherwise.
        warning: what is not as safe as it could be; empty when all is well.
    """

    def __init__(self, dispatcher: Dispatcher, door: Door, secure: bool):
        self._dispatcher, self._door, self._secure = dispatcher, door, secure
        self._ends: list[Callable[[], Any]] = []
        self.url = self.grpc_url = self.ws_url = ""
        self.token: str | None = door.made
        self.warning = door.warning
        self._own: str | None = None
        self.stopped = False
        self._ending = threading.RLock()  # a signal may come while it stops, and stop it, too

    @property
    def manager(self) -> DataManager:
        """The catalogue that is served."""
        return self._dispatcher.house.manager

    def connect(
        self, engine: str = "http", *, token: str | None = None, ca: str | Path | None = None
    ) -> RemoteManager:
        """Connect to it from this process.

        Args:
            engine: ``"http"``, ``"grpc"`` or ``"ws"``.
            token: another token than the one the server was started with.
            ca: file with the certificates to trust; the system's when ``None``.

        Raises:
            InvalidArgument: it does not speak that engine.
        """
        url = {"http": self.url, "grpc": self.grpc_url, "ws": self.ws_url}.get(engine, "")
        if not url:
            raise InvalidArgument(f"this server does not speak {engine!r}")
        return reconnect(Reach(url, token or self.token or self._own, ca))

    def stop(self) -> None:
        """Stop serving: running calls get a few seconds, jobs are cancelled; again is fine."""
        with self._ending:  # whoever comes second leaves when all is over, too
            if self.stopped:
                return
            house = self._dispatcher.house
            house.closing = True
            house.feed.close()
            house.jobs.stop(_STOP_SECONDS)
            self._farewell()
            for end in self._ends:
                with contextlib.suppress(Exception):
                    end()
            self._dispatcher.audit.stop()
            house.uploads.close()
            self.stopped = True

    def _farewell(self) -> None:
        """Let those who follow events take the last ones, before connections are closed."""
        end = time.monotonic() + _FAREWELL_SECONDS
        while self._dispatcher.gate.running("watch") and time.monotonic() < end:
            time.sleep(0.005)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _facts(self) -> list[tuple[str, str]]:
        if self._dispatcher.house.closing:
            return [("state", "stopped" if self.stopped else "stopping")]
        urls = (("HTTP", self.url), ("gRPC", self.grpc_url), ("WebSocket", self.ws_url))
        facts = [(what, url) for what, url in urls if url]
        if self.token is not None:
            facts.append(("token", "in .token, made for this run"))
        return [*facts, ("note", self.warning)] if self.warning else facts

    def _title(self) -> str:
        from lancenb.store import redact

        return f"Server of {redact(self.manager.store.uri)}"

    def __repr__(self) -> str:
        facts = "".join(f"\n  {what}: {value}" for what, value in self._facts())
        return f"<{self._title()}>{facts}"

    def _repr_html_(self) -> str:
        return _html.facts(self._title(), self._facts())
