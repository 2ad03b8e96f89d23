"""Reading parts of one stored tensor, without reading the rest of it.

>>> import tempfile, torch
>>> from lancenb.convert.weights import save_weights
>>> uri = tempfile.mkdtemp() + "/m.lance"
>>> report = save_weights({"w": torch.arange(1000.0)}, uri)
>>> with open_tensor(uri, "w") as tensor:
...     [piece.tolist() for piece in tensor.read([(3, 2), (998, 2)])], tensor.bytes_read
([[3.0, 4.0], [998.0, 999.0]], 16)
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, InvalidArgument

from ._dtypes import itemsize
from ._items import as_tensor
from ._payloads import Stored
from ._sidecar import local_blob_files
from .table import open_weights, select, stored_rows

if TYPE_CHECKING:
    import torch


class StoredTensor:
    """One tensor of a weights table, read by ranges of its elements.

    A local table is read with one ``pread`` a range, anything else through Lance, which joins
    neighbouring ranges into fewer requests. One thread at a time.

    Attributes:
        name: the tensor.
        dtype: torch name of the element type.
        shape: its dimensions.
        count: how many elements it has.
        itemsize: bytes per element.
        local: whether the bytes lie in a plain local file.
        bytes_read: bytes asked for so far.
    """

    def __init__(self, dataset: Any, name: str, row: Stored, path: str | None):
        self.name, self.dtype, self.shape = name, row.dtype, row.shape
        self.count, self.itemsize = math.prod(row.shape), itemsize(row.dtype)
        self.local, self.bytes_read = path is not None, 0
        self._dataset, self._row = dataset, row
        self._start = row.blob["position"] if path is not None and row.blob else 0
        self._file = _open_scattered(path) if path is not None else None
        self._blob: Any = None

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[torch.Tensor]:
        """Return the elements of each ``(first, count)`` range as a flat tensor.

        Raises:
            InvalidArgument: a range reaches beyond the tensor.
            CorruptInput: the stored bytes end too early.
        """
        for first, count in ranges:
            if first < 0 or count < 0 or first + count > self.count:
                raise InvalidArgument(
                    f"{self.name} has {self.count:,} elements, not {first:,} to {first + count:,}"
                )
        spans = [(first * self.itemsize, count * self.itemsize) for first, count in ranges]
        if self._file is not None:
            pieces = [os.pread(self._file, size, self._start + at) for at, size in spans]
        else:
            pieces = self._through_lance(spans)
        self.bytes_read += sum(map(len, pieces))
        return [self._view(p, size) for p, (_, size) in zip(pieces, spans, strict=True)]

    def _through_lance(self, spans: list[tuple[int, int]]) -> list[bytes]:
        from lancenb.store import lance_errors

        full = [span for span in spans if span[1]]
        if not full:
            return [b"" for _ in spans]
        with lance_errors(str(self._dataset.uri)):
            if self._blob is None:
                [self._blob] = self._dataset.take_blobs("data", addresses=[self._row.address])
            found = iter(self._blob.read_ranges(full))
        return [next(found) if size else b"" for _, size in spans]

    def _view(self, piece: bytes, size: int) -> torch.Tensor:
        import torch

        if len(piece) != size:
            raise CorruptInput(
                f"{self._dataset.uri}: the payload of {self.name!r} ends too early",
                hint="the table is damaged; roll back or restore a backup",
            )
        payload = torch.frombuffer(bytearray(piece or b"\0"), dtype=torch.uint8)[:size]
        return as_tensor(payload, self.dtype, (size // self.itemsize,))

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._blob is not None:
            self._blob.close()
            self._blob = None

    def __enter__(self) -> StoredTensor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_tensor(
    dataset: Any, name: str, *, rows: Mapping[str, Stored] | None = None
) -> StoredTensor:
    """Open one tensor of a weights table to read parts of it.

    Args:
        dataset: a Lance dataset, artefact, path or URI of a weights table.
        name: the tensor; one that repeats another is read there.
        rows: what ``stored_rows(dataset)`` gave, when it is known already.

    Raises:
        SchemaMismatch: it is not a weights table.
        NotFound: it has no such tensor.
    """
    dataset = open_weights(dataset)
    rows = stored_rows(dataset) if rows is None else rows
    if name not in rows:
        select({each: None for each in rows}, [name], str(dataset.uri))
    row = rows.get(rows[name].alias_of or name) if name in rows else None
    if row is None:
        raise CorruptInput(
            f"{dataset.uri}: the tensor that {name!r} repeats is gone",
            hint="rows were deleted by hand; roll back to an earlier version",
        )
    return StoredTensor(dataset, name, row, _plain_file(dataset, row))


def _plain_file(dataset: Any, row: Stored) -> str | None:
    files = local_blob_files(dataset) if row.nbytes else None
    path = files.path(row) if files is not None else None
    if path is None or row.blob is None:
        return None
    return path if row.blob["position"] + row.nbytes <= os.path.getsize(path) else None


def _open_scattered(path: str) -> int:
    """Open a file without the kernel's read-ahead, which would read megabytes between ranges."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    return file
