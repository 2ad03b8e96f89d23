"""ImageNet (ILSVRC 2012) on this disk: its two archives, or one folder per class."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .. import _html
from ..errors import SourceNotFound
from ._check import IMAGES, check_file, compare, locate
from ._entry import CheckRequest, OfficialFile

_FOLDERS = {"train": ("train",), "validation": ("val", "validation", "valid")}
_WORDNET = re.compile(r"n\d{8}")


def check_imagenet(request: CheckRequest) -> None:
    """Check each split: as folders (classes and pictures counted), else as an archive (hashed).

    A folder with neither splits nor archives counts as the split it is named after, ``train``
    otherwise.
    """
    subset = request.classes is not None or request.counts is not None
    folders = {split: _folder(request.path, split) for split in _FOLDERS}
    archives = {file.split: file for file in request.entry.files if file.split}
    if not any(folders.values()) and request.path.is_dir() and _classes(request.path):
        lone = "validation" if request.path.name in _FOLDERS["validation"] else "train"
        folders[lone] = request.path
    wanted = [*(request.counts or request.entry.splits)]
    if subset and request.counts is None:
        wanted = [split for split in wanted if folders[split] is not None]
    if request.path.is_file():
        named = {split for split, file in archives.items() if file.name == request.path.name}
        wanted = [split for split in wanted if split in named]
    for split in wanted:
        folder, archive = folders.get(split), archives.get(split)
        packed = locate(request.path, archive.name) if archive else None
        if folder is not None:
            _check_classes(request, split, folder)
        elif archive is not None and packed is not None:
            _check_archive(request, archive, packed)
        else:
            word = _FOLDERS.get(split, (split,))[0]
            request.missing.append(
                f"{split}: neither a folder {word}/ nor {archive.name} is in {request.path}"
                if archive else f"{split}: no folder {word}/ is in {request.path}"
            )  # fmt: skip
    if request.missing:  # something has to be got first; wrong numbers need no long guide
        request.notes.append(request.entry.guide)


def _folder(top: Path, split: str) -> Path | None:
    for name in _FOLDERS[split]:
        if (top / name).is_dir():
            return top / name
    return None


def _classes(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(e.name for e in found if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise SourceNotFound(
            f"{folder} cannot be read: {error.strerror}", hint="check the path and its permissions"
        ) from None


def _check_archive(request: CheckRequest, archive: OfficialFile, packed: Path) -> None:
    check_file(request, archive, packed)
    request.notes.append(f"{archive.name} has to be unpacked to one folder per class")


def _check_classes(request: CheckRequest, split: str, folder: Path) -> None:
    official = request.classes is None and request.counts is None
    expected = request.classes or 1000
    names = _classes(folder)
    loose = _images(folder)
    counts = {}
    for name in names:
        counts[name] = _images(folder / name)
        request.tracker.advance(counts[name])
    if len(names) == expected:
        request.found.append(f"{split}: {len(names):,} class folders")
    else:
        request.wrong.append(f"{split} has {len(names):,} class folders, {expected:,} are expected")
    rows = (request.entry.splits if official else request.counts or {}).get(split)
    compare(request, split, sum(counts.values()), rows, "images in class folders")
    empty = [name for name, count in counts.items() if not count]
    if empty:
        request.wrong.append(
            f"{split}: {_html.count(len(empty), 'class folder')} without images, such as {empty[0]}"
        )
    if loose:
        request.wrong.append(
            f"{split}: {_html.count(loose, 'image')} beside the class folders, so without a label"
        )
    strange = [name for name in names if not _WORDNET.fullmatch(name)]
    if official and strange:
        request.notes.append(f"{split}: {strange[0]} is no WordNet id such as n01440764")


def _images(folder: Path) -> int:
    with os.scandir(folder) as found:
        return sum(entry.name.lower().endswith(IMAGES) for entry in found)
