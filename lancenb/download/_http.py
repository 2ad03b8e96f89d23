"""Requests of the URL engine: redirects by policy, errors with a class."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.response import BaseHTTPResponse

from ..errors import DownloadFailed
from . import _watch
from ._answer import Answer
from ._coding import holds_packed
from ._connect import CONNECT_TIMEOUT, pool, proxy_for
from ._failures import Retry, failed, offline, status_error
from ._names import name_from_url, public_url
from ._watch import Watch
from .errors import BlockedURL
from .policy import UrlPolicy, same_origin

READ_TIMEOUT = 30.0
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def open_url(
    url: str,
    headers: dict[str, str],
    policy: UrlPolicy,
    *,
    token: str | None = None,
    watch: Watch | None = None,
    conditional: bool = False,
    packed: bool = False,
) -> Answer:
    """GET ``url`` over allowed redirects; return the open answer.

    ``token`` goes out as a bearer token to the first origin only; ``headers`` that could hold
    secrets too; a mirror of another origin gets neither. ``conditional``: 304 is an answer to what
    was asked. ``packed``: keep a packed body as it comes.

    Raises:
        Retry: another attempt may help.
        RangeRejected: status 416.
        LancenbError: everything that will not get better by asking again.
    """
    current, watch = policy.apply(url), watch or Watch()
    origin, sent = current, dict(headers)
    if token:
        sent["Authorization"] = f"Bearer {token}"
    if not same_origin(url, current):
        sent = _public(sent)
    for _ in range(policy.max_redirects + 1):
        watch.check()
        response = _request(current, sent, policy, watch)
        location = response.headers.get("Location")
        if response.status in _REDIRECTS and location:
            Answer(response, current, watch).close()
            current = _target(current, location, policy)
            if not same_origin(origin, current):
                # for good: once away, a way back does not restore them
                sent = _public(sent)
            continue
        answer = Answer(response, current, watch, packed=packed or holds_packed(name_from_url(url)))
        if response.status in (200, 206) or (response.status == 304 and conditional):
            return _readable(answer)
        error = status_error(response, url, "Authorization" in sent)
        answer.close()
        raise error
    raise DownloadFailed(
        f"{public_url(url)} redirects more than {policy.max_redirects} times",
        hint="the server sends the request in a circle; try the address in a browser",
    )


def _public(headers: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() not in _SECRET}


def _readable(answer: Answer) -> Answer:
    try:
        answer.check()
    except DownloadFailed:
        answer.close()
        raise
    return answer


def _target(current: str, location: str, policy: UrlPolicy) -> str:
    """Where a redirect leads, if the policy allows to follow it."""
    try:
        target = urljoin(current, location)
    except ValueError:
        raise DownloadFailed(
            f"{public_url(current)} redirects to an address that is none",
            hint="try the address in a browser",
        ) from None
    policy.check(target, previous=current)
    return target


def _request(
    url: str, headers: dict[str, str], policy: UrlPolicy, watch: Watch
) -> BaseHTTPResponse:
    shown = public_url(url)
    parts = urlsplit(url)
    host = parts.hostname
    proxy = proxy_for(url) if policy.allow_private else None
    mark = _watch.current.set(watch)
    try:
        return pool(parts.scheme, proxy, guarded=policy.guards(url)).request(
            "GET",
            url,
            headers={"Accept-Encoding": "identity", "User-Agent": "lancenb", **headers},
            redirect=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        )
    except urllib3.exceptions.InvalidHeader as error:
        raise DownloadFailed(
            f"{shown}: the server's Content-Length makes no sense",
            hint="the server is at fault, or something between; try another network or a mirror",
        ) from error
    except urllib3.exceptions.LocationValueError as error:
        raise BlockedURL(
            f"{shown!r} is not a valid address", hint="copy the address once more"
        ) from error
    except urllib3.exceptions.NameResolutionError as error:
        raise Retry(offline(shown, f"the name {host} leads nowhere"), unreached=True) from error
    except urllib3.exceptions.NewConnectionError as error:
        raise Retry(offline(shown, f"no connection to {host}"), unreached=True) from error
    except urllib3.exceptions.ConnectTimeoutError as error:
        raise Retry(offline(shown, f"{host} does not answer"), unreached=True) from error
    except urllib3.exceptions.ProxyError as error:
        watch.check()
        raise Retry(offline(shown, "the proxy does not answer"), unreached=True) from error
    except urllib3.exceptions.SSLError as error:
        watch.check()
        raise DownloadFailed(
            f"{shown}: the server's certificate was not accepted ({error})",
            hint="set SSL_CERT_FILE to your organisation's CA bundle; check the clock",
        ) from error
    except urllib3.exceptions.ReadTimeoutError as error:
        raise Retry(offline(shown, f"{host} went silent"), unreached=True) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        watch.check()
        raise Retry(failed(shown, f"the connection broke ({error.__class__.__name__})")) from error
    finally:
        _watch.current.reset(mark)
