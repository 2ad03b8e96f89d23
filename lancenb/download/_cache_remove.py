"""Deleting from the cache so that a reader, a writer or a kill in between never meets half a thing.

An entry goes in one step (renamed to ``.trash-...`` beside it) and is then taken apart. Writers
hold locks meanwhile: the lock of the entry, or for repositories of the Hub a shared one.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import Conflict
from ..progress import CancelToken
from ._cache_list import TRASH, children
from ._files import disk_errors

_TRIES = 100
_DENIED = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def discard(path: Path) -> None:
    """Delete a file or folder; whoever looks sees all of it or nothing."""
    with disk_errors(path):
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        trash = path
        if not path.name.startswith(TRASH):
            trash = path.with_name(f"{TRASH}{secrets.token_hex(8)}")
            try:
                os.rename(path, trash)
            except FileNotFoundError:
                return
        shutil.rmtree(trash, ignore_errors=True)
        if trash.exists():  # once more for the reason; another process may be deleting it too
            try:
                shutil.rmtree(trash)
            except FileNotFoundError:
                shutil.rmtree(trash, ignore_errors=True)


@contextmanager
def using(hub: Path, repo: str, cancel: CancelToken | None = None) -> Iterator[None]:
    """Say that a repository is in use: many may, and none clears it meanwhile.

    On a disk that cannot be written, or cannot lock, nothing is said: nobody can clear there, or
    nobody would hear it.
    """
    import fcntl

    try:
        descriptor = _take(_use_lock(hub, repo), fcntl.LOCK_SH, cancel)
    except OSError as error:
        if error.errno not in (*_DENIED, *_NO_LOCKS):
            with disk_errors(hub):
                raise
        descriptor = None
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def alone(
    hub: Path, repo: str, cancel: CancelToken | None = None, *, wait: bool = False
) -> Iterator[Path]:
    """Hold a repository alone, for clearing.

    Raises:
        Conflict: it is in use, by us (``wait=False``) or by a client of the official library.
    """
    import fcntl

    lock = _use_lock(hub, repo)
    descriptor = None
    with disk_errors(lock):
        try:
            how = fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB
            descriptor = _take(lock, how, cancel)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    try:
        for path in lock.parent.glob("*.lock"):  # one per file that a client is fetching
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout as error:
                raise _in_use(repo) from error
            except OSError:
                continue
        yield lock
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _use_lock(hub: Path, repo: str) -> Path:
    return hub / ".locks" / repo / ".in-use"


def _in_use(repo: str) -> Conflict:
    return Conflict(f"{repo} is in use by a download", hint="wait for it to end and try again")


def _take(path: Path, how: int, cancel: CancelToken | None) -> int:
    """Lock a file; look again when somebody deleted it while we waited."""
    import fcntl

    waiting = not how & fcntl.LOCK_NB
    while True:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            if not waiting:
                raise _in_use(path.parent.name) from error
            (cancel or CancelToken()).wait(0.05)
            if cancel is not None:
                cancel.check()
        except BaseException:
            os.close(descriptor)
            raise


def _opened(path: Path) -> int:
    """Open a file to lock it, in folders that somebody may be clearing."""
    tries = _TRIES
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except (FileNotFoundError, FileExistsError):  # gone between two steps of this or of mkdir
            tries -= 1
            if not tries:
                raise


def remove_repo(hub: Path, repo: str) -> None:
    """Delete a repository with all its revisions.

    Raises:
        Conflict: it is in use.
    """
    with alone(hub, repo) as lock:
        known = _scan(hub, repo)
        if known is None or not (hub / "blobs").is_dir():
            discard(hub / repo)
        else:  # files may be shared with other repositories: the client knows
            _execute(known, [item.commit_hash for item in next(iter(known.repos)).revisions])
        _forget_locks(lock.parent)


def remove_hub_locks(hub: Path) -> None:
    """Delete the lock files of repositories that nobody uses."""
    for folder in children(hub / ".locks"):
        with suppress(Conflict), alone(hub, folder.name):
            _forget_locks(folder)
    with suppress(OSError):  # not empty
        (hub / ".locks").rmdir()


def _forget_locks(folder: Path) -> None:
    """Delete lock files, the one that is held last: who waits for it looks again."""
    for path in sorted(children(folder), reverse=True):  # .in-use comes first in order
        path.unlink(missing_ok=True)
    with suppress(OSError):  # somebody else came
        folder.rmdir()


def remove_revisions(hub: Path, repo: str, commits: Sequence[str]) -> None:
    """Delete revisions of a repository and the files that no other one uses.

    Raises:
        Conflict: it is in use.
    """
    with alone(hub, repo):
        known = _scan(hub, repo)
        if known is not None:
            _execute(known, commits)
        else:  # the client refuses damaged repositories; unused files show up as left over
            for commit in commits:
                discard(hub / repo / "snapshots" / commit)


def revisions_to_free(hub: Path, repo: str, commits: Sequence[str]) -> int:
    """Return the bytes that deleting these revisions would free."""
    known = _scan(hub, repo)
    return known.delete_revisions(*commits).expected_freed_size if known is not None else 0


def _scan(hub: Path, repo: str) -> Any:
    """Return what the client knows of this repository alone, or None if it cannot read it.

    Alone, because forks share commits: it would delete them from any of the repositories.
    """
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        info = scan_cache_dir(hub)
    except (OSError, ValueError, CacheNotFound):  # changed or gone while it looked
        return None
    found = frozenset(item for item in info.repos if item.repo_path.name == repo and item.revisions)
    return dataclasses.replace(info, repos=found) if found else None


def _execute(known: Any, commits: Sequence[str]) -> None:
    """Let the client delete, after each revision has gone in one step."""
    plan = known.delete_revisions(*commits)
    (repo,) = known.repos
    with disk_errors(repo.repo_path):
        for path in plan.refs:
            path.unlink(missing_ok=True)
        trash = []
        for item in repo.revisions:
            if item.commit_hash in commits:
                trash.append(repo.repo_path / f"{TRASH}{secrets.token_hex(8)}")
                os.rename(item.snapshot_path, trash[-1])
        dataclasses.replace(plan, refs=frozenset(), snapshots=frozenset()).execute()
    for path in (*trash, *plan.repos):  # usually gone: the client only logs what it may not delete
        discard(path)
