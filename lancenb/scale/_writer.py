"""What Ray's workers do with a block: bring it into shape, write it as fragments."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ..errors import SchemaMismatch, TypeConflict


class Arranged:
    """Brings blocks into the columns of a table.

    Args:
        names: columns of the blocks, in the order of the fields.
        schema: schema of the table.
    """

    def __init__(self, names: Sequence[str], schema: pa.Schema):
        self.names, self.schema = list(names), schema

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return the block with exactly the columns of the table.

        Raises:
            SchemaMismatch: the block has a column that the first one had not.
            TypeConflict: values that do not fit.
        """
        strange = [name for name in block.column_names if name not in self.names]
        if strange:
            raise SchemaMismatch(
                f"a block has the column {strange[0]!r}, which the table lacks",
                hint="schema= names all columns",
            )
        columns = [
            self._column(block, name, field)
            for name, field in zip(self.names, self.schema, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _column(self, block: pa.Table, name: str, field: pa.Field) -> Any:
        if name not in block.column_names:
            return pa.nulls(len(block), field.type)
        column = block.column(name)
        try:
            if column.type.equals(field.type):
                return column
            if isinstance(field.type, pa.FixedShapeTensorType):
                return _tensors(column, field.type)
            return column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise TypeConflict(
                f"column {name!r} is {column.type} in a block, which does not become {field.type}: "
                f"{str(error).splitlines()[0]}",
                hint="schema= says what the columns hold",
            ) from None


def _tensors(column: pa.ChunkedArray, kind: Any) -> pa.Array:
    """Turn Ray's own tensors into those of Arrow."""
    parts = [chunk.storage.flatten().cast(kind.value_type) for chunk in column.chunks]
    values = pa.concat_arrays(parts) if parts else pa.array([], kind.value_type)
    size = kind.storage_type.list_size
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(values, size))


def writer_class(overwrite: bool) -> Any:
    """Return lance-ray's writer of blocks, or one for a version with other columns.

    lance-ray's own takes the columns of the table there is for those of the new rows.
    """
    from lance_ray import LanceFragmentWriter

    if not overwrite:
        return LanceFragmentWriter

    class Overwriter(LanceFragmentWriter):
        """Writes a block in the columns of its own schema."""

        def __call__(self, batch: Any) -> pa.Table:
            """Write one block and return the metadata of its fragments, as lance-ray does."""
            from lancenb.store import lance_module

            fragments = lance_module().fragment.write_fragments(
                self.transform(batch),
                self.uri,
                schema=self.schema,
                mode="overwrite",
                data_storage_version=self.data_storage_version,
                storage_options=self.storage_options,
            )
            packed = [pickle.dumps(fragment) for fragment in fragments]
            return pa.table({"fragment": pa.array(packed, pa.binary())})

    return Overwriter
