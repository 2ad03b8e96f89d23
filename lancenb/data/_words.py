"""Texts of objects for people: short, and in lines that fit a screen."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import Any

from ..store import redact

_WIDTH = 96
_GLUE = "\0"
_LONG = 40  # characters of a path that are shown


def in_lines(text: str) -> str:
    """The text in lines of at most 96 characters; a single one where that is enough.

    >>> in_lines("<Batches of t: x, y>")
    '<Batches of t: x, y>'
    """
    told = ", ".join(part.replace(" ", _GLUE) for part in text.split(", "))  # phrases stay whole
    return textwrap.fill(
        told, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    ).replace(_GLUE, " ")


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def told(source: Any, version: int | str | None = None) -> str:
    """What is read, in a few words.

    >>> told("./flowers"), told("s3://bucket/tables/flowers.lance", 3)
    ('./flowers', 'flowers.lance version 3')
    """
    if isinstance(source, dict):
        return ", ".join(f"{part} {told(each)}" for part, each in source.items())
    if isinstance(source, str | os.PathLike):
        name = redact(os.fspath(source))
        if "://" in name or name.rstrip("/").endswith(".lance"):
            name = name.rstrip("/").rpartition("/")[2]
        name = name if len(name) <= _LONG else f"...{name[-_LONG:]}"
    else:
        name = str(getattr(source, "name", None) or f"a {type(source).__name__}")
        version = getattr(source, "version", None) if version is None else version
    return name if version is None else f"{name} version {version}"
