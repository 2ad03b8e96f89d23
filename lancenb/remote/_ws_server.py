"""The WebSocket door of the HTTP server: who may connect, and the connections there are."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lancenb.errors import Busy, InvalidArgument, LancenbError

from ._http_wire import problem
from ._limits import Limits
from ._op import READ
from ._wire import Call
from ._ws import HEADER, MAX_CHUNK, PATH, SUBPROTOCOL
from ._ws_session import Session

if TYPE_CHECKING:
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket

    from ._door import Door


class Sockets:
    """The WebSocket connections of one server.

    Args:
        dispatcher: answers calls.
        door: who may come in; ``None`` lets everybody in.
        limits: sizes, times, and how many connections.
        metrics: counts those that are refused.
    """

    def __init__(
        self,
        dispatcher: Any,
        *,
        door: Door | None = None,
        limits: Limits | None = None,
        metrics: Any = None,
    ):
        self._dispatcher, self._door, self._metrics = dispatcher, door, metrics
        self._limits = limits or Limits()
        self._sessions: set[Session] = set()
        self._empty = threading.Event()
        self._empty.set()
        self._stopping = False

    def stop(self, seconds: float = 3.0) -> None:
        """Close all connections with code 1001; call it from another thread, before uvicorn ends.

        Args:
            seconds: how long to wait until they are closed.
        """
        self._stopping = True
        for session in list(self._sessions):
            session.stop()
        self._empty.wait(seconds)

    async def endpoint(self, websocket: WebSocket) -> None:
        """Answer a request to upgrade, and serve the connection."""
        from ._door import bearer

        token = bearer(websocket.headers.items())
        peer = websocket.client.host if websocket.client else ""
        try:
            await asyncio.to_thread(self._admit, dict(websocket.headers), token, peer)
            self._room(websocket)
        except LancenbError as error:
            if self._metrics is not None:
                self._metrics.rejected(error.code)
            return await _refuse(websocket, error)
        session = Session(websocket, self._dispatcher, self._limits, token, peer)
        self._sessions.add(session)
        self._empty.clear()
        try:
            await websocket.accept(SUBPROTOCOL)
            if self._stopping:
                session.stop()
            await session.run()
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._empty.set()
        return None

    def _admit(self, headers: Mapping[str, str], token: str | None, peer: str) -> None:
        if self._door is None:
            return
        self._door.check_host(headers.get("host"))
        self._door.check_origin(headers.get("origin"), headers.get("host"))
        self._door.admit(Call("websocket", {}, token, engine="ws", peer=peer), READ)

    def _room(self, websocket: WebSocket) -> None:
        if SUBPROTOCOL not in websocket.scope.get("subprotocols", ()):
            raise InvalidArgument(
                "the client does not speak this server's protocol",
                hint=f"ask for the subprotocol {SUBPROTOCOL}",
            )
        if self._stopping or len(self._sessions) >= self._limits.max_sockets:
            raise Busy(
                "the server takes no more connections",
                hint="try again in a moment",
                details={"retry_after": 5},
            )


def ws_route(
    dispatcher: Any, *, door: Door | None, limits: Limits | None = None, metrics: Any = None
) -> WebSocketRoute:
    """Return the route to add to the HTTP application; its ``stop`` closes all connections."""
    from starlette.routing import WebSocketRoute

    sockets = Sockets(dispatcher, door=door, limits=limits, metrics=metrics)
    route = WebSocketRoute(PATH, sockets.endpoint, name="websocket")
    route.stop = sockets.stop  # type: ignore[attr-defined]
    return route


def uvicorn_options(limits: Limits | None = None) -> dict[str, Any]:
    """Return what the server behind the route needs: frames of bounded size, not compressed."""
    largest = max((limits or Limits()).max_json * 2, MAX_CHUNK + HEADER.size)
    return {"ws": "auto", "ws_max_size": largest, "ws_per_message_deflate": False}


async def _refuse(websocket: WebSocket, error: LancenbError) -> None:
    from starlette.responses import Response

    status, body, headers = problem(error)
    await websocket.send_denial_response(Response(body, status, headers))
