"""Data sets that a download has turned into a folder: built once, then found again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..progress import CancelToken
from ._beside import made_beside
from ._files import disk_errors
from ._parquet import hashed_files
from ._partial import hash_file
from ._place import refuse_loss
from .cache import Cache
from .result import Download, DownloadedFile, local_files

_META = "about.json"
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

    ``build`` makes the folder in one step and returns its lineage. The note beside it
    (``about.json``) is written last: without it the folder does not count.
    """
    home = cache.folder(kind) / key
    path, note = home / folder, home / _META
    with cache.lock(kind, key, cancel), disk_errors(home):
        made = None if force else _read(path, note)
        fresh = made is None
        if made is None:
            note.unlink(missing_ok=True)
            _sweep(home)
            try:
                lineage = build(path)
            except BaseException:
                _sweep(home)
                raise
            files = hashed_files(path)
            lineage["files"] = [
                {"name": item.name, "size": item.size, "sha256": item.sha256}
                for item in files[:1000]
            ]
            listing = [[item.name, item.size, item.sha256] for item in files]
            made = {"lineage": lineage, "files": listing}
        if fresh or _times(path, made) != made.get("times"):
            made["times"] = _times(path, made)
            waiting = home / f"{_META}.new"
            waiting.write_text(json.dumps(made), "utf-8")
            os.replace(waiting, note)
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
    with made_beside(target) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True)
        if not target.exists():
            os.replace(fresh, target)
            return target
        for file in sorted(path for path in fresh.rglob("*") if path.is_file()):
            final = target / file.relative_to(fresh)
            final.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, final)
    return target


def _sweep(home: Path) -> None:
    """Remove what a killed or failed run left; the caller holds the lock."""
    for item in home.glob(".*"):
        if item.name == WORK or item.name.startswith(NEW):
            shutil.rmtree(item, ignore_errors=True)


def kept(cache: Cache, kind: str, key: str, folder: str) -> bool:
    """Whether :func:`keep` would find it complete."""
    home = cache.root / kind / key
    return _read(home / folder, home / _META) is not None


def _read(path: Path, note: Path) -> dict[str, Any] | None:
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
