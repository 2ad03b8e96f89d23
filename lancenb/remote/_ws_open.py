"""How a client gets a WebSocket connection, and what it says when it gets none."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, LancenbError, ServerUnreachable

from ._tls import untrusted
from ._transport import Reach
from ._wire import error_from
from ._ws import PATH, SUBPROTOCOL, missing
from ._ws_flow import Pulse

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_MAX_TEXT = 1 << 30
CLOSE_SECONDS = 1.0


async def connected(reach: Reach, seconds: float) -> ClientConnection:
    """Return an open connection, or raise why there is none."""
    try:
        from websockets.asyncio import client
        from websockets.exceptions import InvalidStatus, WebSocketException
    except ImportError:
        raise missing() from None

    class Heard(client.ClientConnection):
        """Takes every byte as a sign of life, also in the middle of a frame on a slow line."""

        pulse: Pulse | None = None

        def data_received(self, data: bytes) -> None:
            if self.pulse is not None:
                self.pulse.heard = True
            super().data_received(data)

    url = reach.url.rstrip("/") + PATH
    more: dict[str, Any] = {}
    if url.startswith("wss:"):
        from ._tls import client_context

        more["ssl"] = client_context(reach.ca)
    if reach.token:
        if not (reach.token.isascii() and reach.token.isprintable()):
            raise InvalidArgument(
                "the token or a key holds characters that no header can hold",
                hint="a token read from a file may end in a line break: token.strip()",
            )
        more["additional_headers"] = {"Authorization": f"Bearer {reach.token}"}
    try:
        connection = await client.connect(
            url, subprotocols=[SUBPROTOCOL], compression=None, open_timeout=seconds,  # type: ignore[list-item]
            ping_interval=None, close_timeout=CLOSE_SECONDS, max_size=_MAX_TEXT, max_queue=64,
            write_limit=256 << 10, create_connection=Heard, proxy=None, **more,
        )  # fmt: skip
    except InvalidStatus as error:
        raise _refused(reach, error.response) from None
    except (OSError, TimeoutError, EOFError, WebSocketException) as error:
        raise _unreachable(reach.url, error) from None
    if connection.subprotocol != SUBPROTOCOL:
        connection.transport.abort()
        raise ServerUnreachable(
            f"what answers at {reach.url} does not speak {SUBPROTOCOL}",
            hint="is this the address of a lancenb server of this version?",
        )
    return connection


def _refused(reach: Reach, response: Any) -> LancenbError:
    try:
        problem = json.loads(response.body or b"")
    except ValueError:
        problem = None
    if isinstance(problem, dict) and isinstance(problem.get("code"), str):
        return error_from(problem)
    return ServerUnreachable(
        f"no lancenb server answers at {reach.url}: HTTP status {response.status_code}",
        hint="is this the address of a lancenb server?",
    )


def gone(reach: Reach, *, sent: bool) -> ServerUnreachable:
    """Return the error for a connection that broke."""
    return ServerUnreachable(
        f"the connection to {reach.url} broke off",
        hint="try again; a write with a key is done once, however often it arrives",
        details={"sent": True} if sent else {},
    )


def _unreachable(url: str, error: BaseException) -> LancenbError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(str(error), url)
    return ServerUnreachable(
        f"no server answers at {url}",
        hint="is it running, and is this its HTTP port, with or without TLS?",
    )
