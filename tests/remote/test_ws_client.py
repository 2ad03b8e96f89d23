"""``WsTransport`` against a real server: many calls, big streams, broken connections."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.server
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lancenb.errors import (
    ArtifactNotFound,
    MissingDependency,
    RequestTooLarge,
    ServerError,
    ServerUnreachable,
    TimedOut,
    Unauthorized,
)
from lancenb.remote import _ws_client, _ws_flow
from lancenb.remote._door import Door
from lancenb.remote._limits import Limits
from lancenb.remote._ops import OPS
from lancenb.remote._tokens import Tokens
from lancenb.remote._transport import Reach
from lancenb.remote._ws import UPLOAD_WINDOW, WINDOW
from lancenb.remote._ws_client import WsTransport
from lancenb.remote._ws_flow import Incoming
from lancenb.remote._ws_socket import Socket

from .ws_parts import (
    PIECE,
    SILENT_BEATS,
    OnlyWhenTold,
    apart,
    ask,
    proxy,
    served,
    transport,
    until,
)

MIB = 1 << 20


@pytest.fixture(scope="module")
def server():
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def carrier(server):
    with transport(server.url) as made:
        yield made


def test_a_call_and_its_answer(carrier):
    answer = ask(carrier, "about", {"x": [1, None]}, idempotency_key="k", if_match='"e"')
    assert answer.value == {
        "args": {"x": [1, None]}, "token": None, "key": "k", "engine": "ws",
    }  # fmt: skip
    assert answer.etag == '"e"'
    assert answer.body is None


def test_errors_are_rebuilt(carrier):
    with pytest.raises(ArtifactNotFound) as caught:
        ask(carrier, "get", {"name": "no"})
    assert caught.value.message == "there is no 'no'"
    assert (caught.value.hint, caught.value.details) == ("look", {"a": 1})
    with pytest.raises(ServerError):
        ask(carrier, "job", {})


def test_many_threads_share_one_connection():
    with served() as server, proxy(server.port) as line, transport(line.url) as carrier:

        def work(number):
            for turn in range(20):
                assert ask(carrier, "about", {"n": [number, turn]}).value["args"] == {
                    "n": [number, turn]
                }
                if turn % 10 == 0:
                    body = ask(carrier, "read", {"limit": 1}).body
                    assert sum(len(piece) for piece in body) == MIB
                    sent = ask(carrier, "write", {}, body=iter([PIECE, b"x"])).value
                    assert sent == {"size": MIB + 1}
            return number

        with ThreadPoolExecutor(32) as pool:
            assert list(pool.map(work, range(32))) == list(range(32))
        assert line.connections == 1


def test_the_same_request_id_twice_at_once(server, carrier):
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(carrier.call, OPS["about"], {"n": n}, request_id="same") for n in range(40)
        ]
        assert [call.result().value["args"]["n"] for call in calls] == list(range(40))


@contextlib.contextmanager
def held_up(loop):
    """Keep an event loop from going on: what is scheduled meanwhile comes in its order after."""
    holds, go_on = threading.Event(), threading.Event()

    def hold():
        holds.set()
        assert go_on.wait(60)

    loop.call_soon_threadsafe(hold)
    assert holds.wait(60)
    try:
        yield
    finally:
        go_on.set()


def about(number):
    return {"id": "same", "op": "about", "args": {"n": number}}


def test_an_id_of_a_stream_that_was_just_closed():
    with served() as server, transport(server.url) as carrier:
        stream = carrier.call(OPS["read"], {"limit": 1000}, request_id="same")
        assert next(stream.body)
        connection = carrier._opening.result()
        with held_up(carrier._loop):
            stream.close()
            exchange = connection.begin(OPS["about"], about(1), 60.0)
        assert exchange.head()["ok"]["args"] == {"n": 1}
        assert server.desk.closed.wait(60)
        assert until(lambda: not connection._exchanges)
        assert not connection._streams


def test_a_call_closed_too_late_leaves_the_next_one_with_its_id_alone():
    with served() as server, transport(server.url) as carrier:
        ask(carrier, "about")
        connection = carrier._opening.result()
        first = connection.begin(OPS["about"], about(1), 60.0)
        first.head()
        server.desk.slow.clear()
        second = connection.begin(OPS["about"], about(2), 60.0)
        connection.forget(first)  # as a close that began before the answer came
        server.desk.slow.set()
        assert second.head()["ok"]["args"] == {"n": 2}


def test_what_is_streamed_is_what_was_sent(carrier):
    answer = ask(carrier, "read", {"limit": 3})
    assert answer.value == {"head": 1}
    assert answer.body is not None
    assert b"".join(answer.body) == PIECE * 3
    assert list(answer.body) == []


def test_an_error_in_the_middle_of_a_stream(carrier):
    answer = ask(carrier, "read", {"limit": 5, "offset": 2})
    got = []
    with pytest.raises(ArtifactNotFound, match="gone in the middle"):
        got.extend(map(len, answer.body))
    assert sum(got) == 2 * MIB


def test_a_slow_reader_stops_only_its_own_stream():
    with served() as server, transport(server.url) as carrier:
        slow = ask(carrier, "read", {"limit": 200})
        assert slow.body is not None
        next(slow.body)
        assert until(lambda: server.desk.produced >= WINDOW // MIB)
        for _ in range(20):
            assert ask(carrier, "about").value
        assert server.desk.produced <= WINDOW // MIB + 4
        # Other streams of the same connection pass it.
        fast = sum(len(piece) for piece in ask(carrier, "read", {"limit": 50}).body)
        assert fast == 50 * MIB
        assert server.desk.produced - 50 <= WINDOW // MIB + 4
        assert sum(len(piece) for piece in slow.body) > 198 * MIB


def test_a_slow_server_stops_the_upload_only():
    with served() as server, transport(server.url) as carrier:
        server.desk.slow.clear()
        made = []

        def body():
            for _ in range(60):
                made.append(1)
                yield PIECE

        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(ask, carrier, "write", {}, body=body())
            assert until(lambda: server.desk.taken)
            assert sum(len(p) for p in ask(carrier, "read", {"limit": 10}).body) == 10 * MIB
            assert len(made) <= 2 * UPLOAD_WINDOW // MIB + 3
            server.desk.slow.set()
            assert sent.result(60).value == {"size": 60 * MIB}


def rss(pid):
    return psutil.Process(pid).memory_info().rss


def test_memory_stays_flat_while_much_goes_both_ways():
    with apart() as (process, url), transport(url) as carrier:
        pids = (process.pid, os.getpid())

        def down(limit=200):
            most, got = 0, 0
            for piece in ask(carrier, "read", {"limit": limit}).body:
                got += len(piece)
                most = max(most, got % (16 * MIB) == 0 and rss(process.pid))
            return got

        def up(limit=200):
            return ask(carrier, "write", {}, body=iter([PIECE] * limit)).value["size"]

        assert (down(8), up(8)) == (8 * MIB, 8 * MIB)
        before, most, over = [rss(pid) for pid in pids], [0, 0], threading.Event()

        def watch():
            while not over.wait(0.02):
                for index, pid in enumerate(pids):
                    most[index] = max(most[index], rss(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(down), pool.submit(up)]
            assert [job.result() for job in jobs] == [200 * MIB, 200 * MIB]
        over.set()
        watcher.join()
        assert most[0] - before[0] < 64 * MIB
        assert most[1] - before[1] < 64 * MIB


# --- ends in the middle


@pytest.mark.parametrize("how", ["close", "drop", "before"])
def test_a_reader_that_has_enough_ends_the_work(how):
    with served() as server, transport(server.url) as carrier:
        answer = ask(carrier, "read", {"limit": 10_000})
        if how != "before":
            assert answer.body is not None
            next(answer.body)
        if how == "close":
            answer.close()
        else:
            del answer
            gc.collect()
        assert server.desk.closed.wait(60)
        assert server.desk.produced < 100
        assert ask(carrier, "about").value


def test_a_follower_that_has_enough_ends_the_work():
    with served() as server, transport(server.url) as carrier:
        answer = ask(carrier, "watch")
        assert next(iter(answer.body))["event"] == "ready"
        answer.close()
        assert server.desk.closed.wait(60)


def test_an_upload_whose_source_fails_commits_nothing():
    with served() as server, transport(server.url) as carrier:

        def body():
            yield PIECE
            raise ZeroDivisionError("the source broke")

        with pytest.raises(ZeroDivisionError):
            ask(carrier, "write", {}, body=body())
        assert server.desk.closed.wait(60)
        assert getattr(server.desk.broken, "code", "") == "cancelled"
        assert server.desk.committed == 0
        assert ask(carrier, "write", {}, body=iter([b"abc"])).value == {"size": 3}


@pytest.mark.parametrize("op", ["upsert", "upload"])
def test_an_upload_ends_when_the_server_answers_before(carrier, op):
    made = []

    def body():
        for _ in range(1000):
            made.append(1)
            yield PIECE

    if op == "upload":
        assert ask(carrier, op, {}, body=body()).value == {"known": True}
    else:
        with pytest.raises(ArtifactNotFound, match="no need to send more"):
            ask(carrier, op, {}, body=body())
    assert len(made) < 100
    assert ask(carrier, "write", {}, body=iter([PIECE])).value == {"size": MIB}


def test_time_is_limited():
    with served() as server, transport(server.url, timeout=0.3) as carrier:
        server.desk.slow.clear()
        with pytest.raises(TimedOut, match=r"0\.3 seconds"):
            ask(carrier, "about")
        with pytest.raises(TimedOut):
            ask(carrier, "write", {}, body=iter([PIECE] * 20))
        server.desk.slow.set()
        assert until(lambda: server.desk.broken is not None)
        assert server.desk.committed == 0
        assert ask(carrier, "about", timeout=20.0).value


# --- no server, another server, a server that dies


def test_nobody_there():
    with transport("ws://127.0.0.1:9") as carrier, pytest.raises(ServerUnreachable) as caught:
        ask(carrier, "about")
    assert not caught.value.details.get("sent")
    assert "127.0.0.1:9" in caught.value.message


def test_a_server_that_accepts_and_says_nothing():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"ws://127.0.0.1:{mute.getsockname()[1]}"
        with transport(url, connect_seconds=0.5) as carrier, pytest.raises(ServerUnreachable):
            ask(carrier, "about")
        mute.accept()[0].close()
        with transport(url) as carrier, ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(ask, carrier, "about") for _ in range(4)]
            first, _ = mute.accept()
            time.sleep(0.5)
            mute.setblocking(False)
            with pytest.raises(BlockingIOError):  # they wait together, each would have its own
                mute.accept()
            mute.close()
            first.close()
            for call in calls:
                assert isinstance(call.exception(60), ServerUnreachable)


def test_another_kind_of_server():
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        url = f"ws://127.0.0.1:{other.server_port}"
        with transport(url) as carrier, pytest.raises(ServerUnreachable):
            ask(carrier, "about")
    finally:
        other.shutdown()
        other.server_close()


RIGHT = "r" * 32


def test_a_wrong_token_is_unauthorized():
    with served(door=Door(Tokens(None, RIGHT))) as server:
        with transport(server.url, token="wrong") as carrier, pytest.raises(Unauthorized):
            ask(carrier, "about")
        with transport(server.url, token=RIGHT) as carrier:
            assert ask(carrier, "about").value["token"] == RIGHT


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_hangs_is_noticed(how, monkeypatch):
    with apart() as (process, url), transport(url) as carrier:
        ask(carrier, "about")
        answer, watched = ask(carrier, "read", {"limit": 10**6}), ask(carrier, "watch")
        assert answer.body is not None
        next(answer.body)
        next(iter(watched.body))

        began = threading.Event()

        def never_ends():
            for number in itertools.count():
                if number == 2:  # the window is used up: the server takes what comes
                    began.set()
                yield PIECE

        with ThreadPoolExecutor(3) as pool:
            calls = [
                pool.submit(list, watched.body),
                pool.submit(sum, (0 for _ in answer.body)),
                pool.submit(ask, carrier, "write", {}, body=never_ends()),
            ]
            assert began.wait(60)
            monkeypatch.setattr(_ws_flow, "_SILENT_BEATS", SILENT_BEATS)
            process.send_signal(how)
            for call in calls:
                error = call.exception(60)  # without a look at signs of life it takes 120
                assert isinstance(error, ServerUnreachable)
                assert error.details == {"sent": True}
        process.send_signal(signal.SIGKILL)
        with pytest.raises(ServerUnreachable):
            ask(carrier, "about")


def test_a_broken_connection_is_replaced():
    with served() as server, proxy(server.port) as line, transport(line.url) as carrier:
        assert ask(carrier, "about").value
        answer = ask(carrier, "read", {"limit": 1000})
        line.cut()
        with pytest.raises(ServerUnreachable):
            list(answer.body)
        assert ask(carrier, "about").value
        assert server.desk.closed.wait(60)
        assert line.connections == 2


def test_a_line_that_falls_silent_is_noticed_at_both_ends(monkeypatch):
    monkeypatch.setattr(_ws_flow, "_SILENT_BEATS", SILENT_BEATS)
    with served() as server, proxy(server.port) as line, transport(line.url) as carrier:
        answer = ask(carrier, "watch")
        next(iter(answer.body))
        line.silent = True
        with pytest.raises(ServerUnreachable):
            list(answer.body)
        assert server.desk.closed.wait(60)


def test_a_stopped_server_ends_calls():
    with served() as server, transport(server.url) as carrier:
        answer = ask(carrier, "watch")
        next(iter(answer.body))
        server.stop()
        with pytest.raises(ServerUnreachable):
            list(answer.body)
        assert until(lambda: not server.running.alive)
        with pytest.raises(ServerUnreachable):
            ask(carrier, "about")


def test_an_event_comes_at_once(monkeypatch):
    """Nothing here looks now and then whether something happened: all that could wakes late."""
    monkeypatch.setattr(_ws_flow, "_BEAT_SECONDS", 600.0)
    with served() as server, transport(server.url) as carrier, ThreadPoolExecutor(1) as pool:
        server.desk.feed._changed = OnlyWhenTold()
        answer = ask(carrier, "watch")
        events = iter(answer.body)
        assert next(events)["event"] == "ready"
        for number in range(10):
            server.desk.feed.put("write", {"n": number})
            assert pool.submit(next, events).result(60)["data"] == {"n": number}
        server.desk.feed.close()  # else its follower would look at the very end only
        answer.close()


def test_nobody_left_is_the_end_of_its_thread(server):
    carrier = WsTransport(Reach(server.url))
    answer = ask(carrier, "read", {"limit": 20})
    thread = carrier._thread
    assert thread.is_alive()
    del carrier
    gc.collect()
    assert answer.body is not None
    assert next(iter(answer.body))  # a stream keeps its connection
    answer.close()
    del answer
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


def test_close_and_use_again(server):
    carrier = WsTransport(Reach(server.url))
    assert ask(carrier, "about").value
    answer = ask(carrier, "watch")
    thread = carrier._thread
    carrier.close()
    carrier.close()
    with pytest.raises(ServerUnreachable):
        list(answer.body)
    thread.join(60)
    assert not thread.is_alive()
    assert ask(carrier, "about").value
    carrier.close()


def test_closing_beside_a_call_that_waits_for_the_connection(monkeypatch):
    opening = threading.Event()

    async def never(cls, reach, seconds):
        opening.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Socket, "open", classmethod(never))
    carrier = WsTransport(Reach("ws://127.0.0.1:9", connect_seconds=60.0))
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, carrier, "about")
        assert opening.wait(60)
        carrier.close()
        error = call.exception(60)
    assert isinstance(error, ServerUnreachable)
    assert not error.details.get("sent")


def test_who_waits_hears_of_the_end_also_when_closing_takes_too_long(server, monkeypatch):
    monkeypatch.setattr(_ws_client, "_STOP_SECONDS", 0.0)
    carrier = WsTransport(Reach(server.url))
    answer = ask(carrier, "watch")
    assert next(iter(answer.body))["event"] == "ready"
    connection, thread, heard = carrier._opening.result(), carrier._thread, []

    def reads():
        with pytest.raises(ServerUnreachable):
            list(answer.body)
        heard.append(True)

    reader = threading.Thread(target=reads, daemon=True)
    reader.start()
    carrier.close()
    reader.join(60)
    assert heard
    thread.join(60)
    late = connection.begin(OPS["about"], {"id": "late", "op": "about", "args": {}}, 60.0)
    with pytest.raises(ServerUnreachable):
        late.head()


def test_a_child_made_by_fork_has_its_own_connection():
    with served() as server, proxy(server.port) as line, transport(line.url) as carrier:
        answer = ask(carrier, "read", {"limit": 20})
        assert answer.body is not None
        next(answer.body)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                good = ask(carrier, "about", {"child": 1}).value["args"] == {"child": 1}
                os.write(write, b"y" if good else b"n")
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            assert pipe.read() == b"y"
        os.waitpid(child, 0)
        assert line.connections == 2
        assert sum(len(piece) for piece in answer.body) > 19 * MIB
        assert ask(carrier, "about").value


def test_a_call_too_large_for_the_server():
    with served(limits=Limits(max_json=1000)) as server, transport(server.url) as carrier:
        with pytest.raises(RequestTooLarge):
            ask(carrier, "about", {"x": "y" * 5000})
        assert ask(carrier, "about").value


def test_without_the_library_the_hint_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.asyncio", None)
    with transport("ws://127.0.0.1:9") as carrier, pytest.raises(MissingDependency) as caught:
        ask(carrier, "about")
    assert caught.value.hint == "pip install 'lancenb[server]'"


ENDS_SO = """
import threading
from tests.remote.ws_parts import Reach, WsTransport, ask
carrier = WsTransport(Reach({url!r}))
reader = ask(carrier, "read", {{"limit": 100}})
next(reader.body)
events = ask(carrier, "watch")
threading.Thread(target=lambda: list(events.body), daemon=True).start()
print("done")
"""


def test_a_process_ends_without_a_word_when_nothing_was_closed(server):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", ENDS_SO.format(url=server.url)],
        capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "Error" not in done.stderr
    # "Executing <Task ...> took 0.1 seconds" speaks of the machine, not of the end
    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]
    assert "Task" not in "\n".join(said)


def test_an_interrupt_ends_the_call_on_the_server():
    with served() as server, transport(server.url) as carrier:
        answer = ask(carrier, "watch")
        assert next(iter(answer.body))["event"] == "ready"
        main = threading.main_thread().ident
        assert main is not None

        def waits():
            return sys._current_frames()[main].f_code is Incoming.__next__.__code__

        over = threading.Event()

        def once(*_):
            if not over.is_set():  # a signal that comes late would end the test instead
                over.set()
                raise KeyboardInterrupt

        def interrupt():
            # One may be lost: it comes when the wait has begun and does not sleep yet.
            while not over.wait(0.2):
                if waits():
                    signal.pthread_kill(main, signal.SIGINT)

        usual = signal.signal(signal.SIGINT, once)
        interrupter = threading.Thread(target=interrupt, daemon=True)
        interrupter.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                list(answer.body)
        finally:
            over.set()
            interrupter.join()
            signal.signal(signal.SIGINT, usual)
        assert server.desk.closed.wait(60)
        assert ask(carrier, "about").value
