"""What a table's schema says about its columns (no torch here)."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from ..errors import UnsupportedFormat

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


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def check_readable(field: pa.Field) -> None:
    """Refuse columns that need another door.

    Raises:
        UnsupportedFormat: a blob column (its scan gives descriptors, not bytes); a name that Lance
            writes and cannot read back.
    """
    if "`" in field.name or not field.name:
        raise UnsupportedFormat(
            f"column {field.name!r} cannot be read: Lance takes no name that is empty or has a"
            " backtick in it",
            hint="choose other columns with columns=[...], or convert the rows again, which puts _"
            " into such names",
        )
    kind = (field.metadata or {}).get(b"lance-encoding:blob") or (
        "blob" in str(getattr(field.type, "extension_name", ""))
    )
    if kind:
        raise UnsupportedFormat(
            f"column '{field.name}' holds blobs, which are not read row by row here",
            hint="choose other columns with columns=[...]",
        )
