"""MNIST and its kin: idx files of pictures with their labels beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lancenb.convert._folder import files_below
from lancenb.convert._idx import IdxFile, named_idx, open_idx
from lancenb.convert.archive import Limits
from lancenb.errors import CorruptInput, EmptyInput, SourceNotFound, UnsupportedFormat

from ._hub import split_of
from ._info import DEFAULT_MAX_PIXELS
from ._raw import Labels, RawPart, RawRows, raw_source
from ._source import Source

_DIGITS = [str(digit) for digit in range(10)]
_MNIST_NAMES = ("train-images", "t10k-images", "train.images", "t10k.images")


def idx_source(
    path: str, known: str | None, *, label: Any, split: str | None, limits: Limits | None
) -> Source:
    """Make a source of one idx file of pictures, or of a folder of such files.

    Args:
        path: the file or folder.
        known: name of the data set in the registry, where a download says so.
        label: as the user gave it; ``None`` makes do without a file of labels.
        split: only this split.
        limits: what packed files may unpack to.
    """
    limits = limits or Limits()
    files = _pictures_below(path) if os.path.isdir(path) else [path]
    pairs = [(open_pictures(file, limits), _labels_of(file, limits, label)) for file in files]
    labels = Labels()
    if label is not None:
        names = _class_names(files, known)
        found = names or _guess(pairs)
        labels = Labels({"label": found}, guessed=names is None)
    parts = [_part(pictures, beside) for pictures, beside in pairs]
    return raw_source("idx", path, parts, labels, label=label, split=split)


def _pictures_below(folder: str) -> list[str]:
    """Return one file per set of pictures (packed and unpacked twins count once)."""
    found: dict[str, str] = {}
    for path in files_below(Path(folder)):
        if named_idx(path.name) == "images":
            stem = str(path).removesuffix(".gz")
            if stem not in found or found[stem].endswith(".gz"):
                found[stem] = str(path)
    if not found:
        raise EmptyInput(f"{folder} holds no idx file of pictures")
    folders = sorted({os.path.dirname(path) for path in found.values()})
    if len(folders) > 1:
        raise UnsupportedFormat(
            f"{folder} holds more than one set of idx files ({folders[0]}, {folders[1]})",
            hint="convert each of these folders into a table of its own",
        )
    return [found[stem] for stem in sorted(found)]


def open_pictures(path: str, limits: Limits) -> IdxFile:
    """Open an idx file of pictures.

    Raises:
        UnsupportedFormat: it holds something else than gray pictures of bytes.
    """
    file = open_idx(path, limits)
    if len(file.dims) != 3 or file.dtype != ">u1":
        shape = " x ".join(f"{dim:,}" for dim in file.dims)
        raise UnsupportedFormat(
            f"{path} holds {shape} values of type {file.dtype[1:]}, not gray pictures of bytes",
            hint="pictures have three dimensions (rows, height, width) of unsigned bytes",
        )
    if not 0 < file.dims[1] * file.dims[2] <= DEFAULT_MAX_PIXELS:
        raise CorruptInput(f"{path} promises pictures of {file.dims[1]:,} x {file.dims[2]:,}")
    return file


def _labels_of(path: str, limits: Limits, label: Any) -> IdxFile | None:
    if label is None:
        return None
    folder, name = os.path.split(path)
    wanted = name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    for candidate in (wanted, f"{wanted}.gz"):
        beside = os.path.join(folder, candidate)
        if candidate not in (name, f"{name}.gz") and os.path.isfile(beside):
            break
    else:
        raise SourceNotFound(
            f"the labels of {path} are not beside it (expected: {wanted} or {wanted}.gz)",
            hint="put them there, or convert the pictures alone with label=None",
        )
    pictures, labels = open_idx(path, limits), open_idx(beside, limits)
    if len(labels.dims) != 1 or labels.dtype != ">u1":
        raise UnsupportedFormat(f"{beside} is not one byte per label")
    if labels.rows != pictures.rows:
        raise CorruptInput(
            f"{path} has {pictures.rows:,} pictures, {beside} has {labels.rows:,} labels",
            hint="the two files do not belong together, or one is cut off; fetch both again",
        )
    return labels


def _class_names(files: Sequence[str], known: str | None) -> list[str] | None:
    """Return the class names where it is sure or plainly said which data set this is."""
    from lancenb.download import registry

    name = known or _recognised(files) or _named(files)
    entry = registry.find(name) if name else None
    return list(entry.classes) if entry is not None and entry.classes else None


def _recognised(files: Sequence[str]) -> str | None:
    """Name the data set whose official file this is, by size and hash."""
    from lancenb.download import registry

    for name in ("mnist", "fashion_mnist"):
        entry = registry.find(name)
        for file in entry.files if entry is not None else ():
            for path in files:
                if os.path.getsize(path) == file.size and _sha256(path) == file.sha256:
                    return name
    return None


def _sha256(path: str) -> str:
    import hashlib

    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(files: Sequence[str]) -> str | None:
    """Name the data set by its folders, such as torchvision's ``FashionMNIST/raw``."""
    for part in reversed(Path(files[0]).absolute().parts[:-1]):
        plain = part.lower().replace("-", "").replace("_", "")
        if plain in ("fashionmnist", "mnist"):
            return plain
    return None


def _guess(pairs: Sequence[tuple[IdxFile, IdxFile | None]]) -> list[str]:
    """Return numbers as class names: 0 to 9 for files named as MNIST's, else to the largest."""
    names = [os.path.basename(pictures.path).lower() for pictures, _ in pairs]
    if all(name.startswith(_MNIST_NAMES) for name in names):
        return _DIGITS
    largest = 0
    for _, labels in pairs:
        for batch in labels.batches(1 << 20) if labels is not None else ():
            largest = max(largest, int(batch.max()))
    return [str(number) for number in range(largest + 1)]


def _part(pictures: IdxFile, labels: IdxFile | None) -> RawPart:
    name = os.path.basename(pictures.path)
    split = "test" if "t10k" in name.lower() else split_of(f"{named_stem(name)}.idx")

    def read(count: int) -> Iterator[RawRows]:
        ids = labels.batches(count) if labels is not None else None
        start = 0
        for pixels in pictures.batches(count):
            # the end of the labels is checked when asked for the batch after the last
            columns: Mapping[str, Any] = {} if ids is None else {"label": next(ids)}
            yield RawRows(pixels, start, columns)
            start += len(pixels)
        if ids is not None:
            next(ids, None)

    _, height, width = pictures.dims
    return RawPart(pictures.path, name, split, pictures.rows, height * width, read)


def named_stem(name: str) -> str:
    """Return the part of an idx file's name before ``images``.

    >>> named_stem("emnist-letters-train-images-idx3-ubyte.gz")
    'emnist-letters-train-'
    """
    return name.lower().partition("images")[0]
