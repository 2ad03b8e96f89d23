"""Tables with a column of pictures as sources: Parquet files, Arrow tables, datasets."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lancenb.convert._datasets import DATASET_KEY
from lancenb.errors import CorruptInput, EmptyInput, InvalidArgument, SchemaMismatch, UnsafeInput

from ._columns import Columns, choose_columns
from ._info import Refusal
from ._read import BATCH_BYTES, BATCH_ROWS, Chunk
from ._source import Source

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Part:
    """One file, split or table of a source.

    Attributes:
        where: what to call it in messages.
        split: name of its split, if known.
        schema: its Arrow schema.
        rows: number of rows, when known.
        batches: given column names and rows per batch, streams record batches; can be called
            again unless ``once``.
        nbytes: size of its pictures, when known.
        once: it is a stream that can be read only once.
        root: folder in which files that cells only name must lie; ``None`` for anywhere. A file
            from elsewhere has no say in what else of this machine is read.
    """

    where: str
    split: str | None
    schema: pa.Schema
    rows: int | None
    batches: Callable[[Sequence[str], int], Iterator[pa.RecordBatch]]
    nbytes: int | None = None
    once: bool = False
    root: str | None = None


def table_source(
    form: str,
    where: str,
    parts: Sequence[Part],
    features: Mapping[str, Any],
    *,
    image: str | None,
    label: Any,
    close: Callable[[], None] | None = None,
) -> Source:
    """Make a source of tables that share one schema.

    Args:
        form: ``"parquet"``, ``"dataset"`` or ``"table"``.
        where: what to call the whole in messages.
        parts: the tables, in order.
        features: ``datasets`` features in JSON form, as far as known.
        image: name of the image column, ``None`` to find it.
        label: name of the label column, ``"auto"`` to find it, ``None`` for no labels.
        close: releases files.
    """
    import pyarrow as pa

    first = parts[0]
    columns = choose_columns(first.schema, features, image=image, label=label, where=where)
    needed = [columns.image, *([columns.label] if columns.label else [])]
    needed += [name for name, _ in columns.extras]
    for part in parts[1:]:
        _same_columns(first, part, needed)
    names = columns.names
    if columns.texts:
        names = _distinct(parts, str(columns.label))
    by_split = any(p.split for p in parts) and len(parts) > 1
    by_split = by_split and "split" not in {stored for _, stored in columns.extras}
    by_split = by_split and len({p.split for p in parts}) > 1
    extras = [pa.field(stored, first.schema.field(name).type) for name, stored in columns.extras]
    described = {stored: features[name] for name, stored in columns.extras if name in features}
    if by_split:
        extras.append(pa.field("split", pa.string()))
        described["split"] = {"dtype": "string", "_type": "Value"}

    def chunks() -> Iterator[Callable[[], Chunk]]:
        for part in parts:
            yield from _chunks(part, columns, names, needed, by_split)

    counts = [p.rows for p in parts]
    sizes = [p.nbytes for p in parts]
    if counts and all(c == 0 for c in counts):
        raise EmptyInput(f"{where} has no rows")
    return Source(
        form,
        where,
        columns.label is not None,
        names,
        chunks,
        ordered=not columns.texts,
        extras=extras,
        features=described,
        rows=None if None in counts else sum(c or 0 for c in counts),
        nbytes=None if None in sizes else sum(s or 0 for s in sizes),
        origin=_origin(columns, features),
        close=close,
    )


def _origin(columns: Columns, features: Mapping[str, Any]) -> dict[str, str]:
    """Return what it takes to give the table back as the data set it was."""
    if not features:
        return {}
    stored = {columns.image: "image", **dict(columns.extras)}
    if columns.label is not None:
        stored[columns.label] = "label"
    known = {name: stored[name] for name in features if name in stored}
    return {DATASET_KEY: json.dumps({"columns": known, "features": dict(features)})}


def rows_per_batch(rows: int, nbytes: int) -> int:
    """Return how many rows of a table make about :data:`~._read.BATCH_BYTES`."""
    return max(1, min(BATCH_ROWS, rows * BATCH_BYTES // max(nbytes, 1)))


def _same_columns(first: Part, part: Part, needed: Sequence[str]) -> None:
    for name in needed:
        at = part.schema.get_field_index(name)
        if at < 0:
            raise SchemaMismatch(
                f"{part.where} lacks the column {name!r} of {first.where}",
                hint="convert files with different columns into different tables",
            )
        if not part.schema.field(at).type.equals(first.schema.field(name).type):
            raise SchemaMismatch(
                f"column {name!r} is {part.schema.field(at).type} in {part.where} but "
                f"{first.schema.field(name).type} in {first.where}",
                hint="convert files with different columns into different tables",
            )


def _distinct(parts: Sequence[Part], column: str) -> list[str]:
    import pyarrow as pa

    seen: set[str] = set()
    for part in parts:
        if part.once:
            raise InvalidArgument(
                f"{part.where} is a stream with text labels, whose classes cannot be known ahead",
                hint="pass a table, or replace the text by integers",
            )
        for batch in part.batches([column], 65_536):
            seen.update(batch.column(0).cast(pa.string()).unique().to_pylist())
    return sorted(name for name in seen if name is not None)


def _chunks(
    part: Part,
    columns: Columns,
    names: Sequence[str] | None,
    needed: Sequence[str],
    by_split: bool,
) -> Iterator[Callable[[], Chunk]]:
    import pyarrow as pa

    rows = rows_per_batch(part.rows or 1, part.nbytes or 1) if part.nbytes else 64
    start = 0
    try:
        for batch in part.batches(needed, rows):
            for piece in _pieces(batch):
                yield functools.partial(_to_chunk, piece, start, part, columns, names, by_split)
                start += piece.num_rows
    except (pa.ArrowException, OSError) as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CorruptInput(
            f"{part.where} is damaged (after row {start:,}): {text}",
            hint="fetch or export the file again",
        ) from error


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows > 1 and batch.get_total_buffer_size() > 2 * BATCH_BYTES:
        # Slices share the buffers of a larger table; what counts is the slice itself.
        if batch.nbytes > 2 * BATCH_BYTES or batch.num_rows > BATCH_ROWS:
            half = batch.num_rows // 2
            yield from _pieces(batch.slice(0, half))
            yield from _pieces(batch.slice(half))
            return
    elif batch.num_rows > BATCH_ROWS:
        for at in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(at, BATCH_ROWS)
        return
    if batch.num_rows:
        yield batch


def _to_chunk(
    batch: pa.RecordBatch,
    start: int,
    part: Part,
    columns: Columns,
    names: Sequence[str] | None,
    by_split: bool,
) -> Chunk:
    import pyarrow as pa

    pictures = batch.column(batch.schema.get_field_index(columns.image))
    images, paths, refused = _images(pictures, part.root)
    labels = None
    if columns.label is not None:
        labels = batch.column(batch.schema.get_field_index(columns.label))
        if columns.texts:
            ids = {name: i for i, name in enumerate(names or ())}
            texts = labels.cast(pa.string()).to_pylist()
            labels = pa.array([ids.get(text) for text in texts], pa.int64())
        labels = labels.cast(pa.int64())
    extras = {
        stored: batch.column(batch.schema.get_field_index(name)) for name, stored in columns.extras
    }
    if by_split:
        extras["split"] = pa.array([part.split] * batch.num_rows, pa.string())
    rows = range(start, start + batch.num_rows)
    titles = [
        f"{part.where} row {row:,}" + (f" ({path})" if path else "")
        for row, path in zip(rows, paths, strict=True)
    ]
    return Chunk(images, titles, labels, extras, refused, paths)


def _images(column: Any, root: str | None) -> tuple[pa.Array, list[str | None], dict[int, Refusal]]:
    """Return bytes, paths and refusals; rows that have only a path are read from that file."""
    import pyarrow as pa

    refused: dict[int, Refusal] = {}
    if not pa.types.is_struct(column.type):
        paths: list[str | None] = [None] * len(column)
        images = column.cast(pa.binary())
    else:
        order = [f.name for f in column.type]
        parts = column.flatten()
        images = parts[order.index("bytes")].cast(pa.binary())
        paths = parts[order.index("path")].cast(pa.string()).to_pylist()
    if images.null_count:
        values = images.to_pylist()
        for i, value in enumerate(values):
            if value is None:
                path = paths[i]
                if not path:
                    refused[i] = Refusal("no image in this row", EmptyInput)
                    continue
                place = path if root is None else os.path.normpath(os.path.join(root, path))
                if root is not None and not place.startswith(os.path.join(root, "")):
                    reason = f"names a file elsewhere, {path}, which is not read"
                    refused[i] = Refusal(reason, UnsafeInput)
                    continue
                try:
                    with open(place, "rb") as file:
                        values[i] = file.read()
                except OSError as error:
                    refused[i] = Refusal(f"{path} cannot be read: {error.strerror}")
        images = pa.array(values, pa.binary())
    return images, [os.path.basename(p) if p and os.path.isabs(p) else p for p in paths], refused
