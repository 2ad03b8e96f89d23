"""Wait for Ctrl-C or SIGTERM, whichever thread the system gives them to."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

_ENDS = (signal.SIGINT, signal.SIGTERM)
_LOOK = 1.0  # seconds


@contextlib.contextmanager
def stop_asked() -> Iterator[Callable[[], None]]:
    """Yield what waits until Ctrl-C or SIGTERM comes; a second Ctrl-C ends at once.

    The system may give a signal to any thread. Python handles it in the main thread, but does not
    wake that one from a lock, so ``Event().wait()`` may never hear of it; a byte in a socket wakes
    it always. For main threads only.
    """
    woken, waking = socket.socketpair()
    woken.settimeout(_LOOK)
    waking.setblocking(False)
    heard: list[int] = []

    def hear(number: int, frame: Any) -> None:
        heard.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def wait() -> None:
        # A byte alone says little: signals to a forked child, which has the same socket, send it
        # too; and Python may call the handler a moment after it.
        while not heard:
            with contextlib.suppress(TimeoutError):
                woken.recv(64)

    before = {number: signal.signal(number, hear) for number in _ENDS}
    earlier = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    try:
        yield wait
    finally:
        signal.set_wakeup_fd(earlier)
        for number, handler in before.items():
            signal.signal(number, handler)
        woken.close()
        waking.close()
