"""Several schemas as one: the union of columns, with number types widened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lancenb.errors import TypeConflict

if TYPE_CHECKING:
    import pyarrow as pa


def unite(schemas: Sequence[tuple[str, pa.Schema]]) -> pa.Schema:
    """Return one schema for several files.

    Columns keep the order of their first appearance. Integers and floats widen (int32 with
    int64 gives int64), a column of nulls takes any type, and a column that some file lacks may
    be null. Dictionaries that differ are decoded.

    Raises:
        TypeConflict: types that have nothing in common, naming column and files.

    >>> import pyarrow as pa
    >>> a, b = pa.schema([("id", pa.int32())]), pa.schema([("id", pa.int64()), ("x", pa.bool_())])
    >>> str(unite([("1", a), ("2", b)]).field("id").type)
    'int64'
    """
    import pyarrow as pa

    if len(schemas) == 1:
        return schemas[0][1]
    fields: dict[str, pa.Field] = {}
    origin: dict[str, str] = {}
    count: dict[str, int] = {}
    for name, schema in schemas:
        for field in schema:
            count[field.name] = count.get(field.name, 0) + 1
            known = fields.get(field.name)
            if known is None:
                fields[field.name], origin[field.name] = field, name
                continue
            kind = common_type(known.type, field.type)
            if kind is None:
                raise TypeConflict(
                    f"column {field.name!r} is {known.type} in {origin[field.name]} "
                    f"but {field.type} in {name}",
                    hint="convert one of them first, or make two tables",
                )
            fields[field.name] = known.with_type(kind).with_nullable(
                known.nullable or field.nullable
            )
    made = [
        field if count[name] == len(schemas) else field.with_nullable(True)
        for name, field in fields.items()
    ]
    return pa.schema(made, metadata=schemas[0][1].metadata)


def common_type(a: pa.DataType, b: pa.DataType) -> Any:
    """Return the type that takes the values of both without loss, ``None`` when there is none."""
    import pyarrow as pa
    import pyarrow.types as t

    if a.equals(b):
        return a
    if t.is_dictionary(a) or t.is_dictionary(b):
        plain = [x.value_type if t.is_dictionary(x) else x for x in (a, b)]
        return common_type(*plain)
    try:
        unified = pa.unify_schemas(
            [pa.schema([("x", a)]), pa.schema([("x", b)])], promote_options="permissive"
        )
    except (pa.ArrowTypeError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return unified.field("x").type


def to_table_types(schema: pa.Schema, table: pa.Schema) -> pa.Schema:
    """Take over the types of the table that is appended to where that only widens values."""
    for index, field in enumerate(schema):
        at = table.get_field_index(field.name)
        if at < 0:
            continue
        kind = table.field(at).type
        if kind.equals(field.type) or not _widens(field.type, kind):
            continue
        schema = schema.set(index, field.with_type(kind))
    return schema


def _widens(old: pa.DataType, new: pa.DataType) -> bool:
    import pyarrow.types as t

    texts = (t.is_string, t.is_large_string, t.is_string_view)
    blobs = (t.is_binary, t.is_large_binary, t.is_binary_view)
    for group in (texts, blobs):
        if any(is_(old) for is_ in group) and any(is_(new) for is_ in group):
            return True
    common = common_type(old, new)
    return common is not None and common.equals(new)
