"""What the URL engine says when something is wrong, and the names it gives to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lancenb.download import Fetcher, UrlPolicy
from lancenb.download._names import name_from_disposition, safe_name
from lancenb.download.errors import BlockedURL, DownloadDenied, RateLimited, TooLarge
from lancenb.errors import (
    ChecksumMismatch,
    DownloadFailed,
    InvalidArgument,
    LancenbError,
    Offline,
    OutOfSpace,
    SourceNotFound,
    StoreNotWritable,
)
from lancenb.testing import FileServer

FAST = Fetcher(retries=1, backoff=0.01)


def provoke(files: FileServer, into: Path, kind: str) -> object:
    """Do what ends in one kind of error."""
    plain = files.add("/f.bin", b"x" * 5000)
    status = {"429": 429, "500": 500, "418": 418, "403": 403}
    if kind in status:
        files.faults.add("status", status=status[kind], times=0)
    if kind == "429 late":
        files.faults.add("status", status=429, retry_after=7200)
    if kind == "cut":
        files.faults.add("cut", times=0, at=0.1)
    do: dict[str, Callable[[], object]] = {
        "404": lambda: FAST.fetch(files.url + "/nothing", into),
        "401": lambda: FAST.fetch(files.add("/s", b"x", token="t"), into),
        "401 with token": lambda: FAST.fetch(files.add("/s", b"x", token="t"), into, token="u"),
        "nobody": lambda: FAST.fetch("http://127.0.0.1:9/x", into),
        "hash": lambda: FAST.fetch(plain, into, sha256="0" * 64),
        "hash in name": lambda: FAST.fetch(files.add("/m-0badf00d.pth", b"x"), into),
        "no hash": lambda: FAST.fetch(plain, into, sha256="xyz"),
        "size": lambda: FAST.fetch(plain, into, size=7),
        "too large": lambda: Fetcher(UrlPolicy(max_bytes=10)).fetch(plain, into),
        "circle": lambda: FAST.fetch(files.add("/c", redirect="/c"), into),
        "nonsense redirect": lambda: FAST.fetch(files.add("/n", redirect="http://[/"), into),
        "private": lambda: Fetcher(UrlPolicy.for_servers()).fetch(plain, into),
        "file:": lambda: FAST.fetch("file:///etc/passwd", into),
        "ftp:": lambda: FAST.fetch("ftp://a.example/x", into),
        "password": lambda: FAST.fetch("https://me:hunter2@a.example/x", into),
        "no host": lambda: FAST.fetch("https:///x", into),
        "bad port": lambda: FAST.fetch("https://a.example:port/x", into),
        "space": lambda: FAST.fetch("https://a.example/x y", into),
        "folder": lambda: FAST.fetch(plain, _file(into) / "below"),
        "short range": lambda: FAST.read_range(plain, 4000, 2000),
        "long range": lambda: FAST.read_range(plain, 0, 65 << 20),
    }
    return do.get(kind, lambda: FAST.fetch(plain, into))()


def _file(into: Path) -> Path:
    (into / "file").write_bytes(b"")
    return into / "file"


@pytest.mark.parametrize(
    ("kind", "error", "hint"),
    [
        ("404", SourceNotFound, "check the address"),
        ("401", DownloadDenied, "token="),
        ("401 with token", DownloadDenied, "permissions"),
        ("403", DownloadDenied, "signed address may have expired"),
        ("418", DownloadFailed, "browser"),
        ("429", RateLimited, "try again in"),
        ("429 late", RateLimited, "try again in 7200 s"),
        ("500", DownloadFailed, "run it again"),
        ("cut", DownloadFailed, "what has arrived is kept"),
        ("nobody", Offline, "set a mirror"),
        ("hash", ChecksumMismatch, "sha256="),
        ("hash in name", ChecksumMismatch, "sha256=False"),
        ("no hash", InvalidArgument, "64 hex digits"),
        ("size", DownloadFailed, "replaced"),
        ("too large", TooLarge, "max_bytes"),
        ("circle", DownloadFailed, "browser"),
        ("nonsense redirect", DownloadFailed, "browser"),
        ("private", BlockedURL, "trusted="),
        ("file:", BlockedURL, "local path"),
        ("ftp:", BlockedURL, "use https"),
        ("password", BlockedURL, "token="),
        ("no host", BlockedURL, "https://"),
        ("bad port", BlockedURL, "copy the address"),
        ("space", BlockedURL, "percent-encode"),
        ("folder", StoreNotWritable, "another folder"),
        ("short range", DownloadFailed, "look at its page"),
        ("long range", InvalidArgument, "64 MiB"),
    ],
)
def test_every_error_says_what_to_do(
    files: FileServer, tmp_path: Path, kind: str, error: type[LancenbError], hint: str
) -> None:
    with pytest.raises(error) as caught:
        provoke(files, tmp_path, kind)
    assert type(caught.value) is error
    assert hint in caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert list(tmp_path.glob("*.bin")) == []


def test_a_full_disk_names_the_gigabytes(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000_000_000})
    monkeypatch.setattr("lancenb.download._files.shutil.disk_usage", lambda path: usage)
    url = files.add("/f.bin", b"x", chunked=True)
    with pytest.raises(OutOfSpace, match=r"1\.00 GB free") as caught:
        FAST.fetch(url, tmp_path, size=3_500_000_000)
    assert "free 2.50 GB" in caught.value.hint


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=plain.bin", "plain.bin"),
        ('attachment; filename="two words.bin"', "two words.bin"),
        ('attachment; filename="a\\"b.bin"', "a_b.bin"),
        ('attachment; filename="semi;colon.bin"; x=1', "semi;colon.bin"),
        ('inline;FILENAME="upper.bin"', "upper.bin"),
        ("filename=bare.bin", "bare.bin"),
        ("attachment; filename=a.txt; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("attachment; filename*=UTF-8''%e2%82%ac.txt; filename=a.txt", "€.txt"),
        ("attachment; filename*=utf-8'en'%e2%82%ac%20rates.txt", "€ rates.txt"),
        ("attachment; filename*=iso-8859-1''%e4.txt", "ä.txt"),
        ("attachment; filename*=\"UTF-8''%e4%b8%ad.txt\"", "中.txt"),
        ("attachment; filename*=utf-7''+AC4ALgAv-x", "+AC4ALgAv-x"),
        ("attachment; filename*=nonsense; filename=a.txt", "a.txt"),
        ("attachment; filename*0=long-; filename*1=name.bin", "long-name.bin"),
        ("attachment; filename=" + "é.bin".encode().decode("latin-1"), "é.bin"),
        ("attachment", None),
        ("attachment; filename=", None),
        ("", None),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename=..\\..\\evil.exe", "evil.exe"),
        ("attachment; filename=..%2F..%2Fevil", "evil"),
        ("attachment; filename*=UTF-8''..%2F..%2Fevil", "evil"),
        ("attachment; filename*=UTF-8''%2e%2e", "download"),
        ("attachment; filename=/", "download"),
        ("attachment; filename=C:\\Windows\\x.dll", "x.dll"),
        ("attachment; filename=a%00b.bin", "a_b.bin"),
        ("attachment; filename=a%0d%0ab.bin", "a__b.bin"),
        ("attachment; filename*=UTF-8''gpj.%e2%80%aeexe", "gpj._exe"),  # right to left
        ("attachment; filename=.bashrc", "_.bashrc"),
        ("attachment; filename=CON.txt", "_CON.txt"),
        ("attachment; filename=nul", "_nul"),
        ("attachment; filename=~/.ssh/id", "id"),
        ('attachment; filename="dots...   "', "dots"),
    ],
)
def test_names_that_servers_propose(header: str, name: str | None) -> None:
    proposed = name_from_disposition(header)
    assert (safe_name(proposed) if proposed else None) == name


def test_long_names_stay_short_and_apart() -> None:
    one, two = safe_name("ä" * 300 + ".safetensors"), safe_name("ä" * 299 + "b.safetensors")
    assert len(one.encode()) <= 200
    assert one != two
    assert one.endswith(".safetensors")


@pytest.mark.parametrize("name", ["\ud800.bin", "a\u2028b.bin", "a\x9bb.bin"])
def test_odd_characters_do_not_reach_the_disk(name: str) -> None:
    safe_name(name).encode("utf-8")
    assert safe_name(name).endswith(".bin")
    assert name not in safe_name(name)
