"""A server that is killed: old versions stay, clients get a typed error, a retry is done once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.errors import ServerUnreachable
from lancenb.remote._arrow import pieces
from lancenb.remote._ops import OPS

from ._process import Process
from ._samples import points

#: Seconds until a client has to know, with all that a busy machine adds; the issue of a dead server
#: is never a wait without end.
SOON = 60.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one table."""
    DataManager(tmp_path / "root").convert(points(), "p")
    return tmp_path / "root"


def state(root: Path) -> tuple[int, list[int]]:
    """Version and ids, as somebody sees them who never spoke with a server."""
    dm = DataManager(root)
    return dm["p"].version, dm.search_rows("p")["id"].to_pylist()


def append(dm: Any, rows: pa.Table, key: str) -> Any:
    """Append under a key."""
    return dm._ask(OPS["write"], {"name": "p", "mode": "append"}, key=key,
                   body=lambda: pieces(rows.schema, rows.to_batches()))  # fmt: skip


def endless(began: threading.Event, killed: threading.Event) -> Iterator[pa.RecordBatch]:
    """Rows that keep coming; a moment after they began, the server is killed."""
    for number in itertools.count():
        yield points(1000 + number * 2000, 2000).to_batches()[0]
        if number == 30:
            began.set()
            killed.wait(60)


def test_killed_in_the_middle_of_an_append(root, engine):
    with Process(root) as server, server.connect(engine) as dm:
        assert dm["p"].version == 1
        began, killed, ended = threading.Event(), threading.Event(), {}

        def strike() -> None:
            began.wait(60)
            server.kill()
            ended["at"] = time.monotonic()
            killed.set()

        killer = threading.Thread(target=strike)
        killer.start()
        reader = pa.RecordBatchReader.from_batches(points().schema, endless(began, killed))
        with pytest.raises(ServerUnreachable) as caught:
            dm.convert(reader, "p", mode="append")
        killer.join()
        assert time.monotonic() - ended["at"] < SOON
    assert caught.value.code == "server_unreachable"
    assert state(root) == (1, [0, 1, 2, 3, 4])
    with Process(root) as server, server.connect(engine) as dm:
        assert append(dm, points(50, 2), "k-1").version == 2
        assert append(dm, points(50, 2), "k-1").version == 2
    assert state(root) == (2, [0, 1, 2, 3, 4, 50, 51])
    assert DataManager(root).fsck(repair=True) is not None


BETWEEN = """
import os, signal
from lancenb.remote._journal import Journal
Journal._write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["append", "upsert", "rollback", "tag"])
def test_killed_between_the_commit_and_the_answer(root, engine, verb):
    DataManager(root).upsert("p", {"id": 1, "x": 7.0}, key="id")
    rows = points(50, 2)

    def write(dm: Any) -> Any:
        if verb == "append":
            return append(dm, rows, "k-1")
        if verb == "upsert":
            return dm._ask(OPS["upsert"], {"name": "p", "key": "id"}, key="k-1",
                           body=lambda: pieces(rows.schema, rows.to_batches()))  # fmt: skip
        args = {"name": "p", "version": 1} | ({"tag": "prod"} if verb == "tag" else {})
        return dm._ask(OPS[verb], args, key="k-1")

    with Process(root, BETWEEN) as server, server.connect(engine) as dm:
        start = time.monotonic()
        with pytest.raises(ServerUnreachable):
            write(dm)
        assert time.monotonic() - start < SOON
        server.process.wait(60)
    after = state(root)
    assert after[0] == (2 if verb == "tag" else 3)  # it was committed
    with Process(root) as server, server.connect(engine) as dm:
        answer = write(dm)
        assert state(root) == after
        if verb == "append":
            assert (answer.rows, answer.version) == (2, 3)
        elif verb == "upsert":
            assert (answer.inserted, answer.updated, answer.version) == (2, 0, 3)
        elif verb == "rollback":
            assert tuple(answer) == (1, 2, 3)
        else:
            assert answer == DataManager(root).tags("p")["prod"] == 1


@pytest.mark.slow
def test_killed_while_rows_are_read(root, engine):
    rows = points(10, 2_000_000)  # more than can be on its way
    DataManager(root).convert(rows, "big")
    with Process(root) as server, server.connect(engine) as dm:
        reader = dm.read("big", batch_rows=500)
        reader.read_next_batch()
        server.kill()
        start = time.monotonic()
        with pytest.raises(ServerUnreachable):
            for _ in reader:
                pass
        assert time.monotonic() - start < SOON


NEVER_DONE = """
import threading
from lancenb.remote._handlers import HANDLERS

def convert(*args, progress, cancel, work=HANDLERS["convert"], **more):
    def told(event):
        progress(event)
        threading.Event().wait()
    return work(*args, progress=told, cancel=cancel, **more)

HANDLERS["convert"] = convert
"""


@pytest.mark.slow
def test_killed_while_a_job_is_followed(root, engine):
    with Process(root, NEVER_DONE) as server, server.connect(engine) as dm:
        ended = {}

        def strike(event: Any) -> None:
            if not ended:
                ended["at"] = time.monotonic()
                server.kill()

        with pytest.raises(ServerUnreachable):
            dm.convert("synthetic:images", "drawn", progress=strike)
        assert time.monotonic() - ended["at"] < SOON
    assert "drawn" not in DataManager(root)


@pytest.mark.slow
def test_a_server_that_comes_back_is_found_again(root, engine):
    with Process(root) as server:
        dm = server.connect(engine)
        assert dm["p"].version == 1
        server.kill()
        with Process(root, ports=server.ports):
            assert dm["p"].version == 1
            dm.tag("p", "prod")
        dm.close()
    start = time.monotonic()
    with pytest.raises(ServerUnreachable):
        dm.get("p")
    assert time.monotonic() - start < SOON
