"""One Arrow column to one numpy array of a batch; torch is not needed for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from ..errors import CorruptInput
from ._schema import is_text
from ._shown import rows_with


def column_array(
    name: str, column: pa.ChunkedArray, rows: Sequence[int], *, fill: bool = False
) -> np.ndarray:
    """Turn one column of a batch into an array whose first axis counts rows.

    Numbers, booleans, times and dates keep their dtype; fixed-size lists (nested too) and
    fixed-shape tensors keep dtype and shape. Text, bytes, lists of varying length and anything
    else become an object array; a missing value is None in it, and ``NaT`` among times.

    Args:
        name: column name, for messages.
        column: the values.
        rows: row number of each value, for messages.
        fill: put NaN (0 for whole numbers, False, an empty list or text) where there is no value.

    Returns:
        Array of shape ``(len(rows), ...)``, writable.

    Raises:
        CorruptInput: a null where a number is needed; one inside a list is not filled.

    >>> column_array("x", pa.chunked_array([pa.array([1, 2], pa.int16())]), [0, 1])
    array([1, 2], dtype=int16)
    """
    array: Any = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if fill and array.null_count:
        return _filled(name, array, rows)
    if isinstance(array.type, pa.FixedShapeTensorType):
        _refuse_nulls(name, array, rows)
        return np.array(array.to_numpy_ndarray())
    if isinstance(array.type, pa.ExtensionType):
        array = array.storage
    if isinstance(array.type, pa.DictionaryType):
        array = array.dictionary_decode()
    if _numeric(array.type):
        _refuse_nulls(name, array, rows)
        return np.array(array.to_numpy(zero_copy_only=False))
    if pt.is_timestamp(array.type) or pt.is_date(array.type) or pt.is_duration(array.type):
        return np.array(array.to_numpy(zero_copy_only=False))
    if pt.is_fixed_size_list(array.type):
        shape, inner = _fixed_shape(array.type)
        if _numeric(inner):
            return _fixed_lists(name, array, shape, rows)
    if _ragged(array.type):
        return _objects([None if item is None else np.asarray(item.values) for item in array])
    return _objects(array.to_pylist())


def _numeric(kind: pa.DataType) -> bool:
    return pt.is_integer(kind) or pt.is_floating(kind) or pt.is_boolean(kind)


def _ragged(kind: Any) -> bool:
    return (pt.is_list(kind) or pt.is_large_list(kind)) and _numeric(kind.value_type)


def _filled(name: str, array: Any, rows: Sequence[int]) -> np.ndarray:
    there = np.asarray(array.is_valid())
    kept = [row for row, known in zip(rows, there, strict=True) if known]
    present = column_array(name, pa.chunked_array([array.filter(pa.array(there))]), kept)
    if present.dtype == object:
        made = _objects([_nothing(array.type)] * len(array))
    else:
        blank: Any = {"f": np.nan, "M": "NaT", "m": "NaT"}.get(present.dtype.kind, 0)
        made = np.full((len(array), *present.shape[1:]), blank, present.dtype)
    made[there] = present
    return made


def _nothing(kind: Any) -> Any:
    if _ragged(kind):
        return np.empty(0, kind.value_type.to_pandas_dtype())
    return "" if is_text(kind) else None


def _objects(values: Sequence[Any]) -> np.ndarray:
    made = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):  # numpy would look into lists and make axes of them
        made[place] = value
    return made


def _fixed_shape(kind: Any) -> tuple[list[int], Any]:
    shape: list[int] = []
    while pt.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    return shape, kind


def _fixed_lists(name: str, array: Any, shape: list[int], rows: Sequence[int]) -> np.ndarray:
    count = len(array)
    _refuse_nulls(name, array, rows)
    for _ in shape:
        array = array.flatten()
        _refuse_nulls(name, array, rows, inside=True)
    return np.array(array.to_numpy(zero_copy_only=False)).reshape(count, *shape)


def _refuse_nulls(name: str, array: Any, rows: Sequence[int], *, inside: bool = False) -> None:
    if array.null_count:
        first = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        place = first * len(rows) // len(array)  # items of lists count as their row
        filled = "" if inside else ", or nulls='fill' puts NaN or 0 there, with a mask beside"
        raise CorruptInput(
            f"row {rows[place]} has no value in column '{name}'", hint=rows_with(name) + filled
        )
