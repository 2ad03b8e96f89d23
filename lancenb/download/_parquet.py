"""Tables to a folder of Parquet files, bounded in memory, complete or absent."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..progress import Tracker
from ._files import disk_errors
from ._partial import hash_file
from .result import DownloadedFile

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_GROUP_BYTES = 32 << 20
_GROUP_ROWS = 10_000
_FILE_BYTES = 256 << 20


class _Parts:
    """Writes ``part-00000.parquet``...; holds one row group."""

    def __init__(self, folder: Path, schema: pa.Schema):
        self.folder, self.schema = folder, schema
        self.held: list[pa.Table] = []
        self.number = 0
        self.writer: pq.ParquetWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Take a table; write when a row group is full."""
        self.held.append(table)
        nbytes = sum(item.nbytes for item in self.held)
        if nbytes >= _GROUP_BYTES or sum(len(item) for item in self.held) >= _GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the row group; begin another file after 256 MB."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.folder / f"part-{self.number:05d}.parquet"
        if self.writer is None:
            plain = [field.name for field in self.schema if not _holds_bytes(field.type)]
            kinds: Any = dict.fromkeys(plain, "zstd") or "none"
            self.writer = pq.ParquetWriter(path, self.schema, compression=kinds)
        if self.held:
            self.writer.write_table(pa.concat_tables(self.held))
        self.held.clear()
        if path.stat().st_size >= _FILE_BYTES:
            self.close()
            self.number += 1

    def close(self) -> None:
        """Finish the current file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def write_parquet(
    target: Path, schema: pa.Schema, tables: Iterator[pa.Table], tracker: Tracker
) -> int:
    """Write ``tables`` as ``part-00000.parquet``... into ``target``; return the rows.

    The folder appears when it is complete; memory holds one row group of about 32 MB. Images and
    other binary columns are stored as they are (they are compressed already).
    """
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        fresh.chmod(0o755)
    rows, parts = 0, _Parts(fresh, schema)
    try:
        for table in tables:
            with disk_errors(target):
                parts.add(table)
            rows += table.num_rows
            tracker.advance(table.num_rows, table.nbytes)
        with disk_errors(target):
            if parts.held or (parts.writer is None and parts.number == 0):
                parts.flush()
            parts.close()
            if target.exists():
                shutil.rmtree(target)
            os.replace(fresh, target)
        return rows
    finally:
        parts.close()
        shutil.rmtree(fresh, ignore_errors=True)


def _holds_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(_holds_bytes(kind.field(i).type) for i in range(kind.num_fields))
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def hashed_files(folder: Path) -> tuple[DownloadedFile, ...]:
    """List a folder's files with their hashes.

    Links into a Hub cache were hashed when they came: the blob's name is its hash.
    """
    return tuple(
        DownloadedFile(
            path,
            path.relative_to(folder).as_posix(),
            path.stat().st_size,
            _digest(path),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def _digest(path: Path) -> str:
    target = path.resolve()
    if target.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", target.name):
        return target.name
    return hash_file(path).hexdigest()
