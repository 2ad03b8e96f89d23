"""Numbered events that many can follow, and take up again where they left."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

PING = {"event": "ping"}
_PING_SECONDS = 10.0


class Feed:
    """A list of numbered events with a bounded memory.

    Args:
        keep: how many of the newest events can be asked for again.
        start: number before the first event; numbers of a later server that begin higher show a
            follower of an earlier one that something was missed.
    """

    def __init__(self, keep: int = 10_000, start: int = 0):
        self._events: deque[dict[str, Any]] = deque(maxlen=keep)
        self._changed = threading.Condition()
        self.seq = start
        self.closed = False

    def put(self, event: str, data: Any) -> int:
        """Add an event and return its number."""
        with self._changed:
            self.seq += 1
            self._events.append({"seq": self.seq, "event": event, "data": data})
            self._changed.notify_all()
            return self.seq

    def close(self) -> None:
        """Let followers end once they have seen everything."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _since(self, after: int) -> list[dict[str, Any]]:
        if after >= self.seq:
            return []
        return [event for event in self._events if event["seq"] > after]

    def follow(
        self, after: int, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[dict[str, Any]]:
        """Yield events after a number as they come, with a ping when nothing happens.

        Events that were forgotten meanwhile show as one ``gap`` event with the first number kept.
        """
        said = time.monotonic()
        while not stop():
            with self._changed:
                new = self._since(after)
                if not new and self.closed:
                    return
                if not new:
                    self._changed.wait(timeout=0.5)
            if new and new[0]["seq"] > after + 1 and after > 0:
                yield {"event": "gap", "seq": new[0]["seq"] - 1, "data": {"after": after}}
            for event in new:
                after = event["seq"]
                yield event
            now = time.monotonic()
            if new:
                said = now
            elif now - said > _PING_SECONDS:
                said = now
                yield dict(PING)
