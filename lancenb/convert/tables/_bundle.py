"""Archives: members of one format are one table; a mixture is a table of files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lancenb.convert._families import FAMILY_OF
from lancenb.convert._magic import suffix_of
from lancenb.convert._share import ALL
from lancenb.convert.archive import Archive, Limits, Member, refuse_nested
from lancenb.convert.text._converter import FORMAT_OF
from lancenb.convert.text._sources import Piece
from lancenb.errors import EmptyInput, NotFound, UnsupportedFormat

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = 1 << 30
_BATCH = 1 << 24
_PAPERS = ("readme", "license", "licence", "changelog", "notice", "authors", "citation")


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or a tar (packed or not), by content."""
    from lancenb.convert._magic import magic

    try:
        with path.open("rb") as file:
            head = file.read(4096)
        found = magic(head, path, path.stat().st_size) if head else ""
    except OSError:
        return False
    return found in ("zip", "tar", "gzip-tar") or path.suffix.lower() in (".zip", ".tar", ".tgz")


def member_format(member: Member) -> str:
    """Return ``"table"``, ``"csv"``, ``"json"``, ``"txt"`` or ``"other"`` by suffix."""
    suffix = suffix_of(member.name)
    if FAMILY_OF.get(suffix) == "table":
        return "table"
    return FORMAT_OF.get(suffix, "other") if suffix else "other"


def choose_members(
    archive: Archive, pattern: str | Sequence[str] | None
) -> tuple[str, list[Member], list[tuple[str, str]]]:
    """Return the format of an archive's content, the members of it, and what is left out.

    A README, licence and the like beside data is left out. Members of different formats are
    ``"files"``: the table then has one row for each member.

    Raises:
        EmptyInput: no members, or none that match.
        UnsafeInput: a chosen member is itself an archive.
    """
    left_out = [(str(m), "left by the operating system") for m in archive.members if m.litter]
    members = archive.select(pattern)
    if not members and pattern is not None:
        names = ", ".join(m.name for m in archive.members[:8])
        raise NotFound(f"no member of {archive.path} matches {pattern!r}", hint=f"it has: {names}")
    if not members:
        raise EmptyInput(f"{archive.path} holds no files", hint="is it the right archive?")
    for member in members:
        refuse_nested(member)
    formats = Counter(member_format(m) for m in members)
    if len(formats) > 1 and pattern is None:
        data = [m for m in members if not _is_paper(m)]
        if data and len({member_format(m) for m in data}) == 1:
            left_out += [(str(m), "a text beside the data") for m in members if _is_paper(m)]
            members = data
            formats = Counter(member_format(m) for m in members)
    if len(formats) == 1 and "other" not in formats:
        return next(iter(formats)), members, left_out
    return "files", members, left_out


def _is_paper(member: Member) -> bool:
    name = Path(member.name).name.lower()
    return name.startswith(_PAPERS) and member_format(member) in ("txt", "other")


def member_pieces(archive: Archive, members: Sequence[Member], limits: Limits) -> list[Piece]:
    """Return the pieces for members of an open archive; empty members are an error when read."""
    return [
        Piece(
            str(member),
            archive.path,
            suffix_of(member.name),
            member.size,
            archive=archive,
            member=member,
            limits=limits,
        )
        for member in members
    ]


class FilesFamily:
    """Members of an archive as rows: ``path``, ``size``, ``sha256`` and ``data``."""

    kind = "table"

    def __init__(self, archive: Archive, pieces: Sequence[Piece]):
        import pyarrow as pa

        self.skipped: list[tuple[str, str]] = []
        self._archive = archive
        self._pieces = pieces
        for piece in pieces:
            if piece.size > _LARGEST:
                raise UnsupportedFormat(
                    f"{piece.name} has {piece.size:,} bytes, too many for one cell",
                    hint="unpack it, or leave it out with members=",
                )
        self.rows = len(pieces)
        self.schema: pa.Schema = pa.schema(
            [
                pa.field("path", pa.string(), nullable=False),
                pa.field("size", pa.int64(), nullable=False),
                pa.field("sha256", pa.string(), nullable=False),
                pa.field("data", pa.binary(), nullable=False),
            ]
        )

    def batches(self, chosen: slice = ALL) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
        """Yield batches of about 16 MB."""
        import pyarrow as pa

        rows: list[tuple[str, int, str, bytes]] = []
        size = 0
        last: Piece | None = None
        for piece in self._pieces[chosen]:
            if piece.member is None:
                continue
            data = self._archive.read(piece.member)
            digest = hashlib.sha256(data).hexdigest()
            rows.append((piece.member.name, len(data), digest, data))
            size += len(data)
            last = piece
            if size > _BATCH:
                yield piece, _batch(rows, self.schema), size
                rows, size = [], 0
        if rows and last is not None:
            yield last, _batch(rows, self.schema), size
        elif last is None:
            yield self._pieces[0], pa.RecordBatch.from_pylist([], self.schema), 0


def _batch(rows: list[tuple[str, int, str, bytes]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [
        pa.array(column, field.type)
        for column, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
