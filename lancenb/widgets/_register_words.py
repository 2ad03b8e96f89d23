"""What the panel for registering says about a table, a name and a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lancenb._html import count, size
from lancenb.errors import InvalidArgument

from ._details import edge_word
from ._public import public
from ._view import sentence

if TYPE_CHECKING:
    from lancenb.catalog import Examined, Verified


def table_words(found: Examined) -> tuple[str, bool]:
    """Say what a table is and who has the same content; whether there is nothing to mind."""
    lines = [f"Found {found.kind}, {count(found.rows, 'row')}, version {found.version}."]
    if found.registered:
        lines.append(f"This table has the name {found.registered} already.")
    if found.same:
        same = ", ".join(f"{name} (version {version})" for name, version in found.same)
        lines.append(f"Same content as {same}.")
    return "\n".join(lines), len(lines) == 1


def name_words(name: str, known: Any, *, table: bool, replace: bool) -> tuple[str, bool]:
    """Say what a name means for the button; whether there is nothing to mind.

    >>> name_words("a b", None, table=True, replace=False)[0][:35]
    "'a b' cannot name an artefact: 1 to"
    """
    from lancenb.catalog._names import check_name

    if not name:
        return "", True
    try:
        check_name(name)
    except InvalidArgument as error:
        return f"{error.message}: {error.hint}", False
    if known is None:
        return ("", True) if table else (f"{name} is new: say which table it is to be.", True)
    what = f"{known.kind}, version {known.version}"
    if not table:
        return f"{name} is registered ({what}): its details can be changed here.", True
    if replace:
        return f"{name} ({what}) will point at this table; its own stays where it is.", False
    return f"{name} is taken ({what}): choose another name, or see Advanced.", False


def no_table(manager: Any, name: str) -> None:
    """Raise what is wrong with a name alone, which cannot be registered."""
    manager.get(name)  # says so when there is none of that name
    raise InvalidArgument("there is no table yet", hint="a path, URI or hf:// address")


def spelled_table(table: Any, shown: str) -> tuple[str, str]:
    """Return a table as Python, and a comment behind the line.

    >>> spelled_table("s3://me:pw@b/x.lance", "s3://***@b/x.lance")
    ('table', '  # s3://***@b/x.lance')
    >>> spelled_table("a.lance", "a.lance")
    ("'a.lance'", '')
    """
    address = getattr(table, "uri", None) or getattr(table, "path", None)
    address = table if isinstance(table, (str, os.PathLike)) else address
    if isinstance(address, (str, os.PathLike)) and public(os.fspath(address)) == os.fspath(address):
        return repr(os.fspath(address)), ""
    words = shown if isinstance(address, str) else f"a {type(table).__name__}"
    return "table", f"  # {words}"


def pinned(words: Iterable[str], find: Callable[[str], Any]) -> list[str]:
    """Return parents, those without a version with the one that they have now."""
    found = {word: None if "@" in word or "/" in word else find(word) for word in words}
    return [f"{word}@{it.version}" if it is not None else word for word, it in found.items()]


def summary(fields: Mapping[str, Any], news: str) -> list[tuple[str, str]]:
    """Return the filled fields of the form as words, and what the name means."""
    listed: list[tuple[str, str]] = []
    for name, field in fields.items():
        value = field.value
        words = ", ".join(value) if isinstance(value, (list, tuple)) else value
        if words not in ("", None, False):
            listed.append((field.description or name, public(str(words))))
    return [*listed, ("Note", news)] if news else listed


def result_pairs(artefact: Any) -> list[tuple[str, Any]]:
    """Return the figures shown of a registered artefact."""
    return [
        ("version", artefact.version),
        ("rows", f"{artefact.rows:,}"),
        ("size", size(artefact.nbytes)),
        ("made from", ", ".join(edge_word(edge) for edge in artefact.parents)),
    ]


def verified_words(result: Verified) -> tuple[str, list[tuple[str, Any]]]:
    """Say what hashing again found."""
    pairs = [
        ("rows read", f"{result.rows:,}"),
        ("bytes read", size(result.bytes)),
        ("damaged", ", ".join(result.damaged)),
        ("content hash", f"{result.computed[:16]}…"),
        ("registered", f"{result.registered[:16]}…" if result.registered else "of another version"),
    ]
    return f"{repr(result).splitlines()[0]}.", pairs


def error_words(error: BaseException) -> str:
    """Return an error with its hint as one line."""
    hint = getattr(error, "hint", "")
    return f"{sentence(error)} ({hint})" if hint else sentence(error)
