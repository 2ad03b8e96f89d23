"""Plain forms of results, so that what two engines give can be compared to the last bit."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import torch

from lancenb import Artifact
from lancenb.catalog.artifact import Artifacts
from lancenb.remote._models import ArtifactFacts


def settled(schema: pa.Schema) -> pa.Schema:
    """Return a schema with its metadata in order: Lance gives them in any, also to itself."""

    def ordered(facts: Any) -> dict[bytes, bytes] | None:
        return dict(sorted(facts.items())) if facts else None

    fields = [field.with_metadata(ordered(field.metadata)) for field in schema]
    return pa.schema(fields, ordered(schema.metadata))


def ipc(source: pa.Table | pa.RecordBatchReader) -> bytes:
    """Return the Arrow IPC stream of a reader as it comes, or of a table as one batch."""
    sink = pa.BufferOutputStream()
    if isinstance(source, pa.Table):
        source = source.combine_chunks().to_reader()
    schema = settled(source.schema)
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in source:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
    return sink.getvalue().to_pybytes()


def plain(value: Any) -> Any:
    """Return a value as plain data with the types of its parts; NaN equals NaN."""
    if isinstance(value, Artifact):
        facts = {name: getattr(value, name) for name in ArtifactFacts.__dataclass_fields__}
        facts |= {"version": value.version, "rows": value.rows, "nbytes": value.nbytes}
        facts |= {"schema": value.schema, "hash": value.content_hash}
        return {"artefact": plain(facts)}
    if isinstance(value, Artifacts):
        return ["Artifacts", value.note, *(plain(each) for each in value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return [type(value).__name__, fields]
    if isinstance(value, pa.Schema):
        return settled(value).serialize().to_pybytes()
    if isinstance(value, (pa.Table, pa.RecordBatchReader)):
        return ipc(value)
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(plain(each) for each in value)]
    if isinstance(value, torch.Tensor):
        flat = value.detach().clone().contiguous().reshape(-1)
        return [str(value.dtype), list(value.shape), bytes(flat.view(torch.uint8).tolist())]
    return (type(value).__name__, value)
