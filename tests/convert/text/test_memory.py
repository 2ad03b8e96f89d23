"""Peak memory does not depend on the size of the input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SIZE = 500 << 20
SCRIPT = """
import sys
from pathlib import Path
from lancenb.convert import convert
def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024
small, big, target = sys.argv[1:]
convert(small, target, mode="overwrite")
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
rows = convert(big, target, mode="overwrite").rows
print(rows, status("VmHWM") - before)
"""


def _repeat(path: Path, head: bytes, block: bytes, tail: bytes = b"") -> Path:
    with path.open("wb") as file:
        file.write(head)
        for _ in range(SIZE // len(block)):
            file.write(block)
        file.write(tail)
    return path


def _parquet(path: Path, times: int) -> Path:
    table = pa.table({"a": range(100_000), "t": [f"{i} {'x' * 90}" for i in range(100_000)]})
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
        for _ in range(times):
            writer.write_table(table)
    return path


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "txt", "parquet"])
def test_peak_memory_is_bounded(kind: str, tmp_path: Path) -> None:
    rows = [{"id": i, "v": i * 0.5, "t": f"{i} {'y' * 40}"} for i in range(20_000)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    csv = "".join(f"{r['id']},{r['v']},{r['t']}\n" for r in rows).encode()
    array = b", ".join(lines.splitlines())
    small, big = tmp_path / f"small.{kind}", tmp_path / f"big.{kind}"
    if kind == "parquet":
        _parquet(small, 1)
        _parquet(big, SIZE // 10_000_000)
    elif kind == "json":
        small.write_bytes(b"[" + array + b"]")
        _repeat(big, b"[" + array, b", " + array, b"]")
    else:
        head = b"id,v,t\n" if kind == "csv" else b""
        block = lines if kind == "jsonl" else csv
        small.write_bytes(head + block)
        _repeat(big, head, block)
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(small), str(big), str(tmp_path / "t.lance")],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    count, extra = made.stdout.split()
    assert int(count) > 1_000_000
    assert float(extra) < 400
