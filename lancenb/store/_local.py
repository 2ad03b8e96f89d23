"""File operations of a store on a local disk."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime

from lancenb.errors import (
    AlreadyExists,
    InvalidName,
    LancenbError,
    NotFound,
    OutOfSpace,
    StoreError,
    StoreNotWritable,
)

from ._files import FileInfo

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def os_error(error: OSError, path: str) -> LancenbError:
    """Turn an error of the operating system at ``path`` into a typed one."""
    reason = error.strerror or type(error).__name__
    if error.errno in _FULL:
        return OutOfSpace(
            f"the disk that holds {path} is full", hint="free some space, then try again"
        )
    if error.errno in _REFUSED:
        return StoreNotWritable(
            f"{path} cannot be written to: {reason}",
            hint="choose a folder of your own, or change its permissions",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return StoreNotWritable(
            f"{path} cannot be a folder: a file is in its way", hint="choose another folder"
        )
    if error.errno == errno.ENAMETOOLONG:
        return InvalidName(f"{path[:60]}... is too long for this file system")
    if error.errno == errno.ENOENT:
        return NotFound(f"{path} does not exist")
    return StoreError(f"{path}: {reason}")


class LocalFiles:
    """The files below a local folder."""

    def __init__(self, root: str):
        self.root = root

    def path(self, rel: str) -> str:
        """Return the absolute path of ``rel``; a symbolic link that leads outside is refused."""
        full = os.path.join(self.root, *rel.split("/")) if rel else self.root
        base = os.path.realpath(self.root)
        real = os.path.realpath(full)
        if real != base and not real.startswith(base.rstrip(os.sep) + os.sep):
            raise InvalidName(
                f"{rel!r} leads outside the store {self.root} through a symbolic link",
                hint="keep the tables inside the store, or make a second store for that folder",
            )
        return full

    def check(self) -> None:
        """Fail when the root is missing, no folder, or not readable."""
        try:
            with os.scandir(self.root) as entries:
                next(entries, None)
        except FileNotFoundError:
            raise NotFound(
                f"the store {self.root} does not exist", hint="Store(...).create() makes it"
            ) from None
        except NotADirectoryError:
            raise StoreError(
                f"the store {self.root} is a file, not a folder",
                hint="give a folder; lancenb.DataManager(folder).convert(file, name) stores a file",
            ) from None
        except PermissionError as error:
            raise StoreNotWritable(
                f"the store {self.root} cannot be read: {error.strerror}",
                hint="choose a folder of your own, or change its permissions",
            ) from error

    def create(self, exist_ok: bool) -> None:
        """Make the folder and prove that it can be written to."""
        if not exist_ok and os.path.lexists(self.root):
            raise AlreadyExists(f"{self.root} exists already", hint="pass exist_ok=True to use it")
        made = _first_missing(self.root)
        try:
            os.makedirs(self.root, exist_ok=True)
            # no name, so that a kill leaves nothing; bytes, as a full disk still makes empty files
            with tempfile.TemporaryFile(prefix=".lancenb-", dir=self.root, buffering=0) as file:
                file.write(b"x" * 4096)
        except OSError as error:
            if made:
                _remove_empty(self.root, made)
            raise os_error(error, self.root) from error

    def exists(self, rel: str) -> bool:
        """Tell whether ``rel`` is there."""
        return os.path.exists(self.path(rel))

    def names(self, rel: str) -> list[str]:
        """Return the names in a folder; a missing folder has none."""
        try:
            return sorted(os.listdir(self.path(rel)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise os_error(error, self.path(rel)) from error

    def walk(self, rel: str) -> Iterator[FileInfo]:
        """Yield files below ``rel``; links are neither followed nor reported."""
        top = self.path(rel)
        try:
            info = os.lstat(top)
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISREG(info.st_mode):
            yield _info(rel, info)
        elif stat.S_ISDIR(info.st_mode):
            yield from self._walk(top, rel)

    def _walk(self, folder: str, rel: str) -> Iterator[FileInfo]:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except FileNotFoundError:  # removed by somebody else while we walk
            return
        except OSError as error:
            raise os_error(error, folder) from error
        for entry in entries:
            path = f"{rel}/{entry.name}" if rel else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(entry.path, path)
                elif entry.is_file(follow_symlinks=False):
                    yield _info(path, entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue

    def delete_tree(self, rel: str) -> int:
        """Remove ``rel``; its versions go first, so that a half-removed table opens nowhere."""
        # Only the parent may not lead outside: a link itself is removed, not what it points to.
        parent, _, name = rel.rpartition("/")
        full = os.path.join(self.path(parent), name)
        try:
            if os.path.islink(full):
                os.unlink(full)
                return 0
            if not os.path.lexists(full):
                return 0
            freed = sum(info.size for info in self.walk(rel))
            if os.path.isdir(full):
                versions = os.path.join(full, "_versions")
                if os.path.isdir(versions) and not os.path.islink(versions):
                    # In one step: of versions that go one by one, a kill leaves an older head.
                    gone = os.path.join(full, "_removed")
                    if os.path.isdir(gone) and not os.path.islink(gone):  # by a kill before
                        shutil.rmtree(gone)
                    os.rename(versions, gone)
                shutil.rmtree(full)
            else:
                os.unlink(full)
        except OSError as error:
            raise os_error(error, full) from error
        return freed


def _info(path: str, info: os.stat_result) -> FileInfo:
    return FileInfo(path, info.st_size, datetime.fromtimestamp(info.st_mtime, UTC))


def _first_missing(path: str) -> str:
    """Return the topmost folder of ``path`` that has to be made, or ``""``."""
    missing = ""
    while path and not os.path.lexists(path):
        missing, path = path, os.path.dirname(path)
    return missing


def _remove_empty(path: str, top: str) -> None:
    """Remove the empty folders from ``path`` up to ``top`` that a failed create left."""
    with contextlib.suppress(OSError):
        while len(path) >= len(top):
            os.rmdir(path)
            path = os.path.dirname(path)
