"""Addresses through the cache."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from lancenb.download import Cache, download
from lancenb.errors import ChecksumMismatch, InvalidArgument, Offline
from lancenb.testing import FileServer

DATA = b"weights" * 1000
SHA = hashlib.sha256(DATA).hexdigest()


def test_a_promised_hash_needs_no_second_request(files: FileServer, cache: Path) -> None:
    url = files.add(f"/m-{SHA[:8]}.pth", DATA)
    first, second = download(url), download(url)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert first.path == second.path
    assert len(files.log) == 1
    assert first.lineage["files"][0]["sha256"] == SHA
    assert first.kind == "file"
    assert str(first.path).startswith(str(cache))


def test_an_unknown_hash_is_revalidated(files: FileServer, cache: Path) -> None:
    url = files.add("/m.pth", DATA)
    download(url)
    again = download(url)
    assert again.from_cache
    assert files.log[-1].status == 304
    files.add("/m.pth", b"new" * 10)
    changed = download(url)
    assert not changed.from_cache
    assert changed.path.read_bytes() == b"new" * 10


def test_w3_same_name_at_two_addresses(files: FileServer, cache: Path) -> None:
    one, two = files.add("/a/m.pth", b"one"), files.add("/b/m.pth", b"two")
    assert download(one).path.read_bytes() == b"one"
    assert download(two).path.read_bytes() == b"two"
    assert download(one).path.read_bytes() == b"one"


def test_a_damaged_cached_file_is_fetched_again(files: FileServer, cache: Path) -> None:
    url = files.add(f"/m-{SHA[:8]}.pth", DATA)
    path = download(url).path
    path.write_bytes(DATA[:-1] + b"X")
    again = download(url)
    assert not again.from_cache
    assert again.path.read_bytes() == DATA


def test_a_touched_cached_file_is_hashed_and_kept(files: FileServer, cache: Path) -> None:
    url = files.add(f"/m-{SHA[:8]}.pth", DATA)
    os.utime(download(url).path, (1, 1))
    assert download(url).from_cache


def test_offline(files: FileServer, cache: Path) -> None:
    url = files.add("/m.pth", DATA)
    with pytest.raises(Offline, match="not in the cache"):
        download(url, offline=True)
    download(url)
    count = len(files.log)
    assert download(url, offline=True).from_cache
    assert len(files.log) == count
    files.close()
    late = download(url)
    assert late.from_cache
    assert late.lineage["revalidated"] is False


def test_force_and_wrong_hash(files: FileServer, cache: Path) -> None:
    url = files.add("/m.pth", DATA)
    download(url)
    assert not download(url, force=True).from_cache
    with pytest.raises(ChecksumMismatch):
        download(url, sha256="0" * 64)
    with pytest.raises(InvalidArgument):
        download(url, sha256="xyz")


def test_to_a_file_and_to_a_folder(files: FileServer, cache: Path, tmp_path: Path) -> None:
    url = files.add("/m.pth", DATA)
    assert download(url, to=tmp_path / "own.bin", sha256=SHA).path == tmp_path / "own.bin"
    assert download(url, to=tmp_path / "own.bin", sha256=SHA).from_cache
    assert download(url, to=f"{tmp_path}/new/").path == tmp_path / "new" / "m.pth"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "new", "own.bin"]


def test_credentials_are_not_stored(files: FileServer, cache: Path) -> None:
    url = files.add("/m.pth", DATA, token="hf_secret") + "?X-Amz-Signature=topsecret"
    result = download(url, token="hf_secret")
    kept = "".join(p.read_text("latin-1") for p in cache.rglob("*") if p.is_file())
    for text in (kept, json.dumps(result.lineage), repr(result)):
        assert "secret" not in text


def test_listing_equals_the_disk_and_clear_leaves_nothing(files: FileServer, cache: Path) -> None:
    download(files.add("/a.bin", DATA))
    download(files.add("/b.bin", DATA * 2))
    download("synthetic", limit=10)
    store = Cache()
    on_disk = sum(p.stat().st_size for p in cache.rglob("*") if p.is_file())
    assert store.size() == on_disk > 0
    assert {entry.kind for entry in store} == {"url", "synthetic", "locks"}
    assert store.clear("url", larger_than=len(DATA) + 2000) > len(DATA)
    assert len(store.entries("url")) == 1
    assert store.clear(older_than=3600) == 0
    assert store.clear(name="images", dry_run=True) > 0
    store.clear()
    assert [p for p in cache.rglob("*") if p.is_file()] == []
    assert download(files.url + "/a.bin").path.read_bytes() == DATA


def test_clear_leaves_what_is_in_use(files: FileServer, cache: Path) -> None:
    path = download(files.add("/a.bin", DATA)).path
    store = Cache()
    with store.lock("url", path.parent.name):
        store.clear()
        assert path.exists()
    store.clear()
    assert not path.exists()


def test_a_file_put_elsewhere_is_not_fetched_twice(
    files: FileServer, cache: Path, tmp_path: Path
) -> None:
    """Unknown hash, own target: the server is asked whether it has changed, as for the cache."""
    url, own = files.add("/m.pth", DATA), tmp_path / "own.bin"
    assert not download(url, to=own).from_cache
    again = download(url, to=own)
    assert (again.from_cache, again.path, files.log[-1].status) == (True, own, 304)
    count = len(files.log)
    assert download(url, to=own, offline=True).from_cache
    assert len(files.log) == count
    own.write_bytes(DATA[:-1] + b"X")
    assert not download(url, to=own).from_cache
    assert own.read_bytes() == DATA
    own.unlink()
    assert not download(url, to=own).from_cache
    files.add("/m.pth", b"new" * 10)
    assert not download(url, to=own).from_cache
    assert own.read_bytes() == b"new" * 10
    assert not download(url, to=own, force=True).from_cache
    assert not download(url, to=tmp_path / "other.bin").from_cache


def test_one_target_of_two_addresses(files: FileServer, cache: Path, tmp_path: Path) -> None:
    one, two = files.add("/a.bin", b"one"), files.add("/b.bin", b"two")
    own = tmp_path / "own.bin"
    for url, data in ((one, b"one"), (two, b"two"), (one, b"one")):
        download(url, to=own)
        assert own.read_bytes() == data
