"""Removing the files of a commit that was refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lancenb.store import Store


def remove_data_files(store: Store, uri: str, fragments: Iterable[Any]) -> None:
    """Remove data files (and blob sidecars) of fragments that no version refers to."""
    for fragment in fragments:
        for file in fragment.files:
            for path in (file.path, file.path.removesuffix(".lance")):
                with contextlib.suppress(Exception):
                    remove_file(store, uri, f"data/{path}")


def remove_deletion_files(
    store: Store, uri: str, updated: Iterable[Any], present: Iterable[Any]
) -> None:
    """Remove the deletion files of ``updated`` fragments that ``present`` ones do not use."""

    def paths(fragments: Iterable[Any]) -> set[str]:
        marked = (f for f in fragments if f.deletion_file is not None)
        return {f.deletion_file.path(f.id) for f in marked}

    for path in paths(updated) - paths(present):
        with contextlib.suppress(Exception):
            remove_file(store, uri, path)


def remove_file(store: Store, uri: str, path: str) -> int:
    """Remove ``path`` below the table ``uri``; returns the bytes freed.

    Tables outside the root are reached with a store of their own and the same credentials.
    """
    return store_of(store, uri).delete_tree(f"{uri}/{path}" if path else uri)


def store_of(store: Store, uri: str) -> Store:
    """Return a store whose root holds ``uri``."""
    if uri.startswith(store.uri.rstrip("/") + "/"):
        return store
    return store.at(uri.rpartition("/")[0])
