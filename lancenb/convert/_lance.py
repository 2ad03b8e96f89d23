"""Lance tables as a source: their rows, copied into a table of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.errors import UnsupportedFormat

from ._base import Converter, Existing, Plan
from ._folder import is_table
from ._peek import image_column

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import Tracker

_BATCH_ROWS = 1024
_BATCH_BYTES = 8 << 20
_BLOB_ROWS = 16
_KINDS = ("weights", "images", "text", "table")


def table_of(source: Any) -> Path | None:
    """Return the path of a source that is a Lance table on this machine, else ``None``."""
    if hasattr(source, "path") and hasattr(source, "lineage"):
        source = source.path
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = Path(os.fspath(source))
    return path if is_table(path) else None


def kind_of_table(path: Path) -> str:
    """Return what a Lance table holds: as its maker noted, or by its columns."""
    from lancenb.store import open_table

    schema = open_table(path).schema
    noted = (schema.metadata or {}).get(b"lancenb.kind", b"").decode()
    if noted in _KINDS:
        return noted
    return "images" if image_column(schema) else "table"


class LanceConverter(Converter):
    """Copies the rows of a Lance table, with its columns and their metadata.

    Deleted rows, old versions and indices stay behind. Weights are stored again tensor by tensor.

    Args:
        kind: what the table holds.

    >>> import tempfile, pyarrow as pa
    >>> from lancenb.store import lance_module
    >>> folder = tempfile.mkdtemp()
    >>> _ = lance_module().write_dataset(pa.table({"x": [1, 2]}), folder + "/a.lance")
    >>> LanceConverter("table").convert(folder + "/a.lance", folder + "/b.lance").rows
    2
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind  # type: ignore[misc]

    def plan(self, source: Any, *, existing: Existing | None = None) -> Plan:
        """Look at the table and say what would be written.

        Raises:
            UnsupportedFormat: it is no Lance table on this machine.
            CorruptInput: it cannot be read.
            UnsafeInput: it names files that are not its own.
        """
        from lancenb.store import check_self_contained, open_table

        path = table_of(source)
        if path is None:
            raise UnsupportedFormat(f"{source} is no Lance table", hint="give the path of one")
        dataset = open_table(path)
        check_self_contained(dataset, str(path))
        facts = {"source": str(path), "format": "lance", "table_version": int(dataset.version)}
        if self.kind == "weights":
            return _weights(path, dataset, existing, facts)
        blobs = _blobs(dataset.schema)
        schema = _writable(dataset.schema, blobs)

        def batches(tracker: Tracker) -> Iterator[pa.RecordBatch]:
            for batch in _scan(dataset, bool(blobs), str(path)):
                tracker.advance(batch.num_rows, batch.nbytes)
                yield _as_stored(batch, schema, blobs)

        return Plan(
            self.kind, schema, batches, total_rows=int(dataset.count_rows()), properties=facts
        )


def _weights(path: Path, dataset: Any, existing: Existing | None, facts: dict[str, Any]) -> Plan:
    from .weights import TensorConverter
    from .weights._plan import EXTRAS_KEY, FORM_KEY
    from .weights.table import load_tensors

    plan = TensorConverter().plan(load_tensors(dataset), existing=existing)
    noted = dataset.schema.metadata or {}
    kept = {key: noted[key.encode()].decode() for key in (EXTRAS_KEY, FORM_KEY) if
            key.encode() in noted}  # fmt: skip
    plan.metadata = {**(plan.metadata or {}), **kept}
    plan.properties = {**plan.properties, **facts}
    return plan


def _scan(dataset: Any, blobs: bool, where: str) -> Iterator[pa.RecordBatch]:
    from lancenb.store import lance_errors

    rows = _BLOB_ROWS if blobs else _BATCH_ROWS
    handling = {"blob_handling": "all_binary"} if blobs else {"batch_size_bytes": _BATCH_BYTES}
    with lance_errors(where):
        yield from dataset.scanner(batch_size=rows, scan_in_order=True, **handling).to_batches()


def _blobs(schema: pa.Schema) -> list[str]:
    """Return the columns whose payload lies in files beside the data."""
    return [
        field.name
        for field in schema
        if str(getattr(field.type, "extension_name", "")).startswith("lance.blob")
        or (field.metadata or {}).get(b"lance-encoding:blob") == b"true"
    ]


def _writable(schema: pa.Schema, blobs: list[str]) -> pa.Schema:
    """Return the schema to write: Lance reads blobs back with another storage type."""
    import pyarrow as pa

    for index, field in enumerate(schema):
        if field.name in blobs and isinstance(field.type, pa.BaseExtensionType):
            kind = _blob_field(field.name).type
            schema = schema.set(index, field.with_type(kind))
    return schema


def _blob_field(name: str) -> pa.Field:
    """Return the field that blobs are written with."""
    from lancenb.store import lance_module

    return lance_module().blob_field(name)


def _as_stored(batch: pa.RecordBatch, schema: pa.Schema, blobs: list[str]) -> pa.RecordBatch:
    """Give a batch the types of the table: a scan hands out the bytes of blobs."""
    import pyarrow as pa

    from lancenb.store import lance_module

    columns = []
    for field in schema:
        column = batch.column(field.name)
        if field.name in blobs and isinstance(field.type, pa.BaseExtensionType):
            column = lance_module().blob_array(column.to_pylist())
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
