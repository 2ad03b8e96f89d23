"""Cancelling acts within a second, whatever the engine waits for; progress stays calm."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lancenb.download import Fetcher
from lancenb.download._files import locked
from lancenb.errors import Cancelled, LancenbError
from lancenb.progress import CancelToken, Progress, Tracker
from lancenb.testing import FileServer
from tests.download.odd_servers import deaf_port, raw_server

DATA = bytes(range(256)) * 12_000  # 3 MB
SERIAL = Fetcher(parts=1)
RANGES = Fetcher(parallel_from=256 << 10)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n"


LIMIT = 60.0  # a cancel acts within a second, where the machine is not busy with other things


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the cancel may end a wait: all limits of time are far behind ``LIMIT``."""
    for limit in ("_http.READ_TIMEOUT", "_connect.CONNECT_TIMEOUT", "_addresses.LOOKUP_TIMEOUT"):
        monkeypatch.setattr(f"lancenb.download.{limit}", 10 * LIMIT)


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test ends, for servers that say nothing until then."""
    event = threading.Event()
    yield event
    event.set()


class Counting(Tracker):
    """A tracker that tells when the first bytes have come."""

    def __init__(self) -> None:
        super().__init__()
        self.some = threading.Event()

    def advance(self, rows: int = 0, nbytes: int = 0, message: str = "") -> None:
        super().advance(rows, nbytes, message)
        if nbytes:
            self.some.set()


def cancelled_in(
    call: Callable[[CancelToken], object], begun: threading.Event | None = None
) -> float:
    """Cancel a call that would go on for long, once it has ``begun``; return how long it took."""
    token, at = CancelToken(), [0.0]

    def cancel() -> None:
        if begun is not None:
            begun.wait(LIMIT)
        time.sleep(0.3)
        at[0] = time.monotonic()
        token.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(Cancelled):
        call(token)
    ended = time.monotonic()
    canceller.join()
    return ended - at[0]


@pytest.fixture
def silent(over: threading.Event) -> Iterator[int]:
    with raw_server(lambda client, head: waits(over)) as port:
        yield port


def waits(over: threading.Event) -> None:
    over.wait(10 * LIMIT)


def test_while_the_name_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: waits(over))
    url = "http://slow.example/x"
    assert cancelled_in(lambda token: SERIAL.fetch(url, tmp_path, cancel=token)) < LIMIT
    assert cancelled_in(lambda token: SERIAL.probe(url, cancel=token)) < LIMIT


def test_while_connecting(tmp_path: Path) -> None:
    with deaf_port() as port:
        url = f"http://127.0.0.1:{port}/x"
        assert cancelled_in(lambda token: SERIAL.fetch(url, tmp_path, cancel=token)) < LIMIT


def test_while_tls_is_agreed_on(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/x"
        assert cancelled_in(lambda token: SERIAL.fetch(url, tmp_path, cancel=token)) < LIMIT


def test_while_waiting_for_an_answer(tmp_path: Path, silent: int) -> None:
    url = f"http://127.0.0.1:{silent}/x"
    assert cancelled_in(lambda token: SERIAL.fetch(url, tmp_path, cancel=token)) < LIMIT
    assert cancelled_in(lambda token: SERIAL.probe(url, cancel=token)) < LIMIT
    assert cancelled_in(lambda token: SERIAL.read_range(url, 0, 8, cancel=token)) < LIMIT


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["kept open", "to be closed"])
def test_while_a_body_does_not_come(tmp_path: Path, more: bytes, over: threading.Event) -> None:
    def serve(client: socket.socket, head: bytes) -> None:
        client.sendall(HEAD + more + b"\r\n" + b"x" * 10)
        waits(over)

    with raw_server(serve) as port:
        url, tracker = f"http://127.0.0.1:{port}/x", Counting()
        took = cancelled_in(
            lambda token: SERIAL.fetch(url, tmp_path, cancel=token, tracker=tracker), tracker.some
        )
    assert took < LIMIT
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("engine", [SERIAL, RANGES], ids=["serial", "ranges"])
@pytest.mark.parametrize("fault", ["stall", "slow"])
def test_in_the_middle_and_what_came_is_kept(
    files: FileServer, tmp_path: Path, engine: Fetcher, fault: str
) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add(fault, times=0, seconds=10 * LIMIT, rate=5_000)
    tracker = Counting()
    took = cancelled_in(
        lambda token: engine.fetch(url, tmp_path, cancel=token, tracker=tracker), tracker.some
    )
    assert took < LIMIT
    assert not (tmp_path / "f.bin").exists()
    files.faults.clear()
    again = engine.fetch(url, tmp_path)
    assert again is not None
    assert again.resumed_from > 0
    assert again.path.read_bytes() == DATA


def test_while_told_to_come_back_later(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("status", retry_after="120", times=0)
    assert cancelled_in(lambda token: SERIAL.fetch(url, tmp_path, cancel=token)) < LIMIT


def test_while_another_process_has_the_lock(files: FileServer, tmp_path: Path) -> None:
    url, lock = files.add("/f.bin", DATA), tmp_path / "a.lock"
    with locked(lock):
        took = cancelled_in(lambda token: SERIAL.fetch(url, tmp_path, lock=lock, cancel=token))
    assert took < LIMIT
    assert not files.log


def test_before_it_begins(files: FileServer, tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        SERIAL.fetch(files.add("/f.bin", DATA), tmp_path, cancel=token)
    assert not files.log


def test_no_thread_stays(files: FileServer, tmp_path: Path) -> None:
    url, before = files.add("/f.bin", DATA), set(threading.enumerate())
    files.faults.add("stall", times=0, seconds=10 * LIMIT)
    cancelled_in(lambda token: RANGES.fetch(url, tmp_path, cancel=token))
    ours = [t for t in threading.enumerate() if t.name.startswith("lancenb-") and t not in before]
    for thread in ours:
        thread.join(LIMIT)
    assert [thread.name for thread in ours if thread.is_alive()] == []


def test_a_callback_that_fails_ends_the_transfer(files: FileServer, tmp_path: Path) -> None:
    url = files.add("/f.bin", DATA)
    files.faults.add("slow", times=0, rate=5_000)  # minutes for all of it

    def broken(event: Progress) -> None:
        if event.bytes:
            raise ZeroDivisionError

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        RANGES.fetch(url, tmp_path, progress=broken)
    assert time.monotonic() - began < LIMIT


@pytest.mark.parametrize("engine", [SERIAL, RANGES], ids=["serial", "ranges"])
def test_events_are_calm_and_in_the_calling_thread(
    files: FileServer, tmp_path: Path, engine: Fetcher
) -> None:
    url = files.add("/f.bin", DATA)
    slow = files.faults.add("slow", times=0, rate=20_000)
    events: list[tuple[float, Progress]] = []

    def note(event: Progress) -> None:
        assert threading.current_thread() is threading.main_thread()
        events.append((tracker._last, event))  # by its own clock: we may be late
        if len(events) == 4:
            slow.rate = 1 << 40

    tracker = Tracker(note)
    engine.fetch(url, tmp_path, tracker=tracker)
    assert len(events) >= 4
    assert all(b[0] - a[0] > 0.19 for a, b in itertools.pairwise(events[1:]))
    assert [e.bytes for _, e in events] == sorted(e.bytes for _, e in events)
    assert events[-1][1].total_bytes == len(DATA)


def test_events_of_many_files_are_calm_too(files: FileServer, tmp_path: Path) -> None:
    events: list[Progress] = []
    tracker = Tracker(events.append)
    began = time.monotonic()
    for index in range(30):
        SERIAL.fetch(files.add(f"/{index}.bin", b"x" * index), tmp_path, tracker=tracker)
    assert len(events) <= 2 + 5 * (time.monotonic() - began)
    assert tracker.bytes == sum(range(30))


def test_waiting_for_the_lock_costs_no_error(files: FileServer, tmp_path: Path) -> None:
    url, lock = files.add("/f.bin", DATA), tmp_path / "a.lock"
    results: list[object] = []

    def fetch() -> None:
        try:
            results.append(SERIAL.fetch(url, tmp_path, lock=lock))
        except LancenbError as error:
            results.append(error)

    with locked(lock):
        thread = threading.Thread(target=fetch)
        thread.start()
        time.sleep(0.3)
        assert not results
    thread.join(60)
    assert not isinstance(results[0], Exception)
