"""Everything that goes wrong between a Hub and us ends with the right bytes or a typed error.

The rows are the faults that the official client was measured with. After each of them nothing
wrong lies where an unmodified client would find it, and the token has stayed on the Hub's origin.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lancenb.download import Cache, Fetcher, _hub_bodies, download
from lancenb.download._hub_files import git_hash
from lancenb.download._partial import Partial
from lancenb.errors import ChecksumMismatch, DownloadFailed, LancenbError
from lancenb.testing import HubStub, Repo

BIG = bytes(range(256)) * 20_000  # 5 MB
NAME = "acme/tiny"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between attempts: what is tested is how often and from where."""
    monkeypatch.setattr(_hub_bodies, "Fetcher", functools.partial(Fetcher, backoff=0.02))


@pytest.fixture
def repo(hub: HubStub) -> Repo:
    made = hub.repos.create("model", NAME)
    made.commit({"config.json": b'{"a": 1}', "model.safetensors": BIG})
    return made


def wrong_files(hub_folder: Path) -> list[str]:
    """Return what an unmodified client would find in the cache and should not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    right = {"config.json": b'{"a": 1}', "model.safetensors": BIG}
    wrong = [
        blob.name
        for blob in hub_folder.glob("*/blobs/*")
        if not blob.name.startswith(".")
        and not blob.name.endswith(".incomplete")
        and blob.name not in (hashlib.sha256(blob.read_bytes()).hexdigest(), git_hash(blob))
    ]
    try:
        found = Path(snapshot_download(NAME, cache_dir=hub_folder, local_files_only=True))
    except LocalEntryNotFoundError:
        return wrong
    return wrong + [
        path.name
        for path in found.rglob("*")
        if path.is_file() and path.read_bytes() != right[path.name]
    ]


# fault, its options, and whether it has to end well (otherwise a typed error will do)
CONTENT = [
    ("cut", {}, True),
    pytest.param("cut", {"times": 0}, False, marks=pytest.mark.slow),
    ("cut", {"early": True}, True),
    ("rst", {}, True),
    ("rst", {"times": 0}, False),
    ("truncate", {}, True),
    ("truncate", {"times": 0}, False),
    ("corrupt", {}, True),
    ("corrupt", {"times": 0}, False),
    ("stall", {"seconds": 1.5}, True),
    ("status", {"status": 503}, True),
    ("status", {"status": 503, "times": 0}, False),
    ("status", {"status": 429, "retry_after": 1}, True),
    ("status", {"status": 429, "retry_after": 1, "retry_date": True}, True),
    ("status", {"status": 403}, True),  # a signature that has expired
]


@pytest.mark.parametrize("engine", ["range", "official"])
@pytest.mark.parametrize(("kind", "options", "must"), CONTENT)
def test_faults_of_the_content_server(
    hub: HubStub, repo: Repo, cache: Path, engine: str, kind: str, options: dict, must: bool
) -> None:
    fault = hub.cdn.faults.add(kind, method="GET", **options)
    result = failure = None
    try:
        result = download(f"hf:model:{NAME}", hub_engine=engine, token="hf_ann")
    except LancenbError as error:
        failure = error
    if result is None:
        assert not must or engine == "official", failure
        assert isinstance(failure, DownloadFailed)
        assert failure.hint
    else:
        assert (result.path / "model.safetensors").read_bytes() == BIG
        assert (result.path / "config.json").read_bytes() == b'{"a": 1}'
    assert fault.used
    assert wrong_files(Cache().hub) == []
    assert hub.leaked == []
    hub.cdn.faults.clear()
    again = download(f"hf:model:{NAME}", hub_engine=engine)
    assert (again.path / "model.safetensors").read_bytes() == BIG


@pytest.mark.parametrize("where", ["/api/*", "*/resolve/*/model.safetensors", "*/config.json"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 503}),
        ("status", {"status": 429, "retry_after": 1}),
        ("rst", {"early": True}),
        ("cut", {"early": True}),
    ],
)
def test_faults_of_the_hub_itself(
    hub: HubStub, repo: Repo, kind: str, options: dict, where: str
) -> None:
    fault = hub.hub.faults.add(kind, path=where, **options)
    result = download(f"hf:model:{NAME}")
    assert fault.used == 1
    assert (result.path / "model.safetensors").read_bytes() == BIG
    assert wrong_files(Cache().hub) == []


@pytest.mark.parametrize("kind", ["corrupt", "truncate"])
def test_small_files_are_checked_too(hub: HubStub, repo: Repo, kind: str) -> None:
    fault = hub.hub.faults.add(kind, path="*/config.json", method="GET", times=0)
    with pytest.raises(DownloadFailed):
        download(f"hf:model:{NAME}")
    assert fault.used
    assert wrong_files(Cache().hub) == []
    assert not list(Cache().hub.rglob("config.json"))
    fault.times, fault.used = 1, 0
    assert (download(f"hf:model:{NAME}").path / "config.json").read_bytes() == b'{"a": 1}'


def test_a_server_that_ignores_ranges_when_we_resume(hub: HubStub, repo: Repo) -> None:
    cut = hub.cdn.faults.add("cut")
    ignored = hub.cdn.faults.add("norange", times=0)
    result = download(f"hf:model:{NAME}")
    assert cut.used
    assert ignored.used
    assert (result.path / "model.safetensors").read_bytes() == BIG


def test_the_official_client_has_left_a_wrong_file(hub: HubStub, repo: Repo) -> None:
    from huggingface_hub import snapshot_download

    hub.cdn.faults.add("corrupt")
    theirs = Path(snapshot_download(NAME, cache_dir=Cache().hub, endpoint=hub.url))
    assert (theirs / "model.safetensors").read_bytes() != BIG, "the client checks hashes now"
    result = download(f"hf:model:{NAME}")
    assert (result.path / "model.safetensors").read_bytes() == BIG
    assert wrong_files(Cache().hub) == []


def test_a_file_damaged_in_the_cache_is_refused_offline(hub: HubStub, repo: Repo) -> None:
    path = download(f"hf:model:{NAME}").path / "model.safetensors"
    blob = path.resolve()
    blob.write_bytes(BIG[:-1] + b"?")
    with pytest.raises(ChecksumMismatch):  # nothing else to offer, so nothing is dropped
        download(f"hf:model:{NAME}", offline=True)
    assert (download(f"hf:model:{NAME}").path / "model.safetensors").read_bytes() == BIG
    assert wrong_files(Cache().hub) == []


def start(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"from lancenb.download import download\n{code}"],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "HF_HUB_OFFLINE": "0", **environment},
    )  # fmt: skip


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.005)


def kept(hub_folder: Path) -> int:
    """Bytes on the disk: what the server has sent may still be on its way."""
    parts = [Partial(note.with_suffix("")) for note in hub_folder.rglob(".*.part.json")]
    return sum(found.count for part in parts if (found := part.load()) is not None)


@pytest.mark.slow
def test_killed_at_70_percent_of_200_mb(hub: HubStub, cache: Path, tmp_path: Path) -> None:
    size = 200_000_000
    content = tmp_path / "model.safetensors"
    content.write_bytes(os.urandom(1_000_000) * (size // 1_000_000))
    repo = hub.repos.create("model", NAME)
    repo.commit({"config.json": b"{}", "model.safetensors": content})
    # in ranges, the first 11 of 16 pieces come, and of those behind them seven tenths
    hub.cdn.faults.add("stall", times=0, at=0.7, skip=11, seconds=600)
    process = start(f"download('hf:model:{NAME}')")
    wait_for(lambda: kept(Cache().hub) > 0.7 * size, process)
    process.kill()
    process.wait()
    hub.cdn.faults.clear()
    assert not list(Cache().hub.glob("*/snapshots/*/model.safetensors"))
    hub.cdn.log.clear()
    result = download(f"hf:model:{NAME}")
    again = sum(seen.sent for seen in hub.cdn.log)
    assert again < 0.4 * size, f"{again / size:.0%} came again"
    assert result.size == size + 2
    promised = repo.commits[repo.refs["main"]]["model.safetensors"].sha256
    assert hashlib.sha256((result.path / "model.safetensors").read_bytes()).hexdigest() == promised


def test_killed_and_run_again(hub: HubStub, repo: Repo) -> None:
    from huggingface_hub import scan_cache_dir

    hub.cdn.faults.add("stall", times=0, at=0.75, seconds=600)
    process = start(f"download('hf:model:{NAME}')")
    wait_for(lambda: kept(Cache().hub) > 0.7 * len(BIG), process)
    process.kill()
    process.wait()
    hub.cdn.faults.clear()
    assert wrong_files(Cache().hub) == []
    assert scan_cache_dir(Cache().hub).warnings == []
    hub.cdn.log.clear()
    result = download(f"hf:model:{NAME}")
    assert sum(seen.sent for seen in hub.cdn.log) < 0.4 * len(BIG)
    assert (result.path / "model.safetensors").read_bytes() == BIG


def test_four_processes_cause_one_transfer(hub: HubStub, repo: Repo) -> None:
    hub.cdn.faults.add("slow", rate=10 << 20)
    processes = [start(f"print(download('hf:model:{NAME}').size)") for _ in range(4)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [out.strip() for out, _ in outputs] == [str(len(BIG) + 8)] * 4, outputs
    bodies = [seen for seen in hub.cdn.log if seen.method == "GET" and seen.sent]
    assert len(bodies) == 1
    small = hub.hub.requests("GET", "config.json")
    assert len([seen for seen in small if seen.sent]) == 1
    assert wrong_files(Cache().hub) == []


def test_an_official_client_beside_us_waits_for_the_same_blob(hub: HubStub, repo: Repo) -> None:
    hub.cdn.faults.add("slow", rate=3 << 20)
    process = start(f"download('hf:model:{NAME}')")
    wait_for(lambda: any(seen.sent for seen in hub.cdn.log), process)
    from huggingface_hub import hf_hub_download

    theirs = hf_hub_download(NAME, "model.safetensors", cache_dir=Cache().hub, endpoint=hub.url)
    process.communicate(timeout=60)
    assert Path(theirs).read_bytes() == BIG
    assert len([seen for seen in hub.cdn.log if seen.method == "GET" and seen.sent]) == 1
