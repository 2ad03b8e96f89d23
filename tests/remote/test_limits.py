"""How much a server takes on; what it counts, and what it logs."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lancenb.errors import Busy, InvalidArgument, RequestTooLarge
from lancenb.remote._limits import Gate, Limits, check_length, metered, parse_json
from lancenb.remote._logs import LOGGER, JsonLines, log_call, setup_logs
from lancenb.remote._metrics import Metrics
from lancenb.remote._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, JOB, UNARY
from lancenb.remote._tokenfile import Principal
from lancenb.remote._tokens import new_token
from lancenb.remote._wire import Call

ANN, BOB = Principal("a", "ann", "read"), Principal("b", "bob", "read")


def gate(**limits: Any) -> Gate:
    return Gate(Limits(**{"queue_seconds": 0.01, **limits}))


def hold(gate: Gate, who: Principal, shape: str, times: int) -> ExitStack:
    held = ExitStack()
    for _ in range(times):
        held.enter_context(gate.enter(who, "op", shape))
    return held


def test_a_full_server_says_when_to_come_back():
    full = gate(max_calls=2)
    with hold(full, ANN, UNARY, 2):
        with pytest.raises(Busy) as caught, full.enter(BOB, "describe", UNARY):
            pass
        assert caught.value.details["retry_after"] == 1
        assert "describe" in caught.value.message
        assert "try again in 1 s" in caught.value.hint
        assert full.running("call") == 2
    assert full.running() == 0
    with full.enter(BOB, "describe"):
        assert full.running("call") == 1


@pytest.mark.parametrize("shape", [ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, JOB])
def test_short_calls_find_room_beside_long_work(shape: str):
    busy = gate(max_streams=1, max_watches=1, max_jobs=1, max_calls=1)
    with hold(busy, ANN, shape, 1):
        with busy.enter(ANN, "list", UNARY):
            pass
        with pytest.raises(Busy), busy.enter(BOB, "more", shape):
            pass


def test_one_token_cannot_take_every_place():
    fair = gate(max_calls=4, max_calls_each=2)
    with hold(fair, ANN, UNARY, 2):
        with pytest.raises(Busy), fair.enter(ANN, "list"):
            pass
        with hold(fair, BOB, UNARY, 2):
            pass


def test_a_place_is_given_back_after_an_error_and_only_once():
    one = gate(max_calls=1)
    with pytest.raises(KeyError), one.enter(ANN, "list"):
        raise KeyError
    leave = one.take(ANN, "list")
    leave()
    leave()
    assert one.running() == 0
    with one.enter(ANN, "list"), pytest.raises(Busy):
        one.take(ANN, "list")


def test_whoever_holds_least_is_next():
    """Two of Ann's calls wait before Bob's first; he has nothing yet, so he is served first."""
    one = gate(max_calls=2, queue_seconds=600)
    leave = [one.take(ANN, "x"), one.take(ANN, "x")]
    order: list[str] = []
    go = threading.Event()

    def ask(who: Principal) -> None:
        with one.enter(who, "x"):
            order.append(who.name)
            go.wait(600)

    threads = []
    for who in (ANN, ANN, BOB):
        waiting = len(one._waiting["call"])
        threads.append(threading.Thread(target=ask, args=(who,)))
        threads[-1].start()
        while len(one._waiting["call"]) == waiting:
            time.sleep(0.001)
    leave[0]()
    while not order:
        time.sleep(0.001)
    assert order == ["bob"]
    go.set()
    leave[1]()
    for thread in threads:
        thread.join(60)
    assert order.count("ann") == 2
    assert one.running() == 0


def test_waiting_calls_run_when_there_is_room():
    many = gate(max_calls=4, queue_seconds=600)
    most, running, done = [0], [0], []
    lock = threading.Lock()

    def work() -> None:
        try:
            with many.enter(ANN, "x"):
                with lock:
                    running[0] += 1
                    most[0] = max(most[0], running[0])
                with lock:
                    running[0] -= 1
                done.append(True)
        except Busy:
            done.append(False)

    threads = [threading.Thread(target=work) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 60
    assert any(done)
    assert most[0] <= 4
    assert many.running() == 0


def test_limits_are_positive_numbers():
    for wrong in (0, -1, True, "3"):
        with pytest.raises(InvalidArgument):
            Limits(max_calls=wrong)  # pyright: ignore[reportArgumentType]


# --- sizes


def test_a_body_is_handed_on_until_it_is_too_long():
    closed = []

    def body() -> Iterator[bytes]:
        try:
            for _ in range(100):
                yield b"x" * 10
        finally:
            closed.append(True)

    out: list[bytes] = []
    with pytest.raises(RequestTooLarge) as caught:
        out.extend(metered(body(), 35))
    assert caught.value.details == {"limit": 35}
    assert closed == [True]
    assert len(b"".join(out)) == 30
    assert len(b"".join(metered(body(), 1000))) == 1000
    assert list(metered(None, 1)) == []
    assert [bytes(p) for p in metered([memoryview(b"ab"), b""], 2)] == [b"ab", b""]


def test_leaving_early_closes_the_body():
    closed = []

    def body() -> Iterator[bytes]:
        try:
            yield b"x"
            yield b"y"
        finally:
            closed.append(True)

    pieces = metered(body(), 10)
    next(pieces)
    pieces.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert closed == [True]


def test_an_announced_length():
    assert check_length("12", 12) == 12
    assert check_length(None, 1) is None
    with pytest.raises(RequestTooLarge):
        check_length("13", 12)
    for wrong in ("-1", "1e3", "x", "0x10", "9" * 40, "١", "1, 1"):
        with pytest.raises(InvalidArgument):
            check_length(wrong, 10)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "[" * 5000 + "]" * 5000, '{"a":' * 200 + "1" + "}" * 200, "1" * 5000,
     '"\\ud800"', '{"\\udfff": 1}', "\x00", b"\xff\xfe\xfa"],
)  # fmt: skip
def test_json_that_cannot_be_taken(text: Any):
    with pytest.raises(InvalidArgument):
        parse_json(text)


def test_json_that_can():
    assert parse_json(b'{"a": [1, {"b": "\xc3\xa9"}]}') == {"a": [1, {"b": "é"}]}
    with pytest.raises(RequestTooLarge):
        parse_json(b'"' + b"x" * 100 + b'"', limit=50)


# --- figures


def test_figures_only_have_labels_that_are_known():
    metrics = Metrics(["list", "delete"], queue=lambda: 7)
    metrics.done("http", "list", "ok", 0.02, 10, 2000)
    metrics.done("http", "list", "not_found", 0.02)
    for n in range(50):
        metrics.done(f"engine{n}", f"op{n}", f"code{n}", 0.1)
        metrics.rejected(f"reason{n}")
    metrics.rejected("busy")
    with metrics.running("stream"):
        body, kind = metrics.render()
    metrics.audit_failed()
    text = body.decode()
    assert kind.startswith("text/plain")
    assert 'lancenb_requests_total{code="ok",engine="http",op="list"} 1.0' in text
    assert 'lancenb_requests_total{code="not_found",engine="http",op="list"} 1.0' in text
    assert 'lancenb_requests_total{code="other",engine="other",op="other"} 50.0' in text
    assert 'lancenb_rejected_total{reason="other"} 50.0' in text
    assert 'lancenb_rejected_total{reason="busy"} 1.0' in text
    assert 'lancenb_bytes_total{direction="out",engine="http"} 2000.0' in text
    assert 'lancenb_running{shape="stream"} 1.0' in text
    assert "lancenb_audit_queue 7.0" in text
    assert "op3" not in text
    after = metrics.render()[0].decode()
    assert 'lancenb_running{shape="stream"} 0.0' in after
    assert "lancenb_audit_failures_total 1.0" in after


def test_each_server_counts_for_itself():
    one, two = Metrics(["list"]), Metrics(["list"])
    one.done("http", "list", "ok", 0.1)
    assert 'op="list"' not in two.render()[0].decode()
    at = gate()
    two.watch(at.running)
    with at.enter(ANN, "x", JOB):
        assert 'lancenb_running{shape="job"} 1.0' in two.render()[0].decode()


# --- log


@pytest.fixture
def lines() -> Iterator[Any]:
    stream = io.StringIO()
    handler = setup_logs(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log = logging.getLogger(LOGGER)
    log.removeHandler(handler)
    log.propagate = True
    log.setLevel(logging.NOTSET)


def test_one_line_per_request_without_secrets(lines: Any):
    token = new_token()
    call = Call("delete", {"name": "net", "options": {"token": "hush"}}, token=token,
                engine="http", peer="127.0.0.1:5", request_id="r1\ninjected")  # fmt: skip
    log_call(call, ANN, name=f"net {token}", status=404, code="not_found", seconds=0.0123,
             bytes_in=5, bytes_out=6)  # fmt: skip
    (line,) = lines()
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info", "request_id": "r1\ninjected", "engine": "http", "peer": "127.0.0.1:5",
        "principal": "a", "op": "delete", "name": "net ***", "status": 404, "code": "not_found",
        "ms": 12.3, "bytes_in": 5, "bytes_out": 6,
    }  # fmt: skip


def test_an_unforeseen_error_leaves_its_trace_without_secrets(lines: Any):
    token = new_token()
    try:
        raise RuntimeError(f"secret_key=abcd1234 at https://me:pw55@host/x {token}")
    except RuntimeError as error:
        log_call(Call("list", {}), None, status=500, code="server_error", error=error)
        logging.getLogger(LOGGER).exception("it failed with %s", token)
    first, second = lines()
    text = json.dumps([first, second])
    assert first["level"] == "error"
    assert "test_limits.py" in text
    assert "RuntimeError" in text
    assert second["message"] == "it failed with ***"
    for secret in ("abcd1234", "pw55", token):
        assert secret not in text


def test_lines_stay_lines():
    record = logging.LogRecord(LOGGER, 20, "", 1, "a\nb \ud800 %s", ("é\r\n",), None)
    assert "\n" not in JsonLines().format(record)
    assert json.loads(JsonLines().format(record))["message"].startswith("a\nb")
