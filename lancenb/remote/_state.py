"""Where a server keeps what is its own: tokens and uploads on the way, never readable by others."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from lancenb.errors import StoreNotWritable

if TYPE_CHECKING:
    from lancenb.store import Store

FOLDER = ".server"


def state_folder(store: Store) -> Path:
    """Return the folder of a root's server, made if need be, closed to other users.

    A local root holds it itself (``.server``). For any other root it lies on this machine, since
    whoever may read the bucket must not read the tokens.

    Raises:
        StoreNotWritable: it cannot be made, or belongs to somebody else.
    """
    if store.is_local:
        folder = Path(store.uri) / FOLDER
    else:
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        where = hashlib.sha256(f"{store.endpoint or ''} {store.uri}".encode()).hexdigest()[:16]
        folder = Path(state).expanduser() / "lancenb" / where
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink():
            raise StoreNotWritable(
                f"{folder} is a link to elsewhere", hint="make it a folder of its own"
            )
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise StoreNotWritable(
            f"{folder} cannot be made or closed to other users: {error.strerror}",
            hint="a server keeps its tokens there; run it as the user who owns the root",
        ) from None
    return folder


def token_file(store: Store) -> Path:
    """Return where the tokens of a root's server are kept."""
    return state_folder(store) / "tokens.json"
