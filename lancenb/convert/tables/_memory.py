"""Tables that are in memory already: Arrow, data frames, ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lancenb.convert._datasets import DatasetRows, is_datasets, split_rows
from lancenb.convert._share import ALL
from lancenb.convert.text._sources import Piece
from lancenb.errors import InvalidArgument, LancenbError, SchemaMismatch, TypeConflict

from ._union import to_table_types

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import CancelToken

_ROWS = 1 << 16
SPLIT = "split"


class MemoryFamily:
    """An object with columns as one table.

    Args:
        source: ``pyarrow`` Table, RecordBatch or RecordBatchReader; a pandas or polars DataFrame;
            a ``datasets`` Dataset or IterableDataset, or a dictionary of splits, which become
            one table with a column ``split`` (features stay in the schema metadata
            ``huggingface``; selections and shuffles are respected).
        target: schema of the table that is appended to.
        root: the folder a data set came from, in which every file it names must lie.
    """

    kind = "table"

    def __init__(self, source: Any, target: pa.Schema | None = None, root: str | None = None):
        self._root = root
        self.skipped: list[tuple[str, str]] = []
        self.rows: int | None = None
        self._parts: list[DatasetRows] = []
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
        if is_datasets(source):
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
        import pyarrow as pa

        parts = split_rows(source, self.name, self._root)
        self._parts = [part for _, part in parts]
        first = parts[0][1]
        for _, part in parts[1:]:
            if not part.schema.equals(first.schema):
                raise SchemaMismatch(
                    f"{part.where} has other columns than {first.where}",
                    hint="convert one split at a time: convert(dataset['train'], ...)",
                )
        counts = [part.rows for _, part in parts]
        self.rows = None if None in counts else sum(count or 0 for count in counts)
        schema = first.schema
        if len(parts) == 1 or SPLIT in schema.names:
            return schema, lambda: (b for _, part in parts for b in part.batches())
        schema = _with_split(schema)

        def batches() -> Iterator[pa.RecordBatch]:
            for name, part in parts:
                for batch in part.batches():
                    splits = pa.repeat(pa.scalar(name, pa.string()), batch.num_rows)
                    yield pa.RecordBatch.from_arrays([*batch.columns, splits], schema=schema)

        return schema, batches

    def watch(self, cancel: CancelToken | None) -> None:
        """Let streams that block be left when ``cancel`` is set."""
        for part in self._parts:
            part.cancel = cancel

    def batches(self, _chosen: slice = ALL) -> Iterator[tuple[Piece, pa.RecordBatch, int]]:
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


def _with_split(schema: pa.Schema) -> pa.Schema:
    """Return a schema with a column for the split, of which the features know, too."""
    import pyarrow as pa
    from datasets import Features, Value

    features = Features.from_arrow_schema(schema)
    made = schema.append(pa.field(SPLIT, pa.string()))
    return made.with_metadata(Features({**features, SPLIT: Value("string")}).arrow_schema.metadata)
