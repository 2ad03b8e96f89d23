"""The HTTP engine of the client: errors arrive, dead servers are noticed, the token stays home."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb import errors as e
from lancenb.remote._http_client import HttpTransport
from lancenb.remote._http_wire import BASE
from lancenb.remote._ops import OPS
from lancenb.remote._transport import Reach

from .http_parts import (
    TOKEN,
    Answer,
    Call,
    canned_site,
    patient,
    real_site,
    strange_server,
    stream_of,
)

MIB = 1 << 20


def ask(url: str, op: str = "about", token: str | None = TOKEN, **more: Any) -> Answer:
    options = {key: more.pop(key) for key in ("timeout", "ca") if key in more}
    transport = HttpTransport(Reach(url, token, **options))
    return transport.call(OPS[op], more.pop("args", {}), request_id="r", **more)


def large(count: int = 50, made: list[int] | None = None) -> Iterator[bytes]:
    for _ in range(count):
        if made is not None:
            made.append(1)
        yield b"x" * MIB


# --- an answer before the request is whole


def too_large(call: Call) -> Answer:
    assert call.body is not None
    next(call.body)
    raise e.RequestTooLarge("too much of it", hint="send less", details={"limit": 5})


def not_known(call: Call) -> Answer:
    raise e.Unauthorized("no such token")


@pytest.mark.parametrize("answer", [too_large, not_known])
def test_an_error_arrives_while_a_large_body_is_sent(answer: Callable[[Call], Answer]):
    made: list[int] = []
    with canned_site(answer) as site:
        transport = site.transport()
        for _ in range(3):
            with pytest.raises((e.RequestTooLarge, e.Unauthorized)):
                transport.call(OPS["write"], {"name": "x"}, request_id="r", body=large(50, made))
    assert len(made) < 150, "the client stops sending once it was told"


def test_a_client_that_only_sends_still_gets_the_error(monkeypatch: pytest.MonkeyPatch):
    """The server reads on, to nowhere, so that closing does not take its answer away."""
    monkeypatch.setattr("lancenb.remote._http_reply._LINGER", 600.0)
    with canned_site(not_known) as site, site.socket() as sock:
        sock.sendall((
            f"POST {BASE}/artifacts/x/rows HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: application/vnd.apache.arrow.stream\r\n"
            f"Content-Length: {50 * MIB}\r\n\r\n"
        ).encode())  # fmt: skip
        for piece in large():
            sock.sendall(piece)
        data = b""
        while part := sock.recv(65536):
            data += part
        assert data.startswith(b"HTTP/1.1 401 ")
        assert json.loads(data.partition(b"\r\n\r\n")[2])["code"] == "unauthorized"


def test_a_large_json_is_refused_with_the_reason():
    with canned_site(lambda call: Answer({})) as site, pytest.raises(e.RequestTooLarge):
        ask(site.url, "search", args={"text": "x" * (50 * MIB)})


def test_an_announced_length_is_refused_at_once():
    with canned_site(lambda call: Answer({}), patient(max_body=MIB)) as site:
        facts = site.problem(
            "POST", BASE + "/artifacts/x/rows", b"x" * (5 * MIB),
            Content_Type="application/vnd.apache.arrow.stream",
        )  # fmt: skip
        assert (facts["status"], facts["code"]) == (413, "request_too_large")
        assert site.dispatcher.calls == []


def test_a_write_that_was_done_before_is_answered_without_its_body(tmp_path: Path):
    with real_site(tmp_path) as site:
        transport = site.transport()
        rows = stream_of(pa.table({"id": range(3_000_000)}))

        def again() -> Iterator[bytes]:
            view = memoryview(rows)
            for start in range(0, len(rows), MIB):
                yield bytes(view[start : start + MIB])

        args = {"name": "once", "mode": "create"}
        answers = [
            transport.call(
                OPS["write"], args, request_id=str(i), body=again(), idempotency_key="k"
            ).value
            for i in range(3)
        ]
        assert answers[0] == answers[1] == answers[2]
        assert len(site.manager().versions("once")) == 1


def test_an_error_in_the_callers_own_data_is_the_callers(tmp_path: Path):
    def broken() -> Iterator[bytes]:
        yield stream_of(pa.table({"id": range(1000)}))[:2000]
        raise BrokenPipeError("of the caller")

    with real_site(tmp_path) as site:
        with pytest.raises(BrokenPipeError, match="of the caller"):
            site.transport().call(OPS["write"], {"name": "x"}, request_id="r", body=broken())
        assert len(site.manager().list()) == 0


# --- servers that are not there (any more)


def test_no_server_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens there
        with pytest.raises(e.ServerUnreachable) as caught:
            ask(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert caught.value.details == {}
    with pytest.raises(e.ServerUnreachable):
        ask("http://no-such-host.invalid:80")


SERVER = """
import sys
from tests.remote.http_parts import real_site
with real_site(sys.argv[1]) as site:
    print(site.port, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    DataManager(tmp_path / "root").convert(pa.table({"id": range(3_000_000)}), "kept")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path / "root")], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout is not None
    port = int(process.stdout.readline())

    def kill() -> None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    yield f"http://127.0.0.1:{port}", kill
    if process.poll() is None:
        kill()


def test_a_server_killed_in_the_middle(killable: tuple[str, Callable[[], None]]):
    """A read, a wait for events and an append are under way; each tells it, none of them hangs."""
    url, kill = killable
    transport = HttpTransport(Reach(url, TOKEN))
    file: Any = transport.call(OPS["read"], {"name": "kept"}, request_id="r").body
    file.read(1000)
    events = transport.call(OPS["watch"], {}, request_id="r").body
    assert events is not None
    next(events)
    append_began, outcome = threading.Event(), {}

    def rows() -> Iterator[bytes]:
        data = stream_of(pa.table({"id": range(3_000_000)}))
        yield data[: 10 * MIB]
        append_began.set()
        while True:
            yield b"x" * 1000
            time.sleep(0.05)

    def tried(name: str, work: Callable[[], Any]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except e.ServerUnreachable as error:
                outcome[name] = error

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    append = {"name": "kept", "mode": "append"}
    threads = [
        tried("events", lambda: list(events)),
        tried("append", lambda: transport.call(
            OPS["write"], append, request_id="r", body=rows())),
    ]  # fmt: skip
    assert append_began.wait(60)
    kill()
    threads.append(tried("read", lambda: file.read(40 * MIB)))
    for thread in threads:
        thread.join(60)
    assert set(outcome) == {"events", "append", "read"}
    assert outcome["append"].details == outcome["read"].details == {"sent": True}
    with pytest.raises(e.ServerUnreachable):
        transport.call(OPS["about"], {}, request_id="r")


def test_a_server_that_falls_silent():
    told = threading.Event()
    with strange_server(lambda sock, head: told.wait(600)) as url:
        with pytest.raises(e.TimedOut) as caught:
            ask(url, timeout=0.3)
        assert caught.value.details == {"sent": True}
        with pytest.raises(e.TimedOut):
            ask(url, "read", args={"name": "x"}, timeout=0.3)
        told.set()


def test_the_server_learns_how_long_it_may_take():
    with canned_site(lambda call: Answer({"deadline": call.deadline})) as site:
        assert ask(site.url, timeout=7.5).value == {"deadline": 7.5}
        assert ask(site.url, timeout=None).value == {"deadline": None}


def test_a_connection_closed_meanwhile_is_no_error():
    """The server hangs up while nothing is asked; the next look does not fail for it."""
    with canned_site(lambda call: Answer({}), patient(idle_seconds=1.0)) as site:
        transport = site.transport()
        for _ in range(2):
            transport.call(OPS["about"], {}, request_id="r")
            time.sleep(1.3)
        assert len(site.dispatcher.calls) == 2


# --- answers that are not ours, and the token


def said(text: bytes) -> Callable[[Any, bytes], None]:
    return lambda sock, head: sock.sendall(text)


PAGE = b"Content-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"


@pytest.mark.parametrize(
    ("text", "error", "status"),
    [
        (b"HTTP/1.1 200 OK\r\n" + PAGE, e.ServerError, 200),
        (b"HTTP/1.1 404 Not Found\r\n" + PAGE, e.ServerError, 404),
        (b"HTTP/1.1 500 Oops\r\n" + PAGE, e.ServerError, 500),
        (b"HTTP/1.1 502 Bad Gateway\r\n" + PAGE, e.ServerUnreachable, 502),
        (b"HTTP/1.1 503 Unavailable\r\n" + PAGE, e.ServerUnreachable, 503),
        (b"HTTP/1.1 400 Bad\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n"
         b"{}", e.ServerError, 400),
    ],
)  # fmt: skip
def test_an_answer_of_something_else_names_its_status(
    text: bytes, error: type[e.LancenbError], status: int
):
    with strange_server(said(text)) as url, pytest.raises(error) as caught:
        ask(url)
    assert type(caught.value) is error
    assert str(status) in caught.value.message
    assert caught.value.details["status"] == status


def test_noise_is_no_answer():
    for text in (b"nonsense\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 b"Content-Length: 100\r\n\r\n{"):  # fmt: skip
        with strange_server(said(text)) as url, pytest.raises(e.ServerUnreachable):
            ask(url)


def test_redirects_are_not_followed_and_the_token_stays_with_its_host():
    seen: list[bytes] = []

    def elsewhere(sock: Any, head: bytes) -> None:
        seen.append(head)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 2\r\n\r\n{}")  # fmt: skip

    with strange_server(elsewhere) as other:
        for status in (301, 302, 307, 308):
            answer = f"HTTP/1.1 {status} Moved\r\nLocation: {other}/x\r\nContent-Length: 0\r\n\r\n"
            with strange_server(said(answer.encode())) as url:
                with pytest.raises(e.ServerError, match=str(status)) as caught:
                    ask(url)
                assert TOKEN not in str(caught.value.to_dict())
    assert seen == []


def test_the_token_is_in_no_address_and_in_no_text(caplog: pytest.LogCaptureFixture):
    heads: list[bytes] = []

    def answer(sock: Any, head: bytes) -> None:
        heads.append(head)
        sock.sendall(b"HTTP/1.1 500 Oops\r\n" + PAGE)

    with strange_server(answer) as url, caplog.at_level("DEBUG"):
        transport = HttpTransport(Reach(url, TOKEN))
        with pytest.raises(e.ServerError) as caught:
            transport.call(OPS["about"], {}, request_id="r")
    assert heads[0].count(TOKEN.encode()) == 1
    assert TOKEN.encode() not in heads[0].split(b"\r\n")[0]
    for text in (repr(transport), repr(transport.reach), str(caught.value), caplog.text):
        assert TOKEN not in text
    with pytest.raises(e.InvalidArgument) as refused:
        ask("http://127.0.0.1:1", token="secret\nX-Evil: 1")
    assert "secret" not in str(refused.value)


def test_an_address_in_front_of_the_path_and_what_is_none():
    heads: list[bytes] = []

    def answer(sock: Any, head: bytes) -> None:
        heads.append(head)
        sock.sendall(b"HTTP/1.1 500 Oops\r\n" + PAGE)

    with strange_server(answer) as url, pytest.raises(e.ServerError):
        ask(url + "/behind/a/proxy/")
    assert heads[0].startswith(b"GET /behind/a/proxy/lnb/v1/about ")
    for wrong in ("http://", "nonsense", "http://[::1", "ftp://x"):
        with pytest.raises(e.InvalidArgument):
            HttpTransport(Reach(wrong))


def test_a_fork_does_not_share_connections():
    with canned_site(lambda call: Answer({"ok": True})) as site:
        transport = site.transport()
        transport.call(OPS["about"], {}, request_id="r")
        mine = transport.pool()
        transport._owner = -1  # as a child sees it
        assert transport.pool() is not mine
        assert transport.call(OPS["about"], {}, request_id="r").value == {"ok": True}


def test_closing_is_not_the_end():
    with canned_site(lambda call: Answer({"ok": True})) as site:
        transport = site.transport()
        for _ in range(2):
            assert transport.call(OPS["about"], {}, request_id="r").value == {"ok": True}
            transport.close()
