"""Members of zip and tar archives, streamed without extraction and with limits.

An archive is judged before a member is read: names that would leave the target folder, links,
devices, encrypted or nested members and declared sizes beyond the limits are refused. While a
member is read its real bytes are counted, so a lying header gains nothing, and damaged data is
:class:`~lancenb.errors.CorruptInput`.

>>> import tempfile, pathlib, zipfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "two.zip"
>>> with zipfile.ZipFile(path, "w") as made:
...     made.writestr("a.txt", "hello"); made.writestr("sub/b.txt", "world")
>>> with open_archive(path) as archive:
...     [(m.name, archive.read(m)) for m in archive.members]
[('a.txt', b'hello'), ('sub/b.txt', b'world')]
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from lancenb.errors import CorruptInput, EmptyInput, SourceNotFound, UnsafeInput

_NESTED = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_LITTER = ("__macosx", ".ds_store", "thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Limits:
    """How much an archive may unpack to.

    Args:
        max_total: bytes of all members together.
        max_ratio: unpacked bytes per packed byte, for the archive and for each member.
        max_entries: members, folders included.
        max_member: bytes of one member.
        ratio_floor: bytes below which the ratio does not matter (small texts pack very well).

    >>> Limits(max_entries=3).max_ratio
    100.0
    """

    max_total: int = 1 << 40
    max_ratio: float = 100.0
    max_entries: int = 2_000_000
    max_member: int = 1 << 38
    ratio_floor: int = 8 << 20


@dataclass(frozen=True)
class Member:
    """One file in an archive.

    Attributes:
        name: path inside the archive, with forward slashes.
        size: declared unpacked bytes.
        compressed: packed bytes (``size`` for tar, whose members are not packed one by one).
        archive: path of the archive, for messages.
    """

    name: str
    size: int
    compressed: int
    archive: str
    handle: Any = field(default=None, repr=False, compare=False)

    @property
    def litter(self) -> bool:
        """Whether this is a by-product of an operating system, not content (``.DS_Store``)."""
        parts = [p.lower() for p in PurePosixPath(self.name).parts]
        return any(p in _LITTER or p.startswith("._") for p in parts)

    @property
    def nested(self) -> bool:
        """Whether the name says that this is an archive itself."""
        return self.name.lower().endswith(_NESTED)

    def __str__(self) -> str:
        return f"{self.archive}!{self.name}"


class Archive(ABC):
    """An open archive; use :func:`open_archive`. A context manager.

    Attributes:
        path: the archive.
        limits: what it may unpack to.
        members: its files in archive order (folders are left out).
    """

    path: str
    limits: Limits
    members: list[Member]

    @abstractmethod
    def open(self, member: Member) -> BinaryIO:
        """Open a member for reading from its start to its end.

        Raises:
            CorruptInput: (while reading) the data is damaged or shorter than declared.
            UnsafeInput: the member is an archive or encrypted, or unpacks beyond the limits.
        """

    def read(self, member: Member) -> bytes:
        """Return all bytes of a member; see :meth:`open`."""
        with self.open(member) as stream:
            return stream.read()

    def select(self, pattern: str | Sequence[str] | None = None) -> list[Member]:
        """Return members whose path or base name matches a glob pattern, litter left out.

        Args:
            pattern: one pattern or several, such as ``"*.csv"``; ``None`` for all.
        """
        real = [m for m in self.members if not m.litter]
        if pattern is None:
            return real
        wanted = [pattern] if isinstance(pattern, str) else list(pattern)
        return [m for m in real if any(_matches(m.name, p) for p in wanted)]

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(PurePosixPath(name).name, pattern)


def open_archive(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Archive:
    """Open a ``.zip``, ``.tar``, ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz`` file.

    Args:
        path: the archive; its content decides, not its suffix.
        limits: see :class:`Limits`.

    Raises:
        SourceNotFound: there is no such file.
        EmptyInput: the file has no bytes.
        CorruptInput: damaged, truncated or no archive.
        UnsafeInput: a name leaves its folder, a link or device, too many entries, a bomb.
    """
    from ._archive_tar import TarArchive
    from ._archive_zip import ZipArchive

    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
    if size == 0:
        raise EmptyInput(f"{path} is empty (0 bytes)", hint="fetch the archive again")
    limits = limits or Limits()
    if head[:2] == b"PK" or path.suffix.lower() == ".zip":
        return ZipArchive(path, limits)
    return TarArchive(path, limits)


def check_name(name: str, archive: str) -> None:
    """Raise :class:`~lancenb.errors.UnsafeInput` for a member name that leaves its folder.

    Refused: absolute names, drive letters, ``..`` parts, backslashes, NUL.
    """
    reason = ""
    if "\x00" in name:
        reason = "has a NUL character in its name"
    elif name.startswith(("/", "\\")):
        reason = "has an absolute name"
    elif len(name) > 1 and name[1] == ":" and name[0].isalpha():
        reason = "has a drive letter in its name"
    elif ".." in name.replace("\\", "/").split("/"):
        reason = "climbs out of the folder with '..'"
    elif "\\" in name:
        reason = "has a backslash in its name"
    if reason:
        raise UnsafeInput(
            f"{archive}: the entry {name!r} {reason}",
            hint="such archives are made to write outside their folder; pack the files again",
        )


def check_sizes(members: Sequence[Member], packed: int, limits: Limits, archive: str) -> None:
    """Raise :class:`~lancenb.errors.UnsafeInput` when declared sizes are beyond the limits.

    Args:
        members: the files of the archive.
        packed: bytes of the archive file.
        limits: what is allowed.
        archive: name for the message.
    """
    total = 0
    for member in members:
        total += member.size
        if member.size > limits.max_member:
            raise too_big(str(member), member.size, limits.max_member)
        if _ratio_exceeded(member.size, member.compressed, limits):
            raise bomb(str(member), member.size, member.compressed, limits)
    if total > limits.max_total:
        raise too_big(archive, total, limits.max_total)
    if _ratio_exceeded(total, packed, limits):
        raise bomb(archive, total, packed, limits)


def _ratio_exceeded(size: int, packed: int, limits: Limits) -> bool:
    return size > limits.ratio_floor and size > limits.max_ratio * max(packed, 1)


def too_big(what: str, size: int, allowed: int) -> UnsafeInput:
    """Return the error for something that unpacks beyond a size limit."""
    return UnsafeInput(
        f"{what} unpacks to {size:,} bytes; the limit is {allowed:,}",
        hint="pass limits=Limits(...) with larger numbers if you trust the file",
    )


def bomb(what: str, size: int, packed: int, limits: Limits) -> UnsafeInput:
    """Return the error for something that unpacks to absurdly more than it weighs."""
    return UnsafeInput(
        f"{what} unpacks to {size:,} bytes from {packed:,}, more than "
        f"{limits.max_ratio:g} times its size (an archive bomb?)",
        hint="pass limits=Limits(max_ratio=...) if you trust the file",
    )


def too_many(archive: str, count: int, limits: Limits) -> UnsafeInput:
    """Return the error for an archive with too many entries."""
    return UnsafeInput(
        f"{archive} has {count:,} entries; the limit is {limits.max_entries:,}",
        hint="pass limits=Limits(max_entries=...) if you trust the file",
    )


def refuse_nested(member: Member) -> None:
    """Raise :class:`~lancenb.errors.UnsafeInput` for an archive in an archive."""
    if member.nested:
        raise UnsafeInput(
            f"{member} is an archive inside an archive, which is not opened",
            hint="unpack it first, or leave it out with members=",
        )


def damaged(what: str, reason: str) -> CorruptInput:
    """Return the error for data that cannot be unpacked."""
    return CorruptInput(f"{what} is damaged: {reason}", hint="fetch or make the archive again")


__all__ = [
    "Archive",
    "Limits",
    "Member",
    "bomb",
    "check_name",
    "check_sizes",
    "damaged",
    "open_archive",
    "refuse_nested",
    "too_big",
    "too_many",
]
