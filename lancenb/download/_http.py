"""Connections for the URL engine: pools, proxies, redirects by policy, errors with a class."""

from __future__ import annotations

import email.utils
import functools
import os
import ssl
import time
import urllib.request
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.response import BaseHTTPResponse

from ..errors import DownloadFailed, LancenbError, Offline, SourceNotFound
from ._names import public_url
from .errors import DownloadDenied, RateLimited
from .policy import UrlPolicy, same_origin

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 30.0
MAX_WAIT = 120.0
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


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


@functools.cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        import certifi
    except ImportError:
        return context
    context.load_verify_locations(certifi.where())
    return context


@functools.cache
def _pool(proxy: str | None, pid: int) -> urllib3.PoolManager:
    del pid  # part of the key: a forked child must not share sockets with its parent
    options = {"num_pools": 8, "maxsize": 8, "retries": False, "ssl_context": _tls()}
    if proxy:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        headers = None
        if parts.username:
            user = unquote(parts.username)
            password = unquote(parts.password or "")
            headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}")
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return urllib3.ProxyManager(bare, proxy_headers=headers, **options)
    return urllib3.PoolManager(**options)


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment sets for ``url`` (never for this machine itself)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127."):
        return None
    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def retry_after(header: str | None) -> float | None:
    """Read a ``Retry-After`` header, seconds or HTTP date, as seconds from now.

    >>> retry_after("2"), retry_after("soon"), retry_after(None)
    (2.0, None, None)
    """
    if not header:
        return None
    text = header.strip()
    if text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, moment.timestamp() - time.time())


def open_url(
    url: str, headers: dict[str, str], policy: UrlPolicy, *, token: str | None = None
) -> tuple[BaseHTTPResponse, str]:
    """GET ``url`` over allowed redirects; return the open response and the final address.

    ``token`` goes out as a bearer token to the first origin only.

    Raises:
        Retry: another attempt may help.
        RangeRejected: status 416.
        LancenbError: everything that will not get better by asking again.
    """
    current = policy.apply(url)
    origin = current
    for _ in range(policy.max_redirects + 1):
        sent = dict(headers)
        if token and same_origin(origin, current):
            sent["Authorization"] = f"Bearer {token}"
        response = _request(current, sent)
        location = response.headers.get("Location")
        if response.status in _REDIRECTS and location:
            _discard(response)
            try:
                target = urljoin(current, location)
            except ValueError:
                raise DownloadFailed(
                    f"{public_url(url)} redirects to an address that is none",
                    hint="try the address in a browser",
                ) from None
            policy.check(target, previous=current)
            if not same_origin(origin, target):
                token = None  # once away, a way back does not restore it
            current = target
            continue
        if response.status in (200, 206, 304):
            return response, current
        error = _status_error(response, url, bool(token))
        _discard(response)
        raise error
    raise DownloadFailed(
        f"{public_url(url)} redirects more than {policy.max_redirects} times",
        hint="the server sends the request in a circle; try the address in a browser",
    )


def _request(url: str, headers: dict[str, str]) -> BaseHTTPResponse:
    shown = public_url(url)
    host = urlsplit(url).hostname
    try:
        return _pool(proxy_for(url), os.getpid()).request(
            "GET",
            url,
            headers={"Accept-Encoding": "identity", "User-Agent": "lancenb", **headers},
            redirect=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        )
    except urllib3.exceptions.NewConnectionError as error:
        raise Retry(_offline(shown, f"no connection to {host}"), unreached=True) from error
    except urllib3.exceptions.ConnectTimeoutError as error:
        raise Retry(_offline(shown, f"{host} does not answer"), unreached=True) from error
    except urllib3.exceptions.ProxyError as error:
        raise Retry(_offline(shown, "the proxy does not answer"), unreached=True) from error
    except urllib3.exceptions.SSLError as error:
        raise DownloadFailed(
            f"{shown}: the server's certificate was not accepted ({error})",
            hint="set SSL_CERT_FILE to your organisation's CA bundle; check the clock",
        ) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise Retry(_offline(shown, f"{host} went silent"), unreached=True) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Retry(_failed(shown, f"the connection broke ({error.__class__.__name__})")) from error


def _discard(response: BaseHTTPResponse) -> None:
    """Give the connection back when little is left to read, close it otherwise."""
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) <= 65536:
        try:
            response.drain_conn()
            response.release_conn()
            return
        except (urllib3.exceptions.HTTPError, OSError):
            pass
    response.close()


def _status_error(response: BaseHTTPResponse, url: str, had_token: bool) -> Exception:
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
        return RangeRejected(int(total) if total.isdigit() else None)
    if status in RETRY_STATUS:
        wait = retry_after(response.headers.get("Retry-After"))
        if status == 429 or (wait is not None and wait > MAX_WAIT):
            seconds = f"{wait:.0f} s" if wait is not None else "some minutes"
            error: LancenbError = RateLimited(
                f"{shown} asks to come back later (status {status})",
                hint=f"try again in {seconds}",
                details={"retry_after": wait},
            )
            return error if wait is not None and wait > MAX_WAIT else Retry(error, wait)
        return Retry(_failed(shown, f"the server answered status {status}"), wait)
    return DownloadFailed(
        f"{shown}: the server answered status {status} {response.reason or ''}".rstrip(),
        hint="try the address in a browser",
    )


def _offline(shown: str, why: str) -> Offline:
    return Offline(
        f"{shown} cannot be reached: {why}",
        hint="check the network and proxy (HTTPS_PROXY), or set a mirror (LANCENB_MIRRORS)",
    )


def _failed(shown: str, why: str) -> DownloadFailed:
    return DownloadFailed(
        f"{shown} could not be downloaded: {why}",
        hint="run it again; what has arrived is kept and the transfer goes on from there",
    )


def network_failure(url: str, why: str) -> DownloadFailed:
    """Build the error for a transfer that kept failing on the way."""
    return _failed(public_url(url), why)
