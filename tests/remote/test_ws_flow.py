"""Streams of one connection: turns, and a network that takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time

import pytest

from lancenb.errors import Cancelled, TimedOut
from lancenb.remote._ws import CHUNK, WINDOW, unpack
from lancenb.remote._ws_flow import Outbox, Outgoing

MIB = 1 << 20


class Wire:
    """A network that takes frames only while it is open."""

    def __init__(self):
        self.frames = []
        self.asked = asyncio.Event()
        self.open = asyncio.Event()

    async def send(self, data):
        self.asked.set()
        await self.open.wait()
        self.frames.append(data)


def feed(stream, count, sent):
    with contextlib.suppress(Cancelled):
        for _ in range(count):
            stream.send(bytes(CHUNK))
            sent.append(CHUNK)


def started(*args):
    thread = threading.Thread(target=feed, args=args, daemon=True)
    thread.start()
    return thread


async def reached(sent, count):
    """Wait until so many are sent, and a moment in which no more may come."""
    end = time.monotonic() + 60
    while len(sent) < count and time.monotonic() < end:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    return len(sent)


def test_a_network_that_takes_nothing_stops_the_producer_before_its_credit_does():
    async def main():
        wire = Wire()
        outbox = Outbox(wire.send)
        task = asyncio.ensure_future(outbox.run())
        sent = []
        stream = Outgoing(outbox, 1, WINDOW, CHUNK)
        thread = started(stream, 40, sent)
        assert CHUNK * await reached(sent, 1) <= MIB + CHUNK < WINDOW
        wire.open.set()  # now it goes on, until the credit is used up
        assert CHUNK * await reached(sent, WINDOW // CHUNK) == WINDOW
        stream.grant(2 * MIB)
        more = WINDOW + 2 * MIB
        assert CHUNK * await reached(sent, more // CHUNK) == more
        stream.fail(Cancelled("enough"))
        thread.join(60)
        assert not thread.is_alive()
        task.cancel()

    asyncio.run(main())


def test_streams_take_turns_and_answers_go_first():
    async def main():
        wire = Wire()
        outbox = Outbox(wire.send)
        sent = []
        streams = [Outgoing(outbox, number, WINDOW, CHUNK) for number in (1, 2, 3)]
        for stream in streams:
            started(stream, 4, sent)
        assert await reached(sent, 12) == 12
        task = asyncio.ensure_future(outbox.run())
        await wire.asked.wait()
        outbox.tell({"id": "x", "ok": 1})
        await asyncio.sleep(0.1)
        wire.open.set()
        assert await reached(wire.frames, 13) == 13
        places = [index for index, data in enumerate(wire.frames) if isinstance(data, str)]
        assert places[0] <= 1  # one frame was on its way already
        turns = [unpack(data)[0] for data in wire.frames if isinstance(data, bytes)]
        assert len(turns) == 12
        for index in range(1, 9):
            assert len(set(turns[index : index + 3])) == 3
        task.cancel()

    asyncio.run(main())


def test_a_receiver_that_takes_nothing_times_out():
    async def main():
        wire = Wire()
        outbox = Outbox(wire.send)
        stream = Outgoing(outbox, 1, CHUNK, CHUNK)
        stream.send(bytes(CHUNK))
        with pytest.raises(TimedOut, match="took nothing"):
            await asyncio.to_thread(stream.send, b"x", 0.1)

    asyncio.run(main())
