"""Tar archives (plain, gzip, bzip2, xz) for :mod:`lancenb.convert.archive`."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import BinaryIO

from lancenb.errors import UnsafeInput

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

_LONGEST_HEADER = 1 << 20
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class Header(tarfile.TarInfo):
    """An entry whose long name or attributes, which tarfile reads at once, are of sane size."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS and self.size > _LONGEST_HEADER:
            raise UnsafeInput(
                f"{tar.name} has a header of {self.size:,} bytes (an archive bomb?)",
                hint="pack the files again",
            )
        return super()._proc_member(tar)  # type: ignore[misc]


class TarArchive(Archive):
    """A tar file. Read members in order: going back in a packed one starts from its beginning."""

    def __init__(self, path: Path, limits: Limits):
        self.path = str(path)
        self.limits = limits
        try:
            self._tar = tarfile.open(path, tarinfo=Header)  # noqa: SIM115 - closed by close()
        except DAMAGE as error:
            raise damaged(self.path, f"{_first_line(error)} (neither zip nor tar?)") from None
        try:
            self.members = self._judge()
        except BaseException:
            self._tar.close()
            raise

    def _judge(self) -> list[Member]:
        members: list[Member] = []
        packed = Path(self.path).stat().st_size
        total = count = 0
        try:
            # Sizes are judged as headers come: a bomb is refused before its data is skipped.
            while (info := self._tar.next()) is not None:
                count += 1
                if count > self.limits.max_entries:
                    raise too_many(self.path, count, self.limits)
                check_name(info.name, self.path)
                if info.isdir():
                    continue
                if not info.isreg():
                    raise UnsafeInput(
                        f"{self.path}: the entry {info.name!r} is a link or a device",
                        hint="pack the files themselves",
                    )
                member = Member(info.name, info.size, info.size, self.path, info)
                total += info.size
                check_sizes([member], max(total, 1), self.limits, self.path)
                members.append(member)
                whole = Member(info.name, total, packed, self.path)
                check_sizes([whole], packed, self.limits, self.path)
        except DAMAGE as error:
            raise damaged(self.path, _first_line(error)) from error
        return members

    def open(self, member: Member) -> BinaryIO:
        """Open a member; see :meth:`Archive.open`."""
        refuse_nested(member)
        inner = self._tar.extractfile(member.handle)
        if inner is None:
            raise damaged(str(member), "no data")
        size = member.size
        return buffered(Counted(inner, str(member), self.limits, lambda: size, size))

    def close(self) -> None:
        """Close the file."""
        self._tar.close()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
