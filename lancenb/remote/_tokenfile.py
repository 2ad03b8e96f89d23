"""The file of tokens: only their hashes, for the owner's eyes, replaced as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lancenb.errors import StoreError

SCOPES = ("read", "write", "admin")


@dataclass(frozen=True)
class Principal:
    """Who is asking: never the token itself."""

    id: str
    name: str
    scope: str

    def allows(self, scope: str) -> bool:
        """Tell whether ``scope`` is covered: admin implies write, write implies read."""
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


ANONYMOUS = Principal("anonymous", "anonymous", "admin")


@dataclass(frozen=True)
class TokenFacts:
    """What may be known about a token.

    Attributes:
        id: eight characters that name it.
        name: what its owner calls it.
        scope: ``"read"``, ``"write"`` or ``"admin"``.
        created: when it was made.
        expires: when it ends, ``None`` for never.
        retiring: until when the token that it replaced still works.
    """

    id: str
    name: str
    scope: str
    created: datetime
    expires: datetime | None = None
    retiring: datetime | None = None

    @property
    def state(self) -> str:
        """``"active"`` or ``"expired"``."""
        return "expired" if self.expires and self.expires <= datetime.now(UTC) else "active"


@dataclass(frozen=True)
class Old:
    """A token that was replaced and works a little longer."""

    hash: str
    until: float


@dataclass(frozen=True)
class Kept:
    """One entry of the file; times are seconds since 1970."""

    id: str
    name: str
    scope: str
    created: float
    hash: str
    expires: float | None = None
    old: tuple[Old, ...] = ()

    def hashes(self, now: float) -> Iterator[tuple[str, bool]]:
        """Yield every hash of this entry and whether it is in force."""
        alive = self.expires is None or self.expires > now
        yield self.hash, alive
        for old in self.old:
            yield old.hash, alive and old.until > now


class BrokenFile(StoreError):
    """The file of tokens cannot be used; nobody gets in by it."""

    code = "broken_token_file"


def read(path: Path) -> tuple[Kept, ...]:
    """Return the entries of a file; none when it is missing.

    Raises:
        BrokenFile: unreadable, not what :func:`write` wrote, or others may change it.
    """
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            text = file.read(16 << 20)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BrokenFile(f"the file of tokens {path} cannot be read: {error.strerror}") from None
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BrokenFile(
            f"the file of tokens {path} may be changed by other users", hint=f"chmod 600 {path}"
        )
    try:
        return tuple(_entry(item) for item in json.loads(text)["tokens"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenFile(
            f"the file of tokens {path} is damaged: {type(error).__name__}",
            hint="put a copy back, or delete it and make new tokens",
        ) from None


def _entry(item: dict[str, Any]) -> Kept:
    old = tuple(Old(_digest(each["hash"]), float(each["until"])) for each in item["old"])
    expires = None if item["expires"] is None else float(item["expires"])
    if item["scope"] not in SCOPES:
        raise ValueError("scope")
    return Kept(
        str(item["id"]), str(item["name"]), item["scope"], float(item["created"]),
        _digest(item["hash"]), expires, old,
    )  # fmt: skip


def _digest(text: str) -> str:
    if len(bytes.fromhex(text)) != 32:
        raise ValueError("hash")
    return text


def write(path: Path, entries: tuple[Kept, ...]) -> None:
    """Replace the file in one step, readable by its owner only."""
    text = json.dumps({"version": 1, "tokens": [asdict(entry) for entry in entries]}, indent=1)
    handle, name = tempfile.mkstemp(prefix=".tokens-", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file meanwhile."""
    import fcntl

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def look(path: Path) -> tuple[int, ...] | None:
    """Return what changes whenever the file does; ``None`` when it is missing."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    # ctime as well: a copy put back with its old times, or a chmod, counts too.
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, facts.st_size
