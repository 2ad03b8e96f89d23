"""The WebSocket protocol ``lancenb.v1``: what both ends agree on.

A client opens ``ws(s)://HOST:PORT/lnb/v1/ws`` with the subprotocol ``lancenb.v1`` and its token in
the header ``Authorization: Bearer ...`` (or ``x-api-key``), never in the address. A missing or
wrong token, a foreign ``Origin`` or ``Host`` is refused before the upgrade, as an HTTP problem.

**Text frames** are JSON objects, at most ``Limits.max_json`` bytes long. From the client::

    {"id": "a1", "op": "read", "args": {...}, "stream": 7,      a call; the last four are optional
     "key": "...", "if_match": "...", "deadline": 30.0}         but for streams of bytes
    {"id": "a1", "credit": 262144}                              more bytes of this stream may come
    {"id": "a1", "cancel": true}                                no more of this call is wanted

From the server, of which every call gets exactly one that ends it::

    {"id": "a1", "ok": value, "etag": "..."}          the answer; what streams go on after it
    {"id": "a1", "event": {"seq": 1, ...}}            an event, in order
    {"id": "a1", "end": true}                         no more events
    {"id": "a1", "error": {"code", "message", "hint", "details"}}
    {"id": "a1", "credit": 262144}                    more bytes of this upload may come

``id`` is chosen by the client and names the request in the server's log, too; ``stream`` is a
number from 1 to 2**32-1 that no other open call of the connection has. Answers come in any order.
What belongs to no call (wrong JSON, an unknown field) is answered by an error with ``"id": null``.

**Binary frames** carry Arrow streams and tar streams: 4 bytes stream number (big-endian), 1 byte
flag, then at most 1 MiB of data. Flags: 0 data, 1 the stream ends (after the data that may
follow), 2 the sender gives up: the server commits nothing of such an upload.

**Credit**: a stream may have ``WINDOW`` (server to client) or ``UPLOAD_WINDOW`` (client to server)
bytes on their way that the receiver did not grant again; events count by the length of their
frame. The receiver grants what its consumer took, so a slow consumer of one stream stops just that
stream, and nothing piles up. Streams of one connection take turns, frame by frame.

**Signs of life**: whoever hears nothing for a second or two sends ``{"ping": n}``, answered by
``{"pong": n}``; after about 4.5 silent seconds the other is given up (code 4408).

**Events resume**: they have ascending numbers. After a broken connection the client calls again
with ``after`` set to the last number it saw, and misses none.

**Close codes**: 1001 the server stops, 1008 the protocol was broken (the reason says how), 1009 a
frame is too large, 1011 the server failed, 4408 no sign of life.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from lancenb.errors import InvalidArgument, MissingDependency

from ._http_wire import loads

SUBPROTOCOL = "lancenb.v1"
PATH = "/lnb/v1/ws"

#: Bytes of data in the frames we send, small enough that streams take turns often.
CHUNK = 256 << 10
#: The same for clients: a server sees whole frames only, and on a slow line each is a sign of life.
UPLOAD_CHUNK = 128 << 10
#: Bytes of data in a frame that is accepted.
MAX_CHUNK = 1 << 20
#: Bytes on their way to a client, per stream.
WINDOW = 4 << 20
#: Bytes on their way to the server, per stream; it keeps them for many clients at once.
UPLOAD_WINDOW = 1 << 20
MAX_STREAM = 2**32 - 1

DATA, END, ABORT = 0, 1, 2
HEADER = struct.Struct("!IB")

STOPPING, BROKEN_RULES, TOO_LARGE, FAILED, SILENT = 1001, 1008, 1009, 1011, 4408


def encode(envelope: dict[str, Any]) -> str:
    """Return the text frame of an envelope."""
    return json.dumps(envelope, separators=(",", ":"), allow_nan=False)


def decode(text: str, limit: int) -> dict[str, Any]:
    """Return the envelope in a text frame.

    Raises:
        InvalidArgument: it is no JSON object.
        RequestTooLarge: it is longer than ``limit``.
    """
    envelope = loads(text, limit)
    if not isinstance(envelope, dict):
        raise InvalidArgument(
            "a text frame is no JSON object", hint=f"see the protocol {SUBPROTOCOL}"
        )
    return envelope


def frame(stream: int, flag: int, data: Any = b"") -> bytes:
    """Return the binary frame of a piece."""
    return b"".join((HEADER.pack(stream, flag), data))


def unpack(data: bytes) -> tuple[int, int, memoryview]:
    """Return stream number, flag and data of a binary frame.

    Raises:
        InvalidArgument: it is too short, too long, or its flag means nothing.
    """
    if not HEADER.size <= len(data) <= HEADER.size + MAX_CHUNK:
        raise InvalidArgument(
            f"a binary frame has {len(data):,} bytes",
            hint=f"{HEADER.size} bytes of header, then at most {MAX_CHUNK:,} bytes of data",
        )
    stream, flag = HEADER.unpack_from(data)
    if flag not in (DATA, END, ABORT):
        raise InvalidArgument(f"a binary frame has the unknown flag {flag}")
    return stream, flag, memoryview(data)[HEADER.size :]


def missing() -> MissingDependency:
    """Return the error for a missing WebSocket library."""
    return MissingDependency(
        "WebSocket connections need the package websockets", hint="pip install 'lancenb[server]'"
    )
