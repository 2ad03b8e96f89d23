"""How often and after which pauses a failed request is repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ._failures import Retry
from ._watch import Watch

T = TypeVar("T")

_REAL_PROGRESS = 256 << 10
_UNREACHED_LIMIT = 4.0
_LONGEST = 10.0


class Patience:
    """Counts failures in a row without real progress.

    Args:
        retries: that many are borne.
        backoff: first pause in seconds, doubled each time.
        watch: ends a pause.
    """

    def __init__(self, retries: int, backoff: float, watch: Watch):
        self.retries = retries
        self.backoff = backoff
        self.watch = watch
        self.failures = 0
        self._began = time.monotonic()

    def bear(self, again: Retry, gained: int = 0, *, reached: bool = True) -> None:
        """Pause before the next attempt, or raise what ``again`` carries.

        Args:
            again: the failure.
            gained: bytes that came before it.
            reached: whether the server has ever answered; one that never has is given up sooner.
        """
        self.failures = 0 if gained >= _REAL_PROGRESS else self.failures + 1
        nobody = again.unreached and not reached
        late = time.monotonic() - self._began > _UNREACHED_LIMIT or self.failures > 3
        if self.failures > self.retries or (nobody and late):
            raise again.error from again
        delay = min(_LONGEST, self.backoff * 2 ** max(0, self.failures - 1))
        if nobody:
            delay = min(delay, 1.0)
        self.watch.sleep(again.wait if again.wait is not None else delay)

    def call(self, attempt: Callable[[], T]) -> T:
        """Return what ``attempt`` returns, repeating it after failures that may pass."""
        while True:
            try:
                return attempt()
            except Retry as again:
                self.bear(again, reached=False)
