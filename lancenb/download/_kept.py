"""Data sets that a download has turned into a folder: built once, then found again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..progress import CancelToken
from ._exchange import take_place
from ._files import disk_errors, write_note
from ._parquet import hashed_files
from ._partial import hash_file
from ._place import put_folder, refuse_loss
from .cache import Cache
from .result import Download, DownloadedFile, local_files

_META = "about.json"
COMING = f"{_META}.new"
#: Names of what is being made, in the folder that is locked meanwhile.
WORK, NEW = ".work", ".new-"


def keep(
    cache: Cache,
    kind: str,
    key: str,
    folder: str,
    build: Callable[[Path], dict[str, Any]],
    *,
    to: Path | None = None,
    force: bool = False,
    cancel: CancelToken | None = None,
) -> Download:
    """Return ``<cache>/<kind>/<key>/<folder>``, built by ``build(path)`` when it is not there.

    ``build`` makes the folder in one step, elsewhere, and returns its lineage. A folder without a
    note beside it (``about.json``) does not count. The note on a new folder is there before the
    folder takes its place, so that a kill leaves an old folder with its note, or a new one.
    """
    home = cache.folder(kind) / key
    path, note, coming = home / folder, home / _META, home / COMING
    with cache.lock(kind, key, cancel), disk_errors(home):
        made = None if force else _read(path)
        fresh = made is None
        _sweep(home)
        if made is None:
            made_at = home / f"{NEW}made" / folder
            try:
                made = _note(build(made_at), made_at)
                write_note(coming, json.dumps(made))
                take_place(made_at, path)
                os.replace(coming, note)
            finally:
                _sweep(home)
        elif coming.exists() or _times(path, made) != made.get("times"):
            made["times"] = _times(path, made)
            write_note(coming, json.dumps(made))
            os.replace(coming, note)
        if to is not None:
            path = place(path, to.absolute(), force=force)
    files = tuple(DownloadedFile(path / n, n, size, digest) for n, size, digest in made["files"])
    return Download(path, files, made["lineage"], not fresh, "dataset")


def place(folder: Path, target: Path, *, force: bool = False) -> Path:
    """Copy a folder's files to ``target``, each complete or absent; return ``target``.

    A target that does not exist yet appears when all are there.

    Raises:
        AlreadyExists: files of these names and other content are there, and no ``force``.
    """
    refuse_loss(target, {item.name: item.path for item in local_files(folder)}, force=force)
    put_folder(target, folder)
    return target


def _sweep(home: Path) -> None:
    """Remove what a killed or failed run left; the caller holds the lock."""
    for item in home.glob(".*"):
        if item.name == WORK or item.name.startswith(NEW):
            shutil.rmtree(item, ignore_errors=True)
    for item in home.glob(f"{_META}.*.new"):
        item.unlink(missing_ok=True)


def kept(cache: Cache, kind: str, key: str, folder: str) -> bool:
    """Whether :func:`keep` would find it complete."""
    return _read(cache.root / kind / key / folder) is not None


def _note(lineage: dict[str, Any], path: Path) -> dict[str, Any]:
    files = hashed_files(path)
    lineage["files"] = [
        {"name": item.name, "size": item.size, "sha256": item.sha256} for item in files[:1000]
    ]
    made = {"lineage": lineage, "files": [[item.name, item.size, item.sha256] for item in files]}
    return {**made, "times": _times(path, made)}


def arrived(path: Path) -> dict[str, Any] | None:
    """Return the note that a killed process left on a folder that has its place already."""
    return _undamaged_by(path, path.with_name(COMING))


def _read(path: Path) -> dict[str, Any] | None:
    return arrived(path) or _undamaged_by(path, path.with_name(_META))


def _undamaged_by(path: Path, note: Path) -> dict[str, Any] | None:
    try:
        made = json.loads(note.read_text("utf-8"))
        return made if _undamaged(path, made) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _undamaged(path: Path, made: dict[str, Any]) -> bool:
    """Whether all files are as they were; those of another time than noted are read."""
    times = made.get("times") or {}
    for name, size, digest in made["files"]:
        stat = (path / name).stat()
        if stat.st_size != size:
            return False
        if stat.st_mtime_ns != times.get(name) and hash_file(path / name).hexdigest() != digest:
            return False
    return isinstance(made["lineage"], dict)


def _times(path: Path, made: dict[str, Any]) -> dict[str, int]:
    return {name: (path / name).stat().st_mtime_ns for name, _, _ in made["files"]}
