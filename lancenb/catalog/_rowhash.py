"""Hashes of rows, column by column, for comparing versions without holding them in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_NULL = (np.uint64(0x5BF03635), np.uint64(0xA3B195354A39B70D))


def hash_rows(batch: pa.RecordBatch) -> Any:
    """Return 16 bytes per row that depend on every value, as a numpy array of ``S16``.

    Values are compared bit by bit: ``-0.0`` differs from ``0.0``, NaN equals itself.
    """
    low = np.full(batch.num_rows, 1469598103934665603, np.uint64)
    high = np.full(batch.num_rows, 7809847782465536322, np.uint64)
    for column in batch.columns:
        first, second = _column(column)
        low = _mix(low * np.uint64(3) ^ first)
        high = _mix(high * np.uint64(5) ^ second)
    out = np.empty((batch.num_rows, 2), np.uint64)
    out[:, 0], out[:, 1] = low, high
    # Byte strings sort and compare fast; that numpy drops zeros at the end changes no equality.
    return out.reshape(-1).view("S16")


def _mix(x: Any) -> Any:
    with np.errstate(over="ignore"):
        x = (x ^ (x >> np.uint64(30))) * _MIX[1]
        x = (x ^ (x >> np.uint64(27))) * _MIX[2]
        return x ^ (x >> np.uint64(31))


def _column(column: pa.Array) -> tuple[Any, Any]:
    kind = column.type
    nulls = column.is_null().to_numpy(zero_copy_only=False)
    fixed = pt.is_primitive(kind) and kind.bit_width in (8, 16, 32, 64)
    if pt.is_boolean(kind):
        values = column.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint64)
    elif fixed and not pt.is_null(kind):
        bits = kind.bit_width
        flat = pa.Array.from_buffers(
            pa.binary(bits // 8), len(column), [None, column.buffers()[1]], offset=column.offset
        )
        raw = np.frombuffer(flat.buffers()[1], np.dtype(f"u{bits // 8}"))
        values = raw[column.offset : column.offset + len(column)].astype(np.uint64)
    else:
        digests = b"".join(_digests(column))
        pairs = np.frombuffer(digests, np.uint64).reshape(-1, 2)
        return np.where(nulls, _NULL[0], pairs[:, 0]), np.where(nulls, _NULL[1], pairs[:, 1])
    with np.errstate(over="ignore"):
        first, second = _mix(values + _MIX[0]), _mix(values * _MIX[0] + _MIX[1])
    return np.where(nulls, _NULL[0], first), np.where(nulls, _NULL[1], second)


def _digests(column: pa.Array) -> Iterator[bytes]:
    for value in column.to_pylist():
        if isinstance(value, bytes):
            data = b"b" + value
        elif isinstance(value, str):
            data = b"s" + value.encode("utf-8", "surrogatepass")
        else:
            data = repr(value).encode()
        yield hashlib.blake2b(data, digest_size=16).digest()


def scan_hashes(
    dataset: Any, fragments: Sequence[Any], columns: Sequence[str], keys: Sequence[str]
) -> tuple[Any, Any]:
    """Return hashes of all rows and of their keys (empty without keys), in order of the scan."""
    rows: list[Any] = []
    key_hashes: list[Any] = []
    if fragments:
        for batch in dataset.scanner(columns=list(columns), fragments=list(fragments)).to_batches():
            rows.append(hash_rows(batch))
            if keys:
                key_hashes.append(hash_rows(batch.select(list(keys))))
    empty = np.empty(0, "S16")
    return (
        np.concatenate(rows) if rows else empty,
        np.concatenate(key_hashes) if key_hashes else empty,
    )
