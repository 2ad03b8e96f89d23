"""One Arrow column to per-row values for torch, dtype kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..errors import CorruptInput, UnsupportedFormat

PICTURE_NAMES = ("image", "img")


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """The Hugging Face feature descriptions stored with a schema, or an empty dict."""
    try:
        info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = info.get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return features if isinstance(features, dict) else {}


def stored_class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Class names of a label column, in id order, when they were stored with the table."""
    feature = features_of(schema).get(column)
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if names else None


def is_picture(field: pa.Field, schema: pa.Schema) -> bool:
    """Whether a column holds encoded pictures."""
    described = features_of(schema).get(field.name)
    if isinstance(described, dict) and described.get("_type") == "Image":
        return True
    plain = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    struct = pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
    return (plain or struct) and field.name in PICTURE_NAMES


def check_readable(field: pa.Field) -> None:
    """Refuse columns that need another door.

    Raises:
        UnsupportedFormat: a blob column (its scan gives descriptors, not bytes).
    """
    kind = (field.metadata or {}).get(b"lance-encoding:blob") or (
        "blob" in str(getattr(field.type, "extension_name", ""))
    )
    if kind:
        raise UnsupportedFormat(
            f"column '{field.name}' holds blobs, which are not read row by row here",
            hint="choose other columns with columns=[...]",
        )


def _numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _flat(column: pa.Array) -> np.ndarray:
    if pa.types.is_boolean(column.type):
        return np.array(column.to_pylist(), dtype=bool)
    # numpy arrays over Arrow memory are read-only, which torch warns about: copy
    return np.array(column.to_numpy(zero_copy_only=False))


def column_values(
    name: str, column: pa.ChunkedArray, rows: Sequence[int]
) -> Sequence[Any] | torch.Tensor:
    """Turn one column of a batch into per-row values.

    Numbers and booleans become 0-d tensors, fixed-size lists (nested too) and fixed-shape tensors
    become tensors of their shape, lists of numbers 1-d tensors, all with the stored dtype; text,
    bytes and everything else stay Python objects.

    Args:
        name: column name, for messages.
        column: the values.
        rows: row number of each value, for messages.

    Raises:
        CorruptInput: a null where a number is needed.
    """
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = array.type
    if isinstance(kind, pa.FixedShapeTensorType):
        refuse_nulls(name, array, rows)
        return torch.from_numpy(np.array(array.to_numpy_ndarray()))
    if isinstance(kind, pa.ExtensionType):
        array = array.storage
        kind = array.type
    if _numeric(kind):
        refuse_nulls(name, array, rows)
        return torch.from_numpy(_flat(array))
    if pa.types.is_fixed_size_list(kind):
        shape: list[int] = []
        inner = kind
        while pa.types.is_fixed_size_list(inner):
            shape.append(inner.list_size)
            inner = inner.value_type
        if _numeric(inner):
            refuse_nulls(name, array, rows)
            flat: Any = array
            for _ in shape:
                flat = flat.flatten()
            refuse_nulls(name, flat, [rows[i // math.prod(shape)] for i in range(len(flat))])
            return torch.from_numpy(_flat(flat)).reshape(len(array), *shape)
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _numeric(kind.value_type):
        refuse_nulls(name, array, rows)
        return [torch.from_numpy(_flat(item.values)) for item in array]
    return array.to_pylist()


def refuse_nulls(name: str, array: Any, rows: Sequence[int]) -> None:
    """Raise naming the first row whose value is missing.

    Raises:
        CorruptInput: there is a null.
    """
    if array.null_count:
        first = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise CorruptInput(
            f"row {rows[first]} has no value in column '{name}'",
            hint=f'leave such rows out: filter="{name} IS NOT NULL"',
        )
