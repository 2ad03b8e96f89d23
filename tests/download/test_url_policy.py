"""What the URL engine refuses, and how it names things."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lancenb.download import Fetcher, UrlPolicy
from lancenb.download.errors import BlockedURL, DownloadDenied, TooLarge
from lancenb.errors import (
    ChecksumMismatch,
    DownloadFailed,
    OutOfSpace,
    SourceNotFound,
    StoreNotWritable,
)
from lancenb.testing import FileServer

DATA = bytes(range(256)) * 1000
SHA = hashlib.sha256(DATA).hexdigest()
FAST = Fetcher(retries=3, backoff=0.01)


def test_missing_denied_and_odd_answers(files: FileServer, tmp_path: Path) -> None:
    secret = files.add("/secret", b"x", token="hf_right")
    with pytest.raises(SourceNotFound):
        FAST.fetch(files.url + "/nothing", tmp_path)
    with pytest.raises(DownloadDenied, match="401"):
        FAST.fetch(secret, tmp_path)
    with pytest.raises(DownloadDenied) as caught:
        FAST.fetch(secret, tmp_path, token="hf_wrong")
    assert "hf_wrong" not in str(caught.value)
    assert FAST.fetch(secret, tmp_path, token="hf_right") is not None
    files.faults.add("status", status=418)
    with pytest.raises(DownloadFailed, match="418"):
        FAST.fetch(files.add("/tea", b"x"), tmp_path)


def test_empty_file(files: FileServer, tmp_path: Path) -> None:
    got = FAST.fetch(files.add("/empty.bin", b""), tmp_path)
    assert got is not None
    assert got.path.read_bytes() == b""
    assert got.size == 0


def test_the_token_is_dropped_on_another_origin(files: FileServer, tmp_path: Path) -> None:
    with FileServer() as other:
        target = other.add("/real.bin", DATA)
        url = files.add("/go", redirect=target + "?Signature=abc")
        got = FAST.fetch(url, tmp_path, "x.bin", token="hf_secret")
        assert got is not None
        assert files.log[-1].auth == "Bearer hf_secret"
        assert other.log[-1].auth is None
        assert "Signature" not in got.final_url


def test_a_way_back_does_not_restore_the_token(files: FileServer, tmp_path: Path) -> None:
    with FileServer() as other:
        back = files.add("/real.bin", DATA)
        url = files.add("/go", redirect=other.add("/detour", redirect=back))
        secrets = {"Cookie": "c=1", "X-Api-Key": "k", "X-Harmless": "yes"}
        assert FAST.fetch(url, tmp_path, "x.bin", token="hf_secret", headers=secrets) is not None
        first, last = files.log
        assert (first.auth, first.headers["cookie"]) == ("Bearer hf_secret", "c=1")
        assert last.auth is None
        assert not {"cookie", "x-api-key"} & set(last.headers)
        assert last.headers["x-harmless"] == other.log[0].headers["x-harmless"] == "yes"
        assert other.log[0].auth is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_within_an_origin_keep_the_token(
    files: FileServer, tmp_path: Path, status: int
) -> None:
    files.add("/real.bin", DATA, token="hf_secret")
    url = files.add("/a/go", redirect="../real.bin", status=status)
    got = FAST.fetch(url, tmp_path, token="hf_secret")
    assert got is not None
    assert got.path.read_bytes() == DATA


def test_redirect_circles_end(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/a", redirect="/a")
    with pytest.raises(DownloadFailed, match="redirects more than"):
        FAST.fetch(url, tmp_path)


def test_addresses_that_are_refused(tmp_path: Path) -> None:
    for url in ("file:///etc/passwd", "ftp://a.example/x", "http://me:pw@a.example/x", "http:///x"):
        with pytest.raises(BlockedURL) as caught:
            FAST.fetch(url, tmp_path)
        assert "pw" not in str(caught.value)
    with pytest.raises(BlockedURL, match="plain http"):
        UrlPolicy().check("http://a.example/x", previous="https://a.example/x")


def test_a_redirect_to_a_file_address_is_refused(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/a", redirect="file:///etc/passwd")
    with pytest.raises(BlockedURL):
        FAST.fetch(url, tmp_path)


def test_names_from_the_server_stay_in_the_folder(files: FileServer, tmp_path: Path) -> None:
    for header, name in [
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename=..%2F..%2Fevil", "evil"),
        ("attachment; filename=\"a.txt\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ('attachment; filename=".bashrc"', "_.bashrc"),
    ]:
        url = files.add("/n", b"x", headers={"Content-Disposition": header})
        got = FAST.fetch(url, tmp_path / "in")
        assert got is not None
        assert got.path == tmp_path / "in" / name


def test_w3_hash_in_the_name_is_checked(files: FileServer, tmp_path: Path) -> None:
    assert FAST.fetch(files.add(f"/m-{SHA[:8]}.pth", DATA), tmp_path) is not None
    wrong = files.add("/m-0badf00d.pth", DATA)
    with pytest.raises(ChecksumMismatch):
        FAST.fetch(wrong, tmp_path)
    assert FAST.fetch(wrong, tmp_path, sha256=False) is not None
    assert FAST.fetch(files.add("/m-20240131.pth", DATA), tmp_path) is not None


def test_size_limits(files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = files.add("/f.bin", DATA)
    with pytest.raises(TooLarge):
        Fetcher(UrlPolicy(max_bytes=1000)).fetch(url, tmp_path)
    with pytest.raises(DownloadFailed, match="were expected"):
        FAST.fetch(url, tmp_path, size=5)
    usage = type("U", (), {"free": 10})
    monkeypatch.setattr("lancenb.download._files.shutil.disk_usage", lambda path: usage)
    with pytest.raises(OutOfSpace) as caught:
        FAST.fetch(url, tmp_path)
    assert "free" in caught.value.hint
    assert not (tmp_path / "f.bin").exists()


def test_unwritable_folder(files: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreNotWritable):
        FAST.fetch(files.add("/f.bin", b"x"), tmp_path / "file" / "below")


def test_mirrors_replace_prefixes(files: FileServer, tmp_path: Path) -> None:
    files.add("/models/f.bin", DATA)
    policy = UrlPolicy(mirrors={"https://nowhere.example/": files.url + "/"})
    got = Fetcher(policy).fetch("https://nowhere.example/models/f.bin", tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA
