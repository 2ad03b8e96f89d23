"""Repositories of rows for the tests of arrow mode."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lancenb.testing import HubStub


def picture(seed: int, side: int = 24) -> bytes:
    """Return a PNG of noise."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def shard(start: int, stop: int, group: int = 50) -> bytes:
    """Return Parquet with pictures and class labels; row ``i`` has ``picture(i)``."""
    import datasets

    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    cells = [{"bytes": picture(i), "path": None} for i in range(start, stop)]
    table = pa.table(
        {"img": cells, "label": [i % 2 for i in range(start, stop)]}, features.arrow_schema
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group)
    return sink.getvalue()


def numbers(
    rows: int, width: int = 1000, start: int = 0, group: int = 1000, dictionary: bool = True
) -> bytes:
    """Return Parquet with a number and ``width`` random bytes in each row."""
    rng = np.random.default_rng(start)
    table = pa.table(
        {
            "id": pa.array(range(start, start + rows)),
            "load": [rng.bytes(width) for _ in range(rows)],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group, compression="none", use_dictionary=dictionary)
    return sink.getvalue()


def read(folder: Path) -> pa.Table:
    """Read a folder of Parquet files and nothing else, file by file."""
    parts = sorted(folder.iterdir())
    assert all(part.suffix == ".parquet" for part in parts)
    return pa.concat_tables([pq.read_table(part) for part in parts])


def repo(hub: HubStub, name: str, files: dict[str, bytes], **options: object) -> None:
    """Serve a data set of these files."""
    hub.repos.create("dataset", name, **options).commit(files)


def sent(hub: HubStub) -> int:
    """Return the bytes of bodies that both origins have sent."""
    return sum(seen.sent for seen in [*hub.hub.log, *hub.cdn.log])
