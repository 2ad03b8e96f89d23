"""How a client asks: what it does beside the wait for a job."""

from __future__ import annotations

import threading
from typing import Any

from lancenb.progress import CancelToken
from lancenb.remote._asking import Asking
from lancenb.remote._op import Op
from lancenb.remote._wire import Answer


class Line:
    """A transport that only counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def call(self, op: Op, args: dict[str, Any], **more: Any) -> Answer:
        """Answer with nothing."""
        self.asked.append(op.name)
        return Answer(None)


class Held(CancelToken):
    """A token whose wait ends, cancelled, when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.go_on = threading.Event(), threading.Event()
        self.waiter: threading.Thread | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for the test."""
        self.waiter = threading.current_thread()
        self.waits.set()
        assert self.go_on.wait(60)
        return True


def test_a_token_set_when_the_job_is_over_asks_nothing_more():
    asking, token = Asking(), Held()
    line: Any = Line()
    asking._transport = line
    with asking._cancelling("job", token):
        assert token.waits.wait(60)
    token.go_on.set()
    assert token.waiter is not None
    token.waiter.join(60)
    assert not token.waiter.is_alive()
    assert line.asked == []


def test_a_token_set_before_stops_the_job():
    asking, token = Asking(), Held()
    line: Any = Line()
    asking._transport = line
    with asking._cancelling("job", token):
        assert token.waits.wait(60)
        token.go_on.set()
        assert token.waiter is not None
        token.waiter.join(60)
    assert line.asked == ["cancel_job"]
