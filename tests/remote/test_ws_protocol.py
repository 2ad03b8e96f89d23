"""The protocol as a client of somebody else's sees it: frames sent by hand to a real server."""

from __future__ import annotations

import contextlib
import json
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from lancenb.remote import _ws_flow, _ws_session
from lancenb.remote._door import Door
from lancenb.remote._limits import Limits
from lancenb.remote._tokens import Tokens
from lancenb.remote._ws import CHUNK, PATH, UPLOAD_WINDOW, WINDOW
from lancenb.remote._ws_session import MAX_CALLS

from .ws_parts import PIECE, SILENT_BEATS, Desk, Raw, raw, served, until

DATA, END, ABORT = 0, 1, 2


@pytest.fixture(autouse=True, scope="module")
def _patience():
    """Give the last word of the server the time it needs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ws_session, "_CLOSE_SECONDS", 60.0)
        yield


@pytest.fixture(scope="module")
def server():
    with served() as running:
        yield running


@pytest.fixture
def client(server):
    with raw(server.url) as made:
        yield made


def about(ident="a", **more):
    return {"id": ident, "op": "about", **more}


def test_a_call_has_one_answer_under_its_id(client):
    answer = client.ask(about("x-1", args={"b": [1]}, key="k", if_match='"e"', deadline=3))
    assert answer == {
        "id": "x-1",
        "ok": {"args": {"b": [1]}, "token": None, "key": "k", "engine": "ws"},
        "etag": '"e"',
    }


def test_errors_are_envelopes(client):
    answer = client.ask({"id": "e", "op": "get", "args": {"name": "no"}})
    assert answer["id"] == "e"
    assert answer["error"] == {
        "code": "artifact_not_found", "message": "there is no 'no'", "hint": "look",
        "details": {"a": 1},
    }  # fmt: skip
    answer = client.ask({"id": "f", "op": "job", "args": {}})
    assert answer["error"]["code"] == "server_error"
    assert "secret" not in json.dumps(answer)
    assert "f" in answer["error"]["hint"]


@pytest.mark.parametrize(
    ("sent", "ident"),
    [
        ("{", None),
        ("[1]", None),
        ("null", None),
        ('"x"', None),
        ("[" * 100_000, None),
        ("1" * 10_000, None),
        ({"op": "about"}, None),
        ({"id": 7, "op": "about"}, None),
        ({"id": "", "op": "about"}, None),
        ({"id": "x" * 129, "op": "about"}, None),
        ({"id": "a b", "op": "about"}, None),
        ({"id": "u"}, None),
        ({"id": "u", "cancel": 1}, None),
        ({"id": "u", "credit": -1}, None),
        ({"id": "u", "credit": True}, None),
        ({"id": "u", "op": "about", "wrong": 1}, "u"),
        ({"id": "u", "op": 7}, "u"),
        ({"id": "u", "op": None}, "u"),
        ({"id": "u", "op": "about", "args": [1]}, "u"),
        ({"id": "u", "op": "about", "key": 5}, "u"),
        ({"id": "u", "op": "about", "deadline": 0}, "u"),
        ({"id": "u", "op": "about", "deadline": True}, "u"),
        ('{"id": "u", "op": "about", "deadline": NaN}', "u"),
        ({"id": "u", "op": "about", "args": {"x": "\ud800"}}, "u"),
        ('{"id": "u", "op": "about", "args": {', "u"),
        ('{"id": "u", "op": "about", "args": {"x": Infinity}}', "u"),
        ('{"id": "u", "op": "about", "args": {"x": 1e999}}', "u"),
        ({"id": "u", "op": "read"}, "u"),
        ({"id": "u", "op": "read", "stream": 0}, "u"),
        ({"id": "u", "op": "read", "stream": 2**32}, "u"),
        ({"id": "u", "op": "read", "stream": "1"}, "u"),
        (b"", None),
        (b"\0\0\0\1", None),
        (b"\0\0\0\1\7", None),
        (b"\0\0\0\x63\0data", None),
    ],
)
def test_what_makes_no_sense_is_answered_and_the_connection_lives(client, sent, ident):
    answer = client.ask(sent)
    assert answer["id"] == ident
    assert answer["error"]["code"] == "invalid_argument"
    assert answer["error"]["message"]
    assert client.ask(about())["id"] == "a"


def test_an_unknown_operation_is_the_dispatchers_affair(server, client):
    answer = client.ask({"id": "q", "op": "no_such", "args": {}})
    assert answer["id"] == "q"
    assert answer["error"]["code"] == "server_error"  # the stub's; the real one knows better


def test_ids_and_streams_of_open_calls_are_taken():
    with served() as server, raw(server.url) as client:
        server.desk.slow.clear()
        client.send(about("a"))
        answer = client.ask(about("a"))
        assert answer["id"] is None
        assert "'a'" in answer["error"]["message"]
        client.send({"id": "w", "op": "write", "stream": 3})
        answer = client.ask({"id": "w2", "op": "write", "stream": 3})
        assert (answer["id"], answer["error"]["code"]) == ("w2", "invalid_argument")
        server.desk.slow.set()
        assert client.get()["id"] == "a"
        assert client.ask(about("a"))["ok"]


def test_too_much_json_is_refused_under_its_id():
    with served(limits=Limits(max_json=1000)) as server:
        with raw(server.url) as client:
            answer = client.ask(about("big", args={"x": "y" * 2000}))
            assert (answer["id"], answer["error"]["code"]) == ("big", "request_too_large")
            assert answer["error"]["details"] == {"limit": 1000}
            assert client.ask(about())["ok"]
            client.send('{"op": "about", "id": "late", "args": "' + "y" * 2000 + '"}')
            assert client.code() == (1009, "the text frame is too large")
        with raw(server.url) as client:
            # Only the head of a frame of 3 MiB: a server that closes before it has read all of a
            # frame may lose its own last word (the system answers the rest with a reset).
            head = b"\x82\xff" + (3 << 20).to_bytes(8, "big") + bytes(4)
            client.connection.socket.sendall(head)
            assert client.code()[0] == 1009
        assert not [call for call in server.desk.calls if "x" in call.args]


def test_binary_frames_are_bounded(client):
    client.send({"id": "w", "op": "write", "stream": 5})
    client.piece(5, DATA, bytes((1 << 20) + 1))
    answer = client.get()
    assert (answer["id"], answer["error"]["code"]) == (None, "invalid_argument")
    client.piece(5, END)
    assert client.get() == {"id": "w", "ok": {"size": 0}}


def test_text_that_is_no_text_ends_the_connection(server):
    with raw(server.url) as client:
        client.connection.send(b"\xff\xfe", text=True)
        assert client.code()[0] == 1007


def test_a_stream_comes_in_frames_with_a_header(client):
    client.send({"id": "r", "op": "read", "args": {"limit": 2}, "stream": 9})
    assert client.get() == {"id": "r", "ok": {"head": 1}}
    data = b""
    while True:
        frame = client.get()
        assert frame[:4] == (9).to_bytes(4, "big")
        assert len(frame) <= CHUNK + 5
        data += frame[5:]
        if frame[4] == END:
            break
    assert data == PIECE * 2


def test_an_error_in_the_middle_ends_the_stream(client):
    client.send({"id": "r", "op": "read", "args": {"limit": 5, "offset": 1}, "stream": 9})
    assert client.get()["ok"]
    frames = [client.get()]
    while isinstance(frames[-1], bytes):
        frames.append(client.get())
    assert sum(len(frame) - 5 for frame in frames[:-1]) == len(PIECE)
    assert frames[-1]["error"]["message"] == "gone in the middle"


def test_no_more_comes_than_was_granted():
    with served() as server, raw(server.url) as client:
        client.send({"id": "r", "op": "read", "args": {"limit": 64}, "stream": 1})
        assert client.get()["ok"]
        got = 0
        while got < WINDOW:
            got += len(client.get()) - 5
        # Everything else waits; other calls of the connection do not.
        assert client.ask(about())["id"] == "a"
        produced = server.desk.produced
        assert produced <= WINDOW // len(PIECE) + 3
        client.send({"id": "r", "credit": 2**50})  # no more than a window counts
        more = 0
        while more < WINDOW:
            more += len(client.get()) - 5
        assert client.ask(about("b"))["id"] == "b"
        assert more == WINDOW
        assert server.desk.produced <= produced + WINDOW // len(PIECE) + 1
        assert client.ask({"id": "r", "cancel": True})["error"]["code"] == "cancelled"
        assert server.desk.closed.wait(60)


def test_who_sends_more_than_granted_is_closed():
    with served() as server:
        server.desk.slow.clear()
        with raw(server.url) as client:
            client.send({"id": "w", "op": "write", "stream": 1})
            with contextlib.suppress(ConnectionClosed):  # it may be told before the last of them
                for _ in range(UPLOAD_WINDOW // CHUNK + 3):
                    client.piece(1, DATA, bytes(CHUNK))
            code, reason = client.code()
            assert code == 1008
            assert "granted" in (reason or "")
        server.desk.slow.set()
        assert server.desk.closed.wait(60)
        assert server.desk.committed == 0


def test_an_upload_ends_with_its_flag(client, server):
    before = server.desk.committed
    client.send({"id": "w", "op": "write", "stream": 2})
    client.piece(2, DATA, b"abc")
    client.piece(2, END, b"de")
    assert client.get() == {"id": "w", "ok": {"size": 5}}
    client.piece(2, DATA, b"late")  # was under way when the call ended: no mistake
    assert client.ask(about())["ok"]
    assert server.desk.committed == before + 1


def test_an_upload_that_is_given_up_is_not_committed():
    with served() as server, raw(server.url) as client:
        client.send({"id": "w", "op": "write", "stream": 2})
        client.piece(2, DATA, b"abc")
        client.piece(2, ABORT)
        assert client.get()["error"]["code"] == "cancelled"
        client.send({"id": "v", "op": "write", "stream": 3})
        client.piece(3, DATA, b"abc")
        client.send({"id": "v", "cancel": True})
        assert client.get()["error"]["code"] == "cancelled"
        assert until(lambda: getattr(server.desk.broken, "code", "") == "cancelled")
        assert server.desk.committed == 0


def test_a_client_that_vanishes_commits_nothing():
    with served() as server:
        client = Raw(server.url)
        client.send({"id": "w", "op": "write", "stream": 2})
        client.piece(2, DATA, b"abc")
        assert until(lambda: server.desk.taken == 3)
        client.connection.socket.shutdown(socket.SHUT_RDWR)
        assert server.desk.closed.wait(60)
        assert getattr(server.desk.broken, "code", "") == "server_unreachable"
        assert server.desk.committed == 0
        client.close()


def test_an_upload_that_stalls_times_out():
    with served(limits=Limits(idle_seconds=0.2)) as server, raw(server.url) as client:
        client.send({"id": "w", "op": "write", "stream": 2})
        client.piece(2, DATA, b"abc")
        assert client.get()["error"]["code"] == "timed_out"
        assert server.desk.committed == 0


def test_calls_of_a_connection_are_bounded():
    with served() as server, raw(server.url) as client:
        before = threading.active_count()
        server.desk.slow.clear()
        client.send(*(about(f"c{n}") for n in range(MAX_CALLS + 1)))
        answer = client.get()
        assert (answer["id"], answer["error"]["code"]) == (f"c{MAX_CALLS}", "busy")
        assert threading.active_count() < before + MAX_CALLS + 60
        server.desk.slow.set()
        assert {client.get()["id"] for _ in range(MAX_CALLS)} == {f"c{n}" for n in range(MAX_CALLS)}
        assert until(lambda: "ok" in client.ask(about()))  # as soon as one of them has ended


def test_cancelled_calls_count_until_their_work_ends():
    with served() as server, raw(server.url) as client:
        server.desk.slow.clear()
        for number in range(MAX_CALLS):
            client.send(about(f"c{number}"), {"id": f"c{number}", "cancel": True})
            assert client.get()["error"]["code"] == "cancelled"
        assert client.ask(about("more"))["error"]["code"] == "busy"
        server.desk.slow.set()


def test_events_come_in_order_and_end(client, server):
    server.desk.feed.put("write", {"n": 1})
    client.send({"id": "e", "op": "watch", "args": {"after": 0}})
    assert client.get() == {"id": "e", "ok": None}
    assert client.get()["event"]["event"] == "ready"
    assert client.get()["event"] == {"seq": 1, "event": "write", "data": {"n": 1}}
    client.send({"id": "e", "cancel": True})
    assert client.get()["error"]["code"] == "cancelled"


def test_the_end_of_events_is_told():
    with served() as server, raw(server.url) as client:
        client.send({"id": "e", "op": "watch"})
        assert client.get() == {"id": "e", "ok": None}
        assert client.get()["event"]["event"] == "ready"
        server.desk.feed.close()
        assert client.get() == {"id": "e", "end": True}


def test_ping_is_answered(client):
    client.send({"ping": 17})
    assert json.loads(client.connection.recv(timeout=60)) == {"pong": 17}


def test_a_silent_client_is_given_up(monkeypatch):
    monkeypatch.setattr(_ws_flow, "_SILENT_BEATS", SILENT_BEATS)
    with served() as server:
        with connect(
            server.url + PATH, subprotocols=["lancenb.v1"], compression=None, ping_interval=None,
            open_timeout=120,
        ) as client:  # fmt: skip
            client.send(json.dumps({"id": "e", "op": "watch"}))
            seen = []
            try:
                while True:
                    seen.append(json.loads(client.recv(timeout=60)))
            except Exception:
                assert client.close_code == 4408
            assert [each for each in seen if "ping" in each]
        assert server.desk.closed.wait(60)


def test_stopping_the_server_closes_with_1001():
    with served() as server:
        server.desk.slow.clear()
        clients = [Raw(server.url) for _ in range(3)]
        for client in clients:
            client.send({"id": "e", "op": "watch"})
            client.get()
        server.route.stop()
        assert [client.code()[0] for client in clients] == [1001] * 3
        server.desk.slow.set()


# --- who may come in


TOKEN = "lnb_" + "t" * 40


@pytest.fixture(scope="module")
def guarded():
    with served(door=Door(Tokens(None, TOKEN)), limits=Limits(max_sockets=3)) as running:
        yield running


def refused(url, **options):
    with pytest.raises(InvalidStatus) as caught:
        Raw(url, **options)
    response = caught.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(response.body)
    assert problem["status"] == response.status_code
    return response.status_code, problem["code"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Basic {TOKEN}"},
     {"x-api-key": "no"}, {"Authorization": f"Bearer {TOKEN}", "x-api-key": "another"}],
)  # fmt: skip
def test_no_upgrade_without_a_token(guarded, headers):
    assert refused(guarded.url, headers=headers) == (401, "unauthorized")


def test_a_token_in_the_address_is_none(guarded):
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{guarded.url}{PATH}?token={TOKEN}", subprotocols=["lancenb.v1"])  # type: ignore[list-item]
    assert caught.value.response.status_code == 401


@pytest.mark.parametrize("name", ["Authorization", "x-api-key"])
def test_the_token_of_the_upgrade_goes_with_every_call(guarded, name):
    value = f"Bearer {TOKEN}" if name == "Authorization" else TOKEN
    with raw(guarded.url, headers={name: value}) as client:
        assert client.ask(about())["ok"]["token"] == TOKEN


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_others_are_refused_even_with_a_token(guarded, origin):
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": origin}
    assert refused(guarded.url, headers=headers) == (403, "forbidden")


def test_a_page_of_the_server_itself_may(guarded):
    origin = guarded.url.replace("ws:", "http:")
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": origin}
    with raw(guarded.url, headers=headers) as client:
        assert client.ask(about())["ok"]


def test_a_strange_host_name_is_refused(guarded):
    with socket.create_connection(("127.0.0.1", guarded.port)) as line:
        line.sendall(
            f"GET {PATH} HTTP/1.1\r\nHost: evil.example\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {'A' * 22}==\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: lancenb.v1\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        assert line.recv(4096).startswith(b"HTTP/1.1 403")


def test_another_protocol_is_refused(guarded):
    for protocols in (None, ["graphql-ws"]):
        with pytest.raises(InvalidStatus) as caught:
            connect(
                guarded.url + PATH, subprotocols=protocols,  # type: ignore[arg-type]
                additional_headers={"x-api-key": TOKEN},
            )  # fmt: skip
        assert caught.value.response.status_code == 400


def test_connections_are_bounded():
    limits = Limits(max_sockets=2)
    with served(limits=limits) as server:
        clients = [Raw(server.url), Raw(server.url)]
        assert clients[1].ask(about())["ok"]
        assert refused(server.url) == (429, "busy")
        clients.pop().close()
        assert until(lambda: not _is_full(server.url))
        clients.pop().close()


def _is_full(url):
    try:
        Raw(url).close()
    except InvalidStatus:
        return True
    return False


# --- anything at all


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["id", "op", "args", "stream", "key", "if_match", "deadline", "cancel", "credit", "pong", "x"]
)
OPS_SENT = st.sampled_from(["about", "read", "write", "watch", "get", "nothing"])
ENVELOPES = st.dictionaries(
    NAMES, PLAIN | OPS_SENT | st.sampled_from(["a", "b", 1, 2]), max_size=6
).map(json.dumps)
FRAMES = st.one_of(
    ENVELOPES,
    st.text(max_size=60).filter(lambda text: text.isascii()),
    st.binary(max_size=60),
    st.builds(
        lambda stream, flag, data: stream.to_bytes(4, "big") + bytes([flag]) + data,
        st.integers(0, 3), st.integers(0, 4), st.binary(max_size=30),
    ),
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(frames=st.lists(FRAMES, min_size=1, max_size=12))
def test_garbage_never_hurts_the_server(garbled, frames):
    with raw(garbled.url) as client:
        try:
            client.send(*frames)
            client.send({"id": "fuzz-end", "op": "about"})
            while client.get() != {**GOOD, "id": "fuzz-end"}:
                pass
        except Exception:
            assert client.code()[0] in (1007, 1008, 1009)
    with raw(garbled.url) as client:
        assert client.ask(about("fine"))["id"] == "fine"


GOOD = {"ok": {"args": {}, "token": None, "key": None, "engine": "ws"}}


@pytest.fixture(scope="module")
def garbled():
    with served(Desk()) as running:
        yield running
