"""The gRPC engine over real sockets, with a dispatcher that answers what a test wants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lancenb import errors as e
from lancenb.remote._grpc_answers import Watchdog
from lancenb.remote._grpc_errors import from_status, packed, status_name
from lancenb.remote._limits import Limits
from lancenb.remote._wire import GRPC_STATUS, Answer, Call, error_dict, error_from

from .grpc_parts import TOKEN, Body, Canned, ask, engine

LIST = {"items": [], "note": "words"}
JOB = {
    "job": "1", "op": "diff", "name": "n", "state": "running", "events": 0,
    "started": "2024-01-01T00:00:00+00:00", "ended": None,
}  # fmt: skip


def forever(size: int = 1 << 20) -> Iterator[bytes]:
    while True:
        yield bytes(size)


def test_calls_carry_everything_and_so_do_answers():
    canned = Canned(
        list=lambda call: Answer(LIST, etag='"abc"'), update=lambda call: None,
        diff=lambda call: JOB, tag=lambda call: 7,
    )  # fmt: skip
    with engine(canned) as transport:
        answer = ask(transport, "list", {"kind": "weights"}, request_id="r-1", timeout=300)
        assert (answer.value, answer.etag, answer.body) == (LIST, '"abc"', None)
        call = canned.calls[-1]
        assert (call.op, call.args, call.engine) == ("list", {"kind": "weights"}, "grpc")
        assert (call.token, call.request_id, call.peer) == (TOKEN, "r-1", "127.0.0.1")
        assert call.idempotency_key is None
        assert call.if_match is None
        assert call.deadline is not None
        assert 0 < call.deadline <= 300.1
        args = {"name": "ä", "tags": None, "metadata": {"$float": "nan"}}
        ask(transport, "update", args, idempotency_key="k", if_match='"abc"')
        call = canned.calls[-1]
        assert (call.args, call.idempotency_key, call.if_match) == (args, "k", '"abc"')
        assert ask(transport, "diff", {"name": "n", "v1": 1, "v2": "prod"}).value == JOB
        assert canned.calls[-1].args["v2"] == "prod"
        assert ask(transport, "tag", {"name": "n", "tag": "t"}).value == 7


def _errors() -> list[e.LancenbError]:
    made = [
        cls(f"what went wrong: ä\n\x00 {cls.__name__}", hint="do – this", details={"n": [1, None]})
        for cls in vars(e).values()
        if isinstance(cls, type) and issubclass(cls, e.LancenbError) and cls is not e.LancenbError
    ]
    return [*made, e.NotFound("m" * 3000, hint="h" * 3000, details={"d": "d" * 9000})]


@pytest.mark.parametrize("shape", ["get", "read", "watch", "write"])
def test_errors_arrive_as_they_were_raised(shape: str):
    errors = _errors()

    def fail(call: Call) -> Answer:
        raise errors[int(call.request_id)]

    with engine(Canned(**{shape: fail})) as transport:
        for number, error in enumerate(errors):
            with pytest.raises(type(error)) as caught:
                ask(transport, shape, {"name": "x"}, request_id=str(number))
            assert type(caught.value) is type(error)
            assert error_dict(caught.value) == error_dict(error)


def test_every_error_has_the_status_that_says_the_same():
    import grpc

    assert {name for name in GRPC_STATUS.values()} <= {code.name for code in grpc.StatusCode}
    assert status_name(e.ArtifactNotFound("x")) == "NOT_FOUND"
    assert status_name(e.Unauthorized("x")) == "UNAUTHENTICATED"
    assert status_name(RuntimeError("x")) == "INTERNAL"
    huge = packed(e.NotFound("m " * 45_000, details={"d": "d " * 45_000}))
    assert len(huge) < 24 << 10
    assert error_from(json.loads(huge)).code == "not_found"


def test_what_was_not_raised_on_purpose_tells_nothing_of_itself():
    def fail(call: Call) -> Any:
        raise RuntimeError("the password is hunter2")

    with engine(Canned(get=fail)) as transport, pytest.raises(e.ServerError) as caught:
        ask(transport, "get", {"name": "x"})
    assert "hunter2" not in str(error_dict(caught.value))


def test_rows_and_their_errors_stream():
    def broken() -> Iterator[bytes]:
        yield b"one"
        yield bytes(3 << 20)
        raise e.StoreUnreachable("the bucket went away", hint="wait")

    body = Body(broken())
    stored = {"uri": "u", "version": 1, "metadata": {"a": "b"}}
    canned = Canned(
        read_weights=lambda call: Answer(stored, body), read=lambda call: Answer(None, iter(()))
    )
    with engine(canned) as transport:
        answer = ask(transport, "read_weights", {"name": "x"})
        assert answer.value == stored
        assert answer.body is not None
        got = bytearray()
        rows = iter(answer.body)
        while len(got) < 3 + (3 << 20):
            piece = next(rows)
            assert len(piece) <= 1 << 20
            got += piece
        with pytest.raises(e.StoreUnreachable, match="the bucket went away"):
            next(rows)
        assert got == b"one" + bytes(3 << 20)
        assert body.closed.wait(60)
        empty = ask(transport, "read", {"name": "x"})
        assert (empty.value, list(empty.body or [0])) == (None, [])


@pytest.mark.parametrize("op", ["list", "read", "write", "watch"])
def test_a_channel_that_another_thread_closes_is_a_server_out_of_reach(op, monkeypatch):
    """Between the two steps of a call: taking the channel, and beginning the call on it."""
    with engine(Canned()) as transport:
        take = transport._open

        def then_close() -> Any:
            channel = take()
            transport.close()
            return channel

        monkeypatch.setattr(transport, "_open", then_close)
        args = {"name": "x"} if op in ("read", "write") else {}
        with pytest.raises(e.ServerUnreachable) as caught:
            ask(transport, op, args, **({"body": iter([b"x"])} if op == "write" else {}))
        assert caught.value.details["sent"] is False


def test_a_read_closed_in_the_middle_ends_the_work():
    body, released = Body(forever()), threading.Event()
    canned = Canned(read=lambda call: Answer(None, body, release=released.set))
    with engine(canned) as transport:
        answer = ask(transport, "read", {"name": "x"})
        next(answer.body)  # type: ignore[arg-type]
        assert not body.closed.is_set()
        answer.close()
        assert body.closed.wait(60)
        assert released.wait(60)
        made = body.made
        assert made < 100  # nothing runs ahead of a client that does not read
        assert list(answer.body or [0]) == []
        time.sleep(0.2)
        assert body.made == made


def test_a_slow_reader_holds_the_server_back():
    body = Body(forever())
    with engine(Canned(read=lambda call: Answer(None, body))) as transport:
        answer = ask(transport, "read", {"name": "x"})
        next(answer.body)  # type: ignore[arg-type]
        time.sleep(1)
        before = body.made
        assert before < 64
        for _ in range(before + 5):
            next(answer.body)  # type: ignore[arg-type]
        assert body.made > before
        answer.close()


def test_uploads_arrive_whole_and_in_order():
    got: list[bytes] = []

    def take(call: Call) -> Any:
        assert call.body is not None
        got.extend(bytes(piece) for piece in call.body)
        return {"upload": "1", "files": 1, "bytes": sum(map(len, got))}

    sent = [b"a", b"", memoryview(bytes(5 << 20)), bytearray(b"bc"), b"d" * (1 << 20)]
    with engine(Canned(upload=take)) as transport:
        value = ask(transport, "upload", {"label": "l"}, body=iter(sent)).value
    assert b"".join(got) == b"".join(bytes(piece) for piece in sent)
    assert value["bytes"] == sum(len(piece) for piece in sent)
    assert max(map(len, got)) <= 1 << 20


class Taking:
    """Takes a stream, and notes how it ended."""

    def __init__(self) -> None:
        self.ended: list[BaseException | str] = []
        self.over, self.first = threading.Event(), threading.Event()

    def __call__(self, call: Call) -> Any:
        try:
            for _ in call.body or ():
                self.first.set()
            self.ended.append("whole")
        except BaseException as error:
            self.ended.append(error)
            raise
        finally:
            self.over.set()


def test_an_upload_that_breaks_off_raises_on_both_sides():
    taking = Taking()

    def body() -> Iterator[bytes]:
        yield bytes(4 << 20)
        assert taking.first.wait(60)
        raise e.Cancelled("the user pressed stop")

    with engine(Canned(write=taking)) as transport:
        with pytest.raises(e.Cancelled, match="pressed stop"):
            ask(transport, "write", {"name": "x"}, body=body())
        assert taking.over.wait(60)
    assert isinstance(taking.ended[0], e.ServerUnreachable)


@pytest.mark.parametrize("way", ["cancelled", "ended", "closed"])
def test_a_client_that_goes_away_never_completes_an_upload(way: str):
    import grpc

    from lancenb.remote._pb import lancenb_pb2 as pb
    from lancenb.remote._pb import lancenb_pb2_grpc as stubs

    taking = Taking()
    with engine(Canned(write=taking)) as transport:
        channel = grpc.insecure_channel(transport._target)
        go_on = threading.Event()

        def body() -> Iterator[Any]:
            yield pb.WritePiece(request=pb.WriteRequest(name="x"))
            yield pb.WritePiece(piece=b"half of it")
            if way == "ended":
                return
            go_on.wait(120)

        call = stubs.CatalogStub(channel).Write.future(body())
        assert taking.first.wait(60)
        if way == "cancelled":
            call.cancel()
        elif way == "closed":
            channel.close()
        assert taking.over.wait(60)
        go_on.set()
        channel.close()
    assert isinstance(taking.ended[0], e.ServerUnreachable)


def test_the_server_refuses_before_the_upload_is_over():
    def refuse(call: Call) -> Any:
        raise e.Forbidden("this token may not write")

    with engine(Canned(write=refuse)) as transport, pytest.raises(e.Forbidden):
        ask(transport, "write", {"name": "x"}, body=forever())


def test_a_client_that_sends_nothing_more_is_not_waited_for():
    taking = Taking()
    wait = threading.Event()

    def body() -> Iterator[bytes]:
        yield bytes(1 << 20)
        wait.wait(120)

    try:
        with engine(Canned(write=taking), limits=Limits(idle_seconds=0.3)) as transport:
            with pytest.raises(e.TimedOut, match="did not go on"):
                ask(transport, "write", {"name": "x"}, body=body())
            wait.set()
    finally:
        wait.set()


def test_events_stream_without_the_keep_alives():
    def events() -> Iterator[dict[str, Any]]:
        for seq in range(3):
            yield {"seq": seq, "event": "write", "data": {"n": seq, "ä": None}}
            yield {"event": "ping"}

    with engine(Canned(watch=lambda call: Answer(body=events()))) as transport:
        answer = ask(transport, "watch", {"after": 0})
        assert list(answer.body or ()) == [
            {"seq": seq, "event": "write", "data": {"n": seq, "ä": None}} for seq in range(3)
        ]


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """What keeps a dispatcher waiting; whatever happens, its threads end with the test."""
    event = threading.Event()
    yield event
    event.set()


def test_deadlines(hold: threading.Event):
    closed = threading.Event()

    def slow(call: Call) -> Answer:
        hold.wait(600)
        return Answer(LIST, release=closed.set)

    with engine(Canned(list=slow, watch=slow, write=slow)) as transport:
        for op in ("list", "watch", "write"):
            with pytest.raises(e.TimedOut, match=r"within 0\.2 s"):
                ask(transport, op, {"name": "x"} if op == "write" else {}, timeout=0.2)
    with engine(Canned(about=slow), limits=Limits(max_seconds=0.3)) as transport:
        with pytest.raises(e.TimedOut, match="takes longer than"):
            ask(transport, "about")
        hold.set()
        assert closed.wait(60)  # an answer that comes too late is let go of


def test_a_deadline_ends_a_stream():
    body = Body(forever(1))
    with engine(Canned(read=lambda call: Answer(None, body))) as transport:
        for seconds in (3.0, 20.0, 120.0):  # more where one did not even begin in time
            with pytest.raises(e.TimedOut):
                for _ in ask(transport, "read", {"name": "x"}, timeout=seconds).body or ():
                    pass
            if body.made:
                break
        assert body.closed.wait(60)


def test_patience_of_the_connection_ends_a_wait_but_not_a_stream(
    hold: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    from lancenb.remote import _grpc_client

    made: list[Watchdog] = []

    class Noted(Watchdog):
        def __init__(self, *args: Any, **more: Any):
            super().__init__(*args, **more)
            made.append(self)

    monkeypatch.setattr(_grpc_client, "Watchdog", Noted)

    def events() -> Iterator[dict[str, Any]]:
        for seq in range(3):
            yield {"seq": seq, "event": "write", "data": None}
            assert hold.wait(600)

    def slow(call: Call) -> Any:
        for _ in call.body or ():
            pass
        hold.wait(600)

    canned = Canned(watch=lambda call: Answer(body=events()), read=slow, write=slow, get=slow)
    with engine(canned, timeout=60.0) as transport:
        answer = ask(transport, "watch")
        assert made[0]._seconds == 60.0
        assert made[0]._over.is_set()  # nobody counts any more, neither here
        assert canned.calls[0].deadline is None  # nor there
        hold.set()
        assert len(list(answer.body or ())) == 3
    hold.clear()
    with engine(canned, timeout=0.5) as transport:
        for op in ("read", "write", "get"):
            with pytest.raises(e.TimedOut):
                ask(transport, op, {"name": "x"})
        hold.set()


def test_limits_of_size():
    with engine(Canned(get=lambda call: None), limits=Limits(max_json=1000)) as transport:
        with pytest.raises(e.RequestTooLarge):
            ask(transport, "get", {"name": "x" * 2000})
        with pytest.raises(e.RequestTooLarge):
            ask(transport, "get", {"name": "x" * (20 << 20)})
    big = {"items": [], "note": "n" * (20 << 20)}
    with engine(Canned(list=lambda call: big)) as transport:
        assert ask(transport, "list").value == big


def test_metadata_that_is_too_large_is_refused():
    with engine(Canned(get=lambda call: None)) as transport, pytest.raises(e.LancenbError):
        ask(transport, "get", {"name": "x"}, idempotency_key="k" * 200_000)


def test_a_token_that_no_header_can_hold():
    with engine(Canned()) as transport, pytest.raises(e.InvalidArgument, match="characters"):
        ask(transport, "about", idempotency_key="a\nb")


def test_strange_request_ids_are_replaced():
    canned = Canned(untag=lambda call: None)
    with engine(canned) as transport:
        ask(transport, "untag", {"name": "x", "tag": "t"}, request_id="a b")
        ask(transport, "untag", {"name": "x", "tag": "t"}, request_id="x" * 500)
    assert all(len(call.request_id) == 16 for call in canned.calls)


def test_a_stopped_server_is_unreachable_and_another_one_is_found_again(
    monkeypatch: pytest.MonkeyPatch,
):
    from lancenb.remote import _grpc_server
    from lancenb.remote._grpc_client import GrpcTransport
    from lancenb.remote._grpc_server import run_grpc
    from lancenb.remote._transport import Reach

    monkeypatch.setattr(_grpc_server, "GRACE", 60.0)  # stop() waits for the end, when it comes late
    canned = Canned(list=lambda call: LIST)
    running = run_grpc(canned, "127.0.0.1", 0)
    transport = GrpcTransport(Reach(f"grpc://127.0.0.1:{running.port}"))
    assert ask(transport, "list").value == LIST
    running.stop()
    running.stop()
    deadline = time.monotonic() + 60
    while True:
        with pytest.raises(e.ServerUnreachable) as caught:
            ask(transport, "list")
        if caught.value.details["sent"] is False:
            break
        assert time.monotonic() < deadline  # what has not heard of the end yet may still send
    again = run_grpc(canned, "127.0.0.1", running.port)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert ask(transport, "list").value == LIST
                break
            except e.ServerUnreachable:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        transport.close()
        assert ask(transport, "list").value == LIST  # a closed transport opens again
        with pytest.raises(e.InvalidArgument, match="cannot listen"):
            run_grpc(canned, "127.0.0.1", running.port)
    finally:
        transport.close()
        again.stop()


def test_stopping_ends_streams_within_the_grace():
    from lancenb.remote._grpc_client import GrpcTransport
    from lancenb.remote._grpc_server import run_grpc
    from lancenb.remote._transport import Reach

    body = Body(forever(10))
    running = run_grpc(Canned(read=lambda call: Answer(None, body)), "127.0.0.1", 0)
    transport = GrpcTransport(Reach(f"grpc://127.0.0.1:{running.port}"))
    answer = ask(transport, "read", {"name": "x"})
    next(answer.body)  # type: ignore[arg-type]
    stopper = threading.Thread(target=running.stop)
    stopper.start()
    with pytest.raises(e.ServerUnreachable) as caught:
        for _ in answer.body or ():
            pass
    assert caught.value.details["sent"] is True
    stopper.join(60)
    assert not stopper.is_alive()
    assert body.closed.wait(60)
    transport.close()


@pytest.mark.parametrize(
    "url", ["grpc://", "grpc://host", "http://host:1", "grpc://host:port", "grpc:host:1"]
)
def test_addresses_that_are_none(url: str):
    from lancenb.remote._grpc_client import GrpcTransport
    from lancenb.remote._transport import Reach

    with pytest.raises(e.InvalidArgument, match="no address of a gRPC server"):
        GrpcTransport(Reach(url))


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", e.ServerUnreachable),
        ("UNAVAILABLE", "Socket closed", e.ServerUnreachable),
        ("INTERNAL", "Received RST_STREAM with error code 2", e.ServerUnreachable),
        ("UNKNOWN", "Stream removed", e.ServerUnreachable),
        ("DEADLINE_EXCEEDED", "", e.TimedOut),
        ("RESOURCE_EXHAUSTED", "Received message larger than max", e.RequestTooLarge),
        ("RESOURCE_EXHAUSTED", "Concurrent RPC limit exceeded!", e.Busy),
        ("UNIMPLEMENTED", "", e.ServerError),
        ("UNAUTHENTICATED", "", e.Unauthorized),
        ("PERMISSION_DENIED", "", e.Forbidden),
        ("DATA_LOSS", "", e.ServerError),
    ],
)
def test_statuses_of_others_become_errors_of_ours(status: str, text: str, kind: type):
    error = from_status(status, text, "grpc://host:1", 1.0)
    assert type(error) is kind
    assert "grpc://host:1" in error.message
    if kind is e.ServerUnreachable:
        assert error.details["sent"] is (text != "failed to connect to all addresses")


def test_many_threads_share_a_transport():
    canned = Canned(tag=lambda call: call.args["version"])
    wrong: list[Any] = []
    with engine(canned) as transport:

        def work(start: int) -> None:
            for number in range(start, start + 20):
                args = {"name": "n", "tag": "t", "version": number}
                if ask(transport, "tag", args).value != number:
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not wrong
    assert len(canned.calls) == 160
