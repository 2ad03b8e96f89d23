"""Putting files where the user wants them, without losing what lies there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import AlreadyExists
from ._partial import hash_file
from .choose import WEIGHT_SUFFIXES

_HINT = "choose another folder with to=, or pass force=True"


def refuse_loss(target: Path, files: Mapping[str, Path], *, force: bool) -> None:
    """Refuse to replace files of other content.

    Args:
        target: the folder (or, with a single name ``""``, the file) that is asked for.
        files: what is to be put there: name below ``target`` -> where it is now.
        force: it may be replaced.

    Raises:
        AlreadyExists: a file of that name and other content is there.
    """
    if force or not os.path.lexists(target):
        return
    for name, source in files.items():
        there = target / name
        if os.path.lexists(there) and not same_content(there, source):
            raise AlreadyExists(f"{there} exists already, with other content", hint=_HINT)


def refuse_mixture(
    target: Path, names: list[str], siblings: Mapping[str, int | None], *, force: bool
) -> None:
    """Refuse to put weights beside those of another model: nobody could tell them apart.

    Args:
        target: the folder that is asked for.
        names: files to be put there.
        siblings: sizes of all files of the repository, which belong together.
        force: do it.

    Raises:
        AlreadyExists: other weights are there.
    """
    if force or not target.is_dir() or not any(_holds_weights(name) for name in names):
        return
    for there in sorted(target.iterdir()):
        name = there.name
        if name in names or not _holds_weights(name) or not there.is_file():
            continue
        if siblings.get(name) != there.stat().st_size:
            raise AlreadyExists(f"{target} holds other weights already: {name}", hint=_HINT)


def _holds_weights(name: str) -> bool:
    return "/" not in name and name.endswith(WEIGHT_SUFFIXES)


def same_content(there: Path, source: Path) -> bool:
    """Whether both are files of the same bytes."""
    try:
        if not there.is_file() or there.stat().st_size != source.stat().st_size:
            return False
        return there.samefile(source) or (hash_file(there).digest() == hash_file(source).digest())
    except OSError:
        return False
