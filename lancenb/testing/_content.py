"""Answers that are files: conditions, ranges (RFC 9110, sections 13 and 14), lengths."""

from __future__ import annotations

import re
from email.utils import mktime_tz, parsedate_tz
from pathlib import Path
from typing import TYPE_CHECKING

from ._body import send_body

if TYPE_CHECKING:
    from ._origin import Handler


def send_content(
    handler: Handler, data: bytes | Path, headers: dict[str, str], *, chunked: bool = False
) -> None:
    """Send a file as the answer to GET or HEAD.

    Args:
        handler: the request.
        data: content, or where it is.
        headers: of the answer; ``ETag`` and ``Last-Modified`` take part in conditional requests.
        chunked: send without a Content-Length and without ranges.
    """
    status = _condition(handler, headers)
    if status:
        handler.answer(status, b"", headers)
        return
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    span = None if chunked else _span(handler, headers, size)
    if span and span[0] >= span[1]:
        handler.answer(416, b"", {"Content-Range": f"bytes */{size}"})
        return
    start, stop = span or (0, size)
    status = 206 if span else 200
    fault = handler.body_fault(status, stop - start)
    length = stop - start
    if fault and fault.kind == "truncate":
        length = fault.strike(length)
    more = dict(headers)
    if chunked:
        more["Transfer-Encoding"] = "chunked"
    else:
        more["Content-Length"] = str(length)
        if not handler.server.origin.faults.ignores_ranges(handler.command, handler.route):
            more["Accept-Ranges"] = "bytes"
    if span:
        more["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    handler.begin(status, more)
    if handler.command != "HEAD":
        send_body(handler, data, start, length, fault, chunked=chunked)


def _condition(handler: Handler, headers: dict[str, str]) -> int:
    """Return 304 or 412 when a condition of the request says so, else 0."""
    asked = handler.seen.headers
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    changed = _seconds(modified)
    if "if-match" in asked:
        if not _listed(asked["if-match"], etag, weak=False):
            return 412
    else:
        since = _seconds(asked.get("if-unmodified-since"))
        if since is not None and changed is not None and changed > since:
            return 412
    if "if-none-match" in asked:
        return 304 if _listed(asked["if-none-match"], etag, weak=True) else 0
    since = _seconds(asked.get("if-modified-since"))
    return 304 if since is not None and changed is not None and changed <= since else 0


def _listed(wanted: str, etag: str | None, *, weak: bool) -> bool:
    if etag is None:
        return False
    if wanted.strip() == "*":
        return True
    tags = [tag.strip() for tag in wanted.split(",")]
    if weak:
        return etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in tags]
    return etag in tags and not etag.startswith("W/")


def _seconds(date: str | None) -> int | None:
    """Return the seconds since 1970; None when there is no date, or one that is none."""
    parsed = parsedate_tz(date) if date else None
    return mktime_tz(parsed) if parsed else None


def _span(handler: Handler, headers: dict[str, str], size: int) -> tuple[int, int] | None:
    """Return the range to send; one that holds nothing when it cannot be satisfied."""
    asked = handler.seen.headers
    wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.get("range", "").strip())
    if not wanted or wanted[0] == "bytes=-":
        return None
    if handler.server.origin.faults.take(handler.command, handler.route, "range"):
        return None
    condition, etag = asked.get("if-range"), headers.get("ETag")
    strong = etag if etag and not etag.startswith("W/") else None
    if condition is not None and condition not in (strong, headers.get("Last-Modified")):
        return None
    if not wanted[1]:
        return max(0, size - int(wanted[2])), size
    start = int(wanted[1])
    if wanted[2] and int(wanted[2]) < start:
        return None
    return start, min(size, int(wanted[2]) + 1) if wanted[2] else size
