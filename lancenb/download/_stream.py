"""The rows of a data set as undecoded Arrow tables, through ``datasets`` or straight from Parquet.

Whole Parquet files are read by pyarrow without its read-ahead: ``datasets`` (and pyarrow's
default) would hold a whole shard in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SourceNotFound
from ._endpoint import endpoint

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 256


class Stream:
    """One split of a data set.

    Args:
        name: Hub id or local folder.
        config: configuration, None for the default one.
        split: split, None for ``train`` or the only one.
        commit: commit on the Hub, None for local folders.
        token: access token.

    Attributes:
        split: the split chosen.
        files: its files if all are Parquet: local paths, or paths in the repository; else empty.
    """

    def __init__(
        self, name: str, config: str | None, split: str | None, commit: str | None,
        token: str | None,
    ):  # fmt: skip
        import datasets
        import datasets.config

        address = endpoint()
        if commit is not None and address != datasets.config.HF_ENDPOINT:
            datasets.config.HF_ENDPOINT = address  # read at import only; honour the environment
        options = {} if commit is None else {"revision": commit, "token": token}
        self.builder: Any = datasets.load_dataset_builder(name, config, **options)
        found = self.builder.config.data_files or {}
        splits = [str(item) for item in found]
        self.split = split or ("train" if "train" in splits or not splits else splits[0])
        if self.split not in splits:
            raise SourceNotFound(
                f"{name} has no split {self.split!r}", hint=f"it has: {', '.join(splits)}"
            )
        self.files: list[str] = []
        paths = [str(path) for path in found[self.split]]
        parquet = type(self.builder).__module__.endswith("packaged_modules.parquet.parquet")
        if parquet and all(p.endswith(".parquet") for p in paths):
            prefix = f"hf://datasets/{name}@{commit}/"
            self.files = [path.removeprefix(prefix) for path in paths]

    def tables(
        self, limit: int | None, local: list[Path] | None
    ) -> tuple[pa.Schema, Iterator[pa.Table]]:
        """Return the schema (features under ``huggingface``) and the first ``limit`` rows.

        Args:
            limit: rows, None for all.
            local: the Parquet files on this disk, None to stream through ``datasets``.
        """
        if local is not None:
            return self._from_parquet(limit, local)
        stream: Any = self.builder.as_streaming_dataset(self.split)
        if limit is not None:
            stream = stream.take(limit)
        batches: Iterator[Any] = iter(stream.with_format("arrow").iter(batch_size=_BATCH))
        first = next(batches, None)
        schema = self._schema(first.schema if first is not None else None, stream.features)

        def tables() -> Iterator[pa.Table]:
            table = first
            while table is not None:
                yield _whole(table.select(schema.names), schema)
                table = next(batches, None)

        return schema, tables()

    def _schema(self, found: pa.Schema | None, features: Any = None) -> pa.Schema:
        from datasets import Features

        features = features or self.builder.info.features
        if features is None:
            features = Features.from_arrow_schema(found) if found is not None else Features({})
        return features.arrow_schema

    def _from_parquet(
        self, limit: int | None, paths: list[Path]
    ) -> tuple[pa.Schema, Iterator[pa.Table]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = self._schema(pq.read_schema(paths[0]) if paths else None)

        def tables() -> Iterator[pa.Table]:
            left = limit
            for path in paths:
                with pq.ParquetFile(path, pre_buffer=False) as file:
                    for batch in file.iter_batches(batch_size=_BATCH):
                        if left is not None:
                            batch = batch.slice(0, left)
                            left -= len(batch)
                        table = pa.Table.from_batches([batch])
                        yield _whole(table.select(schema.names), schema)
                        if left == 0:
                            return

        return schema, tables()


def self_describing(paths: list[Path]) -> bool:
    """Whether these Parquet files carry their features and the bytes of their images.

    Then they can be used as they are.
    """
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            if b"huggingface" not in (file.schema_arrow.metadata or {}):
                return False
            for batch in islice(file.iter_batches(batch_size=1), 1):
                if any(_only_named(column) for column in batch.columns):
                    return False
    return True


def _only_named(column: Any) -> bool:
    """Whether a column of ``struct<bytes, path>`` has a path where it should have bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not pa.types.is_struct(kind):
        return False
    if kind.get_field_index("bytes") < 0 or kind.get_field_index("path") < 0:
        return False
    missing = pc.is_null(pc.struct_field(column, "bytes"))  # type: ignore[attr-defined]
    named = pc.is_valid(pc.struct_field(column, "path"))  # type: ignore[attr-defined]
    return bool(pc.any(pc.and_(missing, named)).as_py())  # type: ignore[attr-defined]


def _whole(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Cast to the schema and put the bytes of files that are only named into the table."""
    from datasets.table import embed_table_storage, table_cast

    table = table_cast(table, schema)
    if any(_only_named(column) for column in table.columns):
        return embed_table_storage(table)
    return table
