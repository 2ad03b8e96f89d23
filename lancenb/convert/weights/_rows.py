"""Tensors to record batches of the weights table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ._dtypes import itemsize
from ._items import TensorItem

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from lancenb.progress import Tracker

_GROUP = 256 << 10


@cache
def weights_schema() -> pa.Schema:
    """Return the columns of a weights table.

    ``seq`` is the place in the state dict; rows themselves are sorted by element size so that
    every payload lies naturally aligned in the file that is mapped on loading.

    >>> weights_schema().names
    ['seq', 'name', 'dtype', 'shape', 'sha256', 'nbytes', 'alias_of', 'data']
    """
    import pyarrow as pa

    from lancenb.store import lance_module

    blob = lance_module().blob_field(
        "data", inline_size_threshold=0, dedicated_size_threshold=1 << 62
    )
    return pa.schema(
        [
            pa.field("seq", pa.int32(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("dtype", pa.string(), nullable=False),
            pa.field("shape", pa.list_(pa.int64()), nullable=False),
            pa.field("sha256", pa.string()),
            pa.field("nbytes", pa.int64(), nullable=False),
            pa.field("alias_of", pa.string()),
            blob,
        ]
    )


def is_weights(schema: pa.Schema) -> bool:
    """Tell whether a schema is that of a weights table."""
    kinds = schema.metadata or {}
    names = set(schema.names)
    return kinds.get(b"lancenb.kind") == b"weights" and names >= set(weights_schema().names)


@dataclass(slots=True)
class Row:
    """A tensor and its place."""

    seq: int
    item: TensorItem
    sha256: str | None = None


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Sort rows so that payloads stay aligned: larger elements first, then by place."""
    return sorted(rows, key=lambda row: (-itemsize(row.item.dtype), row.seq))


def batches(
    rows: Sequence[Row], schema: pa.Schema, tracker: Tracker, *, hashed: bool
) -> Iterator[pa.RecordBatch]:
    """Yield record batches with payloads inside, for Lance's ordinary writer.

    The usual way is :class:`~lancenb.convert.weights._writer.FragmentWriter`; this one serves
    appends and stores that Lance's file session does not know.
    """
    import numpy as np
    import pyarrow as pa

    digests: dict[str, str] = {}
    for group in groups(rows):
        payloads = [
            row.item.read() if stored_size(row.item) else np.empty(0, np.uint8) for row in group
        ]
        for row, payload in zip(group, payloads, strict=True):
            if hashed:
                known = row.sha256 or digests.get(row.item.alias_of or "\0")
                digests[row.item.name] = known or hashlib.sha256(payload.data).hexdigest()
        columns = row_columns(group, digests)
        columns["data"] = _blobs(payloads)
        tracker.advance(len(group), sum(payload.nbytes for payload in payloads))
        yield pa.record_batch([columns[name] for name in schema.names], schema=schema)


def groups(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Gather small tensors to groups of up to 256 KB; larger ones stay alone, uncopied."""
    group: list[Row] = []
    size = 0
    # Aliases come last: their hash is that of a tensor met before.
    plain = [row for row in rows if row.item.alias_of is None]
    for row in [*plain, *(row for row in rows if row.item.alias_of is not None)]:
        stored = stored_size(row.item)
        if group and (size + stored > _GROUP or len(group) >= 4096):
            yield group
            group, size = [], 0
        group.append(row)
        size += stored
    if group:
        yield group


def stored_size(item: TensorItem) -> int:
    """Bytes the table keeps for a tensor: none for one that repeats another."""
    return item.nbytes if item.alias_of is None else 0


def row_columns(rows: Sequence[Row], hashes: Mapping[str, str]) -> dict[str, pa.Array]:
    """Return all columns but the payload; hashes known from before take precedence."""
    import pyarrow as pa

    items = [row.item for row in rows]
    digests = [row.sha256 or hashes.get(row.item.name) for row in rows]
    return {
        "seq": pa.array([row.seq for row in rows], pa.int32()),
        "name": pa.array([item.name for item in items], pa.string()),
        "dtype": pa.array([item.dtype for item in items], pa.string()),
        "shape": pa.array([list(item.shape) for item in items], pa.list_(pa.int64())),
        "sha256": pa.array(digests, pa.string()),
        "nbytes": pa.array([item.nbytes for item in items], pa.int64()),
        "alias_of": pa.array([item.alias_of for item in items], pa.string()),
    }


def binary_array(payloads: Sequence[np.ndarray]) -> pa.Array:
    """Return payloads as one binary array; a single one is not copied."""
    import numpy as np
    import pyarrow as pa

    offsets = np.zeros(len(payloads) + 1, np.int64)
    np.cumsum([payload.nbytes for payload in payloads], out=offsets[1:])
    joined = payloads[0] if len(payloads) == 1 else np.concatenate(payloads)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(joined)]
    return pa.Array.from_buffers(pa.large_binary(), len(payloads), buffers)


def _blobs(payloads: Sequence[np.ndarray]) -> pa.Array:
    import pyarrow as pa

    from lancenb.store import lance_module

    count = len(payloads)
    parts = [binary_array(payloads), pa.nulls(count, pa.utf8())]
    parts += [pa.nulls(count, pa.uint64()), pa.nulls(count, pa.uint64())]
    storage = pa.StructArray.from_arrays(parts, names=["data", "uri", "position", "size"])
    return pa.ExtensionArray.from_storage(lance_module().blob.BlobType(), storage)
