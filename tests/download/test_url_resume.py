"""Killed processes and large files: nothing that has arrived is asked for again."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lancenb.download import Fetcher
from lancenb.download._partial import Partial
from lancenb.download.errors import DownloadDenied
from lancenb.errors import DownloadFailed, SourceNotFound
from lancenb.testing import FileServer

DATA = random.Random(2).randbytes(4_000_000)
SHA = hashlib.sha256(DATA).hexdigest()
RANGES = Fetcher(retries=2, backoff=0.01, parallel_from=500_000)
SERIAL = Fetcher(retries=2, backoff=0.01, parts=1)

CHILD = """
import sys
from lancenb.download import Fetcher
fetcher = Fetcher(parts=int(sys.argv[3]), parallel_from=int(sys.argv[4]))
fetched = fetcher.fetch(sys.argv[1], sys.argv[2])
print(fetched.sha256)
"""


def start(
    url: str, into: Path, parts: int, parallel_from: int, before: str = ""
) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", before + CHILD, url, str(into), str(parts), str(parallel_from)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )


def sent(files: FileServer, since: int = 0) -> int:
    return sum(seen.sent for seen in files.log[since:])


def kill_at(process: subprocess.Popen[str], folder: Path, nbytes: int) -> None:
    """Kill once so much is on the disk: what the server has sent may still be on its way."""
    until(process, lambda: kept(folder) >= nbytes)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def until(process: subprocess.Popen[str], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)


def kept(folder: Path) -> int:
    """Return how many bytes the part file holds, as its note tells."""
    for note in folder.glob(".*.part.json"):
        found = Partial(note.with_suffix("")).load()
        return found.count if found is not None else 0
    return 0


def asked(files: FileServer, since: int = 0) -> list[tuple[int, int]]:
    """Return the ranges of the requests, with the end of the file where none is named."""
    found = [
        re.fullmatch(r"bytes=(\d+)-(\d*)", s.headers.get("range", "")) for s in files.log[since:]
    ]
    return sorted((int(m[1]), int(m[2]) + 1 if m[2] else len(DATA)) for m in found if m)


def note_of(folder: Path) -> tuple[Path, dict[str, object]]:
    path = next(folder.glob(".*.part.json"))
    return path, json.loads(path.read_text("utf-8"))


def interrupted(files: FileServer, url: str, into: Path, **fault: object) -> None:
    """Leave a part behind, as an attempt that was given up does."""
    files.faults.add("status", times=0, status=500, skip=6)
    with pytest.raises(DownloadFailed):
        RANGES.fetch(url, into)
    files.faults.clear()


@pytest.mark.parametrize("parts", [1, 4], ids=["serial", "ranges"])
def test_kill_9_at_70_percent_of_200_mb(files: FileServer, tmp_path: Path, parts: int) -> None:
    size = 200_000_000
    source = tmp_path / "source.bin"
    with source.open("wb") as file:
        for _ in range(50):
            file.write(DATA)
    url = files.add("/big.bin", source)
    # in ranges, the first 11 of 16 pieces come, and of those behind them seven tenths
    files.faults.add("stall", times=0, at=0.71, seconds=600, skip=0 if parts == 1 else 11)
    process = start(url, tmp_path / "in", parts, 128 << 20)
    kill_at(process, tmp_path / "in", size * 7 // 10)
    assert not (tmp_path / "in" / "big.bin").exists()
    files.faults.clear()
    before = len(files.log)
    process = start(url, tmp_path / "in", parts, 128 << 20)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert process.communicate(timeout=300)[0].strip() == digest
    assert sent(files, before) < 0.4 * size
    assert hashlib.sha256((tmp_path / "in" / "big.bin").read_bytes()).hexdigest() == digest


def test_all_ranges_go_on_where_they_stopped(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("stall", times=0, skip=8, seconds=600)  # two of four quarters, and pieces
    kill_at(start(url, tmp_path, 4, 500_000), tmp_path, 2_400_000)
    have = note_of(tmp_path)[1]["have"]
    assert isinstance(have, list)
    assert sum(stop - begin for begin, stop in have) > 500_000
    files.faults.clear()
    before = len(files.log)
    got = RANGES.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA
    assert got.resumed_from == sum(stop - begin for begin, stop in have)
    for start_, stop in asked(files, before):
        assert all(stop <= begin or start_ >= end for begin, end in have)
    etag = files.files["/f.bin"].headers["ETag"]
    assert {seen.headers["if-range"] for seen in files.log[before:]} == {etag}


LATE = """
import time
from lancenb.download._ranges import ParallelRead
ParallelRead._follow = lambda self, count: time.sleep(600)  # gets no turn, as on a busy machine
"""


def test_a_kill_before_the_first_ranges_are_noted_leaves_no_gap(
    files: FileServer, tmp_path: Path
) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("stall", times=0, skip=8, seconds=600)  # pieces 9 to 12 stop in the middle
    process = start(url, tmp_path, 4, 500_000, before=LATE)
    until(process, lambda: longest(tmp_path) > 2_800_000)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    files.faults.clear()
    got = RANGES.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA


def longest(folder: Path) -> int:
    """Return how far the part file reaches, with gaps or without."""
    return max((path.stat().st_size for path in folder.glob(".*.part")), default=0)


def test_every_range_names_the_validator_and_none_overlap(
    files: FileServer, tmp_path: Path
) -> None:
    url = files.add("/f.bin", DATA)
    got = RANGES.fetch(url, tmp_path, sha256=SHA, size=len(DATA))
    assert got is not None
    assert sent(files) == len(DATA)  # the size was known: even the first request is bounded
    pairs = asked(files)
    assert len(pairs) == 16
    assert pairs[0][0] == 0
    assert all(a[1] == b[0] for a, b in itertools.pairwise(pairs))
    etag = files.files["/f.bin"].headers["ETag"]
    assert [seen.headers.get("if-range") for seen in files.log].count(etag) == 15


def test_small_files_take_one_request(files: FileServer, tmp_path: Path) -> None:
    Fetcher().fetch(files.add("/f.bin", DATA), tmp_path, sha256=SHA, size=len(DATA))
    assert len(files.log) == 1


@pytest.mark.parametrize("etag", [True, False])
def test_without_a_validator_ranges_need_a_hash(
    files: FileServer, tmp_path: Path, etag: bool
) -> None:
    url = files.add("/f.bin", DATA, etag=etag)
    RANGES.fetch(url, tmp_path)
    assert (len(files.log) > 1) == etag
    before = len(files.log)
    RANGES.fetch(url, tmp_path, sha256=SHA)
    assert len(files.log) - before > 1


@pytest.mark.parametrize(("first", "second"), [(SERIAL, RANGES), (RANGES, SERIAL)])
def test_one_way_goes_on_where_the_other_stopped(
    files: FileServer, tmp_path: Path, first: Fetcher, second: Fetcher
) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("cut", at=0.5, skip=0 if first is SERIAL else 4)
    # not 404 in ranges: that ends all of them at once, perhaps before the first byte has come
    status, skip = (404, 1) if first is SERIAL else (500, 8)
    files.faults.add("status", status=status, skip=skip, times=0)
    with pytest.raises(DownloadFailed if status == 500 else SourceNotFound):
        first.fetch(url, tmp_path)
    files.faults.clear()
    before = len(files.log)
    got = second.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA
    assert asked(files, before)[0][0] > 0


def test_four_processes_cause_one_transfer_of_ranges(files: FileServer, cache: Path) -> None:
    """Also to a target of one's own, without a hash: whoever waited finds it done."""
    url = files.add("/f.bin", DATA)
    files.faults.add("slow", times=0, rate=3_000_000)
    code = "import sys, lancenb; print(lancenb.download(sys.argv[1], to=sys.argv[2]).from_cache)"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, url, str(cache.parent / "own.bin")],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=120)[0].strip() for process in started]
    assert sorted(answers) == ["False", "True", "True", "True"]
    assert len([seen for seen in files.log if seen.sent]) == 1
    assert (cache.parent / "own.bin").read_bytes() == DATA


def test_killed_between_the_last_byte_and_the_name(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name that the server gave is not forgotten."""
    url = files.add("/x", DATA, name="proper.bin")
    with monkeypatch.context() as now:
        now.setattr("lancenb.download._partial.os.fsync", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            SERIAL.fetch(url, tmp_path)
    before = len(files.log)
    got = SERIAL.fetch(url, tmp_path)
    assert got is not None
    assert got.path == tmp_path / "proper.bin"
    assert len(files.log) == before


def _interrupt(fd: int) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "nonsense",
        '{"note": {"url": "x"}, "have": [[5, 1]]}',
        '{"note": {"url": "x"}, "have": [[0, 99999999]]}',
        '{"note": {"url": "x"}, "have": "no"}',
        '{"note": {"later": 1}, "have": null}',
    ],
)
def test_a_damaged_note_is_not_believed(files: FileServer, tmp_path: Path, text: str) -> None:
    url = files.add("/f.bin", DATA)
    interrupted(files, url, tmp_path)
    note_of(tmp_path)[0].write_text(text)
    got = RANGES.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA
    assert got.resumed_from == 0


def cut_off(files: FileServer, url: str, into: Path) -> None:
    """Leave behind what a power cut does: ranges in the note that never reached the disk."""
    interrupted(files, url, into)
    path, data = note_of(into)
    path.write_text(json.dumps({**data, "boot": "another"}))
    part = next(into.glob(".*.part"))
    part.write_bytes(b"\0" * part.stat().st_size)


@pytest.mark.parametrize("sha256", [None, SHA])
def test_after_a_power_cut_ranges_are_believed_only_with_a_hash(
    files: FileServer, tmp_path: Path, sha256: str | None
) -> None:
    """The note may then speak of bytes that never reached the disk."""
    url = files.add("/f.bin", DATA)
    cut_off(files, url, tmp_path)
    got = RANGES.fetch(url, tmp_path, sha256=sha256)
    assert got is not None
    assert got.path.read_bytes() == DATA


@pytest.mark.parametrize("again", [SERIAL, RANGES])
def test_after_a_power_cut_a_hash_vouches_only_for_those_who_know_it(
    files: FileServer, tmp_path: Path, again: Fetcher
) -> None:
    """One who knew it has gone on with what the cut left, and was stopped."""
    url = files.add("/f.bin", DATA)
    cut_off(files, url, tmp_path)
    files.faults.add("cut", times=0, at=0.5)
    with pytest.raises(DownloadFailed):
        again.fetch(url, tmp_path, sha256=SHA)
    files.faults.clear()
    got = RANGES.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA


def test_a_thread_that_cannot_be_started_leaves_none_behind(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes next has the part file alone."""
    url = files.add("/f.bin", DATA)
    files.faults.add("stall", times=0, seconds=600)
    begin, begun = threading.Thread.start, []

    def start_two(thread: threading.Thread) -> None:
        if thread.name == "lancenb-range":
            if len(begun) == 2:
                raise RuntimeError("can't start new thread")
            begun.append(thread)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    with pytest.raises(RuntimeError):
        RANGES.fetch(url, tmp_path)
    assert len(begun) == 2
    assert not any(thread.is_alive() for thread in begun)


@pytest.mark.parametrize("sha256", [None, SHA])
def test_a_resumed_part_that_was_damaged(
    files: FileServer, tmp_path: Path, sha256: str | None
) -> None:
    url = files.add("/f.bin", DATA)
    interrupted(files, url, tmp_path)
    part = next(tmp_path.glob(".*.part"))
    with part.open("r+b") as file:
        file.truncate(10)  # shorter than the note says
    got = RANGES.fetch(url, tmp_path, sha256=sha256)
    assert got is not None
    assert got.path.read_bytes() == DATA


def test_signed_addresses_are_used_until_they_end(files: FileServer, tmp_path: Path) -> None:
    """The first address is asked once, and once more when the other one stops working."""
    with FileServer() as cdn:
        signed = cdn.add("/f.bin", DATA) + "?Signature=abc"
        url = files.add("/f.bin", redirect=signed, token="hf_secret")
        cdn.faults.add("status", status=403, skip=5, times=1)
        got = RANGES.fetch(url, tmp_path, token="hf_secret", headers={"X-Api-Key": "own"})
        assert got is not None
        assert got.path.read_bytes() == DATA
        assert len(files.log) == 2
        assert len(cdn.log) > 16
        assert [seen.auth for seen in cdn.log if seen.auth] == []
        assert not any("x-api-key" in seen.headers for seen in cdn.log)
        assert "Signature" not in str(got) + json.dumps(got.note.__dict__)
        cdn.faults.add("status", status=403, skip=3, times=0)
        with pytest.raises(DownloadDenied):
            RANGES.fetch(url, tmp_path, token="hf_secret")
