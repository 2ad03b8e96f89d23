"""Steps of the demo on a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_TITLE = 18


class Printer:
    """Prints numbered steps with figures and times in aligned columns.

    Args:
        total: number of steps.
        out: where to; None prints nothing.
    """

    def __init__(self, total: int, out: TextIO | None = None):
        self.total = total
        self.out = out
        self.number = 0
        self._last = time.monotonic()

    @classmethod
    def to_stdout(cls, total: int) -> Printer:
        """A printer to standard output as it is now (notebooks replace it)."""
        return cls(total, sys.stdout)

    def line(self, text: str = "") -> None:
        """Print a line as it is."""
        if self.out is not None:
            print(text, file=self.out, flush=True)

    def step(self, title: str, text: str) -> None:
        """Print a finished step with the seconds since the one before."""
        now = time.monotonic()
        self.number += 1
        seconds, self._last = now - self._last, now
        label = f"[{self.number:>2}/{self.total}]"
        first, *rest = text.splitlines()
        self.line(f"{label} {title:<{_TITLE}} {first}  ({seconds:.1f} s)")
        for more in rest:
            self.more(more)

    def more(self, text: str) -> None:
        """Print a line that belongs to the step before."""
        self.line(" " * (9 + _TITLE) + text)
