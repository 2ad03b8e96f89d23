"""What a preview asks of a Lance dataset, answered by the public verbs of an artefact far away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._far_source import FarSource
from ._source import is_blob

if TYPE_CHECKING:
    import pyarrow as pa
    import torch


class FarDataset:
    """One version of an artefact whose table cannot be opened here; payloads are plain columns."""

    def __init__(self, artifact: Any, version: int | str | None = None):
        import pyarrow as pa

        self._artifact, self._source = artifact, FarSource(artifact, version)
        self.uri, self.version = str(artifact.uri), self._source.version
        schema = self._source.schema
        plain = [pa.field(f.name, pa.large_binary()) if is_blob(f) else f for f in schema]
        self.schema: pa.Schema = pa.schema(plain, schema.metadata)

    def count_rows(self, filter: str | None = None) -> int:
        """Return how many rows there are, or match."""
        return self._source.count(filter)

    def scanner(
        self,
        *,
        columns: Sequence[str],
        filter: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        **_: Any,
    ) -> FarScan:
        """Return rows to be read."""
        return FarScan(lambda: self._source.rows(offset, limit, columns, filter))

    def to_table(self, columns: Sequence[str]) -> pa.Table:
        """Read all rows."""
        return self._source.rows(columns=columns)

    def take(self, indices: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Read the rows at these positions."""
        return self._source.take(indices, columns)

    def tensor(self, name: str) -> torch.Tensor:
        """Fetch one tensor of a weights table."""
        return self._artifact.load_weights(only=[name], version=self.version).state_dict[name]


class FarScan:
    """Rows that are asked for when they are read."""

    def __init__(self, ask: Any):
        self.to_table = ask

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Read them in batches."""
        return iter(self.to_table().to_batches())
