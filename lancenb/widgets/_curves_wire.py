"""What travels to the front end: sampled series as packed numbers, in messages of bounded size."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ._curves_names import place
from ._curves_store import Run
from ._series import BUCKETS, Series

#: No message carries more bytes of points than this.
BUDGET = 800_000
#: Bytes of one bucket on the wire: five points of two numbers, one band of four.
_BUCKET_BYTES = 4 * (5 * 2 + 4)
_LARGEST = float(np.finfo(np.float32).max)
_SMALLEST_SHARE = 16


def packed(
    runs: Iterable[Run],
    axis: str,
    low: float | None = None,
    high: float | None = None,
    budget: int = BUDGET,
) -> tuple[list[dict[str, Any]], bytes]:
    """Return the series of ``runs`` as facts and one block of float32 numbers.

    Positions travel relative to the first one (``base``), so that single precision is enough.
    Each series is ``points`` positions, as many values, then four rows of ``bands`` numbers.
    """
    listed = [(run, metric, series) for run in runs for metric, series in run.series.items()]
    room = budget // _BUCKET_BYTES // max(1, len(listed))
    buckets = max(_SMALLEST_SHARE, min(BUCKETS, room))
    facts, blocks, offset = [], [], 0
    for run, metric, series in listed:
        fact, block = _packed(series, axis, low, high, buckets)
        if offset + len(block) > budget:
            break
        where = place(metric)
        fact |= {"run": run.name, "metric": metric, "panel": where.panel, "part": where.part}
        facts.append(fact | {"offset": offset})
        blocks.append(block)
        offset += len(block)
    return facts, b"".join(blocks)


def _packed(
    series: Series, axis: str, low: float | None, high: float | None, buckets: int
) -> tuple[dict[str, Any], bytes]:
    sample = series.sample(axis, low, high, buckets)
    known = np.isfinite(sample.x)
    x, y = sample.x[known], sample.y[known]
    bands = sample.bands[:, np.isfinite(sample.bands[0])]
    base = float(x[0]) if len(x) else 0.0
    numbers = np.concatenate([x - base, y, bands[0] - base, bands[1:].ravel()])
    fact = {"total": sample.total, "points": len(x), "bands": bands.shape[1], "base": base}
    trouble = series.trouble()
    if trouble is not None and np.isfinite(series.column(axis)[trouble[0]]):
        fact["gap"] = float(series.column(axis)[trouble[0]])
    return fact, np.clip(numbers, -_LARGEST, _LARGEST).astype(np.float32).tobytes()


def csv_part(table: pa.Table, part: int) -> tuple[bytes, int]:
    """Return the ``part``-th piece of a table as CSV text, and how many pieces there are."""
    rows = csv_rows(table)
    parts = max(1, math.ceil(table.num_rows / rows))
    if not 0 <= part < parts:
        raise IndexError(f"part {part} of {parts}")
    out = io.BytesIO()
    options = csv.WriteOptions(include_header=part == 0)
    csv.write_csv(table.slice(part * rows, rows), out, write_options=options)
    return out.getvalue(), parts


def csv_rows(table: pa.Table) -> int:
    """Rows of one piece: short enough for one message, whatever the numbers look like."""
    longest = max((len(name) for name in table["run"].unique().to_pylist()), default=0)
    return max(1, BUDGET // (25 * table.num_columns + 4 * longest))
