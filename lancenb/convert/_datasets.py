"""Data sets of the ``datasets`` library as Arrow batches, undecoded, in the order they show."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.download._pull import pulled
from lancenb.errors import EmptyInput, LancenbError, UnsafeInput, UnsupportedFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import CancelToken

#: Schema metadata: the columns and features of the data set that a table was made from.
DATASET_KEY = "lancenb.dataset"
_BATCH_BYTES = 16 << 20
_MOST_ROWS, _NAMED_ROWS = 10_000, 64


def is_dataset(source: Any) -> bool:
    """Whether an object comes from the ``datasets`` library."""
    return type(source).__module__.partition(".")[0] == "datasets"


def is_datasets(source: Any) -> bool:
    """Whether this is a data set, or a dictionary of splits, plain or of the library's own."""
    if is_dataset(source):
        return True
    return isinstance(source, Mapping) and bool(source) and all(map(is_dataset, source.values()))


def saved_dataset(path: str | os.PathLike[str]) -> Any | None:
    """Open a folder made by ``save_to_disk`` (its rows stay there); ``None`` if it is none.

    Raises:
        CorruptInput: it is one, but damaged or incomplete.
    """
    from lancenb.download._saved import is_saved, load_saved

    folder = Path(path)
    return load_saved(folder) if is_saved(folder) else None


class DatasetRows:
    """The rows of one ``Dataset`` or ``IterableDataset``.

    Selections, shuffles and filters count. Nothing is decoded; images and sounds of which the
    data set holds only the path are read, so that the table has their bytes.

    Args:
        dataset: what is read.
        where: what to call it in messages.
        root: folder in which every file that a cell names must lie, for a data set that came from
            a folder on disk: it has no say in what else of this machine is read. ``None`` for an
            object of the user's own.

    Attributes:
        schema: with the features in its metadata.
        rows: how many, when known.
        nbytes: about how many bytes, when known.
        cancel: set it before the rows are read, and a stream that blocks is left within a second.

    Raises:
        UnsupportedFormat: a stream that has neither rows nor features.
    """

    def __init__(self, dataset: Any, where: str = "the dataset", root: str | None = None):
        from datasets.features.features import require_storage_embed

        self.cancel: CancelToken | None = None
        self.where, self._dataset = where, dataset.with_format("arrow")
        self.root = None if root is None else os.path.abspath(root)
        self._seen: list[pa.Table] = []
        self.streams = not hasattr(dataset, "data")
        self.rows: int | None = None if self.streams else len(dataset)
        self.nbytes: int | None = None
        if not self.streams:
            self.nbytes = dataset.data.nbytes * len(dataset) // max(dataset.data.num_rows, 1) or 1
        self.features: Any = dataset.features
        if self.features is None:
            self.features = self._look()
        self.schema: pa.Schema = self.features.arrow_schema
        self.named = any(require_storage_embed(kind) for kind in self.features.values())

    def _look(self) -> Any:
        """Find the columns of a stream that does not say; its first rows are kept."""
        from datasets import Features

        self._rest = self._tables(_NAMED_ROWS)
        with stream_errors(self.where):
            first = next(self._rest, None)
        if first is None:
            raise UnsupportedFormat(
                f"{self.where} has neither rows nor features", hint="is it the right split?"
            )
        self._seen = [first]
        return Features.from_arrow_schema(first.schema)

    def _tables(self, size: int) -> Iterator[pa.Table]:
        return iter(self._dataset.iter(batch_size=size))

    def batches(
        self,
        columns: Sequence[str] | None = None,
        rows: int | None = None,
        leave: Sequence[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches.

        Args:
            columns: these columns, all by default.
            rows: at most so many rows in a batch.
            leave: columns whose files on this machine the caller reads itself.
        """
        import pyarrow as pa
        from datasets.table import table_cast

        schema = self.schema
        if columns is not None:
            names = list(columns)
            schema = pa.schema([schema.field(n) for n in names], metadata=schema.metadata)
        with stream_errors(self.where):
            cancel = self.cancel if self.streams else None
            for table in pulled(lambda: self._all(rows or self._batch_rows(), columns), cancel):
                table = table_cast(self._complete(table, schema), schema)
                if self.named:
                    table = self._embed(table, leave)
                yield from table.combine_chunks().to_batches()

    def _all(self, rows: int, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        import pyarrow as pa

        if self._seen:
            first, self._seen = self._seen, []
            return chain(first, self._rest)
        if self.streams:
            return self._tables(rows)
        names = list(columns) if columns is not None else self.schema.names
        if getattr(self._dataset, "_indices", None) is None:
            batches = self._dataset.data.table.select(names).to_batches(max_chunksize=rows)
            return (pa.Table.from_batches([batch]) for batch in batches)
        # through the indices: the table behind still has all rows in their old order
        return iter(self._dataset.select_columns(names).iter(batch_size=rows))

    def _batch_rows(self) -> int:
        most = _NAMED_ROWS if self.named and not self._holds_bytes() else _MOST_ROWS
        if self.nbytes is None or not self.rows:
            return min(most, 1000)
        return max(1, min(most, _BATCH_BYTES * self.rows // self.nbytes))

    def _holds_bytes(self) -> bool:
        """Whether rows are large by themselves, so that they do not only name files."""
        return bool(self.rows and self.nbytes and self.nbytes // self.rows > 1024)

    def _complete(self, table: pa.Table, schema: pa.Schema) -> pa.Table:
        """Order the columns; one that these rows of a stream lack is null."""
        import pyarrow as pa

        for field in schema:
            if field.name not in table.column_names:
                table = table.append_column(field.name, pa.nulls(len(table), field.type))
        return table.select(schema.names)

    def _embed(self, table: pa.Table, leave: Sequence[str]) -> pa.Table:
        from datasets.features.features import require_storage_embed
        from datasets.table import embed_array_storage

        from lancenb.download._embed import named_files

        tokens = getattr(self._dataset, "_token_per_repo_id", None)
        for index, name in enumerate(table.column_names):
            if not require_storage_embed(self.features[name]):
                continue
            paths = named_files(table.select([name]))
            if self.root is not None:
                self._check_inside(paths, self.root if name in leave else os.getcwd())
            if paths and not (name in leave and all("://" not in path for path in paths)):
                column = embed_array_storage(
                    table.column(name), self.features[name], token_per_repo_id=tokens
                )
                table = table.set_column(index, table.schema.field(index), column)
        return table

    def _check_inside(self, paths: Sequence[str], base: str) -> None:
        """Raise for a file outside the folder; ``base`` is what a relative path starts from."""
        inside = os.path.join(str(self.root), "")
        for path in dict.fromkeys(paths):
            place = os.path.normpath(os.path.join(base, path))
            if "::" in path or "://" in path or not place.startswith(inside):
                raise UnsafeInput(
                    f"{self.where} names the file {path[:200]!r} instead of holding it, and it is "
                    "not one of its own files",
                    hint="if it is yours: convert(datasets.load_from_disk(FOLDER), target)",
                )


@contextmanager
def stream_errors(where: str) -> Iterator[None]:
    """Tell failures of network, files and formats under a data set as errors of lancenb.

    What the user's own functions (``map``, ``filter``) raise passes unchanged.
    """
    import pyarrow as pa
    from huggingface_hub.errors import HfHubHTTPError

    transport: Any = HfHubHTTPError.__bases__[0]
    try:
        yield
    except LancenbError:
        raise
    except (transport, OSError, pa.ArrowException) as error:
        from lancenb.errors import CorruptInput, SourceNotFound, TypeConflict

        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, FileNotFoundError):
            raise SourceNotFound(
                f"{where} names a file that is not there: {line}",
                hint="load the data set again; its files may have been moved",
            ) from error
        if isinstance(error, (pa.ArrowInvalid, pa.ArrowTypeError)):
            raise TypeConflict(
                f"{where} does not keep to its columns: {line}",
                hint="give its features: load_dataset(..., features=...) or dataset.cast(features)",
            ) from error
        if isinstance(error, pa.ArrowException):
            raise CorruptInput(
                f"{where} is damaged: {line}", hint="load the data set again"
            ) from error
        from lancenb.download._hub_errors import hub_error

        raise hub_error(error, where, None, "the Hub") from error


def split_rows(
    source: Any, where: str, root: str | None = None
) -> list[tuple[str | None, DatasetRows]]:
    """Return the parts of a data set: one, or one for each split of a dictionary.

    Args:
        source: a data set, or a dictionary of such.
        where: what to call it in messages.
        root: as in :class:`DatasetRows`.

    Raises:
        EmptyInput: a dictionary without splits.
    """
    if not isinstance(source, Mapping):
        return [(None, DatasetRows(source, where, root))]
    if not source:
        raise EmptyInput(f"{where} has no splits", hint="load one of them")
    return [
        (str(name), DatasetRows(part, f"{where} [{name}]", root)) for name, part in source.items()
    ]
