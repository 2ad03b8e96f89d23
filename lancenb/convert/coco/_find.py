"""Which files are annotations of COCO's form, and where their pictures lie."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from lancenb.convert._folder import is_folder
from lancenb.convert._scratch import scratch_folder, unpack
from lancenb.convert.archive import Limits, open_archive
from lancenb.convert.images._hub import split_of
from lancenb.errors import SourceNotFound, UnsupportedFormat

_NAMED = re.compile(
    r"(?P<task>instances|person_keypoints)_(?P<set>.+)\.json|_?annotations?(?:\.coco)?\.json|"
    r".*coco.*\.json",
    re.IGNORECASE,
)
_HEAD = 1 << 16
_FOLDERS = 50


class AnnotationFile(NamedTuple):
    """One annotation file.

    Attributes:
        path: where it lies on disk.
        shown: what to call it in messages.
        folder: the folder it belongs to (of the archive, if it was in one).
        split: its split, if its name tells.
        subset: the part of its name that its pictures' folder has too (``val2017``).
    """

    path: str
    shown: str
    folder: Path
    split: str | None
    subset: str


def looks_like_coco(path: Path) -> bool:
    """Whether a JSON file begins like annotations of COCO's form."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    listed = b'"images"' in head or b'"annotations"' in head
    return listed and (b'"file_name"' in head or b'"image_id"' in head or b'"bbox"' in head)


def annotation_files(folder: Path) -> list[Path]:
    """Return annotation files, or zip files of such, in a folder or its direct subfolders.

    Where there are several tasks for the same pictures, boxes and masks (``instances_*``) win.
    """
    here, below = _entries(folder)
    found = _annotations_among(here)
    for inner in [] if found else below[:_FOLDERS]:
        found += _annotations_among(_entries(inner)[0])
    return _best([(path, path.name) for path in found])


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return files and folders in a folder."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return [], []
    folders = {e.name for e in entries if is_folder(e) and not e.name.startswith(".")}
    files = [Path(entry.path) for entry in entries if entry.name not in folders]
    return files, [folder / name for name in sorted(folders)]


def _annotations_among(files: Iterable[Path]) -> list[Path]:
    found = [f for f in files if _NAMED.fullmatch(f.name) and looks_like_coco(f)]
    return found + [f for f in files if f.name.startswith("annotations") and _packed(f)]


def _packed(path: Path) -> bool:
    """Whether a zip file holds annotations by the names of its members."""
    if path.suffix != ".zip":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_NAMED.fullmatch(os.path.basename(name)) for name in archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _best(found: Sequence[tuple[Path, str]]) -> list[Path]:
    instances = [path for path, name in found if name.lower().startswith("instances_")]
    return instances or [path for path, _ in found]


def open_files(paths: Iterable[Path], limits: Limits, stack: ExitStack) -> list[AnnotationFile]:
    """Return the annotation files behind paths; packed ones are unpacked to a temporary folder.

    Raises:
        UnsupportedFormat: an archive without annotations of boxes.
    """
    files: list[AnnotationFile] = []
    for path in paths:
        if path.suffix.lower() == ".json":
            files.append(_described(str(path), str(path), path.name, path.parent))
        else:
            files += _unpacked(path, limits, stack)
    return files


def _described(path: str, shown: str, name: str, folder: Path) -> AnnotationFile:
    match = _NAMED.fullmatch(name)
    subset = (match["set"] or "") if match else ""
    return AnnotationFile(path, shown, folder, split_of(f"{folder.name}/{name}"), subset)


def _unpacked(path: Path, limits: Limits, stack: ExitStack) -> list[AnnotationFile]:
    place = scratch_folder(stack)
    with open_archive(path, limits=limits) as archive:
        members = [
            member
            for member in archive.members
            if _NAMED.fullmatch(os.path.basename(member.name)) and not member.litter
        ]
        named = {os.path.basename(member.name): member for member in members}
        chosen = _best([(Path(name), name) for name in named])
        if not chosen:
            raise UnsupportedFormat(f"{path} holds no annotations of boxes (instances_*.json)")
        files = []
        for name in map(str, chosen):
            target = place / name
            unpack(archive, named[name], target)
            files.append(_described(str(target), str(named[name]), name, path.parent))
    return files


def picture_place(file: AnnotationFile, names: Sequence[str], given: str | None) -> str | None:
    """Return the folder or zip file that holds the pictures of an annotation file, if any.

    Args:
        file: the annotation file.
        names: file names of some of its pictures.
        given: folder or zip file named by the user.
    """
    bases = [Path(given)] if given is not None else [file.folder, file.folder.parent]
    subsets = [s for s in (file.subset, file.split or "") if s]
    for base in bases:
        if base.is_file():
            return str(base)
        steps = [*subsets, *(f"images/{s}" for s in subsets), "images", ""]
        for step in steps:
            if any((base / step / name).is_file() for name in names):
                return str(base / step)
        for step in (*subsets, "images"):
            packed = base / f"{step}.zip"
            if packed.is_file() and zipfile.is_zipfile(packed):
                return str(packed)
    return None


def no_pictures(file: AnnotationFile, given: str | None) -> SourceNotFound:
    """Return the error for annotations without pictures."""
    looked = given or f"{file.folder} and the folder above"
    example = file.subset or "images"
    return SourceNotFound(
        f"the pictures of {file.shown} are not in {looked} (such as {example}/ or {example}.zip)",
        hint="convert(FOLDER_OF_PICTURES, target, annotations=FILE) says where both are",
    )
