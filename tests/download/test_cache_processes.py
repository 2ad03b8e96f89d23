"""Several processes with one cache: real ones, killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lancenb.download import Cache, download
from lancenb.testing import FileServer, HubStub

BIG = bytes(range(256)) * 20_000  # 5 MB: content of the CDN
FETCH = "import sys; from lancenb.download import download; print(download(sys.argv[1]).path)"


def start(code: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip


def path_of(process: subprocess.Popen[str]) -> Path:
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return Path(out.strip())


@pytest.fixture
def tiny(hub: HubStub) -> HubStub:
    repo = hub.repos.create("model", "acme/tiny")
    repo.commit({"config.json": b"{}", "model.safetensors": BIG})
    return hub


def test_the_same_and_different_things_at_once(
    files: FileServer, tiny: HubStub, cache: Path
) -> None:
    one, two = files.add("/one.bin", BIG), files.add("/two.bin", BIG[::-1])
    specs = [one, one, one, two, "hf:model:acme/tiny", "hf:model:acme/tiny", "synthetic:table"]
    running = [start(FETCH, spec) for spec in specs]
    paths = [path_of(process) for process in running]
    assert paths[0].read_bytes() == BIG
    assert paths[3].read_bytes() == BIG[::-1]
    assert (paths[4] / "model.safetensors").read_bytes() == BIG
    assert len({*paths[:3]}) == len({*paths[4:6]}) == 1
    for path in ("/one.bin", "/two.bin"):
        assert sum(seen.sent >= len(BIG) for seen in files.requests(path=path)) == 1
    assert sum(seen.sent >= len(BIG) for seen in tiny.cdn.log) == 1
    assert Cache().verify().ok


@pytest.mark.parametrize("source", ["url", "hub"])
def test_what_is_being_downloaded_is_not_cleared(
    files: FileServer, tiny: HubStub, cache: Path, source: str
) -> None:
    server, spec = (files, files.add("/slow.bin", BIG)) if source == "url" else (tiny.cdn, "")
    spare = download(files.add("/spare.bin", b"spare")).path
    server.log.clear()
    slow = server.faults.add("slow", rate=20_000)  # minutes, until we have seen enough
    process = start(FETCH, spec or "hf:model:acme/tiny")
    while not any(seen.sent for seen in server.log):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    store = Cache()
    for _ in range(3):
        report = store.clear()
        assert any(entry.kind == source for entry in report.in_use)
    slow.rate = 1 << 40
    while process.poll() is None:
        store.clear()
    path = path_of(process)
    assert not spare.exists()
    found = path if source == "url" else path / "model.safetensors"
    # the very last clear may have come after the end of the download: then all of it is gone
    if path.exists():
        assert found.read_bytes() == BIG
    assert store.verify().ok
    assert download(spec or "hf:model:acme/tiny").path.exists()


STORM = """
import sys
from lancenb.download import download
for turn in range(int(sys.argv[2])):
    found = download(sys.argv[1], force=turn % 2 == 0)
    assert found.files, found
print(found.path)
"""


# goes on until the file of the third argument is there
ENDLESS = STORM.replace(
    "for turn in range(int(sys.argv[2])):",
    "import itertools, os\nfor turn in itertools.count():\n"
    "    if turn >= int(sys.argv[2]) and os.path.exists(sys.argv[3]):\n        break",
)


@pytest.mark.parametrize("source", ["url", "hub", "synthetic"])
def test_verify_while_others_write_sees_no_damage(
    files: FileServer, tiny: HubStub, cache: Path, tmp_path: Path, source: str
) -> None:
    specs = {"url": files.add("/a.bin", BIG), "hub": "hf:model:acme/tiny"}
    spec, enough = specs.get(source, "synthetic:table"), tmp_path / "enough"
    running = [start(ENDLESS, spec, "12", str(enough)) for _ in range(2)]
    store, checked = Cache(), 0
    while any(process.poll() is None for process in running):
        report = store.verify(source)
        assert report.ok, report
        checked += report.checked
        if checked:
            enough.touch()
    for process in running:
        path_of(process)
    assert checked
    assert store.verify().ok


def test_clear_and_download_take_turns(files: FileServer, cache: Path) -> None:
    """Whoever waits for an entry that is cleared just then makes it anew."""
    url = files.add("/a.bin", b"12345")
    running = [start(STORM, url, "60"), start(STORM, "synthetic:table", "20")]
    store = Cache()
    while any(process.poll() is None for process in running):
        store.clear()
    for process in running:
        path_of(process)
    assert download(url).path.read_bytes() == b"12345"
    assert store.verify().ok


KILLED = """
import os, shutil, signal, sys
from lancenb.download import Cache

real = shutil.rmtree

def halfway(path, *args, **options):
    for folder, _, names in os.walk(path):
        for name in names:
            os.unlink(os.path.join(folder, name))
            os.kill(os.getpid(), signal.SIGKILL)
    real(path, *args, **options)

shutil.rmtree = halfway
Cache().clear(sys.argv[1], **({"revision": sys.argv[2]} if sys.argv[2:] else {}))
"""


@pytest.mark.parametrize(
    ("kind", "spec"),
    [("url", "/a.bin"), ("hub", "hf:model:acme/tiny"), ("synthetic", "synthetic:images")],
)
def test_a_kill_while_clearing_leaves_nothing_that_is_taken_for_good(
    files: FileServer, tiny: HubStub, cache: Path, kind: str, spec: str
) -> None:
    spec = files.add(spec, BIG) if kind == "url" else spec
    before = {file.name: Path(file).read_bytes() for file in download(spec)}
    process = start(KILLED, kind)
    process.communicate(timeout=100)
    assert process.returncode == -signal.SIGKILL
    store = Cache()
    assert [entry.note for entry in store.leftovers(kind)] == ["deleted, but not to the end"]
    again = download(spec)
    assert not again.from_cache
    assert {file.name: Path(file).read_bytes() for file in again} == before
    store.clear(leftovers=True)
    assert store.leftovers() == []
    assert store.verify().ok
    store.clear()
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_a_kill_while_clearing_a_revision(hub: HubStub, cache: Path) -> None:
    repo = hub.repos.create("model", "acme/tiny")
    first = repo.commit({"config.json": b"{}", "model.safetensors": BIG})
    download("hf:model:acme/tiny")
    repo.commit({"config.json": b"[1]"})
    download("hf:model:acme/tiny")
    process = start(KILLED, "hub", "main")
    process.communicate(timeout=100)
    assert process.returncode == -signal.SIGKILL
    store = Cache()
    assert [item.commit for item in store.revisions()] == [first]
    assert (download("hf:model:acme/tiny").path / "config.json").read_bytes() == b"[1]"
    assert download("hf:model:acme/tiny", revision=first, offline=True).from_cache
    assert store.verify(repair=True).ok
    assert store.leftovers() == []


def test_clearing_twice_at_once(files: FileServer, tiny: HubStub, cache: Path) -> None:
    for turn in range(4):
        for spec in (files.add("/a.bin", BIG), "hf:model:acme/tiny", "synthetic:table"):
            download(spec)
        code = "from lancenb.download import Cache; Cache().clear()"
        for process in [start(code), start(code)]:
            _, err = process.communicate(timeout=100)
            assert process.returncode == 0, err
        assert [path for path in cache.rglob("*") if path.is_file()] == [], turn
