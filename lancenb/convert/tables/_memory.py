"""Tables that are in memory already: Arrow, data frames, ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lancenb.convert.text._sources import Piece
from lancenb.errors import InvalidArgument, LancenbError, TypeConflict, UnsupportedFormat

from ._union import to_table_types

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 16


class MemoryFamily:
    """An object with columns as one table.

    Args:
        source: ``pyarrow`` Table, RecordBatch or RecordBatchReader; a pandas or polars DataFrame;
            a ``datasets`` Dataset or IterableDataset (its features stay in the schema metadata
            ``huggingface``; selections and shuffles are respected).
        target: schema of the table that is appended to.
    """

    kind = "table"

    def __init__(self, source: Any, target: pa.Schema | None = None):
        self.skipped: list[tuple[str, str]] = []
        self.rows: int | None = None
        self.name = f"the {type(source).__module__.split('.')[0]} {type(source).__name__}"
        self._piece = Piece(self.name, "", "", 0)
        self._own, self._source = self._look(source)
        self.schema: pa.Schema = self._own if target is None else to_table_types(self._own, target)

    def _look(self, source: Any) -> tuple[pa.Schema, Any]:
        import pyarrow as pa

        module = type(source).__module__.split(".")[0]
        if isinstance(source, pa.RecordBatch):
            source = pa.Table.from_batches([source])
        if module == "pandas":
            source = self._from_pandas(source)
        elif module == "polars":
            source = source.to_arrow()
        if isinstance(source, pa.Table):
            self.rows = source.num_rows
            return source.schema, lambda: iter(source.to_batches(_ROWS))
        if isinstance(source, pa.RecordBatchReader):
            return source.schema, lambda: source
        if module == "datasets":
            return self._look_at_dataset(source)
        raise InvalidArgument(
            f"{self.name} is no table",
            hint="give a path, an Arrow table, a data frame or a dataset",
        )

    def _from_pandas(self, frame: Any) -> pa.Table:
        import pyarrow as pa

        try:
            return pa.Table.from_pandas(frame)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TypeConflict(
                f"a column of {self.name} mixes types: {str(error).splitlines()[0]}",
                hint="make the column one type first, with astype(str) for instance",
            ) from None

    def _look_at_dataset(self, source: Any) -> tuple[pa.Schema, Any]:
        if isinstance(source, dict):
            splits = ", ".join(map(repr, source))
            raise UnsupportedFormat(
                f"this dataset is a dictionary of splits ({splits}), which is more than one table",
                hint="convert one split at a time: convert(dataset['train'], ...)",
            )
        self.rows = source.num_rows if hasattr(source, "num_rows") else None
        arrow = source.with_format("arrow")
        features = source.features
        if features is None:
            first = next(iter(arrow.iter(batch_size=1000)), None)
            if first is None:
                raise UnsupportedFormat("this dataset has neither rows nor features")
            schema = first.schema
        else:
            schema = features.arrow_schema

        def batches() -> Iterator[pa.RecordBatch]:
            # Iterating respects selections and shuffles, which the table beneath does not know.
            for table in arrow.iter(batch_size=10_000):
                yield from table.cast(schema).to_batches()

        return schema, batches

    def batches(self) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
        """Yield batches of :attr:`schema` and the bytes of each."""
        import pyarrow as pa

        try:
            for batch in self._source():
                if not batch.schema.equals(self.schema, check_metadata=False):
                    batch = batch.cast(self.schema)
                yield self._piece, batch, batch.nbytes
        except LancenbError:
            raise
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TypeConflict(
                f"{self.name} does not keep to its schema: {str(error).splitlines()[0]}",
                hint="cast it to one schema first",
            ) from None
