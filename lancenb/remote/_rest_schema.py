"""Arrow schemas in the JSON form of the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_NAMES = {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
    "string": "utf8",
    "large_string": "large_utf8",
    "string_view": "utf8_view",
}


def json_schema(schema: pa.Schema) -> dict[str, Any]:
    """Return a schema as JSON data.

    >>> import pyarrow as pa
    >>> json_schema(pa.schema({"x": pa.list_(pa.float32(), 2)}))["fields"][0]["type"]["length"]
    2
    """
    out: dict[str, Any] = {"fields": [_field(field) for field in schema]}
    metadata = _texts(schema.metadata)
    return {**out, "metadata": metadata} if metadata else out


def _field(field: pa.Field) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": field.name,
        "nullable": field.nullable,
        "type": _type(field.type),
    }
    metadata = _texts(field.metadata)
    return {**out, "metadata": metadata} if metadata else out


def _texts(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (metadata or {}).items()
    }


def _type(kind: Any) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.types as t

    if isinstance(kind, pa.BaseExtensionType):
        return _type(kind.storage_type)
    if t.is_dictionary(kind):
        return _type(kind.value_type)
    if t.is_decimal(kind):
        # One number has to hold both: three digits for the scale.
        name = str(kind).partition("(")[0]
        return {"type": name, "length": kind.precision * 1000 + kind.scale}
    if t.is_fixed_size_binary(kind):
        return {"type": "fixed_size_binary", "length": kind.byte_width}
    if t.is_map(kind):
        entries = pa.struct([kind.key_field, kind.item_field])
        return {"type": "map", "fields": [_field(pa.field("entries", entries, nullable=False))]}
    if t.is_fixed_size_list(kind):
        item = _field(kind.value_field)
        return {"type": "fixed_size_list", "length": kind.list_size, "fields": [item]}
    if t.is_list(kind) or t.is_large_list(kind):
        name = "list" if t.is_list(kind) else "large_list"
        return {"type": name, "fields": [_field(kind.value_field)]}
    if t.is_struct(kind):
        fields = [_field(kind.field(i)) for i in range(kind.num_fields)]
        return {"type": "struct", "fields": fields}
    name = str(kind).partition("[")[0]
    return {"type": _NAMES.get(name, name)}
