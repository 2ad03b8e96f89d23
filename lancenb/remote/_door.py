"""The door: where a server may listen, whom it lets in, which browsers it listens to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lancenb.errors import Forbidden, InvalidArgument

from ._tokens import ANONYMOUS, SCOPES, Principal, Tokens, new_token

if TYPE_CHECKING:
    from ._wire import Call

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Door:
    """What holds for every request to one server, whatever engine brings it.

    Args:
        tokens: those that are accepted; without any, one is made (see ``made``).
        host: where the server listens.
        tls: whether it speaks TLS.
        anonymous: let everybody on this machine in without a token, as admin.
        names: further names by which clients may call a server on loopback.
        origins: web pages (``"https://lab.example"``) whose scripts may call it.

    Attributes:
        tokens: those that are accepted.
        made: the token made at start, to be shown once; ``None`` if there were tokens.
        warning: what the operator should know; empty when all is well.

    Raises:
        InvalidArgument: others could reach the server, and it would not ask them for a token.
    """

    def __init__(
        self,
        tokens: Tokens | None = None,
        *,
        host: str = "127.0.0.1",
        tls: bool = False,
        anonymous: bool = False,
        names: Sequence[str] = (),
        origins: Sequence[str] = (),
    ):
        self.tokens = tokens if tokens is not None else Tokens()
        self.tls, self.anonymous = tls, anonymous
        self.made: str | None = None
        self.warning = ""
        self.allowed_origins = tuple(_known_origin(each) for each in origins)
        self._names = frozenset(name.lower().rstrip(".") for name in names)
        self._local = is_loopback(host)
        if anonymous and not self._local:
            raise InvalidArgument(
                f"without tokens a server listens on this machine only, not on {host or '*'}",
                hint="listen on 127.0.0.1, or let clients bring a token",
            )
        if not self._local and not self.tokens:
            raise InvalidArgument(
                f"others could reach a server on {host or '*'}, and it has no token to ask for",
                hint="'lancenb token add' makes one, or set LANCENB_TOKEN; or listen on 127.0.0.1",
            )
        if not self._local and not tls:
            self.warning = (
                f"the server listens on {host or '*'} without TLS: tokens and data cross the "
                "network in the clear; give a certificate and its key"
            )
        if not anonymous and not self.tokens:
            self.made = new_token()
            self.tokens = Tokens(self.tokens.path, self.made)

    def __repr__(self) -> str:
        return f"Door(local={self._local}, tls={self.tls}, anonymous={self.anonymous})"

    def admit(self, call: Call, scope: str) -> Principal:
        """Return who is calling, if they may do what needs ``scope``.

        Raises:
            Unauthorized: no token, or none that is accepted.
            Forbidden: the token's scope does not reach so far.
        """
        if scope not in SCOPES:
            raise AssertionError(f"no scope {scope!r}")
        if self.anonymous and (call.token is None or not self.tokens):
            return ANONYMOUS
        principal = self.tokens.check(call.token)
        if not principal.allows(scope):
            what = "convert" if call.op == "prepare" else call.op  # its first step
            raise Forbidden(
                f"{what} needs a token with the scope {scope!r}; this one has {principal.scope!r}",
                hint=f"ask the operator for one: lancenb token add NAME --scope {scope}",
                details={"needed": scope, "scope": principal.scope},
            )
        return principal

    def check_host(self, host_header: str | None) -> None:
        """Refuse a server on loopback that is called by a strange name.

        A page on the web can make a name of its own lead to this machine, and then its scripts
        count as being of the same origin. The name still stands in the request.

        Raises:
            Forbidden: it is none of this machine's names.
        """
        if not host_header or not (self._local or self._names):
            return
        host = _host_of(host_header)
        if host in self._names or (self._local and host is not None and is_loopback(host)):
            return
        raise Forbidden(
            f"this server does not answer to the name {host_header!r:.80}",
            hint="call it by the address it shows at start, or start it with that name allowed",
        )

    def check_origin(self, origin: str | None, host_header: str | None) -> None:
        """Refuse scripts of other web pages; what is no browser sends no origin.

        Raises:
            Forbidden: the page is neither of this server nor among those allowed.
        """
        if origin is None:
            return
        asked = _origin(origin)
        if asked is not None:
            if f"{asked[0]}://{asked[1]}:{asked[2]}" in map(_full, self.allowed_origins):
                return
            secure = asked[0] == "https"
            own = _origin(f"{asked[0]}://{host_header}") if host_header else None
            if asked == own and (secure or not self.tls):
                return
        raise Forbidden(
            f"pages of {origin!r:.80} may not use this server",
            hint="start it with that origin allowed",
        )


def bearer(
    headers: Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]],
) -> str | None:
    """Return the token in the headers of a request (or gRPC metadata): never one from an address.

    >>> bearer({"Authorization": "Bearer abc"}), bearer([(b"x-api-key", b"abc")])
    ('abc', 'abc')
    """
    pairs: Any = headers.items() if isinstance(headers, Mapping) else headers
    found: set[str] = set()
    for key, value in pairs:
        name, text = _text(key).lower(), _text(value).strip()
        if name == "authorization":
            scheme, _, token = text.partition(" ")
            if scheme.lower() == "bearer" and token.strip():
                found.add(token.strip())
        elif name == "x-api-key" and text:
            found.add(text)
    # Two that differ: one of them was put there by somebody else.
    return found.pop() if len(found) == 1 else None


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach ``host``; names count only if they are sure.

    >>> [is_loopback(h) for h in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "", "box")]
    [True, True, True, False, False, False]
    """
    text = host.strip("[]").lower().rstrip(".")
    if text == "localhost":
        return True
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _host_of(header: str) -> str | None:
    parts = _origin(f"http://{header}")
    return parts[1] if parts else None


def _origin(text: str) -> tuple[str, str, int] | None:
    """Return scheme, host and port of an origin; ``None`` for what is none (``null``, a path)."""
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if extra or not parts.hostname or parts.scheme not in ("http", "https"):
        return None
    return parts.scheme, parts.hostname.rstrip("."), port


def _full(origin: str) -> str:
    parts = _origin(origin)
    return f"{parts[0]}://{parts[1]}:{parts[2]}" if parts else ""


def _known_origin(text: str) -> str:
    if _origin(text) is None:
        raise InvalidArgument(
            f"{text!r:.80} is not the origin of a web page",
            hint="such as https://lab.example or http://localhost:8888; '*' is not allowed",
        )
    return text
