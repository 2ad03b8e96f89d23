"""Errors as gRPC states them: a status, and the whole error beside it in the metadata."""

from __future__ import annotations

import json
import socket
import ssl
from typing import Any

from lancenb import errors as e
from lancenb.errors import LancenbError

from ._wire import GRPC_STATUS, error_dict, error_from, http_status

ERROR = "lancenb-error-bin"
ETAG = "lancenb-etag"
REQUEST_ID = "lancenb-request-id"
KEY = "lancenb-idempotency-key"
IF_MATCH = "lancenb-if-match"

#: Room for an error in the metadata; what is longer loses its details, then its end.
_ROOM = 24 << 10
_TEXT = 4000


def status_name(error: BaseException) -> str:
    """Return the name of the gRPC status of an error."""
    return GRPC_STATUS.get(http_status(error), "INTERNAL")


def packed(error: BaseException) -> bytes:
    """Return the wire form of an error, short enough for metadata."""
    facts = error_dict(error)
    raw = json.dumps(facts, separators=(",", ":")).encode()
    if len(raw) > _ROOM:
        facts["details"] = {}
        facts["message"], facts["hint"] = facts["message"][:_TEXT], facts["hint"][:_TEXT]
        raw = json.dumps(facts, separators=(",", ":")).encode()
    return raw


def brief(error: BaseException) -> str:
    """Return what goes beside the status, for clients that read nothing else."""
    return str(error_dict(error)["message"])[:500].encode("utf-8", "replace").decode()


def unpacked(metadata: Any) -> LancenbError | None:
    """Return the error that came in metadata, if one did."""
    for key, value in metadata or ():
        if key == ERROR:
            try:
                return error_from(json.loads(value))
            except (ValueError, RecursionError):
                return None
    return None


def from_status(name: str, text: str, url: str, seconds: float | None) -> LancenbError:
    """Return the error for a status that came without one of ours: the library's or a proxy's.

    Args:
        name: of the status.
        text: what was said beside it.
        url: of the server.
        seconds: how long the client was ready to wait.
    """
    if name == "DEADLINE_EXCEEDED":
        return e.TimedOut(
            f"the server at {url} did not answer within {seconds or 0:g} seconds",
            hint="it may still be at work; give it more with timeout=",
            details={"sent": True},
        )
    if name == "RESOURCE_EXHAUSTED":
        if "larger" in text or "size" in text:
            return e.RequestTooLarge(
                f"a message to or from {url} is larger than allowed", hint="ask for less at a time"
            )
        return e.Busy(f"{url} has as much to do as it takes on", hint="try again in a moment")
    if name == "UNAUTHENTICATED":
        return e.Unauthorized(f"{url} wants a token", hint="connect(..., token=...)")
    if name == "PERMISSION_DENIED":
        return e.Forbidden(f"{url} does not allow this")
    if name == "UNIMPLEMENTED":
        return e.ServerError(
            f"{url} does not know this operation",
            hint="it may run another version of lancenb, or be another kind of server",
        )
    if name in ("UNAVAILABLE", "CANCELLED", "ABORTED") or _broken(name, text):
        return _unreachable(text, url)
    return e.ServerError(
        f"{url} failed at this request ({name.lower().replace('_', ' ')})",
        hint="the log of the server tells more",
    )


def _broken(name: str, text: str) -> bool:
    """Whether the library says of a connection that it broke, in one of its ways."""
    words = ("RST_STREAM", "Stream removed", "Socket closed", "GOAWAY", "Connection reset")
    return name in ("INTERNAL", "UNKNOWN") and any(word in text for word in words)


def _unreachable(text: str, url: str) -> LancenbError:
    # These are said before anything was sent.
    before = (
        "failed to connect",
        "name resolution",
        "DNS",
        "empty address list",
        "onnection refused",
    )
    sent = not any(word in text for word in before)
    if sent:
        return e.ServerUnreachable(
            f"the connection to {url} broke off before the answer was whole",
            hint="is the server still running?",
            details={"sent": True},
        )
    return e.ServerUnreachable(
        f"no server answers at {url}",
        hint="is it running, and is this its gRPC port, with or without TLS?",
        details={"sent": False},
    )


def distrusted(host: str, port: int, ca: Any, url: str) -> LancenbError | None:
    """Return an error that says so if a server's certificate is why there is no connection.

    gRPC tells of the last address it tried, which need not be the one where a server listens.
    """
    from ._tls import client_context, untrusted

    try:
        plain = socket.create_connection((host, port), timeout=2)
        with plain, client_context(ca).wrap_socket(plain, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        return untrusted(str(error), url)
    except OSError:
        return None
