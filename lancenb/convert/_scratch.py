"""Members of an archive on disk for a while, where their order or their size asks for it."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from lancenb.errors import OutOfSpace, StoreNotWritable

from .archive import Archive, Member

_BLOCK = 1 << 20


def scratch_folder(stack: ExitStack) -> Path:
    """Return an empty folder that ``stack`` deletes.

    Raises:
        StoreNotWritable: there is no place for one.
    """
    try:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lancenb-")))
    except OSError as error:
        raise StoreNotWritable(
            f"no temporary folder can be made in {tempfile.gettempdir()}: {error.strerror}",
            hint="set TMPDIR to a folder on a disk with room",
        ) from None


def unpack(archive: Archive, member: Member, target: Path) -> None:
    """Write a member to a file.

    Raises:
        OutOfSpace: the disk is full.
        CorruptInput: the member is damaged.
    """
    with archive.open(member) as stream:
        try:
            with target.open("wb") as out:
                while block := stream.read(_BLOCK):
                    out.write(block)
        except OSError as error:
            raise OutOfSpace(
                f"{member} cannot be unpacked to {target.parent}: {error.strerror or error}",
                hint=f"free {member.size / 1e6:,.0f} MB there, or set TMPDIR to another disk",
            ) from error
