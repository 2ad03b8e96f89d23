"""The converter for tables: Parquet, Arrow, archives, tables in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lancenb.convert._base import Converter, ConvertReport, Existing, Plan
from lancenb.convert._datasets import saved_dataset
from lancenb.convert._folder import may_be_saved, own_files
from lancenb.convert._idx import holds_idx, idx_table
from lancenb.convert.archive import Archive, Limits, open_archive
from lancenb.convert.text import TextConverter
from lancenb.convert.text._plan import family_plan
from lancenb.convert.text._sources import Piece, find_pieces
from lancenb.errors import InvalidArgument

from ._bundle import FilesFamily, choose_members, is_archive, member_pieces
from ._files import TableFamily
from ._memory import SPLIT, MemoryFamily

if TYPE_CHECKING:
    from lancenb.progress import Tracker

SUFFIXES = frozenset(("parquet", "pq", "arrow", "feather", "ipc", "arrow_file", "stream"))


class ParquetConverter(Converter):
    """Converts Parquet, Arrow IPC (Feather), archives, Arrow tables and data frames to Lance.

    * **Files**: one, a list, a pattern or a folder become one table. Folder names such as
      ``year=2024`` become columns. Columns are matched by name; integers and floats widen
      (int32 with int64 = int64), a column that a file lacks is null in its rows, and types with
      nothing in common are an error. Row groups are streamed, page checksums verified.
    * **Archives** (zip, tar, tar.gz ...), read without unpacking them to disk: members of one
      format (CSV, JSON, text, Parquet or Arrow) become one table; a README beside them is left
      out. Members of *different* formats become a table of files, one row for each member with
      ``path``, ``size``, ``sha256`` and ``data``; choose with ``members="*.csv"`` to convert some
      of them instead. Names that leave the folder, links, nested or encrypted archives and bombs
      are refused. (Parquet needs random access: such members above 64 MB pass through a
      temporary file without a name.)
    * **In memory**: ``pyarrow`` Table, RecordBatch or RecordBatchReader, pandas or polars
      DataFrame, ``datasets`` Dataset or IterableDataset (features are kept, selections and
      shuffles respected) or a dictionary of splits (one table with a column ``split``).

    Types that Lance cannot store are changed as :mod:`lancenb.convert._arrow` says, or refused.

    Args:
        members: glob pattern or patterns for members of an archive.
        columns: columns to keep, all by default.
        provenance: add the columns ``_source`` (file) and ``_row`` (row in the file, from 0).
        text_options: options of :class:`~lancenb.convert.text.TextConverter` for CSV, JSON and
            text in archives.
        limits: what archives may unpack to, see :class:`~lancenb.convert.archive.Limits`.

    >>> import pyarrow as pa
    >>> ParquetConverter().plan(pa.table({"x": [1, 2]})).total_rows
    2
    """

    kind: ClassVar[str] = "table"

    def __init__(
        self,
        *,
        members: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        provenance: bool = False,
        text_options: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ):
        self._members = members
        self._columns = list(columns) if columns is not None else None
        self._provenance = provenance
        self._limits = limits or Limits()
        options = {"provenance": provenance, "limits": self._limits, **dict(text_options or {})}
        try:
            self._text = TextConverter(**options)
        except TypeError as error:
            raise InvalidArgument(
                f"text_options: {str(error).removeprefix('TextConverter.__init__() ')}",
                hint="see TextConverter for its options",
            ) from None

    def convert(self, source: Any, uri: Any, **options: Any) -> ConvertReport:
        """Convert ``source`` to the Lance table at ``uri``; see :meth:`Converter.convert`."""
        self._text.forget()
        return super().convert(source, uri, **options)

    def plan(self, source: Any, *, existing: Existing | None = None) -> Plan:
        """Look at the source and say what would be written; see :meth:`Converter.plan`."""
        splits: Any = {}
        given, own = source, None
        if hasattr(source, "path") and hasattr(source, "lineage"):
            splits = source.lineage.get("splits")
            own = own_files(source)
            source = source.path
        target = existing.schema if existing is not None and existing.mode == "append" else None
        if isinstance(source, (list, tuple)) and len(source) == 1:
            source = source[0]
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            if path.is_file() and path.stat().st_size and is_archive(path):
                return self._plan_archive(path, existing, target)
            saved = saved_dataset(path) if may_be_saved(own) else None
            if saved is not None:
                return self._plan_memory(saved, target, str(path), root=str(path))
            if path.is_file() and holds_idx(path):
                return self._plan_memory(idx_table(path, self._limits), target, str(path))
        elif not isinstance(source, (list, tuple)):
            return self._plan_memory(source, target)
        pieces, skipped = find_pieces(
            given if own is not None else source, SUFFIXES.__contains__, limits=self._limits
        )
        if isinstance(splits, Mapping) and len(splits) > 1:
            _name_splits(pieces, Path(str(source)), splits)
        return self._plan_files(pieces, skipped, target)

    def _plan_files(
        self,
        pieces: list[Piece],
        skipped: list[tuple[str, str]],
        target: Any,
        on_close: Any = None,
    ) -> Plan:
        family = TableFamily(pieces, self._columns, target)
        return family_plan(
            family,
            pieces,
            provenance=self._provenance,
            skipped=skipped,
            options={"columns": self._columns} if self._columns else {},
            total_rows=family.rows,
            on_close=on_close,
        )

    def _plan_memory(
        self, source: Any, target: Any, name: str = "", root: str | None = None
    ) -> Plan:
        family = MemoryFamily(source, target, root)
        family.name = name or family.name
        plan = family_plan(
            family,
            [Piece(family.name, "", "", 0)],
            provenance=False,
            skipped=[],
            options={},
            total_rows=family.rows,
        )
        write = plan.batches

        def batches(tracker: Tracker) -> Iterator[Any]:
            family.watch(tracker.token)
            return write(tracker)

        plan.batches = batches
        plan.properties = {"source": family.name}
        plan.total_bytes = None
        return plan

    def _plan_archive(self, path: Path, existing: Existing | None, target: Any) -> Plan:
        archive = open_archive(path, limits=self._limits)
        try:
            return self._plan_members(archive, existing, target)
        except BaseException:
            archive.close()
            raise

    def _plan_members(self, archive: Archive, existing: Existing | None, target: Any) -> Plan:
        format_, members, left_out = choose_members(archive, self._members)
        pieces = member_pieces(archive, members, self._limits)
        if format_ == "table":
            return self._plan_files(pieces, left_out, target, archive.close)
        if format_ == "files":
            return family_plan(
                FilesFamily(archive, pieces),
                pieces,
                provenance=False,
                skipped=left_out,
                options={"members": self._members} if self._members else {},
                total_rows=len(pieces),
                on_close=archive.close,
            )
        return self._text.plan_pieces(pieces, left_out, existing, archive.close)


def _name_splits(pieces: list[Piece], folder: Path, splits: Mapping[str, Any]) -> None:
    """Note the split of files that lie in a folder for each split."""
    for piece in pieces:
        path = Path(piece.path)
        below = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
        if len(below) > 1 and below[0] in splits:
            piece.partitions.setdefault(SPLIT, below[0])
