"""Small tables and managers for the tests of the catalogue."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pyarrow as pa

SPAWN = multiprocessing.get_context("spawn")


def points(start: int = 0, count: int = 5) -> pa.Table:
    """``id`` and ``x`` of ``count`` rows, numbered from ``start``."""
    ids = list(range(start, start + count))
    return pa.table({"id": ids, "x": [i * 0.5 for i in ids], "name": [f"row-{i}" for i in ids]})


def rows_of(dm: Any, name: str, version: int | str | None = None) -> list[dict[str, Any]]:
    """All rows of an artefact, sorted by ``id``."""
    table = dm.dataset(name, version).to_table().to_pylist()
    return sorted(table, key=lambda row: row["id"])


def run_all(target: Any, jobs: list[tuple[Any, ...]]) -> list[Any]:
    """Run ``target(*job)`` in a process each, all at once, and return what they returned."""
    with SPAWN.Pool(len(jobs)) as pool:
        return pool.starmap(target, jobs, chunksize=1)
