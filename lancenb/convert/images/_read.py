"""Bytes of many files in one buffer: one allocation and no copy per batch."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, LancenbError

from ._info import MAX_FILE_BYTES, Refusal
from ._listing import Item

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.convert.archive import Archive

BATCH_BYTES = 4 << 20  # larger buffers come fresh from the system each time and cost page faults
BATCH_ROWS = 2048
# A file that became a pipe since it was listed must not make us wait for a writer.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass
class Chunk:
    """Rows that have been read but not yet looked at.

    Attributes:
        images: binary array, length n; null or empty where reading failed.
        names: what identifies each row, for the ``path`` column and for messages, length n.
        labels: label ids as the source counts them, int64 with nulls, length n.
        extras: further columns, each of length n.
        refused: rows that could not even be read: place -> reason.
        stored_names: values of the ``path`` column where they differ from ``names``.
    """

    images: pa.Array
    names: Sequence[str]
    labels: pa.Array | None = None
    extras: dict[str, pa.Array] = field(default_factory=dict)
    refused: dict[int, Refusal] = field(default_factory=dict)
    stored_names: Sequence[str | None] | None = None


def group(items: Iterable[Item]) -> Iterator[tuple[int, list[Item]]]:
    """Yield ``(place of the first, items)`` of about :data:`BATCH_BYTES` each."""
    batch: list[Item] = []
    total = start = 0
    for item in items:
        if batch and (total + item.size > BATCH_BYTES or len(batch) >= BATCH_ROWS):
            yield start, batch
            start += len(batch)
            batch, total = [], 0
        batch.append(item)
        total += item.size
    if batch:
        yield start, batch


def read_files(items: Sequence[Item]) -> tuple[pa.Array, dict[int, Refusal]]:
    """Read files into one binary array; unreadable ones are empty and explained."""
    import numpy as np
    import pyarrow as pa

    total = sum(item.size for item in items)
    buffer = pa.allocate_buffer(total)
    view = memoryview(buffer).cast("B")
    offsets = np.zeros(len(items) + 1, np.int32)
    refused: dict[int, Refusal] = {}
    changed: dict[int, bytes] = {}
    at = 0
    for i, item in enumerate(items):
        size = item.size
        try:
            fd = os.open(item.handle, _FLAGS)
            try:
                if os.fstat(fd).st_size == size:
                    at += _fill(fd, view[at : at + size])
                else:
                    changed[i] = _read_all(fd)
            finally:
                os.close(fd)
        except OSError as error:
            refused[i] = Refusal(f"cannot be read: {error.strerror}")
        offsets[i + 1] = at
    images = pa.Array.from_buffers(pa.binary(), len(items), [None, pa.py_buffer(offsets), buffer])
    if changed:
        values = images.to_pylist()
        for i, data in changed.items():
            values[i] = data
        images = pa.array(values, pa.binary())
    return images, refused


def _fill(fd: int, view: memoryview) -> int:
    done = 0
    while done < len(view):
        got = os.readv(fd, [view[done:]]) if hasattr(os, "readv") else _read_into(fd, view[done:])
        if got == 0:
            break
        done += got
    return done


def _read_into(fd: int, view: memoryview) -> int:  # Windows has no readv
    data = os.read(fd, len(view))
    view[: len(data)] = data
    return len(data)


def _read_all(fd: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, f"it grew beyond {MAX_FILE_BYTES >> 20:,} MiB")
    return data


def read_members(archive: Archive, items: Sequence[Item]) -> tuple[pa.Array, dict[int, Refusal]]:
    """Read members of an archive into one binary array; damaged ones are empty and explained."""
    import pyarrow as pa

    values: list[bytes] = []
    refused: dict[int, Refusal] = {}
    for i, item in enumerate(items):
        try:
            values.append(archive.read(item.handle))
        except LancenbError as error:
            values.append(b"")
            refused[i] = Refusal(_without_name(error, item), type(error), error.hint)
    return pa.array(values, pa.binary()), refused


def _without_name(error: LancenbError, item: Any) -> str:
    text = error.message
    for name in (f"{item.handle} ", f"{item.handle}: "):
        text = text.removeprefix(name)
    return text or CorruptInput.code
