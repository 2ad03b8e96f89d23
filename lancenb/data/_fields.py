"""One Arrow column to per-row values for torch, dtype kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from ..errors import CorruptInput
from ._schema import check_readable, features_of, is_picture, is_text, stored_class_names
from ._shown import rows_with

__all__ = [
    "check_readable",
    "column_values",
    "features_of",
    "fixed_layout",
    "is_picture",
    "is_text",
    "missing",
    "refuse_nulls",
    "stored_class_names",
]

_WRAPPED = (pa.ExtensionType, pa.FixedShapeTensorType)


def _numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _flat(column: pa.Array) -> np.ndarray:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
        return np.array(column.to_numpy(zero_copy_only=False)).view(bool)
    # numpy arrays over Arrow memory are read-only, which torch warns about: copy
    return np.array(column.to_numpy(zero_copy_only=False))


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array.storage if isinstance(array.type, _WRAPPED) else array


def _fixed_shape(kind: pa.DataType) -> tuple[pa.DataType, tuple[int, ...]] | None:
    """Type of the numbers and shape per row; None when rows have no fixed shape of numbers."""
    shape: list[int] = []
    stated = None
    if isinstance(kind, _WRAPPED):
        if _permuted(kind):
            return None
        if isinstance(kind, pa.FixedShapeTensorType):
            stated = tuple(int(side) for side in kind.shape)
        kind = kind.storage_type
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    return (kind, stated or tuple(shape)) if _numeric(kind) else None


def _permuted(kind: pa.DataType) -> bool:
    if not isinstance(kind, pa.FixedShapeTensorType) or kind.permutation is None:
        return False
    return list(kind.permutation) != list(range(len(kind.shape)))


def fixed_layout(kind: pa.DataType) -> tuple[torch.dtype, tuple[int, ...]] | None:
    """Type and shape of one row, for columns whose rows are tensors of one shape; else None."""
    found = _fixed_shape(kind)
    if found is None:
        return None
    numbers, shape = found
    return torch.from_numpy(_flat(pa.array([], numbers))).dtype, shape


def missing(column: pa.ChunkedArray) -> np.ndarray:
    """True for each row that has no value."""
    return np.asarray(pc.is_null(column).combine_chunks().to_numpy(zero_copy_only=False), bool)


def column_values(
    name: str, column: pa.ChunkedArray, rows: Sequence[int], *, fill: bool = False
) -> Sequence[Any] | torch.Tensor:
    """Turn one column of a batch into per-row values.

    Numbers and booleans become 0-d tensors, fixed-size lists (nested too) and fixed-shape tensors
    become tensors of their shape, lists of numbers 1-d tensors, all with the stored dtype; text,
    bytes and everything else stay Python objects.

    Args:
        name: column name, for messages.
        column: the values.
        rows: row number of each value, for messages.
        fill: put NaN (0 for whole numbers, False, an empty list or text) where there is no value.

    Raises:
        CorruptInput: a null where a number is needed.
    """
    if _permuted(column.type):
        refuse_nulls(name, column, rows)
        array = column.combine_chunks()
        whole = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
        return torch.from_numpy(np.array(whole.to_numpy_ndarray()))
    fixed = _fixed_shape(column.type)
    array = _one_array(column)
    kind = array.type
    if not fill and (fixed is not None or _ragged(kind)):
        refuse_nulls(name, array, rows)
    if fixed is not None:
        return _fixed_values(name, array, rows, fixed[1])
    if _ragged(kind):
        empty = np.empty(0, kind.value_type.to_pandas_dtype())
        return [torch.from_numpy(_flat(v.values) if v.is_valid else empty.copy()) for v in array]
    if fill and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        array = array.fill_null("")
    return array.to_pylist()


def _ragged(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _numeric(kind.value_type)


def _fixed_values(
    name: str, array: Any, rows: Sequence[int], shape: tuple[int, ...]
) -> torch.Tensor:
    absent = np.asarray(array.is_null()) if array.null_count else None
    size = math.prod(shape)
    flat = array
    while pa.types.is_fixed_size_list(flat.type):
        width = flat.type.list_size  # flatten() would leave out the rows without a value
        flat = flat.values.slice(flat.offset * width, len(flat) * width)
    if flat.null_count:
        inner = np.asarray(flat.is_null()).reshape(len(array), -1).any(1)
        if absent is not None:
            inner &= ~absent
        if inner.any():
            _refuse(name, rows[int(np.flatnonzero(inner)[0])])
        flat = pc.fill_null(flat, False if pa.types.is_boolean(flat.type) else 0)
    numbers = torch.from_numpy(_flat(flat))
    values = numbers.reshape(len(array), *shape) if size else numbers.new_empty(len(array), *shape)
    if absent is not None:
        # by numpy: torch cannot fill uint16, uint32 and uint64
        values.numpy()[absent] = math.nan if values.is_floating_point() else 0
    return values


def refuse_nulls(name: str, array: Any, rows: Sequence[int]) -> None:
    """Raise naming the first row whose value is missing.

    Raises:
        CorruptInput: there is a null.
    """
    if array.null_count:
        _refuse(name, rows[int(np.flatnonzero(np.asarray(array.is_null()))[0])])


def _refuse(name: str, row: int) -> None:
    raise CorruptInput(f"row {row} has no value in column '{name}'", hint=rows_with(name))
