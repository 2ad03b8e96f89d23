"""Folders that hold exactly one Lance table: links in the cache, or copies elsewhere."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..errors import AlreadyExists
from ..progress import CancelToken, Tracker
from ._beside import made_beside
from ._exchange import take_place
from ._files import disk_errors, link_or_copy
from ._place import same_content
from .cache import Cache


def clean_view(
    cache: Cache,
    repo_id: str,
    commit: str,
    folder: Path,
    names: Sequence[str],
    cancel: CancelToken | None,
) -> Path:
    """Return a folder of links to a table's files, and to nothing else.

    A folder in which somebody has written since (a new version, say) is left alone; another one
    takes its place.

    Args:
        cache: where views are.
        repo_id: repository, for the folder's name.
        commit: commit of the repository.
        folder: the table in the snapshot.
        names: its files, relative to it.
        cancel: stops the waiting for another process.
    """
    digest = hashlib.sha256("\n".join([commit, folder.name, *sorted(names)]).encode()).hexdigest()
    for number in range(1000):
        key = f"lance--{repo_id.replace('/', '--')}--{digest[:16]}" + (
            f"-{number}" if number else ""
        )
        path = cache.folder("view") / key / folder.name
        with cache.lock("view", key, cancel), disk_errors(path):
            if path.is_dir() and _files(path) - set(names):
                continue
            for name in names:
                link = path / name
                if not same_content(link, folder / name):
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.unlink(missing_ok=True)
                    link_or_copy((folder / name).resolve(), link)
            return path
    raise AlreadyExists(f"{path.parent} has been written to", hint="clear the cache: kind='view'")


def put_table(
    folder: Path, names: Sequence[str], to: Path, tracker: Tracker, *, force: bool = False
) -> Path:
    """Copy a table to a place of its own, complete or not at all.

    Args:
        folder: the table in the snapshot.
        names: its files, relative to it.
        to: path of the table when it ends in ``.lance``, else the folder it goes into.
        tracker: progress.
        force: a table that lies there may be replaced.

    Raises:
        AlreadyExists: there is something else.
    """
    path = to if to.suffix == ".lance" else to / folder.name
    if path.is_dir() and any(path.iterdir()):
        same = _files(path) == set(names) and all(
            same_content(path / name, folder / name) for name in names
        )
        if same:
            return path
        if not force or not (path / "_versions").is_dir():
            raise AlreadyExists(
                f"{path} holds other files already, or some were changed",
                hint="choose another place with to=, or replace a table with force=True",
            )
    with made_beside(path) as fresh:
        for name in names:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, fresh / name)
            tracker.advance()
        take_place(fresh, path)
    return path


def _files(path: Path) -> set[str]:
    return {
        (Path(folder) / name).relative_to(path).as_posix()
        for folder, _, names in os.walk(path)
        for name in names
    }
