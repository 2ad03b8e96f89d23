"""Telling after a crash whether a write was committed.

``with once(key):`` around a verb puts the key on the commit that decides it: on the new version of
the table for ``convert``, ``save_weights``, ``upsert``, ``delete_rows``, ``rollback`` and
``forward``; on the registry's version for ``register``, ``update``, ``rename``, ``delete``,
``tag`` and ``untag`` (and, as a note, for ``rollback`` and ``forward``). A verb that had nothing
to change commits nothing and leaves no key; doing it again changes nothing either.

What a crash between the two commits of a verb means:

* ``convert`` and ``save_weights`` of a new name: the table is written and the name is not yet
  there. ``find_once`` says ``None``; doing it again is right, and ``fsck`` removes the first try.
* the same for the next version of a name: the version is there and is found. The registry may
  know old columns until the next write or ``fsck(repair=True)``.
* ``rollback`` and ``forward``: the restored version is the head and is found. Doing it again under
  the same key commits no second version; it completes the registry's note.
* ``tag``: the table has the tag. Doing it again completes the registry's index of tags.
* ``untag``: the tag is gone. Doing it again under a key completes the registry's index.
* ``delete``: the registry's mark decides and carries the key; from then on the artefact is gone
  for everybody, and ``fsck(repair=True)`` erases its files.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from lancenb.convert._once import ONCE, check_key, once, once_properties
from lancenb.errors import ArtifactNotFound, NotFound

from ._log import properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .manager import DataManager

#: On a registry commit that takes back what a commit with this key did.
UNDONE = "lancenb.once_undone"

__all__ = [
    "ONCE",
    "UNDONE",
    "find_once",
    "find_once_in_registry",
    "once",
    "once_properties",
    "version_of",
]


def find_once(dm: DataManager, name: str, key: str, look_back: int = 50) -> int | None:
    """Return the version of an artefact whose commit carries ``key``.

    Args:
        dm: the catalogue.
        name: the artefact.
        key: as given to :func:`once`.
        look_back: look at so many versions, newest first; one small read each.

    Returns:
        The version, or ``None``: none of them carries the key, or there is no such artefact.

    Raises:
        InvalidArgument: no key can look like that.

    >>> import tempfile, lancenb
    >>> dm = lancenb.DataManager(tempfile.mkdtemp())
    >>> with once("request-1"):
    ...     _ = dm.upsert("points", {"id": 1}, key="id", create=True)
    >>> find_once(dm, "points", "request-1"), find_once(dm, "points", "request-2")
    (1, None)
    """
    check_key(key)
    try:
        head = dm._open(dm._entry(name))
    except ArtifactNotFound:
        return None
    return version_of(dm, head, key, look_back)


def version_of(dm: Any, head: Any, key: str, look_back: int = 50) -> int | None:
    """Return the newest of the last versions of ``head`` whose commit carries ``key``."""
    marks = _marks(dm, head, look_back)
    return next((number for number, found in marks if found.get(ONCE) == key), None)


def find_once_in_registry(dm: DataManager, key: str, look_back: int = 200) -> bool:
    """Tell whether a commit of the registry carries ``key`` and was not taken back.

    The registry keeps its last 100 versions at least; a key older than that is forgotten.

    Args:
        dm: the catalogue.
        key: as given to :func:`once`.
        look_back: look at so many versions, newest first.

    Raises:
        InvalidArgument: no key can look like that.

    >>> import tempfile, lancenb
    >>> dm = lancenb.DataManager(tempfile.mkdtemp())
    >>> _ = dm.upsert("points", {"id": 1}, key="id", create=True)
    >>> with once("request-2"):
    ...     _ = dm.rename("points", "dots")
    >>> find_once_in_registry(dm, "request-2"), find_once_in_registry(dm, "request-3")
    (True, False)
    """
    from lancenb.store import open_table

    check_key(key)
    try:
        head = open_table(dm.registry.uri, dm.store)
    except NotFound:
        return False
    for _, marks in _marks(dm, head, look_back):
        if marks.get(UNDONE) == key:
            return False
        if marks.get(ONCE) == key:
            return True
    return False


def _marks(dm: Any, head: Any, look_back: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the versions of a table and the facts of their commits, newest first."""
    from lancenb.store import lance_errors

    with lance_errors(str(head.uri), dm.store):
        numbers = sorted((int(facts["version"]) for facts in head.version_refs()), reverse=True)
    for number in islice(numbers, look_back):
        try:
            with lance_errors(str(head.uri), dm.store):
                marks = properties_of(head, number)
        except NotFound:
            return  # cleaned up since we looked, and with it everything older
        yield number, marks
