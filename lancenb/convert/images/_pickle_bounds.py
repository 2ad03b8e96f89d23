"""How much a pickle of pictures may ask for: steps, nesting, text; all by the size of its file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lancenb.errors import UnsafeInput

if TYPE_CHECKING:
    from lancenb.progress import CancelToken

_MOST_STEPS = 4_000_000  # no set of pictures has so many labels and names; a bomb has
_FREE_STEPS, _BYTES_PER_STEP = 100_000, 256  # a picture has 3,072 bytes and takes ten steps at most
_FREE_TEXT = 1 << 20
_MOST_KEYS = 10_000
_DEEPEST = 32
_CHECK_EVERY = 1 << 14


class Bounds:
    """Counts what a pickle asks for.

    Args:
        size: bytes of the pickle.
        where: its name, for messages.
        cancel: stops the reading.
    """

    def __init__(self, size: int, where: str, cancel: CancelToken | None):
        self._size = size
        self._where = where
        self._cancel = cancel
        self._steps = 0
        self._most = min(_MOST_STEPS, _FREE_STEPS + size // _BYTES_PER_STEP)
        self._text = size + _FREE_TEXT
        self._depth: dict[int, int] = {}  # by id of a container

    def step(self) -> None:
        """Count one instruction."""
        self._steps += 1
        if self._steps > self._most:
            raise self._bomb(f"more than {self._most:,} parts in {self._size:,} bytes")
        if self._cancel is not None and self._steps % _CHECK_EVERY == 0:
            self._cancel.check()

    def encode(self, text: Any) -> None:
        """Count text that becomes bytes: a long one may be named many times."""
        self._text -= len(text) if isinstance(text, str) else 0
        if self._text < 0:
            raise self._bomb("more text to encode than it holds")

    def nest(self, container: Any, items: Iterable[Any]) -> None:
        """Note how deep a container is nested, now that it holds these items too."""
        deepest = self._depth.get(id(container), 1) if isinstance(container, (list, dict)) else 1
        for item in items:
            if isinstance(item, (tuple, list, dict)):
                deepest = max(deepest, 1 + self._depth.get(id(item), 1))
        if deepest > _DEEPEST:
            raise self._bomb(f"more than {_DEEPEST} lists within each other")
        self._depth[id(container)] = deepest

    def keys(self, count: int) -> None:
        """Check how many keys a dictionary has."""
        if count > _MOST_KEYS:
            raise self._bomb(f"more than {_MOST_KEYS:,} keys")

    def _bomb(self, what: str) -> UnsafeInput:
        return UnsafeInput(
            f"{self._where} has {what}, as no batch of pictures has",
            hint="fetch the file again from its makers; this one was changed",
        )
