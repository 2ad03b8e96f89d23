"""The rows of one split as undecoded Arrow tables, from files that come when they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ..errors import CorruptInput, LancenbError
from ..progress import CancelToken
from ._embed import embed
from ._layout import Layout, is_archive
from ._pull import pulled, undisturbed
from ._rows_parquet import parquet_file, parquet_rows
from .features import declared_features, read_schema

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 256
_STARTS = (1 << 20, 8 << 20, 64 << 20)
# Formats whose first rows can be told from the first bytes of a file.
_BY_LINE = ("csv", "json", "text")
_SEQUENTIAL = (*_BY_LINE, "arrow", "webdataset")


class SplitRows:
    """The rows of one split, or its first ones.

    Args:
        layout: the data set.
        split: one of its splits.
        limit: rows, ``None`` for all.
        cancel: stops it within a second, also inside of ``datasets``.

    Attributes:
        schema: of all tables, with the features under ``huggingface``; images and sounds are
            structs of bytes and path.
    """

    def __init__(
        self, layout: Layout, split: str, limit: int | None, cancel: CancelToken | None = None
    ):
        self._layout, self._split, self._limit = layout, split, limit
        self._files, self._cancel = layout.files, cancel
        self._names = layout.splits[split]
        self._declared: Any = None
        tables = self._taken(self._raw())
        first = next(tables, None)
        self._tables = chain([] if first is None else [first], tables)
        self.schema = self._decide(None if first is None else first.schema)

    def __iter__(self) -> Iterator[pa.Table]:
        for table in self._tables:
            yield self._fit(table)

    def _raw(self) -> Iterator[pa.Table]:
        """Choose the way that moves the fewest bytes."""
        layout, files = self._layout, self._files
        if layout.format == "parquet" and not any(map(is_archive, self._names)):
            return self._parquet()
        if layout.of_single_files:
            files.bring(layout.needed_first(self._split))
            if self._limit is None:
                files.bring(self._names)
            return self._streamed(None)
        if layout.format == "lance" and layout.tables(self._split):
            return self._lance()
        if self._limit is not None and layout.format in _SEQUENTIAL and self._by_line():
            return self._starts()
        files.bring(self._names)
        return self._streamed(None)

    def _parquet(self) -> Iterator[pa.Table]:
        left = self._limit
        for name in self._names:
            if left is None:
                self._files.bring([name])
            with parquet_file(self._files.open(name)) as file:
                rows = file.metadata.num_rows
                if left is None or left < rows:
                    yield from self._checked(parquet_rows(file, left))
            if left is not None and left >= rows > 0:  # all of it: verified, and in few requests
                self._files.bring([name])
                with parquet_file(self._files.open(name)) as file:
                    yield from self._checked(parquet_rows(file))
            if left is not None:
                left -= min(left, rows)
                if left == 0:
                    return

    def _lance(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        left = self._limit
        for root in self._layout.tables(self._split):
            table = self._files.table(root, left is None)
            self._declared = self._declared or declared_features(read_schema(table))
            batches = table.scanner(
                limit=left, batch_size=_BATCH, blob_handling="all_binary"
            ).to_batches()
            for batch in pulled(lambda batches=batches: iter(batches), self._cancel):
                yield pa.Table.from_batches([batch])
                left = None if left is None else left - len(batch)
            if left == 0:
                return

    def _by_line(self) -> bool:
        return getattr(self._layout.builder.config, "sample_by", "line") == "line"

    def _starts(self) -> Iterator[pa.Table]:
        """Read file by file, of each only as much of its beginning as the rows need."""
        left = self._limit or 0
        for name in self._names:
            for table in self._file_rows(name, left):
                yield table.slice(0, left)
                left -= min(left, len(table))
                if left == 0:
                    return

    def _file_rows(self, name: str, rows: int) -> Iterator[pa.Table]:
        """Return a file's first rows, at least so many if it has them."""
        lines = self._layout.format in _BY_LINE
        for nbytes in () if is_archive(name) else _STARTS:
            if self._files.bring_start(name, nbytes, lines):
                break
            found = self._beginning(name, rows)
            # one row more than needed: the last one before a cut may be half a row
            if sum(len(table) for table in found) > rows:
                return iter(found)
        self._files.bring([name])
        return self._streamed([name])

    def _beginning(self, name: str, rows: int) -> list[pa.Table]:
        """Return the rows of a file's beginning, little more than ``rows``."""
        found: list[pa.Table] = []
        try:
            for table in self._streamed([name]):
                found.append(table)
                rows -= len(table)
                if rows < 0:
                    break
        except LancenbError:
            raise
        except Exception:  # noqa: S110
            # whatever a reader says at a cut: the whole file would tell the real trouble
            pass
        return found

    def _streamed(self, names: list[str] | None) -> Iterator[pa.Table]:
        """Let ``datasets`` read files that are in the folder."""

        def begin() -> Iterator[pa.Table]:
            stream = self._layout.stream(self._split, names)
            self._declared = stream.features or self._declared
            size = _BATCH if self._limit is None else min(_BATCH, self._limit + 1)
            with undisturbed():
                if self._layout.of_single_files and self._limit is not None:
                    stream = stream.take(self._limit)
                return iter(stream.with_format("arrow").iter(batch_size=size))

        return pulled(begin, self._cancel)

    def _checked(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            if self._cancel is not None:
                self._cancel.check()
            yield table

    def _taken(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        left = self._limit
        for table in tables:
            if left is not None:
                table = table.slice(0, left)
                left -= len(table)
            yield table
            if left == 0:
                return

    def _decide(self, found: pa.Schema | None) -> pa.Schema:
        """Return the schema: as the card declares it, else as the first rows have it."""
        from datasets import Features

        features = self._layout.features or self._declared
        if features is None:
            if found is None and self._layout.format == "parquet" and self._names:
                with parquet_file(self._files.open(self._names[0])) as file:
                    found = file.schema_arrow
            features = Features.from_arrow_schema(found) if found is not None else Features({})
        return features.arrow_schema

    def _fit(self, table: pa.Table) -> pa.Table:
        """Bring a table to the schema, with the bytes of files that it only names."""
        import pyarrow as pa
        from datasets.table import table_cast

        more = [name for name in table.column_names if name not in self.schema.names]
        if more:
            raise CorruptInput(
                f"{self._layout.name} changes its columns on the way: {more[0]!r} is not in its "
                f"first rows ({', '.join(self.schema.names)})",
                hint="mode='repo' takes the files; lancenb.convert unites their columns",
            )
        for field in self.schema:
            if field.name not in table.column_names:
                table = table.append_column(field.name, pa.nulls(len(table), field.type))
        table = table_cast(table.select(self.schema.names), self.schema)
        root = self._files.root.as_posix()
        return embed(table, root, lambda names: self._files.bring(names), self._layout.name)


def self_describing(paths: list[Any]) -> bool:
    """Whether these Parquet files carry their features and the bytes of their images.

    Then they can be used as they are.
    """
    import pyarrow as pa

    from ._embed import named_files

    for path in paths:
        with parquet_file(path) as file:
            if b"huggingface" not in (file.schema_arrow.metadata or {}):
                return False
            for batch in islice(file.iter_batches(1, use_threads=False), 1):
                if named_files(pa.Table.from_batches([batch])):
                    return False
    return True
