"""Threads that may change widgets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any


def start(work: Callable[..., Any], *args: Any, name: str) -> threading.Thread:
    """Start ``work(*args)`` in a daemon thread that may set traits and make widgets.

    ipykernel 7.0 knows the cell a message belongs to by a context variable, which a plain thread
    lacks: a widget changed there raises ``LookupError``. The thread inherits the starter's context.

    >>> start(print, "hello", name="greeting").join()
    hello
    """
    context = copy_context()
    thread = threading.Thread(
        target=context.run, args=(work, *args), name=f"lancenb-{name}", daemon=True
    )
    thread.start()
    return thread
