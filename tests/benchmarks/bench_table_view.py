"""The table widget on a long table: first rows, any row, filter, order, figures.

Run by hand: ``python -m tests.benchmarks.bench_table_view [rows] [rounds]``. Medians over the
rounds. Goals: any page within 100 ms, no answer above 1 MB, a sort within 2 s per million rows.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

import lancenb as lnb
from lancenb.store import lance_module


def write(folder: Path, rows: int) -> str:
    """Write a table of numbers, words, texts and vectors."""
    rng = np.random.default_rng(0)
    uri = str(folder / "long.lance")
    for start in range(0, rows, 250_000):
        n = min(250_000, rows - start)
        table = pa.table(
            {
                "id": np.arange(start, start + n),
                "score": rng.normal(size=n),
                "word": [f"word {i % 1000}" for i in range(n)],
                "text": [f"a sentence of some words, number {i}" for i in range(n)],
                "vector": pa.FixedSizeListArray.from_arrays(
                    pa.array(rng.normal(size=n * 32).astype("f4")), 32
                ),
            }
        )
        lance_module().write_dataset(table, uri, mode="append" if start else "create")
    return uri


def median(work: Callable[[], Any], rounds: int) -> float:
    """Return the median of ``rounds`` runs in milliseconds."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def main(rows: int, rounds: int) -> None:
    """Print one line per question."""
    with tempfile.TemporaryDirectory() as folder:
        uri = write(Path(folder), rows)
        process = psutil.Process()
        before = process.memory_info().rss
        view: Any = None

        def page(offset: int) -> int:
            found, _ = view._answer_rows(offset, 50, list(view.shown), view.epoch)
            return len(json.dumps(found))

        def open_view() -> None:
            nonlocal view
            if view is not None:
                view.close()
            view = lnb.TableView(uri)
            page(0)

        print(f"open and first page   {median(open_view, rounds):8.0f} ms")
        view._figures.job.wait()
        anywhere = median(lambda: page(random.randrange(rows)), 10 * rounds)
        print(f"a page anywhere       {anywhere:8.0f} ms, {page(rows // 2):,} bytes")
        print(f"filter                {median(lambda: view.filter('score > 1'), rounds):8.0f} ms")
        print(f"a filtered page       {median(lambda: page(view.count // 2), rounds):8.0f} ms")
        view.filter(None)
        for column in ("score", "word"):
            taken = median(lambda column=column: view.sort_by(column), rounds)
            print(f"sort by {column:14}{taken:8.0f} ms")
        print(f"a sorted page         {median(lambda: page(rows // 2), rounds):8.0f} ms")
        view.sort_by(None)
        taken = median(lambda: view.measure().result(), 1)
        print(f"figures of all rows   {taken:8.0f} ms, {rows / taken * 1000:,.0f} rows/s")
        print(f"memory grew by        {(process.memory_info().rss - before) / 1e6:8.0f} MB")
        view.close()


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [2_000_000, 5][len(given) :]))
