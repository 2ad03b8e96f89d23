"""Streams of the HTTP engine: both ways in pieces, at the pace of the slower side, to the end."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
import urllib3

from lancenb import DataManager
from lancenb import errors as e
from lancenb.remote._http_far import Events, parsed
from lancenb.remote._http_wire import BASE
from lancenb.remote._ops import OPS

from .http_parts import (
    ARROW,
    TOKEN,
    Answer,
    Call,
    Site,
    canned_site,
    head_of,
    patient,
    real_site,
    strange_server,
    stream_of,
    until,
)

MIB = 1 << 20


class Body:
    """A body that counts its pieces and notes that it was closed."""

    def __init__(self, pieces: int, piece: Any = b"x" * MIB, fail_at: int | None = None):
        self.left, self.made, self.piece, self.fail_at = pieces, 0, piece, fail_at
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.made == self.fail_at:
            raise e.StoreUnreachable("the disk is gone")
        if self.made >= self.left:
            raise StopIteration
        self.made += 1
        return self.piece

    def close(self) -> None:
        self.closed.set()


def request(path: str, *headers: str, method: str = "POST") -> bytes:
    lines = [f"{method} {BASE}{path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {TOKEN}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


READ = request("/artifacts/x/read", "Content-Length: 0")


def test_a_slow_reader_makes_the_server_wait():
    body = Body(200)
    with canned_site(lambda call: Answer(None, body)) as site:
        with site.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            sock.sendall(READ)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
            time.sleep(0.8)
            assert body.made < 30
            total = 0
            while total < 150 * MIB:
                total += len(sock.recv(MIB))
            assert body.made > 100
        assert body.closed.wait(60), "the client went away, and the stream was not closed"
        assert body.made < 200


def test_an_answer_is_released_once_however_it_ends():
    released: list[str] = []

    def answer(call: Call) -> Answer:
        return Answer(None, Body(3), release=lambda: released.append(call.request_id))

    with canned_site(answer) as site:
        assert site.ask("POST", BASE + "/artifacts/x/read", X_Request_Id="whole")[0] == 200
        with site.socket() as sock:
            sock.sendall(READ.replace(b"Content", b"X-Request-Id: gone\r\nContent"))
        assert until(lambda: len(released) == 2)
        time.sleep(0.1)
        assert sorted(released) == ["gone", "whole"]


def test_a_stream_that_fails_breaks_off_without_its_end():
    with canned_site(lambda call: Answer(None, Body(9, fail_at=3))) as site, site.socket() as sock:
        sock.sendall(READ)
        data = head_of(sock)
        assert data.startswith(b"HTTP/1.1 200")
        assert len(data) > 3 * MIB
        assert not data.endswith(b"0\r\n\r\n")
        file: Any = site.transport().call(OPS["read"], {"name": "x"}, request_id="r").body
        with pytest.raises(e.ServerUnreachable) as caught:
            file.read(9 * MIB)
        assert caught.value.details == {"sent": True}


def test_much_can_be_known_before_a_stream():
    """Weights bring facts with them that are longer than one header may be."""
    value = {"facts": ["é" * 10] * 20_000}
    with canned_site(lambda call: Answer(value, Body(1))) as site:
        answer = site.transport().call(OPS["read_weights"], {"name": "x"}, request_id="r")
        assert answer.value == value
        answer.close()


def test_nothing_is_said_in_the_middle_of_an_answer():
    """What comes after a request, and is none, ends the connection without a word."""
    go_on = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"a" * 1000
        go_on.wait(600)
        yield b"b" * 1000

    with canned_site(lambda call: Answer(None, pieces())) as site, site.socket() as sock:
        sock.sendall(READ)
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b"HTTP/1.1" not in head_of(sock)
        go_on.set()


def test_a_stream_that_fails_at_once_is_an_answer():
    with canned_site(lambda call: Answer(None, Body(9, fail_at=0))) as site:
        facts = site.problem("POST", BASE + "/artifacts/x/read")
        assert facts["code"] == "store_unreachable"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with real_site(tmp_path_factory.mktemp("root")) as made:
        yield made


def test_rows_there_and_back_over_one_connection(site: Site):
    table = pa.table({"id": range(300_000), "x": [0.5] * 300_000, "s": ["abc"] * 300_000})
    far = site.manager()
    far.convert(table, "big")
    pool = far._transport.pool()
    before = pool.num_connections
    for _ in range(5):
        assert far.read("big").read_all().equals(table)
    assert pool.num_connections == before, "a stream read to its end gives its connection back"


def test_a_stream_closed_in_the_middle_leaves_the_client_usable(site: Site):
    far = site.manager()
    far.convert(pa.table({"id": range(2_000_000)}), "long")
    answer = far._transport.call(OPS["read"], {"name": "long"}, request_id="r")
    file: Any = answer.body
    assert len(file.read(1000)) == 1000
    assert site.dispatcher.gate.running() == 1
    answer.close()
    assert far.get("long").rows == 2_000_000
    assert until(lambda: site.dispatcher.gate.running() == 0)


def test_half_an_append_is_never_committed(site: Site):
    far = site.manager()
    rows = pa.table({"id": range(200_000)})
    far.convert(rows, "kept")
    data = stream_of(rows)
    for cut in (0, 10, 500_000, len(data) - 8, len(data) - 1):
        with site.socket() as sock:
            head = request("/artifacts/kept/rows?mode=append", f"Content-Type: {ARROW}",
                           f"Content-Length: {len(data)}")  # fmt: skip
            sock.sendall(head + data[:cut])
            assert until(lambda: site.dispatcher.gate.running("stream") == 1)
        assert until(lambda: site.dispatcher.gate.running() == 0)
    with site.socket() as sock:
        head = request("/artifacts/kept/rows?mode=append", f"Content-Type: {ARROW}",
                       "Transfer-Encoding: chunked")  # fmt: skip
        sock.sendall(head + b"%x\r\n" % len(data) + data)  # all but the last chunk
        assert until(lambda: site.dispatcher.gate.running("stream") == 1)
    assert until(lambda: site.dispatcher.gate.running() == 0)
    assert len(far.versions("kept")) == 1
    assert far.get("kept").rows == 200_000


def test_a_slow_taker_makes_the_client_wait():
    taken = threading.Event()
    seen: list[int] = []

    def slow(call: Call) -> Answer:
        assert call.body is not None
        taken.wait(600)
        seen.append(sum(len(piece) for piece in call.body))
        return Answer({})

    def pieces() -> Iterator[bytes]:
        for _ in range(200):
            sent.append(MIB)
            yield b"x" * MIB

    sent: list[int] = []
    with canned_site(slow) as site:
        done = threading.Thread(
            target=lambda: site.transport().call(
                OPS["write"], {"name": "x"}, request_id="r", body=pieces()
            )
        )
        done.start()
        assert until(lambda: len(sent) > 3)
        time.sleep(0.8)
        assert len(sent) < 60
        taken.set()
        done.join(60)
        assert seen == [200 * MIB]


def test_a_server_that_takes_nothing_for_a_while_is_not_dead(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lancenb.remote._http_connection._SILENT", 1)

    def late(call: Call) -> Answer:
        assert call.body is not None
        time.sleep(3)
        return Answer(sum(len(piece) for piece in call.body))

    with canned_site(late) as site:
        transport = site.transport()
        for _ in range(2):
            body = (b"x" * MIB for _ in range(60))
            answer = transport.call(OPS["write"], {"name": "x"}, request_id="r", body=body)
            assert answer.value == 60 * MIB


# --- events


def counted(after: int, last: int) -> Iterator[dict[str, Any]]:
    for seq in range(after + 1, last + 1):
        yield {"seq": seq, "event": "step", "data": {"text": f"line\n{seq}"}}
        yield {"event": "ping"}


def test_events_as_server_sent_text():
    with canned_site(lambda call: Answer(None, counted(call.args.get("after", 0), 3))) as site:
        status, headers, text = site.ask("GET", BASE + "/jobs/j/events")
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        assert text.startswith(b": open\n\n")
        first = b'id: 1\nevent: step\ndata: {"text":"line\\n1"}\n\n: ping\n\n'
        assert text.removeprefix(b": open\n\n").startswith(first)
        assert [event["seq"] for event in parsed(iter(text.split(b"\n")))] == [1, 2, 3]
        for path, headers in (("?after=2", {}), ("", {"Last_Event_ID": "2"}),
                              ("?after=1", {"Last_Event_ID": "2"})):  # fmt: skip
            text = site.ask("GET", BASE + "/jobs/j/events" + path, **headers)[2]
            assert [event["seq"] for event in parsed(iter(text.split(b"\n")))] == [3]
        assert site.problem("GET", BASE + "/jobs/j/events", Last_Event_ID="x")["status"] == 400


def test_events_arrive_when_they_happen_and_end_when_nobody_listens():
    go_on, closed = threading.Event(), threading.Event()

    def slowly() -> Iterator[dict[str, Any]]:
        try:
            yield {"seq": 1, "event": "step", "data": None}
            while not go_on.wait(0.05):
                yield {"event": "ping"}
            yield {"seq": 2, "event": "step", "data": None}
            while True:
                time.sleep(0.05)
                yield {"event": "ping"}
        finally:
            closed.set()

    with canned_site(lambda call: Answer(None, slowly())) as site:
        answer = site.transport().call(OPS["watch"], {}, request_id="r")
        assert next(answer.body)["seq"] == 1
        go_on.set()
        assert next(answer.body) == {"seq": 2, "event": "step", "data": None}
        answer.close()
        assert closed.wait(60)


def test_closing_ends_a_wait_for_events_in_another_thread():
    over = threading.Event()

    def quiet() -> Iterator[dict[str, Any]]:
        over.wait(600)
        yield {"event": "ping"}

    with canned_site(lambda call: Answer(None, quiet())) as site:
        answer = site.transport().call(OPS["watch"], {}, request_id="r")
        found: list[Any] = []
        waiter = threading.Thread(target=lambda: found.extend(answer.body or ()))
        waiter.start()
        time.sleep(0.2)
        answer.close()
        waiter.join(60)
        assert not waiter.is_alive()
        assert found == []
        over.set()


def test_events_go_on_after_a_broken_connection():
    """Each connection brings two events and breaks off; none is lost, none comes twice."""
    asked: list[str] = []

    def broken(sock: Any, head: bytes) -> None:
        line = head.split(b"\r\n", 1)[0].decode()
        asked.append(line)
        after = int(line.partition("after=")[2].partition(" ")[0] or 0)
        text = "".join(f"id: {n}\nevent: step\ndata: {n}\n\n" for n in (after + 1, after + 2))
        whole = f"{len(text):x}\r\n{text}\r\n" + ("0\r\n\r\n" if after >= 8 else "")
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n" + whole.encode())  # fmt: skip

    with strange_server(broken) as url:
        from lancenb.remote._http_client import HttpTransport
        from lancenb.remote._transport import Reach

        answer = HttpTransport(Reach(url)).call(
            OPS["job_events"], {"job": "j", "after": 0}, request_id="r"
        )
        assert [event["seq"] for event in answer.body or ()] == list(range(1, 11))
    assert len(asked) == 5


def test_closing_while_the_connection_is_made_anew_ends_the_events():
    class Gone:
        def read1(self, *_: Any, **__: Any) -> bytes:
            raise ConnectionError

    class Quiet:
        closed = False

        def read1(self, *_: Any, **__: Any) -> bytes:
            pytest.fail("nobody listens any more")

        def close(self) -> None:
            self.closed = True

    quiet = Quiet()

    def connect(after: int | None) -> Any:
        if made:
            events.close()
            return quiet
        made.append(after)
        return Gone()

    made: list[Any] = []
    events = Events(connect, lambda error: e.ServerUnreachable(str(error)))
    assert list(events) == []
    assert quiet.closed


def test_a_failure_among_events_is_the_same_error():
    def failing() -> Iterator[dict[str, Any]]:
        yield {"seq": 1, "event": "step", "data": None}
        raise e.VersionNotFound("there is no version 7", hint="look", details={"version": 7})

    with canned_site(lambda call: Answer(None, failing())) as site:
        answer = site.transport().call(OPS["watch"], {}, request_id="r")
        assert answer.body is not None
        assert next(answer.body)["seq"] == 1
        with pytest.raises(e.VersionNotFound) as caught:
            next(answer.body)
        assert caught.value.to_dict() == {
            "code": "version_not_found", "message": "there is no version 7", "hint": "look",
            "details": {"version": 7},
        }  # fmt: skip


# --- patience that ends


def test_slow_headers_are_not_waited_for():
    with canned_site(lambda call: Answer({}), patient(header_seconds=0.5)) as site:
        with site.socket() as sock:  # says nothing at all
            assert b"408" in head_of(sock).split(b"\r\n")[0]
        with site.socket() as sock:  # one byte at a time, and never the last
            sock.sendall(b"GET / HTTP/1.1\r\nX-A: ")
            with contextlib.suppress(OSError):
                while not select.select([sock], [], [], 0.02)[0]:
                    sock.sendall(b"a")
            assert b" 408 " in head_of(sock)
    with canned_site(lambda call: Answer({}), patient()) as site, site.socket() as sock:
        # A second request on a connection that was good; the first had all the time it needed.
        sock.sendall(request("/about", method="GET"))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        site.running._server.config.http.limits = patient(header_seconds=0.5)
        sock.sendall(b"GET / HT")
        assert b"HTTP/1.1 408 " in head_of(sock)


@pytest.mark.parametrize(
    ("path", "kind"), [("/search", "application/json"), ("/artifacts/x/rows", ARROW)]
)
def test_slow_bodies_are_not_waited_for(path: str, kind: str):
    def take(call: Call) -> Answer:
        assert call.body is not None
        return Answer(sum(len(piece) for piece in call.body))

    with canned_site(take, patient(idle_seconds=0.6)) as site:
        for drip in (0, 1):  # nothing, or next to nothing
            with site.socket() as sock:
                sock.sendall(request(path, f"Content-Type: {kind}", "Content-Length: 1000"))
                with contextlib.suppress(OSError):
                    for _ in range(100 * drip):
                        sock.sendall(b" ")
                        time.sleep(0.02)
                data = head_of(sock)
                assert data.startswith(b"HTTP/1.1 408 ")
                assert json.loads(data.partition(b"\r\n\r\n")[2])["code"] == "timed_out"


def test_headers_have_a_size():
    with canned_site(lambda call: Answer({}), patient(max_header=2000)) as site:
        for junk in (b"X-A: " + b"a" * 3000 + b"\r\n", b"X-A: b\r\n" * 500):
            with site.socket() as sock:
                sock.sendall(b"GET /healthz HTTP/1.1\r\n" + junk + b"\r\n")
                assert b" 431 " in head_of(sock).split(b"\r\n")[0]
        with site.socket() as sock:  # a header that does not end
            sock.sendall(b"GET /healthz HTTP/1.1\r\nX-A: ")
            with contextlib.suppress(OSError):
                for _ in range(100):
                    sock.sendall(b"a" * 100)
                    time.sleep(0.001)
            assert b" 431 " in head_of(sock).split(b"\r\n")[0]
        with site.socket() as sock:
            sock.sendall(b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n")
            assert b" 431 " in head_of(sock).split(b"\r\n")[0]
        assert site.ask("GET", "/healthz", X_A="a" * 1000)[0] == 200


def test_what_is_no_http_is_told_so():
    with canned_site(lambda call: Answer({})) as site, site.socket() as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 nonsense\r\n\r\n")
        data = head_of(sock)
        assert data.startswith(b"HTTP/1.1 400 ")
        assert json.loads(data.partition(b"\r\n\r\n")[2])["code"] == "invalid_argument"


def test_connections_have_a_number():
    with canned_site(lambda call: Answer({}), patient(max_sockets=3)) as site:
        with contextlib.ExitStack() as held:
            for _ in range(3):
                sock = held.enter_context(site.socket())
                sock.sendall(request("/about", method="GET"))
                assert sock.recv(65536).startswith(b"HTTP/1.1 200")
            with site.socket() as sock:
                assert head_of(sock).startswith(b"HTTP/1.1 429 ")

        def room() -> bool:
            try:
                return site.ask("GET", "/healthz")[0] == 200
            except urllib3.exceptions.HTTPError:  # refused before it was heard
                return False

        assert until(room)


def test_stopping_does_not_wait_for_open_streams(tmp_path: Any):
    DataManager(tmp_path).convert(pa.table({"id": range(3_000_000)}), "long")
    with contextlib.ExitStack() as open_things:
        site = open_things.enter_context(real_site(tmp_path))
        far = site.manager()
        reader = far.read("long")
        reader.read_next_batch()
        events = site.transport().call(OPS["watch"], {}, request_id="r")
        assert events.body is not None
        assert next(events.body)["event"] == "ready"
        sock = open_things.enter_context(site.socket())
        sock.sendall(request("/artifacts/y/rows", f"Content-Type: {ARROW}", "Content-Length: 999"))
        site.running.stop()
        assert until(lambda: not site.running.alive), "the events have no end of their own"
        with pytest.raises(e.ServerUnreachable):
            far.list()
