"""A folder that is made beside its place and then takes it, complete or not at all."""

from __future__ import annotations

import glob
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ._files import disk_errors


@contextmanager
def made_beside(target: Path) -> Iterator[Path]:
    """Give an empty folder on the disk of ``target``; what is left of it is removed at the end.

    What killed processes of this machine left there for the same target is removed, too.
    """
    prefix = _prefix(target)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target)
        fresh = Path(
            tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}.", suffix=".new", dir=target.parent)
        )
        fresh.chmod(0o755)
    try:
        with disk_errors(target):
            yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def sweep(target: Path) -> None:
    """Remove what killed processes of this machine left beside ``target``."""
    prefix = _prefix(target)
    for old in target.parent.glob(f"{glob.escape(prefix)}*.new"):
        owner = old.name.removeprefix(prefix).partition(".")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(old, ignore_errors=True)


def _prefix(target: Path) -> str:
    host = re.sub(r"[^\w-]", "-", socket.gethostname())
    return f".{target.name}.{host}."


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
