"""Does a batch of new rows fit a table? Said before a byte is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lancenb.errors import SchemaMismatch

if TYPE_CHECKING:
    import pyarrow as pa


def check_append(table: pa.Schema, rows: pa.Schema, uri: str) -> None:
    """Raise :class:`~lancenb.errors.SchemaMismatch` unless ``rows`` can be appended to ``table``.

    Columns are matched by name and must have the same type. A column that ``rows`` lacks is
    filled with nulls when the table allows nulls in it.
    """
    kind, new = _kind(table), _kind(rows)
    if kind and new and kind != new:
        raise SchemaMismatch(
            f"{uri} holds {_said(kind)}, what is new is {_said(new)}",
            hint="append to a table of the same kind, or create another one",
        )
    for field in rows:
        index = table.get_field_index(field.name)
        if index < 0:
            raise SchemaMismatch(
                f"column {field.name!r} of the new rows is not in {uri}",
                hint=f"its columns are: {', '.join(table.names)}",
            )
        if not same_type(table.field(index).type, field.type):
            raise SchemaMismatch(
                f"column {field.name!r} is {table.field(index).type} in {uri} "
                f"but {field.type} in the new rows",
                hint="convert the source to that type first, or create another table",
            )
    for field in table:
        if rows.get_field_index(field.name) < 0 and not field.nullable:
            raise SchemaMismatch(
                f"the new rows lack column {field.name!r}, which may not be null in {uri}",
                hint="add the column to the source",
            )


def same_type(old: pa.DataType, new: pa.DataType) -> bool:
    """Compare types, treating the names of list items as irrelevant (writers differ in them)."""
    import pyarrow.types as t

    if old.equals(new):
        return True
    if t.is_list(old) and t.is_list(new):
        return same_type(old.value_type, new.value_type)
    if t.is_large_list(old) and t.is_large_list(new):
        return same_type(old.value_type, new.value_type)
    if t.is_fixed_size_list(old) and t.is_fixed_size_list(new):
        return old.list_size == new.list_size and same_type(old.value_type, new.value_type)
    if t.is_struct(old) and t.is_struct(new):
        names = [f.name for f in old]
        return names == [f.name for f in new] and all(
            same_type(a.type, b.type) for a, b in zip(old, new, strict=True)
        )
    return False


def _said(kind: str) -> str:
    return "a table" if kind == "table" else kind


def _kind(schema: pa.Schema) -> str:
    return (schema.metadata or {}).get(b"lancenb.kind", b"").decode()
