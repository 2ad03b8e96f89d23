"""Arrow mode when something goes wrong: nothing half-made, never wrong rows, soon told."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lancenb.download import Cache, download
from lancenb.download.errors import DownloadDenied, GatedRepo, RevisionNotFound
from lancenb.errors import (
    AlreadyExists,
    Cancelled,
    ChecksumMismatch,
    LancenbError,
    Offline,
    SourceNotFound,
)
from lancenb.progress import CancelToken
from lancenb.testing import HubStub
from tests.download.arrow_data import numbers, picture, read, repo

NAME = "acme/rows"
SPEC = f"datasets:{NAME}"


@pytest.fixture
def rows(hub: HubStub) -> HubStub:
    """Serve two shards of 6 MB and a large CSV."""
    files = {f"data/train-{i:05d}-of-00002.parquet": numbers(6000, start=6000 * i) for i in (0, 1)}
    repo(hub, NAME, files)
    text = "a,b\n" + "".join(f"{i},{'x' * 100}\n" for i in range(60_000))
    repo(hub, "acme/text", {"train.csv": text.encode()})
    return hub


KINDS = ("cut", "rst", "truncate", "stall", "norange")


# ranges have no hash: a flipped byte in one is found only where pages have checksums (below)
@pytest.mark.parametrize(
    ("kind", "limit"), [*((kind, 20) for kind in KINDS), *((k, None) for k in (*KINDS, "corrupt"))]
)
def test_trouble_on_the_way_is_got_over(rows: HubStub, kind: str, limit: int | None) -> None:
    rows.cdn.faults.add(kind, times=1, seconds=2)
    result = download(SPEC, split="train", limit=limit)
    assert read(result.path)["id"].to_pylist() == list(range(limit or 12_000))


def test_checksums_of_pages_are_checked(hub: HubStub) -> None:
    table = pa.table({"id": range(50_000)})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none", write_page_checksum=True, use_dictionary=False)
    repo(hub, "acme/pages", {"train.parquet": sink.getvalue()})
    hub.cdn.faults.add("corrupt", times=1, skip=1, at=0.5)
    with pytest.raises(ChecksumMismatch):
        download("datasets:acme/pages", limit=3000)


def test_a_server_that_is_busy_for_a_moment(rows: HubStub) -> None:
    rows.cdn.faults.add("status", times=1)
    rows.hub.faults.add("status", times=1, path="*/resolve/*")
    assert read(download(SPEC, limit=20).path).num_rows == 20


@pytest.mark.parametrize("kind", ["cut", "corrupt"])
def test_trouble_that_stays_ends_in_an_error_and_nothing_else(
    rows: HubStub, cache: Path, kind: str
) -> None:
    rows.cdn.faults.add(kind, times=0, at=0.0)
    with pytest.raises(LancenbError) as caught:
        download(SPEC, split="train")
    if kind == "corrupt":
        assert isinstance(caught.value, ChecksumMismatch)
    assert leftovers(cache) == []
    rows.cdn.faults.clear()
    assert read(download(SPEC, split="train").path).num_rows == 12_000


def leftovers(cache: Path) -> list[str]:
    """Return files of unfinished data sets."""
    return [str(path) for path in (cache / "arrow").rglob("*") if path.is_file()]


def test_a_dead_hub_is_told_within_seconds(rows: HubStub) -> None:
    done = download(SPEC, limit=20)
    rows.close()
    for name in (SPEC, "datasets:acme/other"):
        start = time.monotonic()
        with pytest.raises(Offline):
            download(name, split="test", limit=5)
        assert time.monotonic() - start < 60
    again = download(SPEC, limit=20)
    assert again.path == done.path, "what is in the cache does not need the Hub"


def test_a_dead_content_server_is_told_soon(rows: HubStub) -> None:
    rows.cdn.close()
    for limit in (None, 20):
        start = time.monotonic()
        with pytest.raises(LancenbError):
            download(SPEC, split="train", limit=limit)
        assert time.monotonic() - start < 60


def test_gated_private_and_missing(rows: HubStub) -> None:
    made = rows.repos._repos["dataset", NAME]
    with pytest.raises(SourceNotFound):
        download("datasets:acme/none", limit=5)
    with pytest.raises(RevisionNotFound):
        download(SPEC, limit=5, revision="v9")
    made.gated = True
    for limit in (None, 5):
        with pytest.raises(GatedRepo) as gated:
            download(SPEC, split="train", limit=limit)
        assert "terms" in str(gated.value)
    assert read(download(SPEC, limit=5, token="hf_ann").path).num_rows == 5
    made.gated, made.private = False, True
    with pytest.raises(SourceNotFound, match="private"):
        download(SPEC, limit=6)
    with pytest.raises(DownloadDenied):
        download(SPEC, limit=6, token="hf_wrong")
    assert read(download(SPEC, limit=6, token="hf_ann").path).num_rows == 6
    assert not rows.leaked


def cancel_when_bytes_come(hub: HubStub, token: CancelToken) -> list[float]:
    """Cancel from another thread; what is returned holds the time when that was."""
    when: list[float] = []

    def stop() -> None:
        while not any(seen.sent for seen in hub.cdn.log):
            time.sleep(0.01)
        time.sleep(0.3)
        when.append(time.monotonic())
        token.cancel()

    threading.Thread(target=stop, daemon=True).start()
    return when


@pytest.mark.parametrize("limit", [None, 5000])
def test_cancel_acts_within_a_second(rows: HubStub, cache: Path, limit: int | None) -> None:
    rows.cdn.faults.add("slow", rate=20_000, times=0)  # minutes for all of it
    token = CancelToken()
    began = cancel_when_bytes_come(rows, token)
    with pytest.raises(Cancelled):
        download(SPEC, split="train", limit=limit, cancel=token)
    assert time.monotonic() - began[0] < 60
    assert leftovers(cache) == []
    rows.cdn.faults.clear()
    assert read(download(SPEC, limit=limit).path).num_rows == (limit or 12_000)


def test_cancel_while_datasets_reads(hub: HubStub, cache: Path) -> None:
    files = {f"train/{n}/{i}.png": picture(i) for n in ("cat", "dog") for i in range(150)}
    repo(hub, "acme/folder", files)
    hub.cdn.faults.add("slow", rate=200, times=0)
    token = CancelToken()
    began = cancel_when_bytes_come(hub, token)
    with pytest.raises(Cancelled):
        download("datasets:acme/folder", limit=250, cancel=token)
    assert time.monotonic() - began[0] < 60
    assert leftovers(cache) == []


_CHILD = """
import sys
from lancenb.download import download
result = download(sys.argv[1], split="train", limit=int(sys.argv[2]) or None)
print(result.lineage["rows"], result.from_cache)
"""


def child(limit: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, SPEC, str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"},
    )


@pytest.mark.parametrize("limit", [0, 5000])
def test_a_kill_in_the_middle_leaves_nothing_that_counts(
    rows: HubStub, cache: Path, limit: int
) -> None:
    rows.cdn.faults.add("slow", rate=40_000, times=0)  # minutes for all of it
    process = child(limit)
    deadline = time.monotonic() + 120
    while not any(seen.sent > 60_000 for seen in rows.cdn.log):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((cache / "arrow").glob("*/about.json"))
    rows.cdn.faults.clear()
    result = download(SPEC, split="train", limit=limit or None)
    assert read(result.path).num_rows == (limit or 12_000)
    assert [item.name for item in result.path.parent.iterdir() if item.name[0] == "."] == []


def test_two_processes_build_once(rows: HubStub) -> None:
    rows.cdn.faults.add("slow", rate=4_000_000, times=0)
    both = [child(0), child(0)]
    said = [process.communicate(timeout=300) for process in both]
    assert sorted(out.split()[1] for out, _ in said) == ["False", "True"], said
    bodies = [seen.path for seen in rows.cdn.log if seen.sent]
    assert len(bodies) == len(set(bodies)) == 2


def test_memory_stays_bounded_for_one_big_row_group(tmp_path: Path) -> None:
    data = tmp_path / "in" / "data"
    data.mkdir(parents=True)
    body = numbers(120_000, group=120_000, dictionary=False)
    (data / "train-00000-of-00001.parquet").write_bytes(body)
    code = f"""
import threading, datasets, pyarrow.parquet
from lancenb.download import download
def anon():
    line = next(x for x in open("/proc/self/status") if x.startswith("RssAnon"))
    return int(line.split()[1]) // 1024
download({str(tmp_path / "in")!r}, split="train", limit=3, cache={str(tmp_path / "c")!r})
base, peak, over = anon(), 0, threading.Event()
def watch():
    global peak
    while not over.wait(0.01):
        peak = max(peak, anon())
thread = threading.Thread(target=watch); thread.start()
result = download({str(tmp_path / "in")!r}, split="train", cache={str(tmp_path / "c")!r})
rows = result.lineage["rows"]
over.set(); thread.join()
print(rows, peak - base)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, extra = map(int, done.stdout.split())
    assert count == 120_000
    assert extra < 110, f"{extra} MiB more for a file of {len(body) >> 20} MiB"


def test_rows_can_be_put_elsewhere(rows: HubStub, tmp_path: Path, cache: Path) -> None:
    result = download(SPEC, limit=20, to=tmp_path / "here")
    assert read(tmp_path / "here").num_rows == 20
    assert result.path == tmp_path / "here"
    assert {file.path.parent for file in result} == {tmp_path / "here"}
    with pytest.raises(AlreadyExists, match=r"part-00000\.parquet exists") as caught:
        download(SPEC, limit=30, to=tmp_path / "here")
    assert "force=True" in caught.value.hint
    assert read(tmp_path / "here").num_rows == 20, "nothing was replaced"
    download(SPEC, limit=30, to=tmp_path / "here", force=True)
    assert read(tmp_path / "here").num_rows == 30
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".here")] == []
    host = re.sub(r"[^\w-]", "-", socket.gethostname())
    left = tmp_path / f".here.{host}.{2**22 + 5}.abc.new"
    left.mkdir()
    download(SPEC, limit=30, to=tmp_path / "here")
    assert not left.exists(), "what a killed process left is removed"
    assert Cache(cache).clear("arrow") > 0
    assert read(tmp_path / "here").num_rows == 30
