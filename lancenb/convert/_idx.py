"""The idx format of MNIST and its kin (``train-images-idx3-ubyte.gz``), streamed.

Layout (http://yann.lecun.com/exdb/mnist/, "the IDX file format"): two zero bytes, the type, the
number of dimensions, each dimension as a 32-bit number, then the values in C order; all numbers
have their most significant byte first.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lancenb.errors import CorruptInput, EmptyInput, LancenbError, SourceNotFound, UnsupportedFormat

from .archive import Limits

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_WIDTHS = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}
_MOST_DIMS = 8
_NAMED = re.compile(r"(images|labels)?[-._]?idx[1-8]-(?:u?byte|short|int|float|double)(?:\.gz)?$")
_ROWS = 1 << 16


def named_idx(name: str) -> str | None:
    """Return what a file name promises: ``"images"``, ``"labels"``, ``"values"`` or nothing.

    >>> named_idx("train-images-idx3-ubyte.gz"), named_idx("t10k-labels.idx1-ubyte")
    ('images', 'labels')
    >>> named_idx("notes.txt") is None
    True
    """
    match = _NAMED.search(name.lower())
    return None if match is None else match[1] or "values"


def idx_dims(head: bytes, size: int | None = None) -> tuple[int, ...] | None:
    """Return the dimensions if these are the first bytes of an idx file, else ``None``.

    Args:
        head: at least 36 bytes, or all there are.
        size: size of the whole file, when known; must then be exactly what the head promises.
    """
    if len(head) < 8 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        return None
    count = head[3]
    if not 1 <= count <= _MOST_DIMS or len(head) < 4 + 4 * count:
        return None
    dims = tuple(int.from_bytes(head[4 * i : 4 * i + 4], "big") for i in range(1, count + 1))
    volume = _WIDTHS[head[2]]
    for dim in dims:
        volume *= dim
    if size is None:
        return dims if all(dims) and volume < 1 << 50 else None
    return dims if size == 4 + 4 * count + volume else None


def holds_idx(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of idx form by its content, or says so by its name."""
    path = os.fspath(path)
    if named_idx(os.path.basename(path)):
        return True
    try:
        packed = _is_gzip(path)
        with _open(path, Limits()) as stream:
            head = stream.read(4 + 4 * _MOST_DIMS)
    except (OSError, LancenbError):
        return False
    return idx_dims(head, None if packed else os.stat(path).st_size) is not None


@dataclass(frozen=True)
class IdxFile:
    """An idx file whose head has been read.

    Attributes:
        path: the file.
        dims: rows first.
        dtype: numpy type of the values, as stored.
        limits: what a packed file may unpack to.
    """

    path: str
    dims: tuple[int, ...]
    dtype: str
    limits: Limits

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.dims[0]

    def batches(self, rows: int) -> Iterator[np.ndarray[Any, Any]]:
        """Yield arrays of up to ``rows`` rows.

        Raises:
            CorruptInput: the file ends before its last row, or goes on after it.
        """
        import numpy as np

        row = int(np.dtype(self.dtype).itemsize * np.prod(self.dims[1:], dtype=np.int64))
        with _open(self.path, self.limits) as stream:
            stream.read(4 + 4 * len(self.dims))
            for start in range(0, self.rows, rows):
                count = min(rows, self.rows - start)
                data = stream.read(count * row)
                if len(data) < count * row:
                    raise CorruptInput(
                        f"{self.path} ends in row {start + len(data) // row:,}; its head promises "
                        f"{self.rows:,} rows",
                        hint="the file is cut off; fetch it again",
                    )
                yield np.frombuffer(data, self.dtype).reshape(count, *self.dims[1:])
            if stream.read(1):
                raise CorruptInput(
                    f"{self.path} goes on after the {self.rows:,} rows that its head promises",
                    hint="the file is damaged; fetch it again",
                )


def open_idx(path: str | os.PathLike[str], limits: Limits | None = None) -> IdxFile:
    """Read the head of an idx file, packed with gzip or not.

    Raises:
        SourceNotFound: there is no such file.
        EmptyInput: it has no bytes or no rows.
        CorruptInput: no idx file, or its size is not what its head promises.
    """
    path = os.fspath(path)
    limits = limits or Limits()
    try:
        size = os.stat(path).st_size
        if not size:
            raise EmptyInput(f"{path} is empty (0 bytes)", hint="fetch the file again")
        packed = _is_gzip(path)
        with _open(path, limits) as stream:
            head = stream.read(4 + 4 * _MOST_DIMS)
    except OSError as error:
        if isinstance(error, LancenbError):
            raise
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
    if len(head) < 8 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise CorruptInput(
            f"{path} is no idx file: it begins with {head[:4].hex(' ') or 'nothing'}",
            hint="a download gave another file under this name; fetch it again",
        )
    count = head[3]
    if not 1 <= count <= _MOST_DIMS or len(head) < 4 + 4 * count:
        raise CorruptInput(f"{path} is no whole idx file: {count} dimensions in its head")
    dims = tuple(int.from_bytes(head[4 * i : 4 * i + 4], "big") for i in range(1, count + 1))
    if not dims[0]:
        raise EmptyInput(f"{path} has no rows")
    if not packed and idx_dims(head, size) is None:
        shape = " x ".join(f"{dim:,}" for dim in dims)
        raise CorruptInput(
            f"{path} promises {shape} values in its head, which its {size:,} bytes do not hold",
            hint="the file is cut off or damaged; fetch it again",
        )
    return IdxFile(path, dims, _TYPES[head[2]], limits)


def idx_table(path: str | os.PathLike[str], limits: Limits | None = None) -> pa.RecordBatchReader:
    """Read a one-dimensional idx file, such as labels, as a stream of one column.

    Raises:
        UnsupportedFormat: it has more than one dimension.
    """
    import pyarrow as pa

    file = open_idx(path, limits)
    if len(file.dims) != 1:
        raise UnsupportedFormat(
            f"{file.path} has {len(file.dims)} dimensions, and is no column",
            hint="kind='images' reads three dimensions of bytes as pictures",
        )
    name = "label" if named_idx(os.path.basename(file.path)) == "labels" else "value"
    native = file.dtype.replace(">", "=")
    values = file.batches(_ROWS)
    first = next(values).astype(native)
    schema = pa.schema([(name, pa.from_numpy_dtype(first.dtype))])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_arrays([pa.array(first)], schema=schema)
        for array in values:
            yield pa.RecordBatch.from_arrays([pa.array(array.astype(native))], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _is_gzip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _open(path: str, limits: Limits) -> BinaryIO | io.BufferedReader:
    from ._archive_stream import open_gzip

    if _is_gzip(path):
        return open_gzip(path, limits)
    return Path(path).open("rb")
