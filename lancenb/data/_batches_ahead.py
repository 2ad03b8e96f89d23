"""Work done ahead of its consumer by a few threads, handed out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Step = TypeVar("Step")


class Ahead(Generic[Step]):
    """Iterator of ``(step, work(step))`` in the order of the steps.

    Args:
        steps: what is to be done.
        work: called with a step, in one of the threads.
        threads: how many; 0 does the work when it is asked for.
        prefetch: steps under way ahead of the consumer.
    """

    def __init__(
        self, steps: Iterator[Step], work: Callable[[Step], Any], threads: int, prefetch: int
    ):
        self._steps = steps
        self._work = work
        self._prefetch = prefetch
        self._pool = (
            ThreadPoolExecutor(threads, thread_name_prefix="lancenb-batches") if threads else None
        )
        self._waiting: deque[tuple[Step, Future[Any]]] = deque()

    def __iter__(self) -> Ahead[Step]:
        return self

    def __next__(self) -> tuple[Step, Any]:
        if self._pool is None:
            step = next(self._steps)
            return step, self._work(step)
        while len(self._waiting) <= self._prefetch:
            step = next(self._steps, None)
            if step is None:
                break
            self._waiting.append((step, self._pool.submit(self._work, step)))
        if not self._waiting:
            raise StopIteration
        step, future = self._waiting.popleft()
        return step, future.result()

    def close(self) -> None:
        """Drop what was not asked for yet and end the threads."""
        self._waiting.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
