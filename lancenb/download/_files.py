"""Local side of downloads: locks between processes, disk errors with a class, free space."""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

from filelock import FileLock, Timeout

from ..errors import Conflict, LancenbError, OutOfSpace, StoreError, StoreNotWritable
from ..progress import CancelToken

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TRIES = 100
_DENIED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
)  # fmt: skip


def is_disk_error(error: OSError) -> bool:
    """Whether this is about a full or unwritable disk (and not a connection)."""
    return error.errno in _FULL + _DENIED


def disk_error(error: OSError, path: Path) -> LancenbError:
    """Give a disk error its class and a sentence."""
    if error.errno in _FULL:
        return OutOfSpace(
            f"the disk is full while writing {path}",
            hint="free some space (lancenb cache shows what may go) and run it again; what has "
            "arrived is kept",
        )
    if error.errno == errno.EFBIG:
        return OutOfSpace(
            f"{path} is larger than a file may be here",
            hint="see ulimit -f, or choose a folder on another disk with LANCENB_CACHE",
        )
    if error.errno in _DENIED:
        return StoreNotWritable(
            f"{path} cannot be written ({error.strerror})",
            hint="choose another folder with to= or cache=, or set LANCENB_CACHE",
        )
    return StoreError(
        f"{path}: {error.strerror or error}",
        hint="look at the disk, or choose another folder with to=, cache= or LANCENB_CACHE",
    )


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Map disk errors of the block to typed errors that name ``path``."""
    try:
        yield
    except OSError as error:
        if isinstance(error, LancenbError):
            raise
        raise disk_error(error, path) from error


def write_note(path: Path, text: str, beside: Path | None = None) -> None:
    """Write a small file of the cache in one step: the old text or the new one, never a part.

    Args:
        path: the file.
        text: what to write.
        beside: what it is beside until it is complete; default: the file.

    Raises:
        StoreError: the disk refuses.
    """
    beside = beside or path
    fresh = beside.with_name(f"{beside.name}.{os.getpid()}-{get_ident()}.new")
    tries = _TRIES
    with disk_errors(fresh):
        while True:
            try:
                for place in {path.parent, fresh.parent}:
                    place.mkdir(parents=True, exist_ok=True)
                fresh.write_text(text, "utf-8")
                os.replace(fresh, path)
                for left in beside.parent.glob(f"{glob.escape(beside.name)}.[0-9]*-[0-9]*.new"):
                    left.unlink(missing_ok=True)  # by a kill; who is at work writes its once more
                return
            except FileNotFoundError:  # taken for a leftover by somebody who clears the cache
                tries -= 1
                if not tries:
                    raise


def need_space(folder: Path, nbytes: int | None) -> None:
    """Raise :class:`~lancenb.errors.OutOfSpace` when ``nbytes`` more do not fit there."""
    if not nbytes or nbytes <= 0:
        return
    free = shutil.disk_usage(folder).free
    if nbytes > free:
        raise OutOfSpace(
            f"{folder} has {free / 1e9:,.2f} GB free, the download needs {nbytes / 1e9:,.2f} GB",
            hint=f"free {(nbytes - free) / 1e9:,.2f} GB, or choose another disk with LANCENB_CACHE",
        )


@contextmanager
def locked(path: Path, cancel: CancelToken | None = None, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock between processes and threads of this machine; ends with the process.

    Raises:
        Conflict: ``wait=False`` and somebody else holds it.
        Cancelled: ``cancel`` was set while waiting.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        while True:
            if cancel is not None:
                cancel.check()
            try:
                lock.acquire(timeout=0.5 if wait else 0, poll_interval=0.05)
                break
            except Timeout as error:
                if not wait:
                    raise Conflict(
                        f"{path.name} is in use by another download",
                        hint="wait for it to end and try again",
                    ) from error
    try:
        yield
    finally:
        lock.release()


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a link to ``source``, or a copy on disks without links."""
    try:
        os.symlink(source, target)
    except OSError:
        fresh = target.with_name(f".{target.name}.new")
        shutil.copyfile(source, fresh)  # a kill leaves no half of it under its name
        os.replace(fresh, target)
