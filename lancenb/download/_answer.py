"""One open HTTP answer, read with few copies."""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
import zlib
from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.response import BaseHTTPResponse

from ._coding import (
    Unpacker,
    body_length,
    check_framing,
    holds_packed,
    is_steady,
    number,
    packing,
)
from ._failures import Retry, network_failure
from ._names import name_from_disposition, name_from_url, public_url
from ._partial import Note
from ._watch import Watch

_SHA256 = re.compile(r"(?:^|[,\s])sha-256=:([^:]*):", re.IGNORECASE)
_SMALL = 1 << 16
_LOOK = 0.05
_BLOCK = 64 << 10
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)")


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int | None] | None:
    """Read ``Content-Range`` as (first, last, total); None when there is none (RFC 9110, 14.4).

    >>> content_range({"Content-Range": "bytes 0-0/7"}), content_range({})
    ((0, 0, 7), None)
    """
    match = _CONTENT_RANGE.fullmatch((headers.get("Content-Range") or "").strip())
    if not match:
        return None
    first, last, total = (number(item) for item in match.groups())
    unknown = match[3] == "*"
    if first is None or last is None or (total is None and not unknown):
        return None
    return (first, last, total) if first <= last and (total is None or last < total) else None


def promised_sha256(headers: Mapping[str, str]) -> str | None:
    """Read the sha256 of the whole file from ``Repr-Digest`` (RFC 9530); None without one.

    >>> promised_sha256({"Repr-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"})
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    match = _SHA256.search(headers.get("Repr-Digest") or "")
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None


class Body(http.client.HTTPResponse):
    """The standard answer, plus a read into the caller's buffer by one system call at most."""

    def readinto1(self, view: memoryview) -> int:
        """Read what is there into ``view``; 0 at the end."""
        if self.fp is None or not view:
            return 0
        if self.length is not None and len(view) > self.length:
            view = view[: self.length]
        count = self.fp.readinto1(view)  # type: ignore[attr-defined]
        if self.length is not None:
            self.length -= count
        if not count or self.length == 0:
            self._close_conn()  # type: ignore[attr-defined]
        return count

    def end(self) -> None:
        """Let the connection take the next request; nothing is left to read."""
        if self.fp is not None:
            self._close_conn()  # type: ignore[attr-defined]


class Answer:
    """Status, headers and body of one request.

    Args:
        response: as urllib3 gave it, body unread.
        url: address that answered.
        watch: wakes a read when the download is stopped.
        packed: True keeps a packed body as it comes.
    """

    def __init__(self, response: BaseHTTPResponse, url: str, watch: Watch, *, packed: bool = False):
        self.status = response.status
        self.headers = response.headers
        self.url = url
        proposed = name_from_disposition(self.headers.get("Content-Disposition"))
        packed = packed or holds_packed(proposed) or holds_packed(name_from_url(url))
        self._coding = None if packed else packing(self.headers)
        self.encoded = self._coding is not None
        self._response: Any = response
        self._watch = watch
        self._sock: socket.socket | None = getattr(response.connection, "answering", None)
        if self._sock is not None:
            watch.add(self._sock)
        body = getattr(response, "_fp", None)
        plain = isinstance(body, Body) and not body.chunked and not self.encoded
        self._body = body if plain else None
        if self._body is not None and self._body.length is None:
            self._body.length = self.length  # the standard library knows no repeated ones
        self._unpacker = Unpacker(self._coding, self._packed) if self._coding else None

    def check(self) -> None:
        """Raise :class:`DownloadFailed` unless it can be told where the body ends."""
        check_framing(self.headers, self._coding, public_url(self.url))

    def watched_by(self, watch: Watch) -> None:
        """Let another watch end the reading of this answer."""
        if self._sock is not None:
            self._watch.discard(self._sock)
            self._watch = watch
            watch.add(self._sock)

    def note(self, url: str) -> Note:
        """Return what this answer says of the file at ``url``."""
        said = content_range(self.headers) if self.status == 206 else None
        return Note(
            public_url(url),
            self.etag,
            self.headers.get("Last-Modified"),
            said[2] if said else self.length if self.status == 200 else None,
            self.headers.get("Content-Disposition"),
            self.encoded,
            None if self.encoded else promised_sha256(self.headers),
            self._weak,
            is_steady(self.headers),
        )

    @property
    def etag(self) -> str | None:
        """The ETag if it stands for the exact bytes (RFC 9110, 8.8.1: not a weak one)."""
        etag = self.headers.get("ETag")
        return etag if etag and not etag.startswith("W/") else None

    @property
    def _weak(self) -> str | None:
        """The ETag if it stands for the meaning only: another one still is another version."""
        etag = self.headers.get("ETag")
        return etag if etag and etag.startswith("W/") else None

    @property
    def length(self) -> int | None:
        """Bytes of the body as announced; None when the server does not say."""
        try:
            return None if self.encoded else body_length(self.headers)
        except ValueError:
            return None

    def read_into(self, view: memoryview) -> int:
        """Fill the beginning of ``view`` with what has arrived; 0 at the end of the body.

        Raises:
            Cancelled: the download was stopped.
            Retry: the connection broke.
        """
        try:
            if self._body is not None:
                count = self._body.readinto1(view)
                if not count:
                    self._watch.check()  # hanging up looks like an end from here
                return count
            if self._unpacker is not None:
                block = self._unpacker.read(len(view))
            else:
                block = self._response.read1(len(view), decode_content=False)
        except (EOFError, zlib.error) as error:
            self._watch.check()
            raise Retry(network_failure(self.url, f"what came is damaged ({error})")) from error
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            self._watch.check()
            why = f"the connection broke ({error.__class__.__name__})"
            raise Retry(network_failure(self.url, why)) from error
        if not block:
            self._watch.check()
        view[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Give the connection back when little is left to read, end it otherwise."""
        keep = self._read_up()
        if self._sock is not None:
            self._watch.discard(self._sock)
            self._sock = None
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            if keep:
                self._response.release_conn()
            else:
                self._response.close()

    def _packed(self) -> bytes:
        return self._response.read1(_BLOCK, decode_content=False)

    def _read_up(self) -> bool:
        """Whether the body is over, or what is left of it is here already: nobody waits for it."""
        body = self._body
        if body is None or body.length is None or body.length > _SMALL:
            return False
        if body.length and self._sock is not None:
            view = memoryview(bytearray(body.length))
            with contextlib.suppress(OSError):
                self._sock.settimeout(_LOOK)
                body.readinto1(view)
        if body.length:
            return False
        body.end()
        return True

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Answer({self.status}, {public_url(self.url)})"
