"""Rules for names, identifiers and times of the catalogue."""

from __future__ import annotations

import difflib
import os
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from lancenb.errors import InvalidName

MAX_NAME = 128
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Longer words are compared with nothing.
_COMPARED = 200
TABLE_DIRECTORY = re.compile(r"(?P<name>.+)-(?P<ulid>[0-9A-HJKMNP-TV-Z]{26})\.lance\Z")


def a_kind(kind: str) -> str:
    """Return a kind as it is said in a sentence.

    >>> f"it holds {a_kind('table')}, not {a_kind('weights')}"
    'it holds a table, not weights'
    """
    return "a table" if kind == "table" else kind


def check_name(name: object, what: str = "artefact") -> str:
    """Return ``name`` if it may name an artefact.

    Raises:
        InvalidName: with the pattern that is allowed.

    >>> check_name("cifar10-train")
    'cifar10-train'
    """
    if not isinstance(name, str):
        raise InvalidName(f"the name of an {what} is text, not {type(name).__name__}")
    shown = name if len(name) <= 60 else name[:57] + "..."
    rule = (
        f"1 to {MAX_NAME} of: letters a-z A-Z, digits, '.', '_', '-'; begins with a letter, "
        "digit or '_'; no '..', no '.' at the end"
    )
    if not name:
        raise InvalidName(f"the name of an {what} is empty", hint=rule)
    if len(name) > MAX_NAME:
        raise InvalidName(f"the name {shown!r} is {len(name)} characters long", hint=rule)
    if not _NAME.match(name) or ".." in name or name.endswith("."):
        raise InvalidName(f"{shown!r} cannot name an {what}", hint=rule)
    return name


def check_tag(tag: object) -> str:
    """Return ``tag`` if it may be a tag.

    Lance itself accepts any Unicode letter and can then neither list the tags nor clean the table
    up any more, so the rule here is narrower than Lance's.

    Raises:
        InvalidName: with the pattern that is allowed.
    """
    rule = (
        f"1 to {MAX_NAME} of: letters a-z A-Z, digits, '.', '_', '-'; begins with a letter or "
        "digit; no '..', does not end in '.' or '.lock'"
    )
    if not isinstance(tag, str):
        raise InvalidName(f"a tag is text, not {type(tag).__name__}", hint=rule)
    bad = not _TAG.match(tag) or ".." in tag or tag.endswith((".", ".lock"))
    if bad or len(tag) > MAX_NAME:
        raise InvalidName(f"{tag[:60]!r} cannot be a tag", hint=rule)
    if tag.isdigit():
        raise InvalidName(
            f"{tag!r} cannot be a tag: it reads like a version number",
            hint=f"begin with a letter: 'v{tag}'",
        )
    return tag


def ulid() -> str:
    """Return a new identifier: 26 characters that sort by time of creation.

    >>> len(ulid())
    26
    """
    value = (int(time.time() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -5, -5))


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known words.

    >>> did_you_mean("lable", ["label", "image"])
    "did you mean 'label'? there are: 'label', 'image'"
    """
    names = list(known)
    lowered = {name.lower(): name for name in names}
    near: list[str] = []
    if len(wanted) <= _COMPARED:  # longer ones take seconds, and nobody meant them
        found = difflib.get_close_matches(wanted.lower(), list(lowered), 1, 0.6)
        near = [lowered[name] for name in found]
    listed = ", ".join(repr(name) for name in names[:12])
    if len(names) > 12:
        listed += f" and {len(names) - 12} more"
    tail = f"there are: {listed}" if names else "there are none"
    return f"did you mean {near[0]!r}? {tail}" if near else tail
