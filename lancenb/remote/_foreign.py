"""Rows from strangers: cells that name a file instead of holding it are refused.

A cell of pictures may be a path, and a cell of blobs an address. Here these would be read on the
server, by its rights, and then handed to whoever asked for the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lancenb.errors import UnsafeInput


def refusing(reader: Any) -> Any:
    """Return a reader of the same rows that stops at the first such cell.

    Raises:
        UnsafeInput: while it is read; names the column.
    """
    import pyarrow as pa

    schema = reader.schema
    if not any(_may_name_files(field.type) for field in schema):
        return reader
    return pa.RecordBatchReader.from_batches(schema, _checked(reader))


def _checked(reader: Any) -> Iterator[Any]:
    for batch in reader:
        for number, field in enumerate(batch.schema):
            if _may_name_files(field.type):
                _check(batch.column(number), field.name)
        yield batch


def _storage(kind: Any) -> Any:
    return getattr(kind, "storage_type", kind)


def _may_name_files(kind: Any) -> bool:
    import pyarrow.types as pt

    kind = _storage(kind)
    if pt.is_dictionary(kind):
        return _may_name_files(kind.value_type)
    if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        return _may_name_files(kind.value_type)
    if not pt.is_struct(kind):
        return False
    names = {field.name for field in kind}
    if {"bytes", "path"} <= names or {"data", "uri"} <= names or "blob_uri" in names:
        return True
    return any(_may_name_files(field.type) for field in kind)


def _check(column: Any, name: str) -> None:
    import pyarrow.compute as pc
    import pyarrow.types as pt

    column = getattr(column, "storage", column)
    kind = column.type
    if not _may_name_files(kind):
        return
    if pt.is_dictionary(kind):
        return _check(column.dictionary, name)
    if not pt.is_struct(kind):
        return _check(column.flatten(), name)
    # Not ``flatten``: a cell hidden below a null is read by nobody, but costs nothing to refuse.
    parts = {field.name: column.field(number) for number, field in enumerate(kind)}
    for held, named in (("bytes", "path"), ("data", "uri"), (None, "blob_uri")):
        if named not in parts or (held is not None and held not in parts):
            continue
        there = pc.and_(parts[named].is_valid(), pc.fill_null(pc.not_equal(
            parts[named].cast("string"), ""), False))  # fmt: skip
        if held == "bytes":  # beside bytes a path is only a name
            there = pc.and_(there, parts[held].is_null())
        if pc.any(there).as_py():
            raise UnsafeInput(
                f"a cell of the column {name!r} names a file instead of holding it",
                hint="send the bytes themselves; a server reads no files that others name",
            )
    for part in parts.values():
        _check(part, name)
