"""Failures of requests: which may pass, after what pause, and the error that names each."""

from __future__ import annotations

import time

from urllib3.response import BaseHTTPResponse

from ..errors import DownloadFailed, LancenbError, Offline, SourceNotFound
from ._coding import number, seconds
from ._names import public_url
from .errors import DownloadDenied, RateLimited

MAX_WAIT = 120.0
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class Retry(Exception):
    """A failure that another attempt may cure; carries the error to raise when none does."""

    def __init__(self, error: LancenbError, wait: float | None = None, *, unreached: bool = False):
        super().__init__(error.message)
        self.error = error
        self.wait = wait
        self.unreached = unreached


class RangeRejected(Exception):
    """The server answered 416: ``total`` is the size it names, if any."""

    def __init__(self, total: int | None):
        super().__init__("416")
        self.total = total


def retry_after(header: str | None) -> float | None:
    """Read a ``Retry-After`` header, seconds or HTTP date, as seconds from now.

    >>> retry_after("2"), retry_after("soon"), retry_after(None)
    (2.0, None, None)
    """
    if not header:
        return None
    text = header.strip()
    if (wait := number(text)) is not None:
        return float(wait)
    moment = seconds(text)
    return None if moment is None else max(0.0, moment - time.time())


def status_error(response: BaseHTTPResponse, url: str, had_token: bool) -> Exception:
    """Return the exception for an answer that brings no file."""
    status, shown = response.status, public_url(url)
    if status in (404, 410):
        return SourceNotFound(
            f"there is nothing at {shown} (status {status})", hint="check the address"
        )
    if status in (401, 403, 407):
        hint = (
            "the token does not give access; check it and its permissions"
            if had_token
            else "pass token= if the file needs a login; a signed address may have expired"
        )
        return DownloadDenied(f"{shown} refuses access (status {status})", hint=hint)
    if status == 416:
        total = (response.headers.get("Content-Range") or "").rpartition("/")[2]
        return RangeRejected(number(total))
    if status in RETRY_STATUS:
        wait = retry_after(response.headers.get("Retry-After"))
        if status == 429 or (wait is not None and wait > MAX_WAIT):
            pause = f"{wait:.0f} s" if wait is not None else "some minutes"
            error: LancenbError = RateLimited(
                f"{shown} asks to come back later (status {status})",
                hint=f"try again in {pause}",
                details={"retry_after": wait},
            )
            return error if wait is not None and wait > MAX_WAIT else Retry(error, wait)
        return Retry(failed(shown, f"the server answered status {status}"), wait)
    return DownloadFailed(
        f"{shown}: the server answered status {status} {response.reason or ''}".rstrip(),
        hint="try the address in a browser",
    )


def offline(shown: str, why: str) -> Offline:
    """Build the error for a server that cannot be reached."""
    return Offline(
        f"{shown} cannot be reached: {why}",
        hint="check the network and proxy (HTTPS_PROXY), or set a mirror (LANCENB_MIRRORS)",
    )


def failed(shown: str, why: str) -> DownloadFailed:
    """Build the error for a transfer that broke."""
    return DownloadFailed(
        f"{shown} could not be downloaded: {why}",
        hint="run it again; what has arrived is kept and the transfer goes on from there",
    )


def network_failure(url: str, why: str) -> DownloadFailed:
    """Build the error for a transfer that kept failing on the way."""
    return failed(public_url(url), why)
