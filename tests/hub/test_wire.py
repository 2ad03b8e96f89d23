"""What goes over the wire: faults do what they say, and answers follow the HTTP rules."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lancenb.testing import FileServer, HubStub
from lancenb.testing._body import Incoming

BODY = bytes(range(256)) * 4096


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as files:
        files.add("/f.bin", BODY)
        yield files
        assert files.errors == []


def ask(
    server: FileServer | str,
    path: str = "/f.bin",
    method: str = "GET",
    body: object = None,
    **headers: str,
) -> http.client.HTTPResponse:
    """Send one request; header names are written with underscores."""
    url = server if isinstance(server, str) else server.url
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, body, named)  # type: ignore[arg-type]
    return connection.getresponse()


def test_whole_files_ranges_and_conditions(server: FileServer):
    whole = ask(server)
    assert (whole.status, whole.read()) == (200, BODY)
    etag = whole.headers["ETag"]
    assert whole.headers["Accept-Ranges"] == "bytes"
    for asked, start, stop in (
        ("bytes=10-19", 10, 20),
        ("bytes=1048570-", 1048570, 1048576),
        ("bytes=-5", 1048571, 1048576),
        ("bytes=1048570-9999999", 1048570, 1048576),
    ):
        part = ask(server, Range=asked)
        assert (part.status, part.read()) == (206, BODY[start:stop])
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/1048576"
    beyond = ask(server, Range="bytes=1048576-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */1048576")
    for senseless in ("bytes=9-5", "bytes=-", "bytes=1-2,5-6", "lines=1-2"):
        assert ask(server, Range=senseless).status == 200
    head = ask(server, method="HEAD")
    assert (head.status, head.headers["Content-Length"], head.read()) == (200, "1048576", b"")
    assert ask(server, If_None_Match=f'"x", {etag}').status == 304
    assert ask(server, If_None_Match="*").status == 304
    assert ask(server, If_None_Match='"x"').status == 200
    assert ask(server, If_Match='"x"').status == 412
    assert ask(server, If_Match=etag).status == 200
    assert ask(server, Range="bytes=0-3", If_Range=etag).status == 206
    assert ask(server, Range="bytes=0-3", If_Range='"x"').status == 200
    assert ask(server, path="/none").status == 404
    assert ask(server, method="POST", body=b"x").status == 405


def test_dates_weak_tags_names_redirects_and_tokens(server: FileServer):
    then = 1_700_000_000.0
    server.add("/old", b"old", modified=then, etag=False, name="../../etc/passwd")
    stamp, later = formatdate(then, usegmt=True), formatdate(then + 60, usegmt=True)
    answer = ask(server, "/old")
    assert answer.headers["ETag"] is None
    assert answer.headers["Last-Modified"] == stamp
    assert answer.headers["Content-Disposition"] == 'attachment; filename="../../etc/passwd"'
    assert ask(server, "/old", If_Modified_Since=stamp).status == 304
    assert ask(server, "/old", If_Modified_Since=formatdate(then - 60)).status == 200
    assert ask(server, "/old", If_Modified_Since="yesterday").status == 200
    assert ask(server, "/old", If_Unmodified_Since=formatdate(then - 60)).status == 412
    assert ask(server, "/old", If_Unmodified_Since=later).status == 200
    assert ask(server, "/old", Range="bytes=1-1", If_Range=stamp).status == 206
    assert ask(server, "/old", Range="bytes=1-1", If_Range=later).status == 200
    server.add("/weak", b"weak", etag='W/"1"')
    assert ask(server, "/weak", Range="bytes=1-1", If_Range='W/"1"').status == 200
    assert ask(server, "/weak", If_None_Match='"1"').status == 304
    assert ask(server, "/weak", If_Match='W/"1"').status == 412
    server.add("/ümlaut", b"u", name="größe.bin")
    answer = ask(server, "/%C3%BCmlaut")
    assert answer.headers["Content-Disposition"].endswith("filename*=UTF-8''gr%C3%B6%C3%9Fe.bin")
    for status in (301, 302, 303, 307, 308):
        server.add("/away", redirect="http://127.0.0.2/x", status=status)
        answer = ask(server, "/away")
        assert (answer.status, answer.headers["Location"]) == (status, "http://127.0.0.2/x")
    server.add("/mine", b"mine", token="t")
    assert ask(server, "/mine").status == 401
    assert ask(server, "/mine", Authorization="Bearer t").read() == b"mine"
    assert server.log[-1].auth == "Bearer t"
    assert "Bearer" not in repr(server.log[-1])


def test_chunked_answers_have_no_length(server: FileServer):
    server.add("/c", BODY, chunked=True)
    answer = ask(server, "/c", Range="bytes=5-6")
    assert (answer.status, answer.read()) == (200, BODY)
    assert answer.headers["Content-Length"] is None
    assert answer.headers["Accept-Ranges"] is None
    server.faults.add("truncate", path="/c")
    assert ask(server, "/c").read() == BODY[: len(BODY) // 2]
    server.faults.add("cut", path="/c")
    with pytest.raises(http.client.IncompleteRead):
        ask(server, "/c").read()


def test_one_connection_serves_many_requests(server: FileServer):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
    server.faults.add("status", method="POST", status=429)
    for method, body in (("POST", b"x" * 300_000), ("GET", None), ("POST", iter([b"ab", b"c"]))):
        connection.request(method, "/f.bin", body, encode_chunked=True)
        connection.getresponse().read()
    assert [seen.status for seen in server.log] == [429, 200, 405]
    assert [seen.received for seen in server.log] == [300_000, 0, 3]
    assert server.log[1].sent == server.log[1].bytes_sent == len(BODY)


def test_a_body_that_ends_early_is_no_body():
    import io

    for headers in ({"content-length": "10"}, {"transfer-encoding": "chunked"}):
        with pytest.raises(ConnectionAbortedError):
            Incoming(io.BufferedReader(io.BytesIO(b"9\r\nabc")), headers).read()  # type: ignore[arg-type]


def raw(server: FileServer) -> tuple[bytes, type[Exception] | None]:
    """Return the body as far as it came, and how the connection ended."""
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), 120) as wire:
        wire.sendall(b"GET /f.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        try:
            while block := wire.recv(1 << 20):
                got += block
        except ConnectionResetError:
            return got.partition(b"\r\n\r\n")[2], ConnectionResetError
        return got.partition(b"\r\n\r\n")[2], None


@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
def test_cut_ends_with_fin(server: FileServer, at: float):
    server.faults.add("cut", at=at)
    assert raw(server) == (BODY[: int(len(BODY) * at)], None)
    assert server.log[-1].sent == int(len(BODY) * at)


def test_rst_ends_with_a_reset(server: FileServer):
    server.faults.add("rst", at=0.3)
    body, end = raw(server)
    assert end is ConnectionResetError
    assert BODY.startswith(body)


@pytest.mark.parametrize(("kind", "end"), [("cut", None), ("rst", ConnectionResetError)])
def test_early_faults_leave_no_answer_at_all(server: FileServer, kind: str, end: object):
    server.faults.add(kind, early=True)
    assert raw(server) == (b"", end)
    assert server.log[-1].status == 0
    server.faults.add("stall", early=True, method="HEAD", seconds=0.4)
    began = time.monotonic()
    assert ask(server, method="HEAD").status == 200
    assert time.monotonic() - began >= 0.4


def test_truncate_agrees_with_its_length(server: FileServer):
    server.faults.add("truncate", at=0.25)
    answer = ask(server, Range="bytes=0-99")
    assert (answer.status, answer.headers["Content-Length"]) == (206, "25")
    assert answer.headers["Content-Range"] == "bytes 0-99/1048576"
    assert answer.read() == BODY[:25]


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_corrupt_flips_one_byte(server: FileServer, at: float, tmp_path: Path):
    (tmp_path / "f").write_bytes(BODY)
    server.add("/f.bin", tmp_path / "f")
    server.faults.add("corrupt", at=at)
    got = ask(server).read()
    wrong = [i for i in range(len(BODY)) if got[i] != BODY[i]]
    assert wrong == [min(int(len(BODY) * at), len(BODY) - 1)]
    assert ask(server).read() == BODY


def test_stall_and_slow_take_their_time(server: FileServer):
    server.faults.add("stall", seconds=0.5)
    began = time.monotonic()
    assert ask(server).read() == BODY
    assert time.monotonic() - began >= 0.5
    server.faults.add("slow", rate=2 << 20)
    began = time.monotonic()
    assert ask(server).read() == BODY
    assert 0.4 <= time.monotonic() - began < 60


def test_closing_the_server_ends_a_stall():
    with FileServer() as server:
        server.add("/f.bin", BODY)
        server.faults.add("stall", seconds=600)  # reading has less patience
        answer = ask(server)
        closing = threading.Timer(0.2, server.close)
        closing.start()
        answer.read()
        closing.join()


def test_status_with_seconds_with_a_date_and_without(server: FileServer):
    server.faults.add("status", status=429, retry_after=7)
    answer = ask(server, method="HEAD")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    server.faults.add("status", status=503, retry_after=8, retry_date=True)
    before = time.time()
    answer = ask(server)
    when = parsedate_to_datetime(answer.headers["Retry-After"]).timestamp()
    assert answer.status == 503
    assert before + 7 <= when <= time.time() + 8
    server.faults.add("status", status=500)
    assert ask(server).headers["Retry-After"] is None


def test_norange_ignores_only_ranges(server: FileServer):
    fault = server.faults.add("norange")
    assert ask(server).headers["Accept-Ranges"] is None
    assert fault.used == 0
    answer = ask(server, Range="bytes=5-6")
    assert (answer.status, answer.read()) == (200, BODY)
    assert fault.used == 1
    assert ask(server, Range="bytes=5-6").status == 206


def test_faults_choose_their_requests(server: FileServer):
    server.add("/other.bin", BODY)
    server.add("/away", redirect="/f.bin")
    fault = server.faults.add("truncate", path="/f*", method="GET", skip=1, times=2)
    lengths = []
    for method, path in (
        ("HEAD", "/f.bin"),
        ("GET", "/other.bin"),
        ("GET", "/away"),
        ("GET", "/f.bin"),
        ("GET", "/f.bin"),
        ("GET", "/f.bin"),
        ("GET", "/f.bin"),
    ):
        lengths.append(len(ask(server, path, method).read()))
    half, whole = len(BODY) // 2, len(BODY)
    assert lengths == [0, whole, 0, whole, half, half, whole]
    assert fault.used == 2
    always = server.faults.add("status", times=0)
    assert {ask(server).status for _ in range(4)} == {503}
    assert always.used == 4
    server.faults.clear()
    assert ask(server).status == 200


@pytest.mark.parametrize(
    "options",
    [{"kind": "melt"}, {"kind": "cut", "at": 2}, {"kind": "slow", "rate": 0},
     {"kind": "status", "early": True}, {"kind": "cut", "times": -1}],
)  # fmt: skip
def test_a_fault_that_makes_no_sense_is_refused(server: FileServer, options: dict[str, object]):
    with pytest.raises(ValueError, match=r"fault|before"):
        server.faults.add(**options)  # type: ignore[arg-type]


def test_other_processes_control_both_origins():
    with HubStub() as hub:
        hub.repos.create("model", "acme/x").commit({"config.json": b"{}", "w.bin": BODY})
        order = {"kind": "truncate", "side": "cdn", "path": "/lfs/*", "at": 0.5}
        made = ask(hub.url, "/_stub/fault", "POST", json.dumps(order))
        assert json.load(made)["used"] == 0
        made = ask(hub.url, "/_stub/fault", "POST", '{"kind": "status", "path": "/acme/*"}')
        assert made.status == 200
        assert ask(hub.url, "/acme/x/resolve/main/config.json").status == 503
        where = ask(hub.url, "/acme/x/resolve/main/w.bin").headers["Location"]
        path = where.removeprefix(hub.cdn.url)
        assert len(ask(hub.cdn.url, path, Authorization="Bearer hf_ann").read()) == len(BODY) // 2
        planned = json.load(ask(hub.url, "/_stub/fault"))
        assert [(fault["kind"], fault["used"]) for fault in planned] == [
            ("status", 1),
            ("truncate", 1),
        ]
        (seen,) = json.load(ask(hub.url, "/_stub/log?side=cdn"))
        assert (seen["method"], seen["auth"], seen["status"]) == ("GET", True, 200)
        assert (seen["bytes_sent"], seen["side"]) == (len(BODY) // 2, "cdn")
        assert "hf_ann" not in json.dumps(seen)
        assert hub.leaked == [urlsplit(where).path]
        assert len(json.load(ask(hub.url, "/_stub/log", "DELETE"))) == 3
        assert json.load(ask(hub.url, "/_stub/log")) == []
        ask(hub.url, "/_stub/fault", "DELETE")
        assert json.load(ask(hub.url, "/_stub/fault")) == []
        for wrong in ('{"kind": "melt"}', '{"kind": "cut", "side": "moon"}', '{"sort": 1}'):
            assert ask(hub.url, "/_stub/fault", "POST", wrong).status == 400
        assert ask(hub.url, "/_stub/other").status == 404


def test_our_own_mistakes_are_told_not_hidden():
    with HubStub() as hub:
        hub.repos.create("model", "ann/x").commit({"a": b"a"})
        answer = ask(
            hub.url, "/api/models/ann/x/commit/main", "POST", b"{}", Authorization="Bearer hf_ann"
        )
        assert answer.status == 500
        assert b"Traceback" in answer.read()
        assert len(hub.hub.errors) == 1


def test_a_sparse_file_of_4_gb_needs_neither_memory_nor_disk(tmp_path: Path):
    import psutil

    sparse = tmp_path / "large.bin"
    with sparse.open("wb") as file:
        file.truncate(4 << 30)
        file.seek(-4, os.SEEK_END)
        file.write(b"last")
    before = psutil.Process().memory_info().rss
    with FileServer() as server:
        server.add("/large.bin", sparse)
        tail = ask(server, "/large.bin", Range="bytes=-4")
        assert (tail.status, tail.read()) == (206, b"last")
        assert tail.headers["Content-Range"] == f"bytes {(4 << 30) - 4}-{(4 << 30) - 1}/{4 << 30}"
        answer = ask(server, "/large.bin")
        assert answer.headers["Content-Length"] == str(4 << 30)
        for _ in range(64):
            answer.read(1 << 20)
    assert psutil.Process().memory_info().rss - before < 100 << 20


def test_content_is_kept_once_by_its_hash(tmp_path: Path):
    source = tmp_path / "w.bin"
    with source.open("wb") as file:
        file.write(b"begin")
        file.truncate(8 << 20)
    root = tmp_path / "root"
    with HubStub(root) as hub:
        for name in ("acme/a", "acme/b"):
            hub.repos.create("model", name).commit({"w.bin": source, "copy.bin": source})
        source.write_bytes(b"changed afterwards")
        hub.repos.create("model", "acme/c").commit({"empty.bin": b""})
        repo = hub.repos.get("model", "acme/a")
        assert repo
        tree = repo.commits[repo.refs["main"]]
        kept = tree["w.bin"].data
        assert kept.parent == root / "blobs"
        assert kept.name == tree["w.bin"].sha256 == hashlib.sha256(kept.read_bytes()).hexdigest()
        assert kept.read_bytes()[:5] == b"begin"
        assert kept.stat().st_blocks * 512 < 1 << 20, "holes have been filled"
        assert len(list((root / "blobs").iterdir())) == 2
        assert list((root / "incoming").iterdir()) == []


def test_large_content_is_linked_not_copied(tmp_path: Path):
    large = tmp_path / "folder" / "large.bin"
    large.parent.mkdir()
    with large.open("wb") as file:
        file.truncate(64 << 20)
    with HubStub(tmp_path / "root") as hub:
        for name in ("acme/a", "acme/b"):
            hub.repos.import_folder("model", name, large.parent)
        (kept,) = (tmp_path / "root" / "blobs").iterdir()
        assert kept.samefile(large)
        assert list((tmp_path / "root" / "incoming").iterdir()) == []


def test_a_hub_serves_plain_files_and_an_environment(tmp_path: Path):
    with HubStub(tokens={"t": "joe"}) as hub:
        address = hub.add_plain("/files/ä b.bin", b"plain", name="x.bin", headers={"X-More": "1"})
        answer = ask(hub.cdn.url, address.removeprefix(hub.cdn.url))
        assert (answer.read(), answer.headers["X-More"]) == (b"plain", "1")
        hub.add_plain("/away", redirect=address, status=308)
        assert ask(hub.cdn.url, "/away").headers["Location"] == address
        assert ask(hub.cdn.url, "/none").status == 404
        assert ask(hub.url, "/files/a.bin").status == 401, "on the other origin it is not"
        env = hub.env(tmp_path, token="t")
        assert (env["HF_ENDPOINT"], env["HF_HOME"], env["HF_TOKEN"]) == (
            hub.url,
            str(tmp_path),
            "t",
        )
        assert "HF_TOKEN" not in hub.env(tmp_path)
        kept = hub.repos.create("model", "joe/x").blobs.root
        assert kept.is_dir()
    assert not kept.exists(), "a temporary folder goes with the Hub"
    with pytest.raises(OSError, match="refused"):
        ask(hub.url, "/")
