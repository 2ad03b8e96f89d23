"""``batches``: a table as batches of numpy arrays, for any framework or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InvalidArgument
from ..store import Store
from ._batches import Batches, Spec
from ._batches_read import ArrayReader, Wanted, chosen_columns, masked_columns
from ._rows import Filter, matching_rows
from ._table import PinnedTable

__all__ = ["Batches", "Spec", "batches"]


def batches(
    source: Any,
    batch_size: int = 32,
    *,
    columns: Sequence[str] | None = None,
    filter: Filter | None = None,
    version: int | str | None = None,
    store: Store | None = None,
    seed: int = 0,
    shuffle: bool | str = False,
    epoch: int = 0,
    epochs: int | None = 1,
    drop_last: bool = False,
    uneven: str = "pad",
    rank: int | None = None,
    world_size: int | None = None,
    layout: str = "NHWC",
    size: int | tuple[int, int] | None = None,
    transform: Callable[..., Any] | None = None,
    on_error: str = "raise",
    nulls: str = "raise",
    threads: int = 2,
    prefetch: int = 4,
) -> Batches:
    """Read a table as batches of numpy arrays: each row once per epoch, exact resume, no torch.

    A batch is a dictionary from column to array. Numbers and fixed-size lists keep dtype and
    shape, pictures are uint8 ``(n, height, width, 3)``, upright and RGB, text and everything else
    is an object array. Order, ranks and resume are those of :func:`lancenb.data.loader`: the same
    ``seed`` gives the same rows in the same batches.

    Args:
        source: artefact, path, URI or open Lance dataset.
        batch_size: rows per batch and rank.
        columns: columns of a batch; default: picture and label of an image table, else all.
        filter: SQL text, or triples ``(column, op, value)``.
        version: version number or tag; None pins what is the head now.
        store: credentials for a URI.
        seed: seed of the order, and of transforms that say ``seeded = True``.
        shuffle: False: as stored; True: a true shuffle, new in each epoch; ``"block"``: runs of
            neighbours, cheaper to read from an object store.
        epoch: first epoch.
        epochs: epochs in one ``for``; None never ends.
        drop_last: leave out the rows that do not fill a batch on all ranks.
        uneven: what ranks do with the rows at the end: ``"pad"``, ``"drop"`` or ``"error"``.
        rank: place of this process; with ``world_size``, where processes share the rows.
        world_size: number of processes.
        layout: ``"NHWC"`` (TensorFlow, JAX) or ``"NCHW"`` (Paddle, torch).
        size: side, or (height, width), that pictures are scaled to; what sticks out is cut off.
        transform: called with each picture, ``(picture, seed)`` if it has ``seeded = True``; in
            a table without pictures with the whole batch, and gives the batch to use instead.
        on_error: ``"raise"`` or ``"skip"`` unreadable pictures (listed in ``skipped``).
        nulls: ``"raise"`` (name the row) where a number is missing, or ``"fill"``: NaN, 0 (for
            labels too) or False, an empty text or list; then each column of the table that misses
            values has a bool ``<column>_mask`` beside it, False where the value is made up.
        threads: reading threads; 0 reads when a batch is asked for.
        prefetch: batches read ahead.

    Raises:
        NotFound: no such table, version or tag.
        ColumnNotFound: a column that the table does not have.
        InvalidFilter: a filter that cannot be understood.
        InvalidArgument: a value that cannot work.

    >>> import tempfile, pyarrow as pa
    >>> from lancenb.store import lance_module
    >>> uri = tempfile.mkdtemp() + "/points.lance"
    >>> _ = lance_module().write_dataset(pa.table({"x": [1.0, 2.0, 3.0]}), uri)
    >>> [batch["x"].tolist() for batch in batches(uri, 2)]
    [[1.0, 2.0], [3.0]]
    """
    if layout not in ("NHWC", "NCHW"):
        raise InvalidArgument(f"layout is 'NHWC' or 'NCHW', not {layout!r}")
    if on_error not in ("raise", "skip"):
        raise InvalidArgument(f"on_error is 'raise' or 'skip', not {on_error!r}")
    if nulls not in ("raise", "fill"):
        raise InvalidArgument(f"nulls is 'raise' or 'fill', not {nulls!r:.60}")
    if transform is not None and not callable(transform):
        raise InvalidArgument(f"transform={transform!r:.60} is no function")
    _check_count("threads", threads, 0)
    _check_count("prefetch", prefetch, 1)
    if epochs is not None:
        _check_count("epochs", epochs, 1)
    table = PinnedTable(source, version, store)
    names, pictures = chosen_columns(table, columns)
    masked = masked_columns(table, names, pictures) if nulls == "fill" else None
    wanted = Wanted(names, pictures, layout == "NCHW", _sides(size), transform, on_error, masked)
    order = {
        "batch_size": batch_size,
        "shuffle": shuffle,
        "seed": seed,
        "epoch": epoch,
        "drop_last": drop_last,
        "uneven": uneven,
        "rank": rank,
        "world_size": world_size,
    }
    rows = matching_rows(table, filter) if filter else None
    return Batches(ArrayReader(table, wanted, rows), order, epochs, (threads, prefetch))


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidArgument(f"{name} must be a whole number >= {least}, not {value!r:.60}")


def _sides(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2:
        raise InvalidArgument(f"size is a side or (height, width) in pixels, not {size!r:.60}")
    for side in sides:
        _check_count("size", side, 1)
    return sides
