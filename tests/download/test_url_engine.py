"""The URL engine against a real server that misbehaves."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lancenb.download import Fetcher, download
from lancenb.download._partial import Note
from lancenb.download._watch import Watch
from lancenb.download.errors import RateLimited
from lancenb.errors import (
    Cancelled,
    ChecksumMismatch,
    DownloadFailed,
    Offline,
)
from lancenb.progress import CancelToken, Progress
from lancenb.testing import FileServer, _body

DATA = bytes(range(256)) * 12_000  # 3 MB
SHA = hashlib.sha256(DATA).hexdigest()
FAST = Fetcher(retries=3, backoff=0.01)


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


@pytest.mark.parametrize(
    ("kind", "hashed", "good"),
    [
        ("cut", True, True),
        ("cut", False, True),
        ("rst", True, True),
        ("rst", False, True),
        ("truncate", True, True),
        ("truncate", False, True),
        ("corrupt", True, True),
        ("stall", True, True),
        ("status", True, True),
        ("norange", True, True),
        ("slow", False, True),
    ],
)
def test_every_fault_once_ends_with_the_right_bytes(
    files: FileServer, tmp_path: Path, kind: str, hashed: bool, good: bool
) -> None:
    url = files.add("/f.bin", DATA)
    options = {"slow": {"rate": 20 << 20}, "stall": {"seconds": 0.5}}.get(kind, {})
    fault = files.faults.add(kind, **options)
    got = FAST.fetch(url, tmp_path, sha256=SHA if hashed else None)
    assert got is not None
    assert fault.used == 1
    assert got.path.read_bytes() == DATA
    assert got.sha256 == SHA
    assert leftovers(tmp_path) == ["f.bin"]


def test_w3_a_cut_transfer_goes_on_where_it_stopped(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("cut", at=0.5)
    FAST.fetch(url, tmp_path)
    first, second = files.requests("GET")
    assert first.sent == len(DATA) // 2
    assert second.headers["range"] == f"bytes={len(DATA) // 2}-"
    assert second.headers["if-range"] == files.files["/f.bin"].headers["ETag"]
    assert second.sent == len(DATA) - len(DATA) // 2


@pytest.mark.parametrize("kind", ["cut", "rst", "corrupt"])
def test_w3_a_fault_that_stays_leaves_no_file(files: FileServer, tmp_path: Path, kind: str) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add(kind, times=0, at=0.0 if kind != "corrupt" else 0.5)
    expected = ChecksumMismatch if kind == "corrupt" else DownloadFailed
    with pytest.raises(expected) as caught:
        FAST.fetch(url, tmp_path, sha256=SHA)
    assert caught.value.hint
    assert not (tmp_path / "f.bin").exists()


def test_a_server_that_ignores_ranges_is_read_from_the_start(
    files: FileServer, tmp_path: Path
) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("cut", at=0.5)
    files.faults.add("norange", times=0)
    got = FAST.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA


def test_a_file_that_changes_meanwhile_is_fetched_anew(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("cut", at=0.5, times=0)
    with pytest.raises(DownloadFailed):
        Fetcher(retries=0).fetch(url, tmp_path)
    files.faults.clear()
    other = bytes(reversed(DATA))
    files.add("/f.bin", other)
    got = FAST.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == other


def test_without_a_validator_nothing_is_pieced_together(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA, etag=False)
    files.faults.add("cut", at=0.5)
    FAST.fetch(url, tmp_path)
    assert files.requests("GET")[1].headers["range"] == "bytes=0-"


def test_retry_after_is_waited_for(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", b"x")
    files.faults.add("status", status=503, retry_after="1")
    began = time.monotonic()
    FAST.fetch(url, tmp_path)
    assert time.monotonic() - began > 0.9


def test_retry_after_as_a_date_is_waited_for(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", b"x")
    files.faults.add("status", status=429, retry_after=2, retry_date=True)
    began = time.monotonic()
    FAST.fetch(url, tmp_path)
    assert time.monotonic() - began > 0.5


def test_a_long_retry_after_is_reported_not_slept(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", b"x")
    files.faults.add("status", status=429, retry_after="3600", times=0)
    with pytest.raises(RateLimited) as caught:
        FAST.fetch(url, tmp_path)
    assert caught.value.details["retry_after"] == 3600


def test_nobody_there_is_said_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(Watch, "sleep", lambda watch, seconds: pauses.append(seconds))
    with pytest.raises(Offline) as caught:
        Fetcher().fetch("http://127.0.0.1:9/x", tmp_path)
    assert 0 < sum(pauses) < 10
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["slow", "stall"])
def test_cancel_acts_within_a_second_and_keeps_the_part(
    files: FileServer, tmp_path: Path, kind: str
) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add(kind, times=0, rate=5_000, seconds=600)  # the rest takes ten minutes
    token, began = CancelToken(), 0.0

    def stop() -> None:
        nonlocal began
        while not any(part.stat().st_size for part in tmp_path.glob(".*.part")):
            time.sleep(0.01)
        began = time.monotonic()
        token.cancel()

    stopper = threading.Thread(target=stop, daemon=True)
    stopper.start()
    with pytest.raises(Cancelled):
        FAST.fetch(url, tmp_path, cancel=token)
    assert time.monotonic() - began < 60
    assert not (tmp_path / "f.bin").exists()
    files.faults.clear()
    again = FAST.fetch(url, tmp_path)
    assert again is not None
    assert again.resumed_from > 0
    assert again.path.read_bytes() == DATA


def test_progress_is_calm_and_ends_at_the_total(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("slow", rate=3 << 20)
    events: list[Progress] = []
    download(url, to=tmp_path / "f.bin", progress=events.append, cache=tmp_path / "c")
    assert events[-1].phase == "done"
    assert events[-1].bytes == events[-1].total_bytes == len(DATA)
    assert len(events) <= 2 + 5 * (events[-1].elapsed + 0.2)


def test_unchanged_copies_are_recognised(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    got = FAST.fetch(url, tmp_path)
    assert got is not None
    assert FAST.fetch(url, tmp_path, unless=got.note) is None
    assert FAST.fetch(url, tmp_path, unless=Note("", etag='"other"')) is not None


def test_what_a_client_has_is_in_the_log(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the server's thread comes to a halt right behind its last byte."""
    real, go_on = _body._write, threading.Event()

    def write(*args: Any) -> None:
        real(*args)
        go_on.wait(60)

    monkeypatch.setattr(_body, "_write", write)
    got = FAST.fetch(files.add("/f.bin", b"x" * 1000), tmp_path)
    assert got is not None
    assert [seen.sent for seen in files.log] == [1000]
    go_on.set()


CHILD = """
import sys
from lancenb.download import download
result = download(sys.argv[1], cache=sys.argv[2])
print(result.from_cache, result.files[0].sha256)
"""


def child(url: str, cache: Path) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(cache)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_w3_kill_9_then_the_rest_only(files: FileServer, cache: Path) -> None:
    data = os.urandom(1 << 20) * 8
    url = files.add("/f.bin", data)
    files.faults.add("stall", times=0, at=0.75, seconds=600)
    process = child(url, cache)
    deadline = time.monotonic() + 120
    # what the server has sent may still be on its way: the disk says what has arrived
    while sum(part.stat().st_size for part in cache.rglob(".*.part")) < 5 << 20:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    files.faults.clear()
    assert not list(cache.rglob("f.bin"))
    before = len(files.log)
    result = download(url, cache=cache)
    again = sum(seen.sent for seen in files.log[before:])
    assert result.path.read_bytes() == data
    assert again < 0.5 * len(data)


def test_four_processes_cause_one_transfer(files: FileServer, cache: Path) -> None:
    url = files.add(f"/m-{SHA[:8]}.bin", DATA)
    files.faults.add("slow", rate=3 << 20)
    started = [child(url, cache) for _ in range(4)]
    answers = [process.communicate(timeout=120)[0].split() for process in started]
    assert [answer[1] for answer in answers] == [SHA] * 4
    assert sorted(answer[0] for answer in answers) == ["False", "True", "True", "True"]
    assert len(files.requests("GET")) == 1
