"""A sharded model of one gigabyte, from a Hub straight into a store, in little memory."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lancenb.testing import HubStub

SHARDS, LAYERS = 4, 14
LAYER, EMBEDDING = (2048, 3072), (131072, 1024)  # 12.6 MB and 268 MB as bfloat16

MEASURE = """
import json, re, sys, threading
from pathlib import Path
import lancenb as lnb

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10

dm = lnb.DataManager(sys.argv[1])
dm.convert(lnb.download("hf:model:acme/small"), "small")  # imports and first uses are not counted
base, peak, done = anonymous(), 0, threading.Event()

def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, anonymous())

thread = threading.Thread(target=watch)
thread.start()
report = dm.convert(lnb.download("hf:model:acme/big"), "big")
done.set()
thread.join()
facts = {"extra": peak - base, "rows": report.rows, "bytes": report.bytes}
print(json.dumps(facts))
"""


def write_shard(path: Path, tensors: dict[str, tuple[int, int]], seed: int) -> None:
    header, end = {}, 0
    for name, shape in tensors.items():
        begin, end = end, end + 2 * shape[0] * shape[1]
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    block = random.Random(seed).randbytes(1 << 20)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for at in range(0, end, len(block)):
            # each block differs in its first bytes, so that no two tensors are the same
            file.write((struct.pack("<Q", at) + block[8:])[: end - at])


def make_model(folder: Path) -> int:
    """Write a model in shards; return its tensors' bytes."""
    folder.mkdir()
    where: dict[str, str] = {}
    size = 0
    for shard in range(SHARDS):
        tensors = {f"model.layers.{shard * LAYERS + i}.weight": LAYER for i in range(LAYERS)}
        if shard == 0:
            tensors["model.embed.weight"] = EMBEDDING
        name = f"model-{shard + 1:05d}-of-{SHARDS:05d}.safetensors"
        write_shard(folder / name, tensors, shard)
        where.update(dict.fromkeys(tensors, name))
        size += sum(2 * a * b for a, b in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text("{}")
    return size


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is not kept after the test: it grows to four gigabytes."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
def test_a_gigabyte_in_shards_needs_little_memory(room: Path) -> None:
    size = make_model(room / "big")
    assert size > 950_000_000
    (room / "small").mkdir()
    write_shard(room / "small" / "model.safetensors", {"a": (4, 4), "b": (8, 8)}, 9)
    with HubStub(room / "hub") as hub:
        for name in ("big", "small"):
            hub.repos.import_folder("model", f"acme/{name}", room / name)
        env = {**os.environ, **hub.env(room / "hf"), "LANCENB_CACHE": str(room / "cache")}
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(room / "store")],
            capture_output=True, text=True, timeout=600, env=env,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    print(f"extra anonymous memory: {facts['extra'] / 1e6:.0f} MB for {size / 1e9:.2f} GB")
    assert facts["rows"] == SHARDS * LAYERS + 1
    assert facts["bytes"] == size
    assert facts["extra"] < 200_000_000
