"""The files (or archive members) behind a source, each a piece to be read from start to end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lancenb.convert._archive_stream import open_gzip
from lancenb.convert._folder import own_files
from lancenb.convert._magic import suffix_of
from lancenb.convert.archive import Archive, Limits, Member
from lancenb.errors import CorruptInput, EmptyInput, InvalidArgument, SourceNotFound


@dataclass(frozen=True)
class Piece:
    """One file, or one member of an archive.

    Attributes:
        name: for messages and provenance: a path, or ``archive.zip!member``.
        path: the file on disk (the archive, for a member).
        suffix: lower case, without dot, seen through ``.gz``.
        size: bytes on disk (declared unpacked bytes for a member).
        partitions: values given by folder names such as ``year=2024``.
    """

    name: str
    path: str
    suffix: str
    size: int
    partitions: dict[str, str] = field(default_factory=dict, hash=False)
    archive: Archive | None = field(default=None, repr=False, hash=False, compare=False)
    member: Member | None = field(default=None, repr=False, hash=False, compare=False)
    limits: Limits = field(default_factory=Limits, repr=False)

    def open(self) -> Raw:
        """Open for one read from start to end; gzip is unpacked, within the limits."""
        if self.archive is not None and self.member is not None:
            return Raw(self.archive.open(self.member))
        try:
            file = Path(self.path).open("rb")  # noqa: SIM115 - closed with Raw
            magic = file.read(2)
            file.seek(0)
        except OSError as error:
            raise SourceNotFound(f"{self.path} cannot be read: {error.strerror}") from None
        if magic == b"\x1f\x8b":
            file.close()
            # The packed size is all the progress bar needs of a packed file.
            return Raw(open_gzip(self.path, self.limits), packed=True)
        return Raw(file)

    def head(self, size: int) -> bytes:
        """Return up to ``size`` bytes from the start, unpacked."""
        with self.open() as raw:
            return raw.read_full(size)


class Raw:
    """A byte stream that knows how much of it was read."""

    def __init__(self, stream: BinaryIO, *, packed: bool = False):
        self._stream = stream
        self.consumed = 0
        self.packed = packed

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        data = self._stream.read(size)
        self.consumed += len(data)
        return data

    def read_full(self, size: int) -> bytes:
        """Return exactly ``size`` bytes unless the stream ends."""
        parts, left = [], size
        while left > 0 and (data := self.read(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def find_pieces(
    source: Any, wanted: Callable[[str], bool], *, limits: Limits | None = None
) -> tuple[list[Piece], list[tuple[str, str]]]:
    """Return the files behind a path, pattern, folder, list or download result, in order.

    Args:
        source: what the user gave.
        wanted: tells for a suffix whether the files of a *folder* are taken; files named one by
            one are always taken.
        limits: for packed files.

    Returns:
        The pieces, and ``(file, reason)`` for files of a folder that were left out.

    Raises:
        SourceNotFound: nothing is there.
        EmptyInput: a folder without usable files, or an empty file.
    """
    limits = limits or Limits()
    own = None
    if hasattr(source, "path") and hasattr(source, "lineage"):
        own, source = own_files(source), source.path
    pieces: list[Piece] = []
    skipped: list[tuple[str, str]] = []
    for item in _listed(source):
        path = Path(item)
        if path.is_dir():
            found, left_out = _folder(path, wanted, limits, own)
            pieces += found
            skipped += left_out
        else:
            pieces.append(piece_of(path, limits))
    if not pieces:
        raise EmptyInput(f"{source} holds no files that can be read here")
    return pieces, skipped


def _listed(source: Any) -> list[str]:
    from lancenb.convert._sniff import expand

    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if os.path.exists(text):
            return [text]
        if any(c in text for c in "*?["):
            found = expand(text)
            if found:
                return found
            raise SourceNotFound(f"no file matches {text}", hint="check the folder and the pattern")
        raise SourceNotFound(f"there is no file or folder {text}", hint="check the path")
    if isinstance(source, Iterable):
        return [part for item in source for part in _listed(item)]
    raise InvalidArgument(
        f"a {type(source).__name__} is no path", hint="give a path, a pattern or a list of paths"
    )


def piece_of(path: Path, limits: Limits, partitions: dict[str, str] | None = None) -> Piece:
    """Return the piece for a file on disk; an empty file is an error."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
    if size == 0:
        raise EmptyInput(f"{path} is empty (0 bytes)", hint="fetch or export the file again")
    return Piece(str(path), str(path), suffix_of(path.name), size, partitions or {}, limits=limits)


def _folder(
    folder: Path, wanted: Callable[[str], bool], limits: Limits, own: list[Path] | None = None
) -> tuple[list[Piece], list[tuple[str, str]]]:
    pieces: list[Piece] = []
    skipped: list[tuple[str, str]] = []
    mine = None if own is None else set(own)
    for root, dirs, names in os.walk(folder):
        dirs[:] = sorted(d for d in dirs if not d.startswith((".", "_")))
        for name in sorted(names):
            path = Path(root, name)
            if name.startswith((".", "_")) or (mine is not None and path.absolute() not in mine):
                continue
            if not wanted(suffix_of(name)):
                skipped.append(
                    (str(path), f"not of a kind this conversion reads (.{suffix_of(name)})")
                )
            elif path.stat().st_size == 0:
                skipped.append((str(path), "empty (0 bytes)"))
            else:
                pieces.append(piece_of(path, limits, _partitions(path.relative_to(folder))))
    if not pieces:
        raise EmptyInput(
            f"the folder {folder} holds no files of the wanted kind", hint="check the path"
        )
    return pieces, skipped


def _partitions(relative: Path) -> dict[str, str]:
    """Read ``year=2024/month=1`` folder names as values."""
    from urllib.parse import unquote

    pairs = [part.split("=", 1) for part in relative.parts[:-1] if "=" in part]
    return {unquote(key): unquote(value) for key, value in pairs if key}


def refuse_strangers(piece: Piece, expected: str) -> bytes:
    """Raise when a piece plainly is not ``expected`` text; return its first bytes (4 KiB).

    Caught: git-LFS pointers, HTML pages, Parquet, Arrow, pictures, archives and other binaries.
    """
    from lancenb.convert._magic import magic

    head = piece.head(4096)
    if head.startswith(b"version https://git-lfs"):
        raise CorruptInput(
            f"{piece.name} is a git-LFS pointer, not the file itself",
            hint="run `git lfs pull` in that repository, or download the file from its page",
        )
    try:
        found = magic(head, Path(piece.path), piece.size)
    except RecursionError:
        found = "json"
    if found in ("text", "json"):
        if expected != "txt" and head.lstrip()[:64].lower().startswith(
            (b"<!doctype html", b"<html")
        ):
            raise CorruptInput(
                f"{piece.name} is an HTML page, not {expected}",
                hint="a download gave an error or login page; fetch the file again",
            )
        return head
    if found == "image/pnm" or (found == "binary" and _wide_text(head)):
        return head
    raise CorruptInput(
        f"{piece.name} holds {found.removeprefix('image/')} data, not {expected}",
        hint="rename it after what it is, or choose another converter with kind=",
    )


def _wide_text(head: bytes) -> bool:
    from ._encoding import detect

    return detect(head).name.startswith(("utf-16", "utf-32"))
