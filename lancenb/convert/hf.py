"""Lance tables as data sets of the ``datasets`` library: the way back.

What went in comes out: class names, images and sounds as ``ClassLabel``, ``Image`` and ``Audio``,
nested columns as they were.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.errors import ColumnNotFound, InvalidArgument
from lancenb.progress import CancelToken, ProgressCallback, Tracker

from ._datasets import DATASET_KEY

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from lancenb.store import Store

_BATCH = 1024
_FILE = "rows.arrow"


def to_datasets(
    source: Any,
    *,
    version: int | str | None = None,
    columns: Sequence[str] | None = None,
    filter: str | None = None,
    original: bool = False,
    streaming: bool = False,
    store: Store | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> datasets.Dataset | datasets.IterableDataset:
    """Give a Lance table as a data set of the ``datasets`` library.

    Args:
        source: artefact, conversion report, path, URI (``s3://``, ``hf://`` ...) or open table.
        version: version number or tag; ``None`` for the newest.
        columns: these columns, in this order; all by default.
        filter: SQL condition on rows.
        original: give back the columns of the data set that the table was made from, under their
            names there; what the converter added (width, sha256 ...) is left out.
        streaming: an ``IterableDataset`` that reads the table while it is iterated over. Otherwise
            a ``Dataset`` over an Arrow file, written once into the cache (kind ``"arrow"``).
        store: credentials for a URI.
        cache: root of the cache; default as for downloads.
        progress: callable for progress events, or ``True`` for a text bar.
        cancel: stops it within a batch.

    Raises:
        NotFound: there is no table.
        ColumnNotFound: a column that the table does not have.
        InvalidArgument: ``original=True`` for a table that was not made from a data set.
        InvalidFilter: a filter that cannot be understood.

    >>> import tempfile, datasets, lancenb
    >>> names = datasets.ClassLabel(names=["no", "yes"])
    >>> features = datasets.Features({"t": datasets.Value("string"), "y": names})
    >>> data = datasets.Dataset.from_dict({"t": ["a", "b"], "y": [1, 0]}, features=features)
    >>> folder = tempfile.mkdtemp()
    >>> report = lancenb.convert(data, folder + "/d.lance")
    >>> back = to_datasets(report, cache=folder)
    >>> back["t"][:], back.features["y"].names
    (['a', 'b'], ['no', 'yes'])
    """
    table, options = _open(source, version, store)
    reader = _Reader(
        table.uri, int(table.version), options, filter, _shape(table, columns, original)
    )
    if streaming:
        return _stream(table, reader)
    return _file(table, reader, cache, Tracker(progress, cancel), cancel)


def _open(source: Any, version: int | str | None, store: Store | None) -> tuple[Any, Any]:
    """Return the table and what else it takes to open it again."""
    from lancenb.store import open_table

    if hasattr(source, "scanner") and hasattr(source, "checkout_version"):
        table = source if version is None else source.checkout_version(version)
    elif callable(getattr(source, "dataset", None)):
        table = source.dataset(version)
    elif isinstance(source, (str, os.PathLike)) or hasattr(source, "uri"):
        uri = source if isinstance(source, (str, os.PathLike)) else source.uri
        table = open_table(uri, store, version)
    else:
        raise InvalidArgument(
            f"a {type(source).__name__} is no table",
            hint="give an artefact (dm['name']), a table's path or URI, or an open Lance dataset",
        )
    return table, dict(getattr(table, "_storage_options", None) or {})


@dataclass(frozen=True)
class _Shape:
    """Which columns are read, and what becomes of them.

    Attributes:
        features: of the result.
        read: columns of the table that are needed.
        stored: for each column of the result the one of the table.
        paths: column of the table with the paths of the main image, if they belong to it.
        texts: for columns of text labels, stored as ids, the names.
    """

    features: Any
    read: tuple[str, ...]
    stored: dict[str, str]
    paths: str | None = None
    texts: Any = None

    def table(self, batch: pa.RecordBatch) -> pa.Table:
        """Return a batch of the table as rows of the result."""
        import pyarrow as pa
        from datasets.table import table_cast

        arrays = []
        for name, stored in self.stored.items():
            array = batch.column(stored)
            if stored == "image" and self.paths is not None:
                array = pa.StructArray.from_arrays(
                    [array, batch.column(self.paths)], names=["bytes", "path"]
                )
            elif name in (self.texts or {}):
                array = pa.array(self.texts[name], pa.string()).take(array)
            arrays.append(array)
        made = pa.Table.from_arrays(arrays, names=list(self.stored))
        return table_cast(made, self.features.arrow_schema)


def _shape(table: Any, columns: Sequence[str] | None, original: bool) -> _Shape:
    from datasets import Features

    from lancenb.download.features import declared_features, read_schema

    schema = read_schema(table)
    found = declared_features(schema)
    if not original:
        names = list(schema.names if columns is None else columns)
        _check(names, schema.names, table)
        chosen = Features({name: found[name] for name in names})
        return _Shape(chosen, tuple(names), {name: name for name in names})
    try:
        made = json.loads((schema.metadata or {})[DATASET_KEY.encode()])
        first, stored = Features.from_dict(made["features"]), dict(made["columns"])
    except (KeyError, ValueError, TypeError):
        if (schema.metadata or {}).get(b"lancenb.kind") == b"table" and columns is None:
            return _shape(table, None, False)  # columns of tables are stored under their own names
        raise InvalidArgument(
            f"{table.uri} was not made from a data set of the datasets library",
            hint="leave original= out",
        ) from None
    stored = {name: place for name, place in stored.items() if place in schema.names}
    if columns is not None:
        _check(columns, list(stored), table)
        stored = {name: stored[name] for name in columns}
    features, texts = {}, {}
    for name, place in stored.items():
        features[name] = first[name]
        names = getattr(found[place], "names", None)
        if names and getattr(first[name], "names", None) is not None:
            features[name] = found[place]  # classes may have come to it since
        elif names:
            texts[name] = list(names)
    paths = "path" if "image" in stored.values() and "path" in schema.names else None
    read: dict[str, None] = dict.fromkeys([*stored.values(), *([paths] if paths else [])])
    return _Shape(Features(features), tuple(read), stored, paths, texts)


def _check(names: Sequence[str], known: Sequence[str], table: Any) -> None:
    for name in names:
        if name not in known:
            raise ColumnNotFound(
                f"{table.uri} has no column {name!r}", hint=f"columns: {', '.join(known)}"
            )


@dataclass(frozen=True)
class _Reader:
    """Reads fragments of one version; travels to other processes."""

    uri: str
    version: int
    options: dict[str, str]
    filter: str | None
    shape: _Shape

    def __repr__(self) -> str:
        return f"<reader of {self.uri} version {self.version}>"

    def tables(self, fragments: list[int]) -> Iterator[tuple[Any, pa.Table]]:
        """Yield keyed tables of these fragments, as ``datasets`` wants them."""
        from datasets.builder import Key

        from lancenb.store import lance_errors, lance_module

        with lance_errors(self.uri):
            opened = lance_module().dataset(
                self.uri, version=self.version, storage_options=self.options or None
            )
        for number in fragments:
            for index, table in enumerate(self.rows(opened, [opened.get_fragment(number)])):
                yield Key(number, index), table

    def rows(self, opened: Any, fragments: list[Any] | None = None) -> Iterator[pa.Table]:
        """Yield the rows of an open table, in order."""
        from lancenb.store import lance_errors

        with lance_errors(self.uri):
            scanner = opened.scanner(
                columns=list(self.shape.read),
                filter=self.filter,
                fragments=fragments,
                batch_size=_BATCH,
                batch_size_bytes=16 << 20,
                scan_in_order=True,
                blob_handling="all_binary",
            )
            for batch in scanner.to_batches():
                if batch.num_rows:
                    yield self.shape.table(batch)


def _stream(table: Any, reader: _Reader) -> Any:
    from datasets import DatasetInfo, IterableDataset
    from datasets.iterable_dataset import ArrowExamplesIterable

    numbers = [int(fragment.fragment_id) for fragment in table.get_fragments()]
    examples = ArrowExamplesIterable(reader.tables, {"fragments": numbers})
    info = DatasetInfo(features=reader.shape.features)
    return IterableDataset(ex_iterable=examples, info=info)


def _file(
    table: Any,
    reader: _Reader,
    cache: str | os.PathLike[str] | None,
    tracker: Tracker,
    cancel: CancelToken | None,
) -> Any:
    from datasets import Dataset, DatasetInfo

    from lancenb.download import Cache
    from lancenb.download._kept import NEW, keep

    features = reader.shape.features

    def build(path: Path) -> dict[str, Any]:
        import pyarrow as pa

        fresh = path.with_name(f"{NEW}{path.name}")
        fresh.mkdir(parents=True)
        tracker.enter("read", reader.uri)
        tracker.total_rows = None if reader.filter else int(table.count_rows())
        with (
            pa.OSFile(str(fresh / _FILE), "wb") as sink,
            pa.ipc.new_stream(sink, features.arrow_schema) as writer,
        ):
            rows = 0
            for part in reader.rows(table):
                writer.write_table(part)
                rows += part.num_rows
                tracker.advance(part.num_rows, part.nbytes)
        os.replace(fresh, path)
        return {"source": reader.uri, "version": reader.version, "rows": rows, "format": "arrow"}

    made = keep(Cache(cache), "arrow", _key(table, reader), "rows", build, cancel=cancel)
    tracker.enter("done", str(made.path))
    return Dataset.from_file(str(made.path / _FILE), info=DatasetInfo(features=features))


def _key(table: Any, reader: _Reader) -> str:
    """Name a result by what is in it: files of a table never change."""
    files = sorted(
        f"{fragment.fragment_id} {fragment.metadata}" for fragment in table.get_fragments()
    )
    facts = [reader.uri, reader.version, reader.filter, str(reader.shape), files]
    digest = hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]
    title = reader.uri.rstrip("/").rpartition("/")[2].removesuffix(".lance")[-50:]
    return f"{title}--{digest}"
