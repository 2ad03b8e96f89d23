"""Cells that name a file instead of holding it (folders of images and sounds)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UnsafeInput

if TYPE_CHECKING:
    import pyarrow as pa


def named_files(table: pa.Table) -> list[str]:
    """Return the paths of cells that have a path where they should have bytes.

    Only columns whose feature says that they hold files (Image, Audio, ...) are looked at, as deep
    as they are nested.
    """
    from datasets import Features
    from datasets.features.features import require_storage_embed

    features = Features.from_arrow_schema(table.schema)
    found: list[str] = []
    for name, feature in features.items():
        if require_storage_embed(feature):
            for chunk in table.column(name).chunks:
                found.extend(_named(chunk))
    return found


def _named(column: Any) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _named(column.flatten())
    elif pa.types.is_struct(kind):
        names = {field.name for field in kind}
        if names == {"bytes", "path"}:
            parts: Any = pc
            held = parts.struct_field(column, "bytes")
            paths = parts.struct_field(column, "path")
            yield from paths.filter(parts.and_(held.is_null(), paths.is_valid())).to_pylist()
            return
        for field in kind:
            yield from _named(pc.struct_field(column, field.name))  # type: ignore[attr-defined]


def embed(table: pa.Table, root: str, bring: Callable[[list[str]], None], name: str) -> pa.Table:
    """Put the bytes of named files into a table.

    Args:
        table: with its features in the schema.
        root: folder in which every named file must lie: a data set has no say in what else of
            this machine is read.
        bring: called with paths relative to ``root`` before they are read.
        name: the data set, for messages.

    Raises:
        UnsafeInput: a cell names a file elsewhere.
    """
    paths = named_files(table)
    if not paths:
        return table
    from datasets.table import embed_table_storage

    inside = root.rstrip("/") + "/"
    wanted = []
    for path in dict.fromkeys(paths):
        place = path.rpartition("::")[2]  # a member of an archive: zip://inner::/the/archive.zip
        if not place.startswith(inside) or ".." in place.split("/"):
            raise UnsafeInput(
                f"{name} names the file {os.path.basename(place)!r} instead of holding it, and it "
                "is not one of its own files",
                hint="tell its owner; mode='repo' takes the files as they are",
            )
        wanted.append(place.removeprefix(inside))
    bring(list(dict.fromkeys(wanted)))
    return embed_table_storage(table)
