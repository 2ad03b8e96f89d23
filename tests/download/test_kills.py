"""Killed just before or after one change of the disk: a process does that to itself."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lancenb.download import Cache, Fetcher, download
from lancenb.download._files import link_or_copy
from lancenb.errors import DownloadFailed
from lancenb.testing import FileServer, HubStub

ROOT = Path(__file__).resolve().parents[2]
OLD, NEW = random.Random(4).randbytes(900_000), random.Random(5).randbytes(900_000)

PRELUDE = """
import fnmatch, os, shutil, signal, sys
from pathlib import Path

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def deadly(name, pattern, after, skip):
    real, left = getattr(os, name), [skip]

    def call(*words, **options):
        hit = fnmatch.fnmatch(os.fspath(words[-1]), pattern)
        left[0] -= hit
        if hit and left[0] < 0 and not after:
            die()
        real(*words, **options)
        if hit and left[0] < 0:
            die()

    setattr(os, name, call)

real_copy = shutil.copyfile

def half(source, target, **options):
    if os.path.basename(target) == sys.argv[-1] or target.name == sys.argv[-1]:
        Path(target).write_bytes(Path(source).read_bytes()[:10])
        die()
    return real_copy(source, target, **options)
"""


def killed(code: str, *words: str, may_end: bool = False) -> None:
    """Run code that kills itself."""
    done = subprocess.run(
        [sys.executable, "-c", f"{PRELUDE}\nfrom lancenb.download import *\n{code}", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    ended = may_end and done.returncode == 0
    assert ended or done.returncode == -signal.SIGKILL, done.stderr


def at(call: str, pattern: str, after: bool = False, skip: int = 0) -> str:
    return f"deadly({call!r}, {pattern!r}, {after}, {skip})\n"


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


TAKES_ITS_NAME = [
    at("replace", "*/f.bin"),
    at("replace", "*/f.bin", after=True),
    at("unlink", "*.part.json"),
    at("unlink", "*.part.json", after=True),
    at("replace", "*/.meta.json"),
    at("replace", "*/.meta.json", after=True),
]


@pytest.mark.parametrize("moment", TAKES_ITS_NAME)
def test_a_new_version_of_an_address(files: FileServer, cache: Path, moment: str) -> None:
    """The file and the note on it are two: whichever is there, it is known what it is."""
    download(files.add("/f.bin", OLD))
    url = files.add("/f.bin", NEW)
    killed(moment + "download(sys.argv[1])", url)
    report = Cache().verify()
    assert report.ok
    assert report.damaged == report.unknown == ()
    assert download(url, offline=True).path.read_bytes() in (OLD, NEW)
    files.log.clear()
    got = download(url)
    assert got.path.read_bytes() == NEW
    assert got.files[0].sha256 == hashlib.sha256(NEW).hexdigest()
    assert sum(seen.sent for seen in files.log) == 0, "all of it was here"
    assert names(got.path.parent) == [".meta.json", "f.bin"]


@pytest.mark.parametrize(
    "moment",
    [
        at("replace", "*/new.bin", after=True),
        at("unlink", "*/old.bin"),
        at("unlink", "*/old.bin", after=True),
        at("replace", "*/.meta.json"),
        at("replace", "*/.meta.json", after=True),
    ],
)
def test_a_new_version_under_another_name(files: FileServer, cache: Path, moment: str) -> None:
    download(files.add("/f", OLD, name="old.bin"))
    url = files.add("/f", NEW, name="new.bin")
    killed(moment + "download(sys.argv[1])", url)
    assert Cache().verify().ok
    assert download(url, offline=True).path.read_bytes() in (OLD, NEW)
    files.log.clear()
    got = download(url)
    assert got.path.read_bytes() == NEW
    assert sum(seen.sent for seen in files.log) == 0
    assert names(got.path.parent) == [".meta.json", "new.bin"]


@pytest.mark.parametrize("moment", [*TAKES_ITS_NAME[1:4], at("replace", "*/placed/*.json")])
def test_a_file_in_a_folder_of_the_user(
    files: FileServer, cache: Path, tmp_path: Path, moment: str
) -> None:
    """It is known to come from here, so that its next version may take its place."""
    url = files.add("/f.bin", OLD)
    killed(moment + "download(sys.argv[1], to=sys.argv[2])", url, f"{tmp_path / 'mine'}/")
    files.add("/f.bin", NEW)
    got = download(url, to=f"{tmp_path / 'mine'}/")
    assert got.path.read_bytes() == NEW
    assert names(tmp_path / "mine") == ["f.bin"]
    assert [path for path in (cache / "placed").iterdir() if path.suffix != ".json"] == []


def test_no_note_stays_beside_a_file_of_known_hash(
    files: FileServer, cache: Path, tmp_path: Path
) -> None:
    url, sha256 = files.add("/f.bin", OLD), hashlib.sha256(OLD).hexdigest()
    code = "download(sys.argv[1], to=sys.argv[2], sha256=sys.argv[3])"
    killed(at("unlink", "*.part.json") + code, url, str(tmp_path / "mine" / "own.bin"), sha256)
    files.log.clear()
    download(url, to=tmp_path / "mine" / "own.bin", sha256=sha256)
    assert files.log == []
    assert names(tmp_path / "mine") == ["own.bin"]


@pytest.mark.parametrize("skip", [0, 1])
def test_ranges_that_go_on_in_one_answer(files: FileServer, tmp_path: Path, skip: int) -> None:
    """What lies behind the first gap is cut off; a kill just then costs no more than that."""
    url = files.add("/f.bin", OLD)
    files.faults.add("status", times=0, status=500, skip=6)
    with pytest.raises(DownloadFailed):
        Fetcher(retries=2, backoff=0.01, parallel_from=200_000).fetch(url, tmp_path)
    files.faults.clear()
    code = "Fetcher(parts=1).fetch(sys.argv[1], sys.argv[2])"
    killed(at("replace", "*.part.json", skip=skip) + code, url, str(tmp_path))
    got = Fetcher().fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == OLD
    assert got.resumed_from > 0


@pytest.mark.parametrize("ranges", [False, True])
def test_a_beginning_that_only_a_hash_could_judge(
    files: FileServer, tmp_path: Path, ranges: bool
) -> None:
    """What was added under a validator does not make it a proof for what was there before."""
    url = files.add("/f.bin", OLD, etag=False)
    sha256 = hashlib.sha256(OLD).hexdigest()
    fetcher = Fetcher(retries=0, parts=3 if ranges else 1, parallel_from=200_000)
    for tag in (False, True):
        files.add("/f.bin", NEW if tag else OLD, etag=tag)
        files.faults.add("cut", at=0.5, times=0)
        with pytest.raises(DownloadFailed):
            fetcher.fetch(url, tmp_path, sha256=sha256)
        files.faults.clear()
    got = fetcher.fetch(url, tmp_path)  # now nobody knows the hash
    assert got is not None
    assert got.path.read_bytes() == NEW


@pytest.fixture
def tiny(hub: HubStub) -> HubStub:
    repo = hub.repos.create("model", "acme/tiny")
    repo.commit({"config.json": b"{}" * 99, "model.safetensors": OLD})
    return hub


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_copy_of_a_repository(
    tiny: HubStub, cache: Path, tmp_path: Path, name: str, exists: bool
) -> None:
    target = tmp_path / "mine"
    if exists:
        target.mkdir()
    code = "shutil.copyfile = half\ndownload('hf:model:acme/tiny', to=sys.argv[1])"
    killed(code, str(target), name)
    assert not (target / name).exists()
    got = download("hf:model:acme/tiny", to=target)
    assert names(target) == ["config.json", "model.safetensors"]
    assert (target / "model.safetensors").read_bytes() == OLD
    assert got.path == target
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("single", [False, True])
def test_a_copy_of_local_files(cache: Path, tmp_path: Path, single: bool) -> None:
    source, target = tmp_path / "source", tmp_path / "mine"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a.txt").write_bytes(OLD)
    asked, name = (source / "deep" / "a.txt", "own.txt") if single else (source, "a.txt")
    final = target / "own.txt" if single else target / "deep" / "a.txt"
    to = final if single else target
    code = "shutil.copyfile = half\ndownload(sys.argv[1], to=sys.argv[2])"
    killed(code, str(asked), str(to), name)
    assert not final.exists()
    download(asked, to=to)
    assert final.read_bytes() == OLD
    assert [path for path in names(tmp_path) if "/." in f"/{path}"] == []


def test_a_copy_on_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(OLD)

    def refuse(*words: object) -> None:
        raise OSError("no links here")

    def interrupted(old: Path, new: Path) -> None:
        new.write_bytes(old.read_bytes()[:10])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "symlink", refuse)
    with monkeypatch.context() as now:
        now.setattr("shutil.copyfile", interrupted)
        with pytest.raises(KeyboardInterrupt):
            link_or_copy(source, target)
    assert not target.exists()
    link_or_copy(source, target)
    assert target.read_bytes() == OLD
    assert names(tmp_path) == ["source", "target"]


def test_a_small_file_that_was_not_yet_judged(tiny: HubStub, cache: Path) -> None:
    """Only git's hash is known of it: that is taken when all of it is here."""
    killed(at("replace", "*/blobs/.*.new", after=True) + "download('hf:model:acme/tiny')")
    assert [path for path in Cache().hub.glob("*/blobs/*") if path.name[0] != "."] == []
    tiny.hub.log.clear()
    got = download("hf:model:acme/tiny")
    assert (got.path / "config.json").read_bytes() == b"{}" * 99
    assert [seen for seen in tiny.hub.requests("GET", "config.json") if seen.sent] == []
    assert list(Cache().hub.glob("*/blobs/.*")) == []


def test_a_branch_that_moves_on(tiny: HubStub, cache: Path) -> None:
    """What is left of its note must not look like a branch: the client calls that damage."""
    from huggingface_hub import scan_cache_dir

    download("hf:model:acme/tiny")
    repo = tiny.repos.get("model", "acme/tiny")
    assert repo is not None
    commit = repo.commit({"config.json": b"[]"})
    code = at("replace", "*/refs/main") + (
        "text = Path.write_text\n"
        "Path.write_text = lambda path, data, *more: "
        "text(path, '' if data == sys.argv[1] else data, *more)\n"
        "download('hf:model:acme/tiny')"
    )
    killed(code, commit)
    assert scan_cache_dir(Cache().hub).warnings == []
    assert len(Cache().revisions()) == 2
    assert (download("hf:model:acme/tiny").path / "config.json").read_bytes() == b"[]"


BUILDS = [
    at("unlink", "*/about.json", after=True),
    at("rename", "*/test", after=True),
    at("replace", "*/test", after=True),
    at("replace", "*/about.json"),
    at("replace", "*/about.json", after=True),
    "real = shutil.rmtree\n"
    "def gone(path, *words, **options):\n"
    "    real(path, *words, **options)\n"
    "    if os.path.basename(path) == 'test': die()\n"
    "shutil.rmtree = gone\n",
]


@pytest.mark.skipif(sys.platform != "linux", reason="folders change places in one step on Linux")
@pytest.mark.parametrize("moment", BUILDS)
def test_rows_that_are_made_again(cache: Path, moment: str) -> None:
    """The old rows stay until the new ones are there."""

    def rows(**more: bool) -> bool:
        return download("synthetic:table", split="test", limit=20, **more).from_cache

    assert not rows()
    code = "download('synthetic:table', split='test', limit=20, force=True)"
    killed(moment + code, may_end=True)
    report = Cache().verify()
    assert report.ok
    assert report.unknown == ()
    assert rows(offline=True), "they were lost"
    assert rows()
    home = next((cache / "synthetic").iterdir())
    assert [name for name in names(home) if "/" not in name] == ["about.json", "test"]
