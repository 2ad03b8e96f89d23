"""Servers that lie about sizes, send no length, pack what they send, or hand out portions."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import socket
import threading
from pathlib import Path

import pytest

from lancenb.download import Fetcher, UrlPolicy
from lancenb.download._chunks import Chunk, Chunks
from lancenb.download._ranges import ParallelRead
from lancenb.download.errors import TooLarge
from lancenb.errors import ChecksumMismatch, DownloadFailed, OutOfSpace
from lancenb.progress import CancelToken
from lancenb.testing import FileServer
from tests.download.odd_servers import raw_server, says

DATA = random.Random(1).randbytes(600_000)
SHA = hashlib.sha256(DATA).hexdigest()
FAST = Fetcher(retries=2, backoff=0.01)
LIMITED = Fetcher(UrlPolicy(max_bytes=100_000), retries=1, backoff=0.01)
OK = b"HTTP/1.1 200 OK\r\n"


def left(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.suffix != ".lock"]


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 600000\r\n\r\n",
        b"Content-Length: 100001\r\n\r\n",
        b"Connection: close\r\n\r\n",  # no length at all
    ],
)
def test_too_large_is_stopped(tmp_path: Path, head: bytes) -> None:
    with raw_server(says(OK + head, DATA)) as port, pytest.raises(TooLarge) as caught:
        LIMITED.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path)
    assert "max_bytes" in caught.value.hint
    assert left(tmp_path) == []


def test_an_endless_answer_is_stopped(tmp_path: Path) -> None:
    sent = 0

    def serve(client: socket.socket, head: bytes) -> None:
        nonlocal sent
        client.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            client.sendall(chunked(b"x" * 65536))
            sent += 65536

    with raw_server(serve) as port, pytest.raises(TooLarge):
        LIMITED.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path)
    assert left(tmp_path) == []
    assert sent < 50_000_000


def test_a_bomb_in_the_packing_is_stopped(tmp_path: Path) -> None:
    body = gzip.compress(b"\0" * 50_000_000)
    assert len(body) < 100_000
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw_server(says(head, body)) as port, pytest.raises(TooLarge):
        LIMITED.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path)
    assert left(tmp_path) == []


def test_more_than_announced_is_not_read(tmp_path: Path) -> None:
    head = OK + b"Content-Length: 50000\r\n\r\n"
    with raw_server(says(head, DATA)) as port:
        got = LIMITED.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA[:50_000]


def test_more_than_expected_is_refused(tmp_path: Path) -> None:
    head = OK + b"Connection: close\r\n\r\n"
    with raw_server(says(head, DATA)) as port, pytest.raises(DownloadFailed, match="more than"):
        FAST.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path, size=1000)
    assert left(tmp_path) == []


def test_less_than_expected_is_refused(tmp_path: Path) -> None:
    head = OK + b"Connection: close\r\n\r\n"
    with raw_server(says(head, DATA)) as port, pytest.raises(DownloadFailed, match="only 600,000"):
        FAST.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path, size=700_000)
    assert not (tmp_path / "f.bin").exists()


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b""], ids=["whole", "cut"])
def test_chunks_without_a_length(tmp_path: Path, end: bytes) -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    with raw_server(says(head, chunked(DATA[:9]), chunked(DATA[9:]), end)) as port:
        url = f"http://127.0.0.1:{port}/f.bin"
        if end:
            got = FAST.fetch(url, tmp_path)
            assert got is not None
            assert got.path.read_bytes() == DATA
            return
        with pytest.raises(DownloadFailed):
            FAST.fetch(url, tmp_path)
        assert not (tmp_path / "f.bin").exists()


def test_no_length_and_cut_is_found_by_the_hash(tmp_path: Path) -> None:
    head = OK + b"Connection: close\r\n\r\n"
    with raw_server(says(head, DATA[:-1])) as port:
        url = f"http://127.0.0.1:{port}/f.bin"
        with pytest.raises(ChecksumMismatch):
            FAST.fetch(url, tmp_path, sha256=SHA)
    assert left(tmp_path) == []


@pytest.mark.parametrize("status", [b"200 OK", b"206 Partial Content"])
@pytest.mark.parametrize("cut", [False, True])
def test_a_packed_answer_is_unpacked(tmp_path: Path, status: bytes, cut: bool) -> None:
    """Against our wish (Accept-Encoding: identity), but some do; it cannot be resumed."""
    body, asked = gzip.compress(DATA, 1), []

    def serve(client: socket.socket, head: bytes) -> None:
        asked.append(head)
        ranged = b"range:" in head.lower() and status.startswith(b"206")
        where = b"Content-Range: bytes 0-%d/%d\r\n" % (len(body) - 1, len(body)) if ranged else b""
        client.sendall(
            b'HTTP/1.1 %s\r\nETag: "1"\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n%s\r\n'
            % (status if ranged else b"200 OK", len(body), where)
        )
        client.sendall(body[: len(body) // 2] if cut and len(asked) == 1 else body)

    with raw_server(serve) as port:
        got = FAST.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA


@pytest.mark.parametrize("parts", [1, 4])
def test_a_server_that_hands_out_portions(tmp_path: Path, parts: int) -> None:
    """Some cap what one answer holds; that is no failure, however small the portions."""

    def serve(client: socket.socket, head: bytes) -> None:
        wanted = re.search(rb"bytes=(\d+)-(\d*)", head)
        assert wanted
        start = int(wanted[1])
        stop = min(start + 20_000, int(wanted[2]) + 1 if wanted[2] else len(DATA))
        stop = min(stop, len(DATA))
        client.sendall(
            b'HTTP/1.1 206 Part\r\nETag: "1"\r\nContent-Length: %d\r\nConnection: close\r\n'
            b"Content-Range: bytes %d-%d/%d\r\n\r\n" % (stop - start, start, stop - 1, len(DATA))
        )
        client.sendall(DATA[start:stop])

    with raw_server(serve) as port:
        fetcher = Fetcher(parts=parts, parallel_from=200_000, retries=0)
        got = fetcher.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA


def test_the_wrong_part_is_not_believed(tmp_path: Path) -> None:
    def serve(client: socket.socket, head: bytes) -> None:
        client.sendall(
            b'HTTP/1.1 206 Part\r\nETag: "1"\r\nContent-Length: 10\r\nConnection: close\r\n'
            b"Content-Range: bytes 5-14/20\r\n\r\n0123456789"
        )

    with raw_server(serve) as port, pytest.raises(DownloadFailed, match="wrong part"):
        FAST.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path)
    assert left(tmp_path) == []


def test_only_so_many_connections_are_allowed(files: FileServer, tmp_path: Path) -> None:
    """A server that refuses the third connection still gives the file over the first two."""
    url = files.add("/f.bin", DATA)
    files.faults.add("slow", times=0, rate=3_000_000)
    files.faults.add("status", status=503, skip=2, times=4)
    fetcher = Fetcher(parallel_from=200_000, retries=1, backoff=0.01)
    got = fetcher.fetch(url, tmp_path)
    assert got is not None
    assert got.path.read_bytes() == DATA


def test_what_the_last_but_one_connection_gives_back_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread finds nothing to do; before it has ended another gives its piece back."""
    real, gone = Chunks.take, threading.Event()

    def take(chunks: Chunks) -> Chunk | None:
        chunk = real(chunks)
        if chunk is None:
            gone.wait(1)  # the other one gives up now, if nothing holds it back
        return chunk

    def give_up(read: ParallelRead, *args: object) -> None:
        end(read, *args)
        gone.set()

    end = ParallelRead._give_up
    monkeypatch.setattr(Chunks, "take", take)
    monkeypatch.setattr(ParallelRead, "_give_up", give_up)

    def serve(client: socket.socket, head: bytes) -> None:
        wanted = re.search(rb"bytes=(\d+)-", head)
        start = int(wanted[1]) if wanted else 0
        client.sendall(
            b'HTTP/1.1 206 Part\r\nETag: "1"\r\nConnection: close\r\nContent-Length: %d\r\n'
            b"Content-Range: bytes %d-%d/%d\r\n\r\n"
            % (len(DATA) - start, start, len(DATA) - 1, len(DATA))
        )
        client.sendall(DATA[start : start + 1000] if start else DATA)

    cancel = CancelToken()
    limit = threading.Timer(60, cancel.cancel)
    limit.start()
    fetcher = Fetcher(parts=2, parallel_from=len(DATA) // 2, retries=0)
    monkeypatch.setattr("lancenb.download._ranges.chunk_size", lambda *args: len(DATA) // 2)
    with raw_server(serve) as port, pytest.raises(DownloadFailed, match="cut short"):
        fetcher.fetch(f"http://127.0.0.1:{port}/f.bin", tmp_path, cancel=cancel)
    limit.cancel()


@pytest.mark.parametrize("known", [True, False])
def test_the_disk_is_asked_first(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    usage = type("Usage", (), {"free": 100_000})
    monkeypatch.setattr("lancenb.download._files.shutil.disk_usage", lambda path: usage)
    url = files.add("/f.bin", DATA, chunked=not known)
    with pytest.raises(OutOfSpace, match="free") as caught:
        FAST.fetch(url, tmp_path, size=None if known else len(DATA))
    assert "GB" in caught.value.hint
    assert left(tmp_path) == []
