"""Many clients at once, and much data: nothing is lost, and the server stays small."""

from __future__ import annotations

import random
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.errors import Busy

from ._process import Process
from ._samples import points

CLIENTS, TABLES = 64, 8
MB = 1 << 20


class Client:
    """One of the crowd: what it asked, how long a describe took, what it wrote."""

    def __init__(self, dm: Any, number: int):
        self.dm, self.number, self.random = dm, number, random.Random(number)
        self.times: list[float] = []
        self.written: Counter[str] = Counter()
        self.told: Counter[str] = Counter()

    def run(self, calls: int) -> None:
        """Make calls; whatever is refused as too much for now is asked again."""
        for step in range(calls):
            while True:
                try:
                    self.one(step)
                    break
                except Busy as error:
                    self.told["busy"] += 1
                    time.sleep(min(1.0, float(error.details.get("retry_after", 1))))
                except Exception as error:
                    self.told[f"{type(error).__name__}: {error}"] += 1
                    break

    def one(self, step: int) -> None:
        table, chance = f"t{self.random.randrange(TABLES)}", self.random.random()
        ident = 1_000_000 + self.number * 1000 + step
        if chance < 0.4:
            start = time.perf_counter()
            self.dm.get(table)
            self.times.append(time.perf_counter() - start)
        elif chance < 0.5:
            self.dm.list()
        elif chance < 0.6:
            self.dm.search("table")
        elif chance < 0.9:
            assert self.dm.search_rows(table, [("id", "<", 20)]).num_rows == 20
        elif chance < 0.94:
            self.dm.upsert(table, {"id": ident, "x": 1.0}, key="id")
            self.written[table] += 1
        elif chance < 0.97:
            self.dm.convert(points(ident, 1), table, mode="append")
            self.written[table] += 1
        else:
            self.dm.tag(table, f"c{self.number}", 1)


@pytest.mark.parametrize(
    "calls", [pytest.param(20, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.soak)]
)
def test_a_crowd_of_clients_loses_nothing(engine, tmp_path, capsys, calls):
    root = tmp_path / "root"
    local = DataManager(root)
    for number in range(TABLES):
        local.convert(points(0, 50), f"t{number}", description="a table")
    with Process(root) as server:
        alone = Client(server.connect(engine), 0)
        for _ in range(200):
            start = time.perf_counter()
            alone.dm.get("t1")
            alone.times.append(time.perf_counter() - start)
        alone.dm.close()
        crowd = [Client(server.connect(engine), number) for number in range(CLIENTS)]
        begin = time.monotonic()
        threads = [threading.Thread(target=each.run, args=(calls,)) for each in crowd]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(600)
        seconds = time.monotonic() - begin
        for each in crowd:
            each.dm.close()
    told = sum((each.told for each in crowd), Counter())
    waited = told.pop("busy", 0)
    written = sum((each.written for each in crowd), Counter())
    times = sorted(t for each in crowd for t in each.times)
    median, p50 = statistics.median(alone.times), statistics.median(times)
    p99 = times[int(len(times) * 0.99)]
    with capsys.disabled():
        print(
            f"\n{engine}: {CLIENTS * calls} calls of {CLIENTS} clients in {seconds:.1f} s, "
            f"{waited} told to wait; describe alone {median * 1e3:.1f} ms, in the crowd p50 "
            f"{p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms ({p99 / median:.0f} times)"
        )
    assert not told
    for table, count in written.items():
        ids = local.search_rows(table, columns=["id"])["id"].to_pylist()
        assert len(ids) == len(set(ids)) == 50 + count
    assert sum(written.values()) > calls


#: What the command `lancenb serve` does first.
LEAN = "from lancenb._cli_serve import _give_memory_back; _give_memory_back()"


def wide(rows: int) -> pa.RecordBatch:
    """Numbers that do not shrink, 8 kB a row."""
    values = np.random.default_rng(1).integers(0, 2**62, rows * 1024)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values), 1024)
    return pa.record_batch({"id": pa.array(range(rows)), "v": vectors})


@pytest.mark.slow
@pytest.mark.parametrize("size_mb", [1024])
def test_memory_stays_flat_while_a_gigabyte_passes(engine, tmp_path: Path, capsys, size_mb: int):
    batch = wide(512)  # 4 MB
    count = size_mb // 4

    def batches() -> Iterator[pa.RecordBatch]:
        for _ in range(count):
            yield batch

    def reader() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(batch.schema, batches())

    with Process(tmp_path / "root", LEAN) as server, server.connect(engine) as dm:
        process = psutil.Process(server.process.pid)
        idle = process.memory_info().rss
        # Libraries are loaded by the first stream of each direction, however small.
        small = pa.RecordBatchReader.from_batches(batch.schema, iter([batch] * 4))
        dm.convert(small, "warm")
        for _ in range(2):
            assert sum(part.num_rows for part in dm.read("warm")) == 4 * 512
        before, most, over = process.memory_info().rss, [0], threading.Event()

        def watch() -> None:
            while not over.wait(0.05):
                most[0] = max(most[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        figures = []
        for label in ("in", "out"):
            most[0], start = 0, time.monotonic()
            if label == "in":
                assert dm.convert(reader(), "big").rows == count * 512
            else:
                assert sum(part.num_rows for part in dm.read("big")) == count * 512
            grown = (most[0] - before) / MB
            figures.append((label, grown, size_mb / (time.monotonic() - start)))
        over.set()
        watcher.join()
        with capsys.disabled():
            print(f"\n{engine}: {idle / MB:.0f} MB idle, {before / MB:.0f} MB after 16 MB each way")
            for label, grown, speed in figures:
                print(f"{engine}: {size_mb} MB {label} at {speed:.0f} MB/s, grown {grown:.0f} MB")
    shutil.rmtree(tmp_path / "root")  # pytest would keep it for a while
    assert all(grown < 100 for _, grown, _ in figures), figures
