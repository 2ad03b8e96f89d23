"""Rows of Parquet files, a few megabytes at a time.

pyarrow's defaults read ahead whole row groups, and whole column chunks after that: 600 MB for a
600 MB file. Without read-ahead and with buffered columns a file of any size takes the memory of
one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_BYTES = 8 << 20
_BATCH_ROWS = 4096
_BUFFER = 64 << 10


@contextmanager
def parquet_file(source: Any) -> Iterator[pq.ParquetFile]:
    """Open a path or file object without read-ahead."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        source, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True
    ) as file:
        yield file


def parquet_rows(file: pq.ParquetFile, limit: int | None = None) -> Iterator[pa.Table]:
    """Yield the file's rows, or its first ``limit``, as tables of about 8 MB."""
    import pyarrow as pa

    meta, left = file.metadata, limit
    for index in range(meta.num_row_groups):
        group = meta.row_group(index)
        size = _BATCH_BYTES * max(group.num_rows, 1) // max(group.total_byte_size, 1)
        size = max(1, min(_BATCH_ROWS, size, left if left is not None else _BATCH_ROWS))
        for batch in file.iter_batches(size, row_groups=[index], use_threads=False):
            if left is not None:
                batch = batch.slice(0, left)
                left -= len(batch)
            yield pa.Table.from_batches([batch])
            if left == 0:
                return
