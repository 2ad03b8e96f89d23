"""Taking away the files of a write that did not become a version.

Lance removes what it wrote when a write fails half-way; left for us are data files whose commit
was refused, and folders that stayed empty. Nothing another writer may be working on is touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lancenb.store import Store


def remove_uncommitted(
    uri: str, store: Store | None, fragments: list[Any], *, fresh: bool = False
) -> None:
    """Remove the data files (and blob sidecars) of fragments that no version refers to.

    Empty folders go only if the table is ``fresh`` (has no version yet): in an older one another
    writer may just have made them.
    """
    for fragment in fragments:
        for file in fragment.files:
            stem = file.path.removesuffix(".lance")
            for path in (f"{uri}/data/{stem}", f"{uri}/data/{file.path}"):
                with contextlib.suppress(Exception):
                    remove_path(path, store)
    if fresh and "://" not in uri:
        _prune(os.path.join(uri, "data"))
        _prune(uri)


def remove_path(uri: str, store: Store | None) -> None:
    """Remove one file or folder, on disk or in a bucket."""
    if "://" not in uri:
        if os.path.isdir(uri):
            shutil.rmtree(uri)
        else:
            os.unlink(uri)
        return
    from lancenb.store import Store

    owner = store if store is not None else Store(uri.rsplit("/", 1)[0])
    owner.delete_tree(uri)


def _prune(folder: str) -> None:
    """Remove ``folder`` and the empty folders in it, unless something lives there."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(folder, name))
        os.rmdir(folder)
