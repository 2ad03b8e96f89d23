"""Call and iterate over ``datasets``, which may block, and still stop within a second."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..progress import CancelToken

T = TypeVar("T")
_CHECK = 0.2
_GUARD = threading.Lock()
_UNDO: list[Callable[[], None]] = []


def pulled(make: Callable[[], Iterator[T]], cancel: CancelToken | None) -> Iterator[T]:
    """Yield what ``make()`` yields, from a thread of its own when a cancel is possible.

    A cancel is answered at once; the thread, which cannot be interrupted, ends at its next item.

    Args:
        make: begins the iteration; called in the thread.
        cancel: token to watch; without one nothing is moved to a thread.

    >>> list(pulled(lambda: iter("ab"), CancelToken()))
    ['a', 'b']
    """
    if cancel is None:
        yield from make()
        return
    items: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=1)
    over = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not over.is_set():
            try:
                items.put((kind, value), timeout=_CHECK)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in make():
                if not put("item", item):
                    return
        except BaseException as error:  # raised again in the thread that iterates
            put("error", error)
        else:
            put("end", None)

    threading.Thread(target=work, daemon=True, name="lancenb-rows").start()
    try:
        while True:
            cancel.check()
            try:
                kind, value = items.get(timeout=_CHECK)
            except queue.Empty:
                continue
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        over.set()


def called(work: Callable[[], T], cancel: CancelToken | None) -> T:
    """Return ``work()``; a cancel does not wait for its end.

    >>> called(lambda: 7, CancelToken())
    7
    """
    return next(pulled(lambda: iter([work()]), cancel))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep ``datasets`` from drawing bars, and from importing torch where nobody has yet.

    It would do so for the epoch number of a stream alone: seconds, and hundreds of megabytes.
    """
    with _GUARD:  # of several at once, the first changes the settings and the last puts them back
        if not _UNDO:
            _UNDO.append(_disturb_less())
        _UNDO.append(lambda: None)
    try:
        yield
    finally:
        with _GUARD:
            _UNDO.pop()
            if len(_UNDO) == 1:
                _UNDO.pop()()


def _disturb_less() -> Callable[[], None]:
    """Change the settings of ``datasets``; return what puts them back."""
    from datasets import config
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    bars, torch = not are_progress_bars_disabled(), config.TORCH_AVAILABLE
    if bars:
        disable_progress_bars()
    if "torch" not in sys.modules:
        config.TORCH_AVAILABLE = False

    def undo() -> None:
        config.TORCH_AVAILABLE = torch
        if bars:
            enable_progress_bars()

    return undo
