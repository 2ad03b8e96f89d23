"""The table that a folder of pictures was converted to, and whether it still is that folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ..convert.images._decode import Unreadable
from ..convert.images._info import DEFAULT_MAX_PIXELS
from ..convert.images._inspect import inspect
from ..convert.images._listing import Item, list_folder
from ..errors import InvalidArgument
from ._resuming import warn_once

#: Seconds that a file has to be older than its table to be taken for the one that was read.
_MARGIN = 2.0


def bring_folder(place: Path, name: str, manager: Any) -> None:
    """See that an artefact holds the pictures of a folder as they are now.

    A folder that has changed since is converted again, as the next version, and a warning says so.

    Args:
        place: the folder.
        name: the artefact; made when there is none.
        manager: its catalogue.

    Raises:
        InvalidArgument: the artefact holds something else.
        EmptyInput: there is no picture in the folder.
    """
    place = Path(os.path.realpath(place))
    message = f"pictures of the folder {place.name}"
    if name not in manager:
        manager.convert(place, name, kind="images", message=message)
        return
    origins = _origins(manager, name)
    sources = list(dict.fromkeys(text for origin in origins for text in origin.addresses))
    own = [os.path.realpath(os.path.expanduser(text)) for text in sources] == [str(place)]
    if own and origins[-1].format != "folder":  # rows that are no files: nothing to compare
        return
    whole = own and int(manager[name].version) == origins[-1].version
    if _holds(manager[name], place, origins[-1].time.timestamp() - _MARGIN if whole else None):
        return
    if not own:
        told = ", ".join(sources[:3]) or "no folder"
        raise InvalidArgument(
            f"{name!r} holds the pictures of {told}, not those of {place}",
            hint=f"data.name={name}-2 converts this folder under a name of its own",
        )
    report = manager.convert(place, name, kind="images", mode="overwrite", message=message)
    warn_once(
        f"the folder {place} has changed since it was converted; {name} version"
        f" {report.version} holds it as it is now"
    )


def _origins(manager: Any, name: str) -> list[Any]:
    """What the rows that are there now were made from, oldest first."""
    found = manager.lineage(name).origins
    whole = [at for at, origin in enumerate(found) if origin.mode != "append"]
    return found[whole[-1] :] if whole else found


def _holds(artifact: Any, place: Path, since: float | None) -> bool:
    """Whether a table holds the readable pictures of a folder, each once.

    Args:
        artifact: the table.
        place: the folder.
        since: files that are older are those that were converted; None: all are compared.
    """
    if not {"path", "sha256"} <= set(artifact.columns):
        return False
    rows = artifact.search_rows(columns=["path", "sha256"], limit=None)
    there = dict(zip(rows["path"].to_pylist(), rows["sha256"].to_pylist(), strict=True))
    items = list_folder(str(place)).items
    if len(there) != rows.num_rows or not there.keys() <= {item.name for item in items}:
        return False
    return all(_is_row(item, there.get(item.name), since) for item in items)


def _is_row(item: Item, stored: str | None, since: float | None) -> bool:
    """Whether a file is the row of its name; one without a row has to be an unreadable one."""
    info = os.stat(item.handle)
    # a copy may keep the time of its content, not the one of its own making
    if stored is not None and since is not None and max(info.st_mtime, info.st_ctime) < since:
        return True
    content = Path(item.handle).read_bytes()
    if stored is not None:
        return hashlib.sha256(content).hexdigest() == stored
    try:
        inspect(memoryview(content), max_pixels=DEFAULT_MAX_PIXELS)
    except Unreadable:
        return True
    return False
