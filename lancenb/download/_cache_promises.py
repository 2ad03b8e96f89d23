"""What the cache knows of its files: which should be there, and with which hash."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._cache_list import (
    BUILT_META,
    RECORD,
    URL_META,
    CacheEntry,
    children,
    is_repo,
    read_json,
    walk,
)
from ._kept import arrived
from ._url_records import Place

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Promise:
    """A file and what is known of it.

    Attributes:
        name: within its entry.
        path: where it is.
        size: bytes it should have, if known.
        sha256: its hash, if known.
        git_sha1: its hash as git counts it, if known.
        wrong: what is wrong with it without looking at its content.
    """

    name: str
    path: Path
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    wrong: str = ""


def promises(entry: CacheEntry, verified: Path) -> Iterator[Promise]:
    """List the files of an entry.

    Args:
        entry: of any kind.
        verified: folder of the notes on Hub snapshots.
    """
    if entry.kind == "url":
        return _of_url(entry.path)
    if entry.kind == "hub":
        return _of_repo(entry.path, verified) if is_repo(entry.name) else iter(())
    if entry.kind in ("verified", "placed"):
        return _of_note(entry.path)
    return _of_built(entry.path)


def _of_url(home: Path) -> Iterator[Promise]:
    meta = Place.at(home).arrived() or read_json(home / URL_META)
    name, size, sha256 = meta.get("name"), meta.get("size"), meta.get("sha256")
    known = isinstance(name, str) and isinstance(sha256, str) and isinstance(size, int)
    if not known and (home / URL_META).exists():
        yield Promise(URL_META, home / URL_META, wrong="cannot be understood")
    for path in children(home):
        if not path.name.startswith(".") and not (known and path.name == name):
            yield Promise(path.name, path)
    if known:
        yield Promise(str(name), home / Path(str(name)).name, size, sha256)


def _of_built(home: Path) -> Iterator[Promise]:
    note = home / BUILT_META
    folders = [p for p in children(home) if p.is_dir() and not p.name.startswith(".")]
    made = arrived(folders[0]) if len(folders) == 1 else None
    if made is None and not note.is_file():
        if home.is_file() or any(
            not p.name.startswith(".") and not p.name.endswith(".new") for p in children(home)
        ):
            yield Promise(home.name, home)
        return
    files = (made or read_json(note)).get("files")
    if not isinstance(files, list) or len(folders) > 1:
        yield Promise(BUILT_META, note, wrong="cannot be understood")
        return
    folder = folders[0] if folders else home / "rows"
    for row in files:
        try:
            name, size, sha256 = row
            yield Promise(f"{folder.name}/{name}", folder / name, size, sha256)
        except (TypeError, ValueError):
            yield Promise(BUILT_META, note, wrong="cannot be understood")


def _of_note(path: Path) -> Iterator[Promise]:
    if path.suffix == ".json" and not read_json(path) and path.exists():  # not cleared just now
        yield Promise(path.name, path, wrong="cannot be understood")


def _of_repo(home: Path, verified: Path) -> Iterator[Promise]:
    """Files of the official layout: a blob's name is its hash, a snapshot links to blobs."""
    names = _names(home)
    for path in children(home / "blobs"):
        name = names.get(path.name, f"blobs/{path.name}")
        if path.name.startswith(".") or path.name.endswith((".incomplete", ".lock")):
            continue
        if _SHA256.fullmatch(path.name):
            yield Promise(name, path, sha256=path.name)
        elif _SHA1.fullmatch(path.name):
            yield Promise(name, path, git_sha1=path.name)
        else:
            yield Promise(name, path)
    for folder in children(home / "snapshots"):
        yield from _of_snapshot(home, folder, verified)


def _names(home: Path) -> dict[str, str]:
    """Return under which name a revision uses each blob."""
    found: dict[str, str] = {}
    for folder in children(home / "snapshots"):
        for path in walk(folder):
            try:
                blob = os.path.basename(os.readlink(path))
            except OSError:  # a copy, or gone
                continue
            found.setdefault(blob, path.relative_to(folder).as_posix())
    return found


def _of_snapshot(home: Path, folder: Path, verified: Path) -> Iterator[Promise]:
    tree: dict[str, Any] | None = None
    for path in sorted(walk(folder)):
        inside = path.relative_to(folder).as_posix()
        name = f"{inside} of {folder.name[:12]}"
        if path.is_symlink():
            if not path.exists():
                yield Promise(name, path, wrong="points to nothing")
        elif path.is_file():  # a copy, on disks without links
            if tree is None:
                tree = _tree(home.name, folder.name, verified)
            said = tree.get(inside) or {}
            yield Promise(name, path, said.get("size"), said.get("sha256"), said.get("oid"))


def _tree(repo: str, commit: str, verified: Path) -> dict[str, Any]:
    """Return what the Hub said about the files of a commit."""
    kind, _, rest = repo.partition("--")
    name = f"{kind.removesuffix('s')}--{rest}--{commit}.json"
    tree = read_json(verified / name).get("tree") if RECORD.fullmatch(name) else None
    return tree if isinstance(tree, dict) else {}
