"""Pictures of a gallery: which rows are shown, and their thumbnails, a page at a time."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._format import size as in_bytes
from ._gallery_labels import Labels
from ._objects import objects_column, objects_said
from ._thumbs import Picture, Undrawable, draw

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ._source import Source

#: Thumbnails kept in memory, in bytes; encoded images read in one go; bytes of one answer.
CACHE, READ, ANSWER = 24_000_000, 8_000_000, 700_000
#: Rows read before anything is known about their size.
_FIRST = 12
_DRAWERS = max(2, min(4, os.cpu_count() or 2))


class Shown:
    """The rows that a gallery shows: all of a table, or those that match.

    Where positions in the table cannot be known (a manager far away with a filter), ``row`` is
    the place among the matches.
    """

    def __init__(self, source: Source, where: Any = None):
        self.source, self.where = source, where
        self.places: np.ndarray | None = None if where is None else source.positions(where)
        self.known = where is None or self.places is not None
        self.count = source.count(where) if self.places is None else len(self.places)

    def row(self, index: int) -> int:
        """Return the row of the table that is shown at a place."""
        return index if self.places is None else int(self.places[index])

    def index(self, row: int) -> int:
        """Return the place of a row, or of the first one after it that is shown."""
        if self.places is None:
            return max(0, min(row, self.count - 1))
        import numpy as np

        return min(int(np.searchsorted(self.places, row)), max(0, self.count - 1))

    def holds(self, row: int) -> bool:
        """Tell whether a row is shown."""
        return row >= 0 and self.count > 0 and self.row(self.index(row)) == row

    def read(self, indices: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Read the rows at these places."""
        if self.known:
            return self.source.take([self.row(i) for i in indices], columns)
        import pyarrow as pa

        if not indices:
            return self.source.rows(0, 0, columns)
        first, last = min(indices), max(indices)
        if last - first < 4 * len(indices) + 16:
            found = self.source.rows(first, last - first + 1, columns, self.where)
            return found.take([i - first for i in indices])
        return pa.concat_tables([self.source.rows(i, 1, columns, self.where) for i in indices])


@dataclass(frozen=True)
class Thumb:
    """One picture of a gallery, ready to be sent; without ``picture``, ``reason`` says why."""

    index: int
    row: int | None
    label: str
    path: str
    size: str
    nbytes: int
    picture: Picture | None
    reason: str = ""

    @property
    def pixels(self) -> bool:
        """Whether its pixels should be seen."""
        return self.picture is not None and self.picture.pixels

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address, empty when there is none."""
        return self.picture.address if self.picture else ""

    @property
    def weight(self) -> int:
        """Bytes it takes in memory, about."""
        return len(self.picture.data) + 600 if self.picture else 600

    def facts(self) -> dict[str, Any]:
        """Return what the front end needs beside the bytes."""
        picture = self.picture
        return {
            "i": self.index, "row": self.row, "label": self.label, "size": self.size,
            "n": len(picture.data) if picture else 0, "mime": picture.mime if picture else "",
            "px": self.pixels, "why": self.reason,
        }  # fmt: skip


class Thumbs:
    """Reads and draws the pictures of what is shown; safe from several threads.

    The cache holds at most :data:`CACHE` bytes. A page is read in parts of about :data:`READ`
    bytes of encoded images, so that memory stays bounded whatever the images are.
    """

    def __init__(self, source: Source, column: str, labels: Labels):
        self.source, self.column, self.labels = source, column, labels
        schema = source.schema
        objects = objects_column(schema)
        self._objects = objects if labels.column is None else None
        named = (column, labels.column, self._objects, "width", "height", "path")
        self.columns = list(dict.fromkeys(n for n in named if n and n in schema.names))
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int, int], Thumb] = OrderedDict()
        self._weight = self._seen_rows = self._seen_bytes = 0
        #: Rows read so far, for tests and figures.
        self.read = 0

    def page(
        self,
        shown: Shown,
        view: int,
        indices: Sequence[int],
        side: int,
        *,
        stop: Callable[[], bool] = lambda: False,
        seconds: float = 0.4,
    ) -> list[Thumb]:
        """Return the pictures at these places, as many as fit one answer, the first ones first.

        At least one part is read; afterwards ``stop`` and the time left decide.
        """
        ends, out, sent = time.monotonic() + seconds, [], 0
        wanted = [i for i in indices if 0 <= i < shown.count]
        while wanted and sent < ANSWER:
            batch = wanted[: self._batch()]
            for thumb in self._some(shown, view, batch, side):
                if out and sent + thumb.weight > ANSWER:
                    return out
                out.append(thumb)
                sent += thumb.weight
            wanted = wanted[len(batch) :]
            if stop() or time.monotonic() > ends:
                break
        return out

    def _batch(self) -> int:
        if not self._seen_rows:
            return _FIRST
        return max(1, min(64, READ * self._seen_rows // max(1, self._seen_bytes)))

    def _some(self, shown: Shown, view: int, indices: list[int], side: int) -> list[Thumb]:
        found = {i: thumb for i in indices if (thumb := self._cached((view, i, side)))}
        missing = [i for i in indices if i not in found]
        if missing:
            for thumb in self._drawn(shown, missing, side):
                found[thumb.index] = thumb
                self._keep((view, thumb.index, side), thumb)
        return [found[i] for i in indices if i in found]

    def _drawn(self, shown: Shown, indices: list[int], side: int) -> list[Thumb]:
        records = shown.read(indices, self.columns).to_pylist()
        blobs = [_bytes(record.get(self.column)) for record in records]
        with self._lock:
            self.read += len(records)
            self._seen_rows += len(records)
            self._seen_bytes += sum(len(blob) for blob in blobs)
        with ThreadPoolExecutor(_DRAWERS, "lancenb-draw") as pool:
            pictures = list(pool.map(lambda blob: _picture(blob, side), blobs))
        return [
            self._thumb(shown, index, record, len(blob), picture)
            for index, record, blob, picture in zip(indices, records, blobs, pictures, strict=True)
        ]

    def _thumb(
        self, shown: Shown, index: int, record: dict[str, Any], nbytes: int, drawn: Any
    ) -> Thumb:
        label = self.labels.name(record.get(self.labels.column or ""))
        if self._objects:
            label = objects_said(record.get(self._objects))
        wide, high = record.get("width"), record.get("height")
        picture, reason = (drawn, "") if isinstance(drawn, Picture) else (None, str(drawn))
        if picture:
            wide, high = picture.width, picture.height
        dimensions = f"{wide} × {high}" if wide and high else ""
        row = shown.row(index) if shown.known else None
        path = str(record.get("path") or "")
        return Thumb(index, row, label, path, dimensions, nbytes, picture, reason)

    def one(self, shown: Shown, index: int, side: int) -> tuple[list[tuple[str, str]], Any]:
        """Return all fields of a row as text, and its picture (or why there is none)."""
        from ._format import cell

        record = shown.read([index], list(self.source.schema.names)).to_pylist()[0]
        blob = _bytes(record.pop(self.column, None))
        picture = _picture(blob, side)
        while isinstance(picture, Picture) and len(picture.data) > ANSWER and side > 64:
            side //= 2
            picture = _picture(blob, side)
        fields = [(name, self._said(name, value, cell)) for name, value in record.items()]
        original = in_bytes(len(blob))
        if isinstance(picture, Picture):
            original = f"{picture.width} × {picture.height}, {original}"
        return [(self.column, original), *fields], picture

    def _said(self, name: str, value: Any, cell: Callable[..., str]) -> str:
        if name == self.labels.column and self.labels.names and value is not None:
            return f"{self.labels.name(value)} ({value})"
        return cell(value, 2000)

    def _cached(self, key: tuple[int, int, int]) -> Thumb | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: tuple[int, int, int], thumb: Thumb) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = thumb
            self._weight += thumb.weight
            while self._weight > CACHE:
                self._weight -= self._kept.popitem(last=False)[1].weight

    @property
    def weight(self) -> int:
        """Bytes the cache holds now."""
        return self._weight


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        value = value.get("bytes", value.get("data"))
    return value or b""


def _picture(blob: bytes, side: int) -> Picture | str:
    try:
        if not blob:
            raise Undrawable("no bytes")
        return draw(blob, side, webp=True)
    except Undrawable as error:
        return str(error)
