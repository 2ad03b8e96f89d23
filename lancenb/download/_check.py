"""Is what lies on this disk a whole copy of a data set? Sizes, hashes, counts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import SourceNotFound
from ..progress import Tracker
from ._entry import CheckRequest, OfficialFile

IMAGES = (".jpg", ".jpeg", ".png")
_BLOCK = 1 << 20


def check_files(request: CheckRequest) -> None:
    """Look for the official files of an entry, packed or (where that is known) unpacked."""
    for file in _wanted(request):
        place = locate(request.path, file.name)
        if place is not None:
            check_file(request, file, place)
        elif not _unpacked(request, file):
            request.missing.append(f"{file} is not there")
    _where_from(request)


def check_idx(request: CheckRequest) -> None:
    """Look for the idx files of MNIST and its kin, packed with gzip or not."""
    for file in _wanted(request):
        packed = locate(request.path, file.name)
        plain = locate(request.path, file.name.removesuffix(".gz"))
        if packed is not None:
            check_file(request, file, packed)
        elif plain is not None:
            _check_idx_header(request, file, plain)
        else:
            request.missing.append(f"{file} is not there")
    _where_from(request)


def check_coco(request: CheckRequest) -> None:
    """Look for COCO's pictures (zip or folder) and annotations (zip or JSON) of each split."""
    expected = request.counts or request.entry.splits
    for file in _wanted(request):
        packed = locate(request.path, file.name)
        if packed is not None:
            check_file(request, file, packed)
        elif file.split is None:
            _check_annotations(request, file, [*expected])
        else:
            folder = locate(request.path, file.name.removesuffix(".zip"))
            if folder is None:
                request.missing.append(f"{file} is not there, packed or unpacked")
            else:
                count = count_images(folder, request.tracker)
                compare(request, folder.name, count, expected.get(file.split), "pictures")
    _where_from(request)


def _check_annotations(request: CheckRequest, file: OfficialFile, splits: list[str]) -> None:
    official = {one.split: one.name.removesuffix(".zip") for one in request.entry.files}
    for split in splits:
        name = f"instances_{official.get(split, split)}.json"
        if locate(request.path, name) is None:
            request.missing.append(f"{name} (in {file}) is not there")
        else:
            request.found.append(f"{name} is there")


def _wanted(request: CheckRequest) -> list[OfficialFile]:
    """Return the official files, or those of the splits that ``counts`` names."""
    chosen = request.counts
    files = request.entry.files
    return [f for f in files if chosen is None or f.split is None or f.split in chosen]


def _where_from(request: CheckRequest) -> None:
    if (request.missing or request.wrong) and any(file.url for file in request.entry.files):
        request.notes.append(f"download('{request.entry.name}:official') fetches what its makers "
                             "publish")  # fmt: skip


def locate(top: Path, name: str) -> Path | None:
    """Return the file or folder of that name: ``top`` itself, in it, or up to two levels below."""
    if top.name == name:
        return top
    if not top.is_dir():
        return None
    level = [top]
    for _ in range(3):
        below: list[Path] = []
        for folder in level:
            if (folder / name).exists():
                return folder / name
            below += [entry for entry in sorted(folder.iterdir()) if entry.is_dir()][:200]
        level = below
    return None


def check_file(request: CheckRequest, file: OfficialFile, place: Path) -> None:
    """Compare one file with what its makers publish."""
    size = place.stat().st_size
    if file.size and size != file.size:
        request.wrong.append(
            f"{place} has {size:,} bytes, {file.size:,} are expected (cut off, or another edition)"
        )
        return
    algorithm = "sha256" if file.sha256 else "md5"
    promised = file.sha256 or file.md5
    if not request.hashes or not promised:
        why = "hashes=False" if promised else "its makers publish no hash"
        request.found.append(f"{file} has the right size (not hashed: {why})")
        return
    digest = digest_of(place, algorithm, request.tracker)
    if digest == promised:
        request.found.append(f"{file} has the right {algorithm}")
    else:
        request.wrong.append(f"{place} has {algorithm} {digest}, {promised} is expected")


def _unpacked(request: CheckRequest, file: OfficialFile) -> bool:
    """Check the files that an archive holds; False when none of them is there."""
    places = {name: locate(request.path, name) for name in file.contents}
    if not any(places.values()):
        return False
    for name, md5 in file.contents.items():
        place = places[name]
        if place is None:
            request.missing.append(f"{name} (in {file.name}) is not there")
        else:
            check_file(request, OfficialFile(name, md5=md5), place)
    return True


def _check_idx_header(request: CheckRequest, file: OfficialFile, place: Path) -> None:
    """Check the head of an unpacked idx file, for which no hash is published.

    Layout: two zero bytes, type, number of dimensions, then each dimension as a 32-bit number,
    most significant byte first (http://yann.lecun.com/exdb/mnist/, "the IDX file format").
    """
    with place.open("rb") as stream:
        head = stream.read(16)
    size = place.stat().st_size
    if len(head) < 8 or head[:3] != b"\0\0\x08":
        request.wrong.append(f"{place} is no idx file")
        return
    dims = [int.from_bytes(head[4 * i : 4 * i + 4], "big") for i in range(1, head[3] + 1)]
    volume = 1
    for dim in dims:
        volume *= dim
    if size != 4 + 4 * len(dims) + volume:
        request.wrong.append(
            f"{place} has {size:,} bytes, its head promises {4 + 4 * len(dims) + volume:,}"
        )
        return
    expected = (request.counts or request.entry.splits).get(file.split or "")
    compare(request, place.name, dims[0], expected, "rows")


def compare(request: CheckRequest, what: str, count: int, expected: int | None, unit: str) -> None:
    """Note a number as found or as wrong."""
    if expected is None or count == expected:
        request.found.append(f"{what}: {count:,} {unit}")
    else:
        request.wrong.append(f"{what} has {count:,} {unit}, {expected:,} are expected")


def count_images(folder: Path, tracker: Tracker) -> int:
    """Count pictures below a folder by their names."""
    return sum(1 for _ in image_names(folder, tracker))


def image_names(folder: Path, tracker: Tracker) -> Iterator[str]:
    """Yield names of pictures below a folder."""
    try:
        for _, folders, names in os.walk(folder, onerror=_unreadable):
            folders.sort()
            found = [name for name in names if name.lower().endswith(IMAGES)]
            tracker.advance(len(found))
            yield from found
    except OSError as error:
        raise SourceNotFound(
            f"{folder} cannot be read: {error.strerror}", hint="check the path and its permissions"
        ) from None


def _unreadable(error: OSError) -> None:
    raise error


def digest_of(path: Path, algorithm: str, tracker: Tracker | None = None) -> str:
    """Hash a file in hex; a cancel of the tracker takes effect between blocks."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if tracker is not None:
                    tracker.advance(nbytes=len(block))
    except OSError as error:
        raise SourceNotFound(
            f"{path} cannot be read: {error.strerror}", hint="check the path and its permissions"
        ) from None
    return digest.hexdigest()
