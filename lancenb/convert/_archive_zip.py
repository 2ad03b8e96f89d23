"""Zip archives for :mod:`lancenb.convert.archive`."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from typing import BinaryIO

from lancenb.errors import UnsafeInput, UnsupportedFormat

from ._archive_stream import DAMAGE, Counted, buffered
from .archive import (
    Archive,
    Limits,
    Member,
    check_name,
    check_sizes,
    damaged,
    refuse_nested,
    too_many,
)

_ENCRYPTED = 0x1


class ZipArchive(Archive):
    """A zip file; members are read straight from it."""

    def __init__(self, path: Path, limits: Limits):
        self.path = str(path)
        self.limits = limits
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGE as error:
            raise damaged(self.path, f"{error} (not a zip file, or cut off)") from None
        try:
            self.members = self._judge()
        except BaseException:
            self._zip.close()
            raise

    def _judge(self) -> list[Member]:
        entries = self._zip.infolist()
        if len(entries) > self.limits.max_entries:
            raise too_many(self.path, len(entries), self.limits)
        members = []
        for info in entries:
            # orig_filename: ZipFile itself cuts names at NUL and hides that.
            check_name(info.orig_filename, self.path)
            mode = info.external_attr >> 16
            if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UnsafeInput(
                    f"{self.path}: the entry {info.filename!r} is a link or a device",
                    hint="pack the files themselves",
                )
            if info.is_dir():
                continue
            members.append(
                Member(info.filename, info.file_size, info.compress_size, self.path, info)
            )
        packed = Path(self.path).stat().st_size
        check_sizes(members, packed, self.limits, self.path)
        return members

    def open(self, member: Member) -> BinaryIO:
        """Open a member; see :meth:`Archive.open`."""
        refuse_nested(member)
        info: zipfile.ZipInfo = member.handle
        if info.flag_bits & _ENCRYPTED:
            raise UnsafeInput(f"{member} is encrypted", hint="unpack it with its password first")
        try:
            inner = self._zip.open(info)
        except NotImplementedError as error:  # whole, but packed in a way zipfile does not know
            raise UnsupportedFormat(
                f"{member} cannot be unpacked here: {error}",
                hint="unpack it with the program that made it and pack it again with deflate",
            ) from None
        except DAMAGE as error:
            raise damaged(str(member), str(error)) from error
        packed = info.compress_size
        return buffered(Counted(inner, str(member), self.limits, lambda: packed, info.file_size))

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
