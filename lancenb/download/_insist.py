"""Calls of the Hub's client, repeated after resets and overload, which the client does not do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import Cancelled
from ..progress import CancelToken
from ._failures import retry_after
from ._hub_errors import worth_retrying
from ._pull import called

T = TypeVar("T")
TRIES = 4
_LONGEST = 60.0


def insist(call: Callable[[], T], cancel: CancelToken | None, patience: float) -> T:
    """Return ``call()``, tried again while that may help; a cancel ends it within a second.

    Args:
        call: what to do.
        cancel: stops it.
        patience: seconds after which no new attempt begins.

    >>> insist(lambda: 7, None, 1.0)
    7
    """
    began = time.monotonic()
    for attempt in range(TRIES):
        try:
            return called(call, cancel)
        except Cancelled:
            raise
        except Exception as error:
            told = _told(error)
            wait = 0.5 * 2**attempt if told is None else told
            late = time.monotonic() - began + wait > patience
            if late or attempt == TRIES - 1 or not worth_retrying(error):
                raise
        if cancel is None:
            time.sleep(wait)
        elif cancel.wait(wait):
            cancel.check()
    raise AssertionError("unreachable")


def _told(error: BaseException) -> float | None:
    """Return the seconds that a server asked to wait, None if it did not."""
    response = getattr(error, "response", None)
    seconds = retry_after(response.headers.get("Retry-After")) if response is not None else None
    return None if seconds is None else min(_LONGEST, seconds)
