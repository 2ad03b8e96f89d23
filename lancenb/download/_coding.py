"""What the headers of an answer say of its body: length, packing, age of the file."""

from __future__ import annotations

import email.utils
import re
import zlib
from collections.abc import Callable, Mapping

from ..errors import DownloadFailed

_PLAIN = frozenset({"", "identity", "none", "binary", "utf-8", "aws-chunked"})  # no packing at all
_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
_NUMBER = re.compile(r"[0-9]{1,18}")
_SECOND_LOOK = 60.0


def number(text: str) -> int | None:
    """Read a number of a header, None for what is none (or longer than any file).

    >>> number("7"), number("+7"), number("\u00b2"), number("9" * 5000)
    (7, None, None, None)
    """
    return int(text) if _NUMBER.fullmatch(text) else None


def body_length(headers: Mapping[str, str]) -> int | None:
    """Read ``Content-Length``, None where nothing is announced (RFC 9112, 6.3).

    Raises:
        ValueError: no number, or several that differ.

    >>> body_length({"Content-Length": "7, 7"}), body_length({"Transfer-Encoding": "chunked"})
    (7, None)
    """
    text = headers.get("Content-Length") or ""
    if headers.get("Transfer-Encoding") or not text.strip():
        return None
    lengths = {number(item.strip()) for item in text.split(",")}
    length = lengths.pop()
    if lengths or length is None:
        raise ValueError(text[:40])
    return length


def packing(headers: Mapping[str, str]) -> str | None:
    """Return how the body is packed for the way, None when it is not.

    >>> packing({"Content-Encoding": "GZIP"}), packing({"Content-Encoding": "identity"})
    ('gzip', None)
    """
    said = (headers.get("Content-Encoding") or "").lower().split(",")
    names = [name.strip() for name in said if name.strip() not in _PLAIN]
    return ", ".join(names) or None


def check_framing(headers: Mapping[str, str], coding: str | None, shown: str) -> None:
    """Raise :class:`DownloadFailed` for a body whose end or packing cannot be known.

    Args:
        headers: of the answer.
        coding: how it is packed, if it is.
        shown: address for people.
    """
    try:
        body_length(headers)
    except ValueError:
        raise DownloadFailed(
            f"{shown}: the server's Content-Length makes no sense",
            hint="the server is at fault, or something between; try another network or a mirror",
        ) from None
    if coding is not None and coding not in _KNOWN:
        raise DownloadFailed(
            f"{shown}: the server packs the file as {coding[:40]!r} although it was asked not to",
            hint="use another address or a mirror, or fetch it with a browser",
        )


def seconds(date: str | None) -> float | None:
    """Read an HTTP date as seconds since 1970, None for what is none.

    >>> seconds("Thu, 01 Jan 1970 00:01:00 GMT"), seconds("Mon, 01 Jan 99999999999999999999")
    (60.0, None)
    """
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def is_steady(headers: Mapping[str, str]) -> bool:
    """Whether ``Last-Modified`` tells versions apart: not of the last minute (RFC 9110, 8.8.2.2).

    >>> date = "Thu, 01 Jan 1970 00:01:00 GMT"
    >>> is_steady({"Date": date, "Last-Modified": date})
    False
    """
    sent, changed = seconds(headers.get("Date")), seconds(headers.get("Last-Modified"))
    return sent is not None and changed is not None and sent - changed >= _SECOND_LOOK


def holds_packed(name: str | None) -> bool:
    """Whether a file of this name is packed itself: then that is no packing for the way.

    Some servers (Apache's ``AddEncoding x-gzip .gz``) mark such files as if it were.

    >>> holds_packed("a.tar.GZ"), holds_packed("a.txt")
    (True, False)
    """
    return (name or "").lower().endswith((".gz", ".tgz"))


class Unpacker:
    """Unpacks gzip and deflate in small steps, and notices when the end is missing.

    Args:
        coding: a name that :func:`check_framing` lets pass.
        more: gives the next packed bytes, none at the end of the body.
    """

    def __init__(self, coding: str, more: Callable[[], bytes]):
        self._bits = 47 if coding == "deflate" else 31
        self._more = more
        self._zip = zlib.decompressobj(self._bits)
        self._held = b""
        self._begun = self._full = False

    def read(self, limit: int) -> bytes:
        """Return at most ``limit`` bytes, none at the end.

        Raises:
            EOFError: the packed bytes end too early.
            zlib.error: they are damaged.
        """
        while True:
            if self._zip.eof and not self._next_member():
                return b""
            data = self._held if self._held or self._full else self._more()
            if not data and not self._full:
                if self._begun:
                    raise EOFError("the packed answer was cut short")
                return b""
            block = self._unpack(data, limit)
            self._begun, self._held = True, self._zip.unconsumed_tail
            self._full = len(block) == limit and not self._zip.eof
            if block:
                return block

    def _next_member(self) -> bool:
        """Begin what follows a finished stream, if that is another one."""
        self._held = self._zip.unused_data or self._more()
        if not self._held.startswith(b"\x1f"):
            return False
        self._zip = zlib.decompressobj(self._bits)
        return True

    def _unpack(self, data: bytes, limit: int) -> bytes:
        try:
            return self._zip.decompress(data, limit)
        except zlib.error:
            if self._begun or self._bits != 47:
                raise
            self._bits = -15  # "deflate" without its wrapping, as many servers send it
            self._zip = zlib.decompressobj(self._bits)
            return self._zip.decompress(data, limit)
