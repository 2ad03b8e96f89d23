"""Streams of one connection: turns, and a network that takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest

from lancenb.errors import Cancelled, TimedOut
from lancenb.remote._ws import CHUNK, WINDOW, unpack
from lancenb.remote._ws_flow import Outbox, Outgoing

MIB = 1 << 20


class Wire:
    """A network that takes frames only while it is open."""

    def __init__(self):
        self.frames = []
        self.open = asyncio.Event()

    async def send(self, data):
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


async def settled(sent):
    """Wait until nothing more is sent."""
    before = -1
    while before != len(sent):
        before = len(sent)
        await asyncio.sleep(0.15)
    return len(sent) * CHUNK


def test_a_network_that_takes_nothing_stops_the_producer_before_its_credit_does():
    async def main():
        wire = Wire()
        outbox = Outbox(wire.send)
        task = asyncio.ensure_future(outbox.run())
        sent = []
        stream = Outgoing(outbox, 1, WINDOW, CHUNK)
        thread = started(stream, 40, sent)
        assert await settled(sent) <= MIB + CHUNK < WINDOW
        wire.open.set()  # now it goes on, until the credit is used up
        assert await settled(sent) == WINDOW
        stream.grant(2 * MIB)
        assert await settled(sent) == WINDOW + 2 * MIB
        stream.fail(Cancelled("enough"))
        thread.join(60)
        assert not thread.is_alive()
        task.cancel()

    asyncio.run(main())


def test_streams_take_turns_and_answers_go_first():
    async def main():
        wire = Wire()
        outbox = Outbox(wire.send)
        task = asyncio.ensure_future(outbox.run())
        sent = []
        streams = [Outgoing(outbox, number, WINDOW, CHUNK) for number in (1, 2, 3)]
        for stream in streams:
            started(stream, 4, sent)
        assert await settled(sent) == 12 * CHUNK
        outbox.tell({"id": "x", "ok": 1})
        await asyncio.sleep(0.1)
        wire.open.set()
        await settled(wire.frames)
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
