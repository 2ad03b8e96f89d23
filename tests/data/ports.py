"""A port that a process started later can listen on, and nobody else is given meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """Hold a port of 127.0.0.1, bound but not listening, while processes start that use it.

    Whoever binds it by number with ``SO_REUSEADDR``, as torch's store does, may listen on it; the
    system gives it to nobody who asks for any port.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
