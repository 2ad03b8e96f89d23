"""Plain Lance tables for tests of the data and train rooms, laid out as the converters do."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from lancenb.store import lance_module

CLASSES = ["circle", "stripe", "dot"]


def png(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(array).save(sink, "PNG")
    return sink.getvalue()


def pattern(label: int, seed: int, side: int = 16) -> np.ndarray:
    """A learnable picture: the class sets the colour, the seed the noise."""
    noise = np.random.default_rng(seed).integers(0, 60, (side, side, 3))
    noise[..., label % 3] += 150
    return noise.astype(np.uint8)


def image_table(
    cells: list[bytes],
    labels: list[int | None] | None,
    names: list[str] | None = CLASSES,
    sizes: list[tuple[int, int]] | None = None,
) -> pa.Table:
    shown = sizes or [_size(cell) for cell in cells]
    columns: dict[str, pa.Array] = {"image": pa.array(cells, pa.binary())}
    features: dict[str, object] = {"image": {"_type": "Image"}}
    if labels is not None:
        columns["label"] = pa.array(labels, pa.int64())
        features["label"] = {"_type": "ClassLabel", "names": names}
    columns |= {
        "width": pa.array([w for w, _ in shown], pa.int32()),
        "height": pa.array([h for _, h in shown], pa.int32()),
        "mode": pa.array(["RGB"] * len(cells)),
        "format": pa.array(["PNG"] * len(cells)),
        "path": pa.array([f"folder/{i:04}.png" for i in range(len(cells))]),
        "sha256": pa.array([hashlib.sha256(cell).hexdigest() for cell in cells]),
    }
    schema = {
        b"huggingface": json.dumps({"info": {"features": features}}).encode(),
        b"lancenb.kind": b"images",
    }
    return pa.table(columns).replace_schema_metadata(schema)


def _size(cell: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(cell)) as picture:
            return picture.size
    except Exception:
        return (16, 16)


def write(table: pa.Table, uri: Path | str, **options: object) -> str:
    lance_module().write_dataset(table, str(uri), data_storage_version="2.2", **options)
    return str(uri)


def patterns(folder: Path, count: int = 60, side: int = 16, start: int = 0, **options) -> str:
    """An image table of ``count`` learnable pictures of three classes."""
    labels = [i % 3 for i in range(count)]
    cells = [png(pattern(label, start + i, side)) for i, label in enumerate(labels)]
    return write(image_table(cells, labels), folder, **options)
