"""Putting files where the user wants them, without losing what lies there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import AlreadyExists
from ._beside import made_beside, sweep
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


def put_files(target: Path, files: Mapping[str, Path]) -> None:
    """Copy files below the folder ``target``, each complete or absent.

    A target that does not exist yet appears when all are there.

    Args:
        target: the folder.
        files: name below ``target`` -> where it is now.
    """
    with _staging(target) as fresh:
        there = target.is_dir()
        for name, source in files.items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, fresh / name)
            if there:
                _move(fresh, target, name)
        if not there:
            os.replace(fresh, target)


def put_folder(target: Path, folder: Path) -> None:
    """Copy all of a folder, with the times of its files; see :func:`put_files`."""
    if target.is_dir() and target.samefile(folder):
        return
    with _staging(target) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        if not target.exists():
            os.replace(fresh, target)
            return
        for path in sorted(path for path in fresh.rglob("*") if path.is_file()):
            _move(fresh, target, path.relative_to(fresh).as_posix())


def put_file(target: Path, source: Path) -> None:
    """Copy one file, with its times, complete or not at all."""
    if target.exists() and target.samefile(source):
        return
    with made_beside(target) as fresh:
        shutil.copy2(source, fresh / target.name)
        os.replace(fresh / target.name, target)


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Give a folder on the disk of ``target``, which may be one of its own."""
    if not target.is_dir():
        with made_beside(target) as fresh:
            yield fresh
        return
    sweep(target)
    with made_beside(target / "files") as fresh:
        yield fresh


def _move(fresh: Path, target: Path, name: str) -> None:
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    os.replace(fresh / name, target / name)


def same_content(there: Path, source: Path) -> bool:
    """Whether both are files of the same bytes."""
    try:
        if not there.is_file() or there.stat().st_size != source.stat().st_size:
            return False
        return there.samefile(source) or (hash_file(there).digest() == hash_file(source).digest())
    except OSError:
        return False
