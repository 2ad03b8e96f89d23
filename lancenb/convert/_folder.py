"""What lies in a folder."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lancenb.errors import CorruptInput, InvalidArgument, SourceNotFound, UnsupportedFormat

_MANY = 2000
_LINKS = 4


def refuse_special(path: str | os.PathLike[str]) -> None:
    """Refuse pipes, sockets and devices: opening one may wait for ever, or never end.

    Raises:
        UnsupportedFormat: ``path`` is neither a file nor a folder.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # what is missing or forbidden is told where it is opened
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UnsupportedFormat(
            f"{os.fspath(path)} is not a regular file (a pipe, socket or device)",
            hint="save its content to a file first",
        )


def path_list(items: Iterable[Any]) -> list[str]:
    """Return paths as text.

    Raises:
        InvalidArgument: one of them is no path.
    """
    paths = []
    for item in items:
        path = os.fspath(item) if isinstance(item, (str, os.PathLike)) else None
        if not isinstance(path, str):
            raise InvalidArgument(
                f"the list of sources holds {item!r:.60}, which is no path",
                hint="give a list of file names, or one table, dataset or state dict by itself",
            )
        paths.append(path)
    return paths


def hidden(name: str) -> bool:
    """Whether a file or folder is left out by its name."""
    return name.startswith((".", "__MACOSX"))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or leads to one; a link to itself does not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def walk(
    top: str | os.PathLike[str], skip: Callable[[str], bool] = hidden
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield (path relative to ``top`` with slashes, entry) of all that is no folder, by name.

    Links are followed, so that a class may be a link to a folder elsewhere, but never into a
    folder that they lie in, and at most four links deep.

    Args:
        top: folder to begin with.
        skip: folders of these names are left out.

    Raises:
        SourceNotFound: a folder cannot be read.
    """
    stack = [_opened(os.fspath(top), "", (), 0)]
    while stack:
        prefix, above, links, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
        elif not is_folder(entry):
            yield prefix + entry.name, entry
        elif not skip(entry.name):
            deeper = links + entry.is_symlink()
            inner = _opened(entry.path, f"{prefix}{entry.name}/", above, deeper)
            if inner[1][-1] not in above and deeper <= _LINKS:
                stack.append(inner)


def _opened(
    folder: str, prefix: str, above: tuple[tuple[int, int], ...], links: int
) -> tuple[str, tuple[tuple[int, int], ...], int, Iterator[os.DirEntry[str]]]:
    try:
        here = os.stat(folder)
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceNotFound(f"{folder} cannot be read: {error.strerror}") from None
    return prefix, (*above, (here.st_dev, here.st_ino)), links, iter(entries)


def saved_dataset_kind(folder: Path) -> str | None:
    """Return the kind of a folder written by ``datasets`` ``save_to_disk``, ``None`` if it is not.

    Both layouts are known: one dataset, and a dictionary of splits.

    Raises:
        CorruptInput: its description is damaged.
    """
    splits = folder / "dataset_dict.json"
    if splits.exists():
        names = _described(splits).get("splits") or []
        return _one_saved(folder / str(names[0])) if isinstance(names, list) and names else None
    return _one_saved(folder)


def _one_saved(folder: Path) -> str | None:
    info = folder / "dataset_info.json"
    if not (info.exists() and (folder / "state.json").exists()):
        return None
    features = _described(info).get("features") or {}
    if not isinstance(features, dict):
        raise _damaged(info)
    types = {str(f.get("_type")) for f in features.values() if isinstance(f, dict)}
    return "images" if "Image" in types else "table"


def _described(path: Path) -> dict[str, Any]:
    try:
        refuse_special(path)
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> CorruptInput:
    return CorruptInput(
        f"{path} does not describe a saved dataset", hint="write it again with save_to_disk"
    )


def files_below(folder: Path) -> list[Path]:
    """Return the first couple of thousand files below ``folder``, hidden ones left out."""
    files = (
        Path(entry.path)
        for _, entry in walk(folder)
        if not entry.name.startswith(".") and _is_file(entry)
    )
    return list(islice(files, _MANY))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def own_files(source: Any) -> list[Path] | None:
    """Return the files of a download whose folder holds files of others, too.

    Returns:
        Its visible files, sorted; ``None`` when all that lies in its folder is its own.
    """
    folder, files = getattr(source, "path", None), getattr(source, "files", None)
    if not files or folder is None or not os.path.isdir(folder) or is_table(folder):
        return None
    own = sorted(Path(os.path.abspath(file.path)) for file in files)
    known = set(map(str, own))
    below = (os.path.abspath(entry.path) for _, entry in walk(folder) if not hidden(entry.name))
    if all(path in known for path in below):
        return None
    return [path for path in own if not path.name.startswith(".")]


def is_table(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a Lance table."""
    return (Path(folder) / "_versions").is_dir()


def may_be_saved(own: list[Path] | None) -> bool:
    """Whether files may be of a folder written by ``save_to_disk``; ``None`` for all of it."""
    return own is None or any(path.name in ("state.json", "dataset_dict.json") for path in own)
