"""Which addresses may be fetched, how large, over how many redirects, from which mirror."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..errors import InvalidArgument
from ._names import public_url
from .errors import BlockedURL, TooLarge


def _mirrors_from_env() -> dict[str, str]:
    """Read ``LANCENB_MIRRORS="https://from/=https://to/,..."``."""
    pairs = {}
    for item in filter(None, os.environ.get("LANCENB_MIRRORS", "").split(",")):
        source, separator, target = item.strip().partition("=")
        if not separator or not source or not target:
            raise InvalidArgument(
                f"LANCENB_MIRRORS has an entry without '=': {item!r}",
                hint="write https://from.example/=https://mirror.example/ , several by commas",
            )
        pairs[source] = target
    return pairs


@dataclass(frozen=True)
class UrlPolicy:
    """Rules for one fetch; the same rules hold for every redirect.

    Args:
        schemes: allowed schemes.
        max_bytes: refuse larger files, ``None`` for no limit.
        max_redirects: hops before giving up.
        mirrors: address prefixes and what replaces them (default: ``$LANCENB_MIRRORS``).
            A mirror on another origin gets no token and no cookies: they were not given for it.
        allow_private: False refuses hosts that do not resolve to public addresses only (checked
            on every connection, redirects too, and the checked address is the one connected to);
            no proxy of the environment is used then, since it would resolve names itself, and
            ``download`` and ``plan`` refuse local paths.
        trusted: origins exempt from that check, such as ``"http://10.0.0.5:8080"``.
        login: False leaves the Hub's token of this user's environment or login unused.

    >>> UrlPolicy(mirrors={"https://a.example/": "http://127.0.0.1:1/"}).apply("https://a.example/x")
    'http://127.0.0.1:1/x'
    """

    schemes: tuple[str, ...] = ("https", "http")
    max_bytes: int | None = None
    max_redirects: int = 10
    mirrors: dict[str, str] = field(default_factory=_mirrors_from_env)
    allow_private: bool = True
    trusted: tuple[str, ...] = ()
    login: bool = True

    @classmethod
    def for_servers(cls, *, max_bytes: int | None = 64 << 30, **more: Any) -> UrlPolicy:
        """Rules for addresses that strangers name: no private network, no login, a size limit.

        ``download`` and ``plan`` take no local paths then, either.

        Args:
            max_bytes: refuse larger files.
            more: other fields of :class:`UrlPolicy`.

        >>> UrlPolicy.for_servers(trusted=("http://10.0.0.5:8080",)).guards("http://10.0.0.5:8080/x")
        False
        """
        return cls(max_bytes=max_bytes, **{"allow_private": False, "login": False, **more})

    def guards(self, url: str) -> bool:
        """Whether the host of ``url`` has to be public."""
        return not self.allow_private and not any(same_origin(url, one) for one in self.trusted)

    def apply(self, url: str) -> str:
        """Return the address to really ask: checked, mirror applied.

        Raises:
            BlockedURL: scheme, host or embedded credentials are not allowed.
        """
        self.check(url)
        for source, target in self.mirrors.items():
            if url.startswith(source):
                return self._checked(target + url[len(source) :])
        return url

    def _checked(self, url: str) -> str:
        self.check(url)
        return url

    def check(self, url: str, previous: str | None = None) -> None:
        """Raise :class:`BlockedURL` unless ``url`` may be fetched (after ``previous``)."""
        shown = public_url(url)
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise BlockedURL(
                f"{shown!r} is not a valid address ({error})", hint="copy the address once more"
            ) from error
        if parts.scheme not in self.schemes:
            raise BlockedURL(
                f"{shown}: '{parts.scheme}:' addresses are not fetched",
                hint=f"use {' or '.join(self.schemes)}, or give a local path without 'file:'",
            )
        if not parts.hostname:
            raise BlockedURL(f"{shown!r} names no host", hint="write https://host/path")
        if "@" in parts.netloc:
            raise BlockedURL(
                f"{shown}: credentials do not belong in an address",
                hint="pass token= instead",
            )
        if any(ord(char) < 33 or ord(char) == 127 for char in url):
            raise BlockedURL(f"{shown!r} holds spaces or control characters", hint="percent-encode")
        if previous is not None:
            before = urlsplit(previous)
            if before.scheme == "https" and parts.scheme != "https":
                raise BlockedURL(
                    f"{public_url(previous)} redirects to plain http ({shown})",
                    hint="https is never downgraded; ask the owner for an https address",
                )

    def check_size(self, size: int | None, url: str) -> None:
        """Raise :class:`TooLarge` when ``size`` bytes are over the limit."""
        if self.max_bytes is not None and size is not None and size > self.max_bytes:
            raise TooLarge(
                f"{public_url(url)} has {size:,} bytes, the limit is {self.max_bytes:,}",
                hint="raise max_bytes if you trust the source",
            )


def same_origin(one: str, two: str) -> bool:
    """Whether both addresses have the same scheme, host and port.

    >>> same_origin("https://a.example/x", "https://a.example:443/y")
    True
    """
    ports = {"http": 80, "https": 443}
    left, right = urlsplit(one), urlsplit(two)
    return (left.scheme, left.hostname, left.port or ports.get(left.scheme)) == (
        right.scheme,
        right.hostname,
        right.port or ports.get(right.scheme),
    )
