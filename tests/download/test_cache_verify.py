"""The cache hashed again: what is damaged is found, dropped when asked, and fetched again."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lancenb.download import Cache, download
from lancenb.errors import Cancelled
from lancenb.progress import CancelToken, Progress
from lancenb.testing import FileServer, HubStub

DATA = b"weights" * 1000
BIG = bytes(range(256)) * 20_000  # 5 MB: content of the CDN
YESTERDAY = 3 * 86400


def flip(path: Path, at: int = 100) -> None:
    """Damage one byte as a bad disk does: size and times stay."""
    path = path.resolve()
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0xFF]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def age(path: Path, seconds: float = YESTERDAY) -> None:
    when = path.lstat().st_mtime - seconds
    for item in [*path.rglob("*"), path] if path.is_dir() else [path]:
        os.utime(item, (when, when), follow_symlinks=False)


@pytest.fixture
def tiny(hub: HubStub) -> HubStub:
    repo = hub.repos.create("model", "acme/tiny", card={"license": "mit"})
    repo.commit({"config.json": b'{"a": 1}' * 40, "model.safetensors": BIG})
    return hub


def test_a_sound_cache_is_all_right(files: FileServer, tiny: HubStub, cache: Path) -> None:
    download(files.add("/a.bin", DATA))
    download("hf:model:acme/tiny")
    download("synthetic", limit=10)
    report = Cache().verify()
    assert report.ok
    assert report.unknown == report.in_use == report.leftovers == ()
    # a.bin, one parquet file, config.json and the weights
    assert report.checked == 4
    assert report.bytes > len(BIG) + len(DATA)
    assert "all right" in str(report)


def test_a_flipped_byte_of_an_address_is_found_dropped_and_fetched(
    files: FileServer, cache: Path
) -> None:
    url = files.add("/a.bin", DATA)
    path = download(url).path
    flip(path)
    report = Cache().verify()
    ((entry, name, reason),) = report.damaged
    assert (entry.title, name) == (url, "a.bin")
    assert hashlib.sha256(DATA).hexdigest()[:12] in reason
    assert path.exists()  # nothing is dropped unasked
    assert "repair=True" in str(report)
    assert Cache().verify(repair=True).damaged
    assert not path.exists()
    assert download(url).path.read_bytes() == DATA
    assert Cache().verify().ok


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_flipped_byte_of_a_repository_is_found_dropped_and_fetched(
    tiny: HubStub, cache: Path, name: str
) -> None:
    result = download("hf:model:acme/tiny")
    good = (result.path / name).read_bytes()
    flip(result.path / name)
    report = Cache().verify()
    ((entry, file, reason),) = report.damaged
    assert entry.title == "hf:model:acme/tiny"
    assert file == name
    assert "should have" in reason
    Cache().verify(repair=True)
    assert Cache().verify().ok
    bodies = len(tiny.hub.log) + len(tiny.cdn.log)
    again = download("hf:model:acme/tiny")
    assert (again.path / name).read_bytes() == good
    assert len(tiny.hub.log) + len(tiny.cdn.log) > bodies


def test_a_link_to_nothing_is_damage(tiny: HubStub, cache: Path) -> None:
    result = download("hf:model:acme/tiny")
    (result.path / "config.json").resolve().unlink()
    (damage,) = Cache().verify("hub").damaged
    assert damage.file.startswith("config.json of ")
    assert damage.reason == "points to nothing"
    Cache().verify("hub", repair=True)
    assert download("hf:model:acme/tiny").files[0].path.exists()
    assert Cache().verify().ok


def test_copies_in_a_snapshot_are_checked_by_what_the_hub_said(tiny: HubStub, cache: Path) -> None:
    path = download("hf:model:acme/tiny").path / "model.safetensors"
    path.unlink()
    path.write_bytes(BIG)  # as on disks without links
    assert Cache().verify().ok
    flip(path)
    (damage,) = Cache().verify().damaged
    assert damage.file.startswith("model.safetensors of ")


def test_a_damaged_data_set_is_made_again(cache: Path) -> None:
    result = download("synthetic", limit=10)
    (path,) = result.path.iterdir()
    good = path.read_bytes()
    flip(path)
    (damage,) = Cache().verify(repair=True).damaged
    assert damage.entry.title == "synthetic:images split=train limit=10"
    again = download("synthetic", limit=10)
    assert not again.from_cache
    assert next(again.path.iterdir()).read_bytes() == good
    path.write_bytes(good[:-1])
    (damage,) = Cache().verify("synthetic").damaged
    assert "bytes, should have" in damage.reason
    path.unlink()
    (damage,) = Cache().verify("synthetic").damaged
    assert damage.reason == "is missing"


def test_a_data_set_of_links_drops_the_damaged_target_too(hub: HubStub, cache: Path) -> None:
    import datasets

    described = datasets.Features({"x": datasets.Value("int64")}).arrow_schema
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": list(range(5000))}, described), sink)
    hub.repos.create("dataset", "acme/numbers").commit(
        {"data/train-00000.parquet": sink.getvalue()}
    )
    result = download("hf:dataset:acme/numbers", split="train")
    path = next(result.path.iterdir())
    assert path.is_symlink()
    flip(path, 1000)
    report = Cache().verify("arrow", repair=True)
    assert len(report.damaged) == 1
    again = download("hf:dataset:acme/numbers", split="train")
    assert next(again.path.iterdir()).read_bytes() == sink.getvalue()
    assert Cache().verify().ok


def test_what_is_not_known_is_not_judged(files: FileServer, cache: Path) -> None:
    download(files.add("/a.bin", DATA))
    home = cache / "url" / "0123456789abcdef"
    home.mkdir()
    (home / "own.bin").write_bytes(b"mine")
    report = Cache().verify()
    assert report.ok
    assert [(entry.name, name) for entry, name in report.unknown] == [(home.name, "own.bin")]
    assert "hash unknown: 1 file" in str(report)


def test_a_note_that_cannot_be_read_is_damage(files: FileServer, cache: Path) -> None:
    url = files.add("/a.bin", DATA)
    path = download(url).path
    (path.parent / ".meta.json").write_text("{", "utf-8")
    (damage,) = Cache().verify(repair=True).damaged
    assert damage.reason == "cannot be understood"
    assert not path.exists()
    assert download(url).path.read_bytes() == DATA


def test_what_is_being_written_is_not_judged(files: FileServer, cache: Path) -> None:
    path = download(files.add("/a.bin", DATA)).path
    flip(path)
    with Cache().lock("url", path.parent.name):
        report = Cache().verify(repair=True)
    assert report.ok
    assert [entry.name for entry in report.in_use] == [path.parent.name]
    assert path.exists()


def test_a_damaged_repository_in_use_is_told_but_not_touched(tiny: HubStub, cache: Path) -> None:
    path = download("hf:model:acme/tiny").path / "model.safetensors"
    flip(path)
    with Cache().using_hub("models--acme--tiny"):
        report = Cache().verify(repair=True)
        assert path.exists()
    assert len(report.damaged) == len(report.in_use) == 1


def test_leftovers_are_listed_and_dropped(files: FileServer, tiny: HubStub, cache: Path) -> None:
    kept = download(files.add("/a.bin", DATA)).path
    result = download("hf:model:acme/tiny")
    blobs = (result.path / "config.json").resolve().parent
    old, fresh = kept.parent / ".old.part", kept.parent / ".fresh.part"
    incomplete, unused = blobs / "abc.incomplete", blobs / ("0" * 40)
    note = cache / "verified" / f"model--acme--gone--{'0' * 40}.json"
    half = cache / "url" / ".trash-1234"
    half.mkdir()
    for path in (old, fresh, incomplete, unused, note, half / "half.bin"):
        path.write_bytes(b"12345")
    note.write_text(json.dumps({"facts": {}, "tree": {}, "files": {}}), "utf-8")
    for path in (old, incomplete, unused, note):
        age(path)
    left = Cache().leftovers()
    assert {item.path for item in left} == {old, incomplete, unused, note, half}
    assert all(item.note for item in left)
    # an entry of the trash is no entry of its own for anything but the count of bytes
    assert Cache().clear(leftovers=True, dry_run=True) == sum(item.size for item in left)
    Cache().verify(repair=True)
    assert not any(path.exists() for path in (old, incomplete, unused, note, half))
    assert fresh.exists()
    assert kept.exists()
    assert Cache().leftovers() == []


def test_views_and_notes_go_with_their_repository(tiny: HubStub, cache: Path) -> None:
    download("hf:model:acme/tiny")
    view = download("hf:model:acme/tiny", allow="config.json").path
    assert view.parent.name == "view"
    cleared = Cache().clear("hub", name="acme/tiny")
    assert [entry.title for entry in cleared.entries] == ["hf:model:acme/tiny"]
    assert not view.exists()
    assert Cache().entries("verified") == []
    assert download("hf:model:acme/tiny", allow="config.json").path.joinpath("config.json").exists()


def test_notes_on_files_that_were_put_elsewhere(
    files: FileServer, cache: Path, tmp_path: Path
) -> None:
    url = files.add("/a.bin", DATA)
    path = download(url, to=tmp_path / "own.bin").path
    (note,) = Cache().entries("placed")
    assert note.title == url
    report = Cache().verify()
    assert report.ok
    assert report.unknown == ()
    age(note.path)
    assert Cache().leftovers() == []
    path.unlink()
    assert [item.note for item in Cache().leftovers()] == ["points to nothing"]
    Cache().clear()
    assert Cache().entries() == []


def test_progress_and_cancel(files: FileServer, cache: Path) -> None:
    path = download(files.add("/a.bin", BIG)).path
    events: list[Progress] = []
    report = Cache().verify(progress=events.append)
    assert events[0].phase == "verify"
    assert events[-1].phase == "done"
    assert events[-1].bytes == report.bytes == len(BIG)
    assert events[-1].total_bytes
    token = CancelToken()

    def stop(event: Progress) -> None:
        token.cancel()

    flip(path)
    with pytest.raises(Cancelled):
        Cache().verify(repair=True, progress=stop, cancel=token)
    assert path.exists()


def test_by_kind_and_name(files: FileServer, cache: Path) -> None:
    for name in ("a", "b"):
        flip(download(files.add(f"/{name}.bin", DATA + name.encode())).path)
    download("synthetic", limit=10)
    assert Cache().verify("synthetic").ok
    assert len(Cache().verify("url").damaged) == 2
    assert [d.file for d in Cache().verify(name="/b.bin").damaged] == ["b.bin"]
