"""Reading ahead in a thread, so that parsing and writing overlap; and hashing beside both."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")
_END = object()


def read_ahead(items: Iterable[T], depth: int = 3) -> Iterator[T]:
    """Yield ``items``, produced by a thread up to ``depth`` items ahead.

    An exception of the producer is raised here; leaving early stops and joins the thread.

    >>> list(read_ahead(range(3)))
    [0, 1, 2]
    """
    lane: queue.Queue[Any] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: Any) -> bool:
        while not stop.is_set():
            try:
                lane.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not put((item, None)):
                    break
            put((_END, None))
        except BaseException as error:
            put((_END, error))
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=produce, name="lancenb-read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = lane.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        while not lane.empty():
            lane.get_nowait()
        thread.join()


class Hasher:
    """Computes sha256 of files in a thread and writes each into its entry.

    Args:
        entries: dictionaries with ``"path"``; ``"sha256"`` is added to each.
    """

    def __init__(self, entries: list[dict[str, Any]]):
        self._entries = entries
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lancenb-hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for entry in self._entries:
            digest = hashlib.sha256()
            try:
                with Path(entry["path"]).open("rb") as file:
                    while not self._stop.is_set() and (block := file.read(1 << 20)):
                        digest.update(block)
            except OSError:
                continue
            if self._stop.is_set():
                return
            entry["sha256"] = digest.hexdigest()

    def join(self) -> None:
        """Wait for all hashes."""
        self._thread.join()

    def stop(self) -> None:
        """Give up at the next block."""
        self._stop.set()
        self._thread.join()


def ordered_map(work: Callable[[T], R], items: Iterable[T], workers: int = 2) -> Iterator[R]:
    """Yield ``work(item)`` in order, computed by a few threads, little more than that ahead."""
    with ThreadPoolExecutor(workers, thread_name_prefix="lancenb-parse") as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
