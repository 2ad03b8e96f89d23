"""CSV, JSON lines and Parquet to Lance, beside pyarrow's reader alone and Lance's writer alone.

Run by hand: ``python -m tests.benchmarks.bench_tables [rows] [rounds]``. Contestants take turns,
medians are compared. Goal: converting takes at most 1.3 times the slower of the two.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from lancenb.convert.tables import ParquetConverter
from lancenb.convert.text import TextConverter
from lancenb.store._lance import lance_module

GOAL = 1.3


def make_table(rows: int) -> pa.Table:
    """Draw a table of numbers, words and flags."""
    rng = np.random.default_rng(0)
    words = ["".join(chr(97 + c) for c in rng.integers(0, 26, 6)) for _ in range(3000)]
    return pa.table(
        {
            "id": np.arange(rows),
            "score": rng.normal(size=rows),
            "count": rng.integers(0, 1000, rows),
            "text": [" ".join(words[i] for i in r) for r in rng.integers(0, 3000, (rows, 8))],
            "flag": rng.integers(0, 2, rows).astype(bool),
        }
    )


def write_inputs(folder: Path, table: pa.Table) -> dict[str, Path]:
    """Write the table in the three formats."""
    paths = {name: folder / f"b.{name}" for name in ("csv", "jsonl", "parquet")}
    pyarrow.csv.write_csv(table, paths["csv"])
    pq.write_table(table, paths["parquet"])
    with paths["jsonl"].open("w") as out:
        for batch in table.to_batches(10_000):
            out.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())
    return paths


def contestants(folder: Path, path: Path) -> dict[str, Callable[[], object]]:
    """Return reader alone, writer alone and conversion for one file."""
    lance = lance_module()
    target = folder / "t.lance"
    readers: dict[str, Callable[[], pa.Table]] = {
        ".csv": lambda: pyarrow.csv.open_csv(path).read_all(),
        ".jsonl": lambda: pyarrow.json.open_json(path).read_all(),
        ".parquet": lambda: pa.Table.from_batches(
            pq.ParquetFile(path, pre_buffer=False).iter_batches()
        ),
    }
    read = readers[path.suffix]
    table = read()
    converter = ParquetConverter() if path.suffix == ".parquet" else TextConverter()

    def fresh(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            shutil.rmtree(target, ignore_errors=True)
            return work()

        return run

    return {
        "reader": read,
        "writer": fresh(lambda: lance.write_dataset(table, str(target))),
        "convert": fresh(lambda: converter.convert(path, target)),
    }


def measure(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median wall time of each contestant over interleaved rounds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def main(rows: int = 2_000_000, rounds: int = 5) -> dict[str, float]:
    """Print a line for each format and return the ratios."""
    ratios: dict[str, float] = {}
    folder = Path(tempfile.mkdtemp(prefix="lancenb-bench-"))
    try:
        for name, path in write_inputs(folder, make_table(rows)).items():
            found = measure(contestants(folder, path), rounds)
            slower = max(found["reader"], found["writer"])
            ratios[name] = found["convert"] / slower
            print(
                f"{name:8} {path.stat().st_size / 1e6:7.1f} MB  reader {found['reader']:.3f} s  "
                f"writer {found['writer']:.3f} s  convert {found['convert']:.3f} s  "
                f"= {ratios[name]:.2f} x the slower (goal {GOAL})"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ratios


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
