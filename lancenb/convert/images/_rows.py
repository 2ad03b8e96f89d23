"""From bytes to rows: look at each picture, hash it, put the columns together."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.errors import SchemaMismatch

from ._decode import Unreadable, to_png
from ._info import DEFAULT_MAX_PIXELS, Header, Refusal
from ._inspect import inspect
from ._labels import NO_LABEL
from ._read import Chunk

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Rows:
    """One batch ready to be written, and what was refused on the way."""

    batch: pa.RecordBatch
    nbytes: int
    refused: list[tuple[str, Refusal]] = field(default_factory=list)


@dataclass
class RowMaker:
    """Turns chunks into batches of ``schema``; used from several threads at once.

    Attributes:
        schema: schema of the table rows.
        translate: for each label id of the source its id in the table; ``None`` to keep ids.
        verify: how far each picture is checked.
        max_pixels: size above which a picture is refused.
        reencode: ``"png"`` to store pictures as PNG, else ``None``.
        stop: raise at the first refused item.
        title: makes a row's name fit for an error message.
    """

    schema: pa.Schema
    translate: Sequence[int] | None = None
    verify: str = "auto"
    max_pixels: int = DEFAULT_MAX_PIXELS
    reencode: str | None = None
    stop: bool = False
    title: Callable[[str], str] = str

    def make(self, chunk: Chunk) -> Rows:
        """Return the rows of one chunk; raises the first refusal when ``stop`` is set."""
        import pyarrow as pa

        images = chunk.images if chunk.images.type.equals(pa.binary()) else None
        images = chunk.images.cast(pa.binary()) if images is None else images
        views = _views(images)
        headers: list[Header] = []
        hashes: list[str] = []
        encoded: list[bytes] | None = [] if self.reencode else None
        kept: list[int] = []
        refused: list[tuple[str, Refusal]] = []
        hashing = self.schema.get_field_index("sha256") >= 0
        for i, data in enumerate(views):
            refusal = chunk.refused.get(i)
            if refusal is None:
                try:
                    if encoded is None:
                        headers.append(
                            inspect(data, verify=self.verify, max_pixels=self.max_pixels)
                        )
                    else:
                        again, header = to_png(data, self.max_pixels)
                        encoded.append(again)
                        headers.append(header)
                        data = memoryview(again)
                    kept.append(i)
                    if hashing:
                        hashes.append(hashlib.sha256(data).hexdigest())
                    continue
                except Unreadable as error:
                    refusal = error.refusal
            if self.stop:
                raise refusal.raised(self.title(chunk.names[i]))
            refused.append((chunk.names[i], refusal))
        keep = pa.array(kept, pa.int64()) if refused else None
        if encoded is not None:
            images = pa.array(encoded, pa.binary())
        elif keep is not None:
            images = images.take(keep)
        made = self._columns(chunk, images, headers, hashes, keep)
        arrays = [made[name] for name in self.schema.names]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        return Rows(batch, _payload(images), refused)

    def _columns(
        self,
        chunk: Chunk,
        images: pa.Array,
        headers: Sequence[Header],
        hashes: Sequence[str],
        keep: pa.Array | None,
    ) -> dict[str, pa.Array]:
        import pyarrow as pa

        def chosen(array: Any) -> Any:
            return array if keep is None else array.take(keep)

        paths = chunk.stored_names if chunk.stored_names is not None else chunk.names
        made: dict[str, Any] = {
            "image": images,
            "path": chosen(pa.array(paths, pa.string())),
            "sha256": pa.array(hashes, pa.string()),
            "width": pa.array([h.width for h in headers], pa.int32()),
            "height": pa.array([h.height for h in headers], pa.int32()),
            "mode": pa.array([h.mode for h in headers], pa.string()),
            "format": pa.array([h.format for h in headers], pa.string()),
        }
        if self.schema.get_field_index("label") >= 0:
            labels = chunk.labels
            if labels is None:
                labels = pa.nulls(len(chunk.images), pa.int64())
            made["label"] = chosen(self._translated(labels, chunk))
        for name, array in chunk.extras.items():
            made[name] = chosen(array)
        return made

    def _translated(self, labels: pa.Array, chunk: Chunk) -> pa.Array:
        import numpy as np
        import pyarrow as pa

        if self.translate is None or labels.null_count == len(labels):
            return labels
        filled = labels.fill_null(NO_LABEL) if labels.null_count else labels
        ids = np.asarray(filled.to_numpy(zero_copy_only=False))
        table = np.array([*self.translate, NO_LABEL], np.int64)
        bad = np.flatnonzero((ids < NO_LABEL) | (ids >= len(self.translate)))
        if len(bad):
            raise SchemaMismatch(
                f"{chunk.names[int(bad[0])]}: label {int(ids[bad[0]])} has no class name "
                f"(there are {len(self.translate)} classes)",
                hint="correct the labels or the class names of the source",
            )
        return pa.array(table[ids], pa.int64(), mask=ids == NO_LABEL)


def _views(images: pa.Array) -> list[memoryview]:
    """Return the bytes of each row without copying; nulls are empty."""
    import numpy as np

    count = len(images)
    if not count:
        return []
    _, offsets, data = images.buffers()
    start = images.offset
    ends = np.frombuffer(offsets, np.int32, start + count + 1)[start:].tolist()
    # Arrow calls its bytes signed, which would make 0xFF compare as -1.
    whole = memoryview(data).cast("B") if data is not None else memoryview(b"")
    return [whole[a:b] for a, b in itertools.pairwise(ends)]


def _payload(images: pa.Array) -> int:
    import numpy as np

    if not len(images):
        return 0
    offsets = np.frombuffer(images.buffers()[1], np.int32, images.offset + len(images) + 1)
    return int(offsets[-1] - offsets[images.offset])
