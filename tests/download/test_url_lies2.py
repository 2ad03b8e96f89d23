"""Answers that are cut, mixed from two versions, or framed by headers that make no sense."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from lancenb.download import Fetcher, UrlPolicy, download
from lancenb.download._order import Order
from lancenb.errors import DownloadFailed, LancenbError
from lancenb.testing import FileServer
from tests.download.odd_servers import raw_server, says

DATA = random.Random(2).randbytes(400_000)
FAST = Fetcher(retries=2, backoff=0.01)
OK = b"HTTP/1.1 200 OK\r\n"
OLD = "Last-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\n"
NOW = "Date: Mon, 02 Nov 2026 10:00:59 GMT\r\n"
LATER = "Date: Mon, 02 Nov 2026 10:01:00 GMT\r\n"
Serve = Callable[[socket.socket, bytes], None]


def got(serve: Serve, folder: Path, name: str = "f.bin", *, by: Fetcher = FAST, **how) -> bytes:
    with raw_server(serve) as port:
        fetched = by.fetch(f"http://127.0.0.1:{port}/{name}", folder, **how)
    assert fetched is not None
    return fetched.path.read_bytes()


def span(head: bytes, size: int) -> tuple[int, int]:
    wanted = re.search(rb"bytes=(\d+)-(\d*)", head)
    if not wanted:
        return 0, size
    return int(wanted[1]), min(size, int(wanted[2]) + 1 if wanted[2] else size)


def part(start: int, stop: int, total: str, more: str = "") -> bytes:
    text = f"HTTP/1.1 206 Part\r\nContent-Range: bytes {start}-{stop - 1}/{total}\r\n"
    return f"{text}Content-Length: {stop - start}\r\nConnection: close\r\n{more}\r\n".encode()


@pytest.mark.parametrize("known", ["", 'ETag: "1"\r\n'])
def test_a_part_of_unknown_total_cut(tmp_path: Path, known: str) -> None:
    with pytest.raises(DownloadFailed):
        got(says(part(0, len(DATA), "*", known), DATA[:200_000]), tmp_path)
    assert not (tmp_path / "f.bin").exists()


@pytest.mark.parametrize("told", [True, False])
def test_portions_of_unknown_total(tmp_path: Path, told: bool) -> None:
    def serve(client: socket.socket, head: bytes) -> None:
        start, stop = span(head, len(DATA))
        if start >= len(DATA):
            size = f"Content-Range: bytes */{len(DATA)}\r\n" if told else ""
            client.sendall(f"HTTP/1.1 416 No\r\n{size}Content-Length: 0\r\n\r\n".encode())
            return
        stop = min(stop, start + 100_000)
        client.sendall(part(start, stop, "*", 'ETag: "1"\r\n') + DATA[start:stop])

    assert got(serve, tmp_path) == DATA


@pytest.mark.parametrize("total", ["*", "400000"])
def test_portions_without_a_version_end(tmp_path: Path, total: str) -> None:
    with pytest.raises(DownloadFailed):
        got(says(part(0, 100_000, total), DATA[:100_000]), tmp_path)


@pytest.mark.parametrize(
    "lines", [b"Content-Length: 400000\r\n" * 2, b"Content-Length: 400000, 400000\r\n"]
)
def test_a_repeated_length_counts_once(tmp_path: Path, lines: bytes) -> None:
    assert got(says(OK + lines + b"\r\n", DATA), tmp_path) == DATA
    with pytest.raises(DownloadFailed, match="only 200,000"):
        got(says(OK + lines + b"\r\n", DATA[:200_000]), tmp_path / "cut")


@pytest.mark.parametrize("text", ["+4", "-4", "4, 5", "\u00b2", "9" * 5000, "4 4"])
def test_a_length_that_is_none(tmp_path: Path, text: str) -> None:
    head = OK + f"Content-Length: {text}\r\n\r\n".encode("latin-1")
    with pytest.raises(DownloadFailed, match="Content-Length makes no sense"):
        got(says(head, b"abcd"), tmp_path)


def test_chunks_beat_a_length(tmp_path: Path) -> None:
    head = OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    assert got(says(head, body), tmp_path) == b"abcdef"


@pytest.mark.parametrize("told", [True, False])
def test_half_a_packed_answer(tmp_path: Path, told: bool) -> None:
    body = gzip.compress(b"0123456789" * 50_000)
    body = body[: len(body) // 2]
    length = b"Content-Length: %d\r\n" % len(body) if told else b""
    with pytest.raises(DownloadFailed, match="cut short"):
        got(says(OK + length + b"Content-Encoding: gzip\r\n\r\n", body), tmp_path)


@pytest.mark.parametrize("kind", ["members", "zlib", "raw"])
def test_other_packings(tmp_path: Path, kind: str) -> None:
    raw = zlib.compressobj(wbits=-15)
    body, coding = {
        "members": (gzip.compress(DATA[:9]) + gzip.compress(DATA[9:]), b"gzip"),
        "zlib": (zlib.compress(DATA), b"deflate"),
        "raw": (raw.compress(DATA) + raw.flush(), b"deflate"),
    }[kind]
    head = OK + b"Content-Encoding: %s\r\n\r\n" % coding
    assert got(says(head, body), tmp_path) == DATA


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip"])
def test_an_unknown_packing_is_refused(tmp_path: Path, coding: bytes) -> None:
    head = OK + b"Content-Encoding: %s\r\nContent-Length: 3\r\n\r\n" % coding
    with pytest.raises(DownloadFailed, match="packs the file"):
        got(says(head, b"abc"), tmp_path)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.bin"])
def test_a_packed_file_is_no_packed_answer(tmp_path: Path, name: str) -> None:
    body = gzip.compress(DATA, 1)
    head = OK + b"Content-Encoding: x-gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    promised = hashlib.sha256(body).hexdigest() if name == "a.bin" else None
    assert got(says(head, body), tmp_path, name, sha256=promised) == body


def mixing(first: str, then: str, calls: int = 1, honest: bool = True) -> Serve:
    """A file that is replaced after ``calls`` requests; the first answer is cut."""
    seen: list[bytes] = []

    def serve(client: socket.socket, head: bytes) -> None:
        seen.append(head)
        late = len(seen) > calls
        data, more = (b"B" * 400_000, then) if late else (b"A" * 400_000, first)
        start, stop = span(head, 400_000)
        condition = re.search(rb"(?i)if-range: (.*?)\r\n", head)
        if honest and condition and condition[1].decode() not in more:
            start, stop = 0, 400_000
            client.sendall(f"HTTP/1.1 200 OK\r\n{more}Content-Length: 400000\r\n\r\n".encode())
        else:
            client.sendall(part(start, stop, "400000", more))
        client.sendall(data[start : 300_000 if len(seen) == 1 else stop])

    return serve


@pytest.mark.parametrize(
    ("first", "then", "honest"),
    [
        (LATER + OLD + 'ETag: W/"1"\r\n', LATER + OLD + 'ETag: W/"2"\r\n', True),
        (NOW + OLD, NOW + OLD, True),
        (OLD, OLD, True),
        ('ETag: "1"\r\n', "", False),
    ],
    ids=["weak", "young", "no date", "etag gone"],
)
@pytest.mark.parametrize("parts", [1, 4])
def test_two_versions_are_never_mixed(
    tmp_path: Path, first: str, then: str, honest: bool, parts: int
) -> None:
    by = Fetcher(retries=2, backoff=0.01, parts=parts, parallel_from=100_000)
    data = got(mixing(first, then, honest=honest), tmp_path, by=by)
    assert set(data) == {ord("B")}


def test_an_old_time_is_good_enough(tmp_path: Path) -> None:
    """A file that was changed a minute before it was sent goes on from where it was cut."""
    serve = mixing(LATER + OLD, LATER + OLD)
    assert got(serve, tmp_path) == b"A" * 300_000 + b"B" * 100_000


def test_not_modified_although_nobody_asked(tmp_path: Path) -> None:
    with raw_server(says(b"HTTP/1.1 304 N\r\n\r\n")) as port:
        url = f"http://127.0.0.1:{port}/f.bin"
        for ask in (lambda: FAST.fetch(url, tmp_path), lambda: FAST.probe(url)):
            with pytest.raises(DownloadFailed, match="304"):
                ask()
        with pytest.raises(DownloadFailed, match="304"):
            download(url, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    "head",
    [
        "206 P\r\nContent-Range: bytes 0-9/" + "9" * 5000,
        "416 P\r\nContent-Range: bytes */\u00b2",
        "503 P\r\nRetry-After: \u00b2",
        "503 P\r\nRetry-After: Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    ],
)
def test_numbers_that_are_none(tmp_path: Path, head: str) -> None:
    whole = f"HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
    with pytest.raises(LancenbError):
        got(says(whole), tmp_path)


def test_beginning_anew_is_no_progress(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def serve(client: socket.socket, head: bytes) -> None:
        asked.append(head)
        client.sendall(OK + b"Content-Length: 4000000\r\n\r\n")
        client.sendall(bytes(2_000_000 if len(asked) % 2 else 1_000_000))
        if len(asked) > 20:
            time.sleep(60)

    with pytest.raises(DownloadFailed, match="only"):
        got(serve, tmp_path)
    assert len(asked) <= 5


@pytest.mark.parametrize("status", [b"302 F\r\nLocation: /y", b"404 F"])
def test_nobody_waits_for_a_body_that_is_not_wanted(tmp_path: Path, status: bytes) -> None:
    def serve(client: socket.socket, head: bytes) -> None:
        if b" /y " in head:
            client.sendall(OK + b"Content-Length: 3\r\n\r\nabc")
            return
        client.sendall(b"HTTP/1.1 %s\r\nContent-Length: 60000\r\n\r\n" % status)
        for _ in range(600):
            client.sendall(b"x")
            time.sleep(0.2)

    began = time.monotonic()
    try:
        assert got(serve, tmp_path) == b"abc"
    except LancenbError:
        assert status.startswith(b"404")
    assert time.monotonic() - began < 60  # two minutes for whoever reads it


def test_a_mirror_gets_no_token(files: FileServer, tmp_path: Path) -> None:
    files.add("/f.bin", b"abc")
    policy = UrlPolicy(mirrors={"https://nowhere.example/": files.url + "/"})
    url = "https://nowhere.example/f.bin"
    Fetcher(policy).fetch(url, tmp_path, token="hf_secret", headers={"Cookie": "secret"})
    assert [seen.auth for seen in files.log] == [None]


def test_an_order_keeps_its_secrets() -> None:
    order = Order("https://a.example/", UrlPolicy(), "hf_secret", {"Cookie": "hidden"})
    assert "secret" not in repr(order)
    assert "hidden" not in repr(order)
