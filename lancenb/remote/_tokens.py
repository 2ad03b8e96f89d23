"""Tokens: who may come in, as whom and for what; changed while the server runs."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lancenb.errors import InvalidArgument, NotFound, Unauthorized

from ._tokenfile import ANONYMOUS as ANONYMOUS
from ._tokenfile import (
    SCOPES,
    BrokenFile,
    Kept,
    Old,
    Principal,
    TokenFacts,
    locked,
    look,
    read,
    write,
)

PREFIX = "lnb_"
VARIABLE = "LANCENB_TOKEN"
_LEAST = 16
_log = logging.getLogger("lancenb.server")


def new_token() -> str:
    """Return a new token: 256 random bits, so that one round of SHA-256 is enough to hide it.

    A slow hash protects passwords, which people choose and others can guess; these cannot be.
    """
    return PREFIX + secrets.token_urlsafe(32)


def from_environment() -> list[str]:
    """Return the tokens in the environment variable ``LANCENB_TOKEN``, separated by commas."""
    return [text for text in re.split(r"[\s,]+", os.environ.get(VARIABLE, "")) if text]


class Tokens:
    """The tokens of one server.

    Args:
        path: file that keeps them (hashed); read again whenever it changes. A file that is
            damaged, or that other users may write, lets nobody in.
        fixed: tokens given at start, admin unless they come as ``(token, scope)``.

    Raises:
        InvalidArgument: a fixed token that is short enough to be guessed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        fixed: str | Sequence[str | tuple[str, str]] | None = None,
    ):
        self.path = None if path is None else Path(path)
        given = [fixed] if isinstance(fixed, str) else list(fixed or ())
        self._fixed = tuple(_fixed(each) for each in given)
        self._lock = threading.Lock()
        self._kept: tuple[Kept, ...] = ()
        self._seen: tuple[int, ...] | None = None

    def __repr__(self) -> str:
        return f"Tokens({len(self._fixed) + len(self._entries())})"

    def __bool__(self) -> bool:
        return bool(self._fixed or self._entries())

    def add(
        self, name: str, scope: str = "read", expires_in: float | None = None
    ) -> tuple[str, str]:
        """Make a token; it is shown here and never again.

        Args:
            name: what to call it, for the log.
            scope: ``"read"``, ``"write"`` or ``"admin"``.
            expires_in: seconds until it ends.

        Returns:
            Its id and the token.

        Raises:
            InvalidArgument: no such scope, an unusable name, or no file to keep it in.
        """
        _check(name, scope)
        if expires_in is not None and not 0 < expires_in < 1e11:
            raise InvalidArgument(
                f"expires_in={expires_in!r} is no time to come", hint="seconds, such as 86400"
            )
        token, made = new_token(), time.time()
        with locked(self._file()):
            kept = read(self._file())
            id = _new_id({entry.id for entry in kept})
            expires = None if expires_in is None else made + expires_in
            write(self._file(), (*kept, Kept(id, name, scope, made, _hash(token), expires)))
        return id, token

    def rotate(self, id: str, grace_seconds: float = 0) -> str:
        """Give an entry a new token, and return it; the old one works for the grace longer.

        Raises:
            NotFound: there is no such id.
        """
        if not 0 <= grace_seconds <= 30 * 86_400:
            raise InvalidArgument(
                f"grace_seconds={grace_seconds!r} is not between 0 and 30 days", hint="such as 600"
            )
        token, now = new_token(), time.time()

        def turn(entry: Kept) -> Kept:
            still = [old for old in entry.old if old.until > now and grace_seconds]
            if grace_seconds:
                still.append(Old(entry.hash, now + grace_seconds))
            return replace(entry, hash=_hash(token), old=tuple(still))

        self._edit(id, turn)
        return token

    def revoke(self, id: str) -> None:
        """Take a token back at once.

        Raises:
            NotFound: there is no such id.
        """
        self._edit(id, None)

    def list(self) -> list[TokenFacts]:
        """Return what is known about the tokens in the file, without them.

        Raises:
            BrokenFile: it cannot be used.
        """
        if self.path is None:
            return []
        now = time.time()
        found = []
        for entry in read(self.path):
            retiring = max((old.until for old in entry.old if old.until > now), default=None)
            ends, created = _when(entry.expires), datetime.fromtimestamp(entry.created, UTC)
            found.append(
                TokenFacts(entry.id, entry.name, entry.scope, created, ends, _when(retiring))
            )
        return found

    def check(self, token: str | None) -> Principal:
        """Return whose token this is.

        Every hash is compared, in constant time each, whatever was found before: how long it
        takes says nothing about which tokens there are.

        Raises:
            Unauthorized: no token, or one that is not (or no longer) accepted; which, stays open.
        """
        if not token:
            raise _refused("absent")
        given, now = _hash(token), time.time()
        found: Principal | None = None
        for entry in (*self._fixed, *self._entries()):
            for known, in_force in entry.hashes(now):
                same = hmac.compare_digest(known, given)
                if same and in_force:
                    found = Principal(entry.id, entry.name, entry.scope)
        if found is None:
            raise _refused("not_accepted")
        return found

    def _file(self) -> Path:
        if self.path is None:
            raise InvalidArgument("these tokens are kept in no file", hint="Tokens(path)")
        return self.path

    def _edit(self, id: str, change: object) -> None:
        with locked(self._file()):
            kept = read(self._file())
            if id not in [entry.id for entry in kept]:
                known = ", ".join(repr(entry.id) for entry in kept) or "none"
                raise NotFound(f"there is no token {str(id)[:40]!r}", hint=f"there are: {known}")
            out = []
            for entry in kept:
                if entry.id != id:
                    out.append(entry)
                elif callable(change):
                    out.append(change(entry))
            write(self._file(), tuple(out))

    def _entries(self) -> tuple[Kept, ...]:
        """Return what the file says now."""
        if self.path is None:
            return ()
        with self._lock:
            seen = look(self.path)
            if seen != self._seen:
                try:
                    self._kept = read(self.path)
                except BrokenFile as error:
                    self._kept = ()  # rather nobody than somebody who was revoked
                    _log.error("%s; its tokens are not accepted", error.message)
                self._seen = seen
            return self._kept


def _refused(reason: str) -> Unauthorized:
    return Unauthorized(
        "this server wants a token that it accepts",
        hint="give connect() the token or set LANCENB_TOKEN (plain HTTP: as a bearer token); "
        "'lancenb token add' on the server makes one",
        details={"reason": reason},
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).hexdigest()


def _fixed(given: str | tuple[str, str]) -> Kept:
    token, scope = (given, "admin") if isinstance(given, str) else given
    _check("given at start", scope)
    if not isinstance(token, str) or len(token) < _LEAST or not re.fullmatch(r"[!-~]+", token):
        raise InvalidArgument(
            f"a token is at least {_LEAST} printable characters without spaces",
            hint="lancenb.remote makes good ones: leave it out, or 'lancenb token add'",
        )
    # The name of a fixed token in the log is a piece of its hash: stable, and no help in guessing.
    return Kept(f"fixed-{_hash(token)[:8]}", "given at start", scope, time.time(), _hash(token))


def _check(name: str, scope: str) -> None:
    if scope not in SCOPES:
        raise InvalidArgument(f"there is no scope {scope!r:.40}", hint=f"{', '.join(SCOPES)}")
    if not isinstance(name, str) or not re.fullmatch(r"[^\x00-\x1f\x7f]{1,100}", name):
        raise InvalidArgument(
            "a token needs a name of 1 to 100 characters", hint="whom or what it is for"
        )
    if name.startswith(PREFIX):
        raise InvalidArgument("that is a token, not a name", hint="whom or what it is for")


def _new_id(taken: set[str]) -> str:
    while (id := secrets.token_hex(4)) in taken:
        pass
    return id


def _when(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
