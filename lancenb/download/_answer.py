"""One open HTTP answer, read with few copies."""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
from collections.abc import Mapping
from typing import Any

import urllib3
from urllib3.response import BaseHTTPResponse

from ._failures import Retry, network_failure
from ._names import public_url
from ._partial import Note
from ._watch import Watch

_SHA256 = re.compile(r"(?:^|[,\s])sha-256=:([^:]*):", re.IGNORECASE)
_SMALL = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int | None] | None:
    """Read ``Content-Range`` as (first, last, total); None when there is none (RFC 9110, 14.4).

    >>> content_range({"Content-Range": "bytes 0-0/7"}), content_range({})
    ((0, 0, 7), None)
    """
    match = _CONTENT_RANGE.match(headers.get("Content-Range") or "")
    if not match:
        return None
    return int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])


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


class Answer:
    """Status, headers and body of one request.

    Args:
        response: as urllib3 gave it, body unread.
        url: address that answered.
        watch: wakes a read when the download is stopped.
    """

    def __init__(self, response: BaseHTTPResponse, url: str, watch: Watch):
        self.status = response.status
        self.headers = response.headers
        self.url = url
        self.encoded = (self.headers.get("Content-Encoding") or "identity").lower() != "identity"
        self._response: Any = response
        self._watch = watch
        self._sock: socket.socket | None = getattr(response.connection, "answering", None)
        if self._sock is not None:
            watch.add(self._sock)
        body = getattr(response, "_fp", None)
        plain = isinstance(body, Body) and not body.chunked and not self.encoded
        self._body = body if plain else None

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
        )

    @property
    def etag(self) -> str | None:
        """The ETag if it stands for the exact bytes (RFC 9110, 8.8.1: not a weak one)."""
        etag = self.headers.get("ETag")
        return etag if etag and not etag.startswith("W/") else None

    @property
    def length(self) -> int | None:
        """Bytes of the body as announced; None when the server does not say."""
        text = self.headers.get("Content-Length") or ""
        return int(text) if text.isdigit() and not self.encoded else None

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
            block = self._response.read1(len(view), decode_content=self.encoded)
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
        body = self._body
        keep = body is not None and body.fp is None and body.length == 0
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            if not keep and self.length is not None and self.length <= _SMALL:
                self._response.drain_conn()
                keep = True
        if self._sock is not None:
            self._watch.discard(self._sock)
            self._sock = None
        with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
            if keep:
                self._response.release_conn()
            else:
                self._response.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Answer({self.status}, {public_url(self.url)})"
