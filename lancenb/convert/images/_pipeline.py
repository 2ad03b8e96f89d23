"""Work in threads, results in order, with a bounded number of pieces in flight."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def default_threads() -> int:
    """One thread reads, checks and hashes ahead of the writer; more only where cores abound."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return max(1, min(4, cores // 2))


def ordered_map(
    work: Callable[[T], R], items: Iterable[T], threads: int
) -> Generator[R, None, None]:
    """Yield ``work(item)`` in the order of ``items``, at most ``threads + 1`` of them ahead.

    An exception of ``work`` is raised in its place; closing the generator stops the threads.

    >>> list(ordered_map(lambda n: n * n, range(4), threads=2))
    [0, 1, 4, 9]
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="lancenb-images")
    ahead: deque[Future[R]] = deque()
    source = iter(items)
    try:
        for item in source:
            ahead.append(pool.submit(work, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()
        pool.shutdown(wait=True, cancel_futures=True)
        close = getattr(source, "close", None)
        if close is not None:
            close()
