"""What crosses every wire: a call, an answer, an error; the engines only carry them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lancenb import errors as e
from lancenb.errors import LancenbError, from_dict

#: Bytes of one piece of a stream: large enough that per-piece work does not count.
PIECE = 1 << 20

ARROW = "application/vnd.apache.arrow.stream"
PROBLEM = "application/problem+json"

#: Error class to HTTP status, nearest base class first; 500 when none fits.
HTTP_STATUS: dict[type[LancenbError], int] = {
    e.Unauthorized: 401,
    e.Forbidden: 403,
    e.AccessDenied: 403,
    e.NotFound: 404,
    e.TimedOut: 408,
    e.AlreadyExists: 409,
    e.Conflict: 409,
    e.PreconditionFailed: 412,
    e.Protected: 409,
    e.Cancelled: 409,
    e.RequestTooLarge: 413,
    e.UnsupportedFormat: 415,
    e.ConfirmationRequired: 428,
    e.Busy: 429,
    e.LocalOnly: 501,
    e.MissingDependency: 501,
    e.StoreUnreachable: 502,
    e.Offline: 502,
    e.DownloadFailed: 502,
    e.OutOfSpace: 507,
    e.StoreError: 502,
    e.ServerError: 500,
    e.InvalidArgument: 400,
    e.CorruptInput: 422,
    e.UnsafeInput: 422,
    e.SchemaMismatch: 422,
    e.WeightsMismatch: 422,
}

#: HTTP status to the name of the gRPC status that says the same.
GRPC_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED", 409: "FAILED_PRECONDITION", 412: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED", 415: "INVALID_ARGUMENT", 422: "INVALID_ARGUMENT",
    428: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL",
    501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 507: "RESOURCE_EXHAUSTED",
}  # fmt: skip


@dataclass
class Call:
    """One request, whatever brought it.

    Attributes:
        op: name of the operation, see :mod:`lancenb.remote._ops`.
        args: its arguments as JSON data.
        token: the bearer token that came with it.
        request_id: named in logs and answers; made up when the client gave none.
        idempotency_key: a write with a key is done once, however often it arrives.
        if_match: the ETag an entry must still have.
        deadline: seconds the client still waits, ``None`` for as long as it takes.
        engine: ``"http"``, ``"grpc"``, ``"ws"`` or ``"rest"``.
        peer: address of the client, for the log.
        body: bytes that come with it (an Arrow stream, or files), piece by piece.
    """

    op: str
    args: dict[str, Any]
    token: str | None = None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    idempotency_key: str | None = None
    if_match: str | None = None
    deadline: float | None = None
    engine: str = ""
    peer: str = ""
    body: Iterator[Any] | None = None


@dataclass
class Answer:
    """What a call gives back.

    Attributes:
        value: JSON data; with a stream, what is known before its first piece.
        body: pieces of an Arrow stream (bytes-like), or events (dicts), ``None`` for neither.
        etag: state of the entry the answer is about, for ``If-Match``.
        release: called once when the answer is over, however it ended.
    """

    value: Any = None
    body: Iterator[Any] | None = None
    etag: str | None = None
    release: Callable[[], None] | None = None

    def close(self) -> None:
        """End the stream where it is and let go of what it holds."""
        close = getattr(self.body, "close", None)
        if close is not None:
            with contextlib.suppress(Exception):
                close()
        release, self.release = self.release, None
        if release is not None:
            release()


def http_status(error: BaseException) -> int:
    """Return the HTTP status of an error."""
    for cls in type(error).__mro__:
        if cls in HTTP_STATUS:
            return HTTP_STATUS[cls]
    return 500


def error_dict(error: BaseException) -> dict[str, Any]:
    """Return the wire form of an error; what was not raised on purpose tells nothing of itself."""
    if isinstance(error, LancenbError):
        from lancenb.store import redact, redact_facts

        plain = error.to_dict()
        plain["message"], plain["hint"] = redact(plain["message"]), redact(plain["hint"])
        plain["details"] = redact_facts(plain["details"]) if plain["details"] else {}
        return plain
    return unexpected().to_dict()


def unexpected(request_id: str = "") -> e.ServerError:
    """Return the error for what nobody foresaw."""
    where = f" under {request_id}" if request_id else ""
    return e.ServerError(
        "the server failed at this request",
        hint=f"its log tells more{where}; nothing half done is visible",
    )


def error_from(data: Any) -> LancenbError:
    """Rebuild an error from its wire form; anything else gives a plain ServerError."""
    if isinstance(data, dict) and isinstance(data.get("code"), str):
        # Rooms have error classes of their own, known by code once they are imported.
        from lancenb.convert import _base  # noqa: F401
        from lancenb.download import errors  # noqa: F401

        return from_dict(data)
    return unexpected()
