"""A key that goes with every commit of a write, to tell later whether it was made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from lancenb.errors import InvalidArgument

ONCE = "lancenb.once"
_LONGEST = 200
_key: ContextVar[str | None] = ContextVar("lancenb_once", default=None)


@contextlib.contextmanager
def once(key: str) -> Iterator[str]:
    """Let every commit made in this block (by this thread) carry ``key``.

    After a crash ``find_once`` tells from the key whether the write was committed. The key is
    read in the thread that calls the verb, before the write starts; threads started inside the
    block do not know it.

    Args:
        key: 1 to 200 printable ASCII characters.

    Raises:
        InvalidArgument: the key breaks the rule.

    >>> with once("request-1"):
    ...     once_properties()
    {'lancenb.once': 'request-1'}
    >>> once_properties()
    {}
    """
    token = _key.set(check_key(key))
    try:
        yield key
    finally:
        _key.reset(token)


def once_properties() -> dict[str, str]:
    """Return what a commit made now carries: the key of the block around, or nothing."""
    key = _key.get()
    return {} if key is None else {ONCE: key}


def check_key(key: str) -> str:
    """Return ``key`` if it can be one.

    Raises:
        InvalidArgument: it is no text, empty, too long or has characters beyond printable ASCII.
    """
    if not isinstance(key, str) or not 1 <= len(key) <= _LONGEST or not _plain(key):
        shown = repr(key[:40]) if isinstance(key, str) else f"a {type(key).__name__}"
        raise InvalidArgument(
            f"{shown} cannot be the key of a write",
            hint=f"a key has 1 to {_LONGEST} printable ASCII characters",
        )
    return key


def _plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
