"""Encoded pictures of one Arrow column, as views of its memory."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch


class Cell(NamedTuple):
    """One encoded picture.

    Attributes:
        view: its bytes.
        tensor: the same memory as a uint8 tensor (never write to it).
    """

    view: memoryview
    tensor: torch.Tensor


def cells_of(column: pa.ChunkedArray) -> list[Cell | None]:
    """Views of every value; None where there is no value.

    Args:
        column: binary, large binary, or a struct with ``bytes`` (Hugging Face's).
    """
    found: list[Cell | None] = []
    for chunk in column.chunks:
        found += _of_chunk(chunk)
    return found


def cell_of(data: Any) -> Cell | None:
    """The view of one Python value: bytes, or a dict with ``bytes``."""
    if isinstance(data, dict):
        data = data.get("bytes")
    return cells_of(pa.chunked_array([pa.array([data], pa.large_binary())]))[0] if data else None


def _of_chunk(chunk: pa.Array) -> list[Cell | None]:
    if pa.types.is_struct(chunk.type):
        chunk = chunk.flatten()[chunk.type.get_field_index("bytes")]
    if not (pa.types.is_binary(chunk.type) or pa.types.is_large_binary(chunk.type)):
        chunk = chunk.cast(pa.large_binary())
    _, places, values = chunk.buffers()
    if not len(chunk) or values is None or not values.size:
        return [None] * len(chunk)
    width = np.int64 if pa.types.is_large_binary(chunk.type) else np.int32
    size = np.dtype(width).itemsize
    bounds = np.frombuffer(places, width, len(chunk) + 1, chunk.offset * size).tolist()
    memory = memoryview(values).cast("B")
    # by DLPack: numpy's way warns that the memory is read-only
    whole = torch.from_dlpack(pa.Array.from_buffers(pa.uint8(), values.size, [None, values]))
    nulls = np.asarray(chunk.is_null()).tolist() if chunk.null_count else None
    found: list[Cell | None] = []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        if stop == start or (nulls and nulls[number]):
            found.append(None)
        else:
            found.append(Cell(memory[start:stop], whole[start:stop]))
    return found
