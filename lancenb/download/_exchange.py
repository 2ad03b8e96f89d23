"""Two folders that change places."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE: renameat2(2)


def take_place(fresh: Path, path: Path) -> None:
    """Put the folder ``fresh`` where the folder ``path`` is, if it is, and that one in its place.

    On Linux in one step: a kill leaves the old folder or the new one at ``path``. Elsewhere, and
    on disks that cannot do it, nothing is there for a moment.
    """
    if not path.is_dir():
        os.replace(fresh, path)
        return
    if _in_one_step(fresh, path):
        return
    aside = fresh.with_name(f"{fresh.name}.old")
    os.replace(path, aside)
    try:
        os.replace(fresh, path)
    except BaseException:
        os.replace(aside, path)
        raise
    os.replace(aside, fresh)


def _in_one_step(one: Path, other: Path) -> bool:
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # another system, or one of before 2018
        return False
    call.argtypes = [
        ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint,
    ]  # fmt: skip
    return call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0
