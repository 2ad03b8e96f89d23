"""Files as their makers publish them: fetched once, verified, linked together, converted."""

from __future__ import annotations

import dataclasses
import hashlib
import os

import pytest

import lancenb
from lancenb.convert.images import class_names
from lancenb.download import Cache, DatasetDownloader, download, plan, registry
from lancenb.download.registry import DatasetEntry, OfficialFile
from lancenb.errors import (
    Cancelled,
    ChecksumMismatch,
    InvalidArgument,
    Offline,
    OutOfSpace,
    SourceNotFound,
)
from lancenb.progress import CancelToken
from tests.convert.images.layouts import packed, write_cifar10, write_idx


@pytest.fixture
def mnist(monkeypatch, files, tmp_path, cache):
    """Serve small files under MNIST's names, and make them known under its name."""
    source = tmp_path / "theirs"
    write_idx(source, "train", 6, packed=True)
    write_idx(source, "t10k", 4, packed=True, seed=1)
    official = []
    for path in sorted(source.iterdir()):
        files.add(f"/mnist/{path.name}", path.read_bytes())
        data = path.read_bytes()
        split = "train" if path.name.startswith("train") else "test"
        official.append(OfficialFile(
            path.name, f"{files.url}/mnist/{path.name}", len(data),
            hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest(), split,
        ))  # fmt: skip
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    entry = dataclasses.replace(registry.info("mnist"), files=tuple(official))
    return registry.add(entry, replace=True)


def test_fetched_once_verified_and_converted(mnist, files, tmp_path):
    got = download("mnist:official")
    assert (got.kind, got.from_cache, len(got.files)) == ("dataset", False, 4)
    assert sorted(p.name for p in got.path.iterdir()) == sorted(f.name for f in mnist.files)
    assert {f.name: f.sha256 for f in got} == {f.name: f.sha256 for f in mnist.files}
    assert got.lineage["dataset"] == "mnist"
    assert got.lineage["license"] == mnist.licence
    assert [f["md5"] for f in got.lineage["files"]] == [f.md5 for f in mnist.files]
    asked = len(files.log)
    again = download("mnist:official")
    assert (again.path, again.from_cache, len(files.log)) == (got.path, True, asked)
    assert download("MNIST:official", offline=True).from_cache
    report = lancenb.convert(got, tmp_path / "t.lance")
    assert (report.rows, class_names(report.schema)) == (10, list("0123456789"))
    assert Cache().verify().ok


def test_one_split_takes_only_its_files(mnist, files):
    got = download("mnist:official", split="test")
    assert [f.name[:4] for f in got] == ["t10k", "t10k"]
    assert not [seen for seen in files.log if "train" in seen.path]
    assert plan("mnist:official", split="test").cached_bytes == got.size
    whole = plan("mnist:official")
    assert [f.cached for f in whole.files] == ["t10k" in f.name for f in whole.files]
    assert DatasetDownloader("MNIST", "test", mode="official").download().path == got.path
    assert DatasetDownloader("mnist", mode="official").plan().missing_bytes > 0
    with pytest.raises(SourceNotFound, match="no split 'dev'"):
        download("mnist:official", split="dev")
    with pytest.raises(InvalidArgument, match="limit= means nothing"):
        download("mnist:official", limit=3)


def test_to_a_folder(mnist, tmp_path):
    got = download("mnist:official", to=tmp_path / "here")
    assert got.path == tmp_path / "here"
    assert all(not file.path.is_symlink() for file in got)
    assert registry.check("mnist", got.path).ok
    assert Cache().entries("url") == []


def test_changed_files_are_refused(mnist, files):
    name = mnist.files[0].name
    files.add(f"/mnist/{name}", b"x" * mnist.files[0].size)
    with pytest.raises(ChecksumMismatch, match="expected"):
        download("mnist:official")
    assert not [f for e in Cache().entries("url") for f in e.path.glob("t10k-images*")]


def test_without_a_network(mnist):
    with pytest.raises(Offline):
        download("mnist:official", offline=True)


def test_a_single_archive_and_its_md5(files, cache, monkeypatch, tmp_path):
    archive = packed(write_cifar10(tmp_path / "src"), ["data_batch_1", "batches.meta"])
    data = archive.read_bytes()
    files.add("/c.tar.gz", data)
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def known(md5):
        file = OfficialFile("c.tar.gz", f"{files.url}/c.tar.gz", len(data), "", md5)
        entry = DatasetEntry("pets", "images", "official", "", splits={"train": 1}, files=(file,))
        return registry.add(entry, replace=True)

    known("0" * 32)
    with pytest.raises(ChecksumMismatch, match="gave md5"):
        download("pets")
    assert not list(cache.rglob("c.tar.gz"))
    known(hashlib.md5(data).hexdigest())
    got = download("pets")
    assert got.path.name == "c.tar.gz"
    assert lancenb.convert(got, tmp_path / "t.lance").rows == 12
    hashed = []
    monkeypatch.setattr("lancenb.download.official.digest_of", lambda *a: hashed.append(a))
    assert download("pets").from_cache
    assert hashed == [], "what was hashed once is not hashed again"
    assert download("pets:official", to=tmp_path / "here").path == tmp_path / "here" / "c.tar.gz"
    with pytest.raises(InvalidArgument, match="hold all splits together") as caught:
        download("pets", split="train")
    assert "split='train'" in caught.value.hint
    assert DatasetDownloader("pets", mode="official").download().path == got.path


def test_room_is_checked_before_the_first_byte(mnist, files, monkeypatch):
    large = [dataclasses.replace(file, size=1 << 60) for file in mnist.files]
    registry.add(dataclasses.replace(mnist, files=tuple(large)), replace=True)
    with pytest.raises(OutOfSpace, match="GB free"):
        download("mnist:official")
    assert files.log == []


def test_cancel_keeps_what_has_arrived(mnist, files):
    download("mnist:official", split="test")
    before, token = len(files.log), CancelToken()
    with pytest.raises(Cancelled):
        download("mnist:official", progress=lambda _event: token.cancel(), cancel=token)
    assert download("mnist:official").path.is_dir()
    assert not [seen for seen in files.log[before:] if "t10k" in seen.path]


def test_built_in_hashes_hold_even_for_a_mirror(files, cache, monkeypatch):
    """A mirror (or anybody in between) cannot slip in other files."""
    base = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    monkeypatch.setenv("LANCENB_MIRRORS", f"{base}={files.url}/m/")
    for file in registry.info("mnist").files:
        files.add(f"/m/{file.name}", os.urandom(50))
    with pytest.raises(ChecksumMismatch, match="440fcabf73cc546f"):
        download("mnist:official", split="train")
