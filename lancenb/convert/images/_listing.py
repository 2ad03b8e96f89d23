"""Which files are candidates: folders, lists, patterns and single files."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lancenb.convert._folder import walk
from lancenb.errors import EmptyInput, SourceNotFound

from ._info import MAX_FILE_BYTES

SUFFIXES = frozenset(
    (
        *("png", "apng", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "webp", "tif", "tiff", "gif"),
        *("ppm", "pgm", "pbm", "pnm", "pfm", "avif", "avifs", "jp2", "j2k", "jpx", "jpc", "j2c"),
        *("ico", "cur", "icns", "qoi", "mpo", "tga", "icb", "vda", "vst", "pcx", "dcx", "dds"),
        *("sgi", "rgb", "bw", "ras", "sun", "msp", "psd", "xbm", "xpm", "blp", "fli", "flc", "im"),
        *("fits", "heic", "heif"),
    )
)
_LITTER = frozenset((".ds_store", "thumbs.db", "desktop.ini", ".directory", ".localized"))
_LITTER_FOLDERS = frozenset(("__macosx", "__pycache__", "_versions", "_transactions"))
_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|BM|RIFF....WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+|P[1-7fF][\s#]|"
    rb"....ftyp(?:avi|hei|mif|msf|hev)|\0\0\0\x0cjP  |\xff\x4f\xff\x51|\0\0[\x01\x02]\0|qoif|DDS |"
    rb"8BPS|icns|SIMPLE  =|\x59\xa6\x6a\x95",
    re.DOTALL,
)
_DIGITS = re.compile(r"(\d+)")


class Item(NamedTuple):
    """One candidate.

    Attributes:
        name: path relative to the source, with forward slashes; what the ``path`` column holds.
        size: bytes, when listed.
        handle: how to open it: a path, or a member of an archive.
    """

    name: str
    size: int
    handle: Any


@dataclass
class Listing:
    """Candidates in natural order, and what was left out on sight."""

    items: list[Item]
    skipped: list[tuple[str, str]] = field(default_factory=list)


def natural_key(name: str) -> list[Any]:
    """Sort key that puts ``img2`` before ``img10`` and keeps folders together.

    >>> sorted(["b/1", "a/10", "a/9", "a"], key=natural_key)
    ['a', 'a/9', 'a/10', 'b/1']
    """
    key: list[Any] = []
    for part in name.split("/"):
        pieces: list[Any] = _DIGITS.split(part)
        # Digits sit at odd places; the text itself makes 1 and 01 a stable order.
        pieces[1::2] = [(int(digits), digits) for digits in pieces[1::2]]
        key.append(pieces)
    return key


def readable(name: str) -> str:
    r"""Return a file name as valid Unicode; bytes that are not UTF-8 become ``\xNN``."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name


def is_litter(parts: Sequence[str]) -> bool:
    """Whether a path is a by-product of an operating system or tool, not content."""
    *folders, name = [p.lower() for p in parts]
    if name in _LITTER or name.startswith("._"):
        return True
    return any(p in _LITTER_FOLDERS or (p.startswith(".") and len(p) > 1) for p in folders)


def has_image_suffix(name: str) -> bool:
    """Whether a name ends like an image's (a hint only)."""
    return name.rpartition(".")[2].lower() in SUFFIXES


def looks_like_image(head: bytes) -> bool:
    """Whether a file's first 16 bytes are those of an image format."""
    return _MAGIC.match(head) is not None


def list_source(source: str | Sequence[Any]) -> Listing:
    """List a folder, a pattern, a file or a list of those.

    Raises:
        SourceNotFound: a named path does not exist.
        EmptyInput: a folder, pattern or list without a single candidate.
    """
    if isinstance(source, str):
        if os.path.isdir(source):
            return list_folder(source)
        if os.path.lexists(source):
            return _list_files([source], chosen=True)
        found = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else []
        if not found:
            raise SourceNotFound(
                f"there is no file or folder {source}",
                hint="check the path; relative paths start at " + os.getcwd(),
            )
        return _list_files(found, chosen=False)
    if not source:
        raise EmptyInput("the list of images is empty", hint="give at least one path")
    return _list_files([os.fspath(s) for s in source], chosen=True)


def list_folder(root: str) -> Listing:
    """List a folder with everything below it, following links, litter left out."""
    listing = Listing([])
    for name, entry in _walk(root, ""):
        _add(listing, readable(name), entry.path, entry, chosen=False)
    listing.items.sort(key=lambda item: natural_key(item.name))
    listing.skipped.sort()
    if not listing.items:
        reason = f"; {listing.skipped[0][0]}: {listing.skipped[0][1]}" if listing.skipped else ""
        raise EmptyInput(
            f"the folder {root} holds no image{reason}",
            hint="class folders with images, or images, are expected in it",
        )
    return listing


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield (name relative to the top, entry) of all files."""
    for name, entry in walk(folder, lambda inner: is_litter((inner, ""))):
        if entry.name.lower() not in _LITTER and not entry.name.startswith("._"):
            yield prefix + name, entry


def _list_files(paths: Iterable[str], *, chosen: bool) -> Listing:
    paths = list(paths)
    listing = Listing([])
    full = [os.path.abspath(p) for p in paths]
    base = os.path.commonpath([os.path.dirname(p) for p in full])
    for path, absolute in zip(paths, full, strict=True):
        if not os.path.lexists(path):
            raise SourceNotFound(f"there is no file {path}", hint="check the list of paths")
        if os.path.isdir(path):
            top = os.path.relpath(absolute, base).replace(os.sep, "/")
            for name, entry in _walk(path, "" if top == "." else f"{top}/"):
                _add(listing, readable(name), entry.path, entry, chosen=False)
            continue
        name = os.path.relpath(absolute, base).replace(os.sep, "/")
        _add(listing, readable(name), path, None, chosen=chosen)
    if not listing.items:
        first = f": {listing.skipped[0][0]}: {listing.skipped[0][1]}" if listing.skipped else ""
        raise EmptyInput(f"none of the {len(paths):,} sources is an image{first}")
    return listing


def _add(
    listing: Listing, name: str, path: str, entry: os.DirEntry[str] | None, *, chosen: bool
) -> None:
    """Sort one path into candidates and others; ``chosen`` ones were named by the user."""
    try:
        info = entry.stat() if entry is not None else os.stat(path)
        if not stat.S_ISREG(info.st_mode):
            listing.skipped.append((name, "not a regular file"))
            return
        if info.st_size > MAX_FILE_BYTES:
            listing.skipped.append((name, f"larger than {MAX_FILE_BYTES >> 20:,} MiB"))
            return
        if not chosen and not has_image_suffix(name):
            with open(path, "rb") as file:
                if not looks_like_image(file.read(16)):
                    listing.skipped.append((name, "not an image"))
                    return
    except OSError as error:
        listing.skipped.append((name, f"cannot be read: {error.strerror}"))
        return
    listing.items.append(Item(name, info.st_size, path))
