"""Pictures stored as bare pixels, as sources: each becomes a PNG file of the same pixels."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.errors import ColumnNotFound, EmptyInput, InvalidArgument

from ._hub import pick_split
from ._layout import SPLIT_ORDER
from ._read import BATCH_BYTES, BATCH_ROWS, Chunk
from ._source import Source

if TYPE_CHECKING:
    import numpy as np


@dataclass
class RawRows:
    """Some rows of one file.

    Attributes:
        pixels: uint8, ``[n, height, width]`` or ``[n, height, width, 3]``.
        start: place of the first row in its file.
        labels: column name -> ids, each of length n.
        names: file names of the pictures, where the source knows them.
    """

    pixels: np.ndarray[Any, Any]
    start: int
    labels: Mapping[str, np.ndarray[Any, Any]]
    names: Sequence[str] | None = None


@dataclass
class RawPart:
    """One file of pictures.

    Attributes:
        where: its path, for messages.
        title: its name, for the ``path`` column.
        split: name of its split, if known.
        rows: number of pictures.
        row_bytes: bytes of the pixels of one.
        read: given rows per batch, yields them in order; called once.
    """

    where: str
    title: str
    split: str | None
    rows: int
    row_bytes: int
    read: Callable[[int], Iterator[RawRows]]


@dataclass
class Labels:
    """Label columns of a source of bare pixels.

    Attributes:
        names: column -> class names; the first column is the label.
        guessed: the class names are not those of the source but a likely guess, which the user's
            or an existing table's take the place of.
    """

    names: dict[str, list[str]] = field(default_factory=dict)
    guessed: bool = False


def raw_source(
    form: str,
    where: str,
    parts: Sequence[RawPart],
    labels: Labels,
    *,
    label: Any,
    split: str | None,
    close: Callable[[], None] | None = None,
) -> Source:
    """Make a source of files with bare pixels.

    Args:
        form: short name of the format.
        where: what to call the whole in messages.
        parts: the files.
        labels: their label columns.
        label: as the user gave it: ``"folder"`` for the first column, a column, or ``None``.
        split: only this split.
        close: releases files.

    Raises:
        InvalidArgument: a mapping or function as ``label``.
        ColumnNotFound: there is no label column of that name.
        SourceNotFound: there is no such split.
    """
    import pyarrow as pa

    chosen = _choose_label(label, labels, where)
    taken: list[RawPart] = pick_split(list(parts), [p.split for p in parts], split, where)
    taken.sort(key=lambda part: SPLIT_ORDER.get(part.split or "", 9))
    rows = sum(part.rows for part in taken)
    if not rows:
        raise EmptyInput(f"{where} has no pictures")
    # column -> its name in the table, where the chosen one is called "label"
    rest = [name for name in labels.names if chosen is not None and name != chosen]
    others = {name: "fine_label" if name == "label" else name for name in rest}
    by_split = len({part.split for part in taken}) > 1
    extras = [pa.field(stored, pa.int64()) for stored in others.values()]
    features: dict[str, Any] = {
        stored: {"names": labels.names[name], "_type": "ClassLabel"}
        for name, stored in others.items()
    }
    if by_split:
        extras.append(pa.field("split", pa.string()))
        features["split"] = {"dtype": "string", "_type": "Value"}

    def chunks() -> Iterator[Callable[[], Chunk]]:
        for part in taken:
            count = max(1, min(BATCH_ROWS, BATCH_BYTES // max(part.row_bytes, 1)))
            for some in part.read(count):
                yield functools.partial(_chunk, part, some, chosen, others, by_split)

    return Source(
        form,
        where,
        chosen is not None,
        labels.names[chosen] if chosen is not None else None,
        chunks,
        ordered=True,
        guessed=labels.guessed,
        extras=extras,
        features=features,
        rows=rows,
        close=close,
    )


def _choose_label(label: Any, labels: Labels, where: str) -> str | None:
    if label is None:
        return None
    if not isinstance(label, str):
        raise InvalidArgument(
            f"label= as a mapping or function works for files, {where} has labels of its own",
            hint="classes= gives the classes other names; label=None leaves the labels out",
        )
    if label in ("auto", "folder"):
        return next(iter(labels.names), None)
    for name in (label, label.removesuffix("s"), f"fine_{label}"):
        if name in labels.names:
            return name
    raise ColumnNotFound(
        f"{where} has no labels {label!r}", hint=f"it has: {', '.join(labels.names) or 'none'}"
    )


def _chunk(
    part: RawPart, some: RawRows, chosen: str | None, others: Mapping[str, str], by_split: bool
) -> Chunk:
    import pyarrow as pa

    count = len(some.pixels)
    places = range(some.start, some.start + count)
    extras = {to: pa.array(some.labels[name], pa.int64()) for name, to in others.items()}
    if by_split:
        extras["split"] = pa.array([part.split] * count, pa.string())
    return Chunk(
        pa.array([encode_png(pixels) for pixels in some.pixels], pa.binary()),
        [f"{part.where} row {place:,}" for place in places],
        pa.array(some.labels[chosen], pa.int64()) if chosen is not None else None,
        extras,
        stored_names=some.names or [f"{part.title}#{place}" for place in places],
    )


def encode_png(pixels: np.ndarray[Any, Any]) -> bytes:
    r"""Return a PNG file of 8-bit pixels, ``[height, width]`` or ``[height, width, 3]``.

    >>> import numpy as np
    >>> encode_png(np.zeros((2, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
