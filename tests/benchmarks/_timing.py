"""Wall and CPU seconds of an epoch, workers included; what it gave; files out of the page cache."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_TICKS = os.sysconf("SC_CLK_TCK")


class Cpu:
    """User and system CPU seconds of this process, its children that ended and those that run.

    ``RUSAGE_CHILDREN`` alone knows only children that were waited for: persistent workers, which
    do most of the work, would cost nothing.

    >>> cpu = Cpu()
    >>> cpu.spent() >= 0
    True
    """

    def __init__(self) -> None:
        self._children = _of_children()
        self._own = time.process_time()

    def spent(self) -> float:
        """CPU seconds since this object was made (looking at the children is not counted)."""
        own = time.process_time() - self._own
        return own + _of_children() - self._children


def _of_children() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(_spent(pid) for pid in _descendants())


def _descendants() -> list[int]:
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            parents.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it ended meanwhile
        return []
    return text[text.rindex(")") + 2 :].split()


def _spent(pid: int) -> float:
    fields = _stat(pid)
    return sum(int(value) for value in fields[11:15]) / _TICKS if fields else 0.0


def evict(folder: Path) -> float:
    """Drop the files below ``folder`` from the page cache; return the share that stayed, 0 to 1.

    Only these files, not all of the machine: worker processes would else read their libraries
    from the disk again, which says nothing about loading. Needs no rights, but ``sync`` before:
    pages that wait to be written are not dropped.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    for path in files:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
    stayed = [_resident(path) for path in files[:200]]
    total = sum(pages for _, pages in stayed)
    return sum(there for there, _ in stayed) / total if total else 0.0


def _resident(path: Path) -> tuple[int, int]:
    """Pages of a file in memory, and all its pages (``mincore``)."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as view:
        pages = -(-len(view) // mmap.PAGESIZE)
        there = (ctypes.c_ubyte * pages)()
        anchor = ctypes.c_char.from_buffer(view)
        libc = ctypes.CDLL(None, use_errno=True)
        address = ctypes.c_void_p(ctypes.addressof(anchor))
        failed = libc.mincore(address, ctypes.c_size_t(len(view)), there)
        del anchor  # or the map could not be closed
        return (0, 0) if failed else (sum(flag & 1 for flag in there), pages)


def run_epoch(batches: Iterator[Any], rows: int, count: int = 1) -> dict[str, Any]:
    """Run an epoch (or several in a row) and return its costs and what came.

    Args:
        batches: gives ``(images, labels)``; the label of a row is its number.
        rows: rows that an epoch has.
        count: how many epochs these are.

    Returns:
        ``wall`` and ``cpu`` in seconds, seconds ``waited`` for the first batch, ``rows`` given, how
        many were ``missing`` or came ``twice``, ``shape``, ``dtype`` and ``strides`` of a
        picture, and the ``last`` batch.
    """
    labels: list[Any] = []
    waited = 0.0
    kinds: set[tuple[Any, ...]] = set()
    last: Any = None
    cpu, wall = Cpu(), time.perf_counter()
    for images, numbers in batches:
        waited = waited or time.perf_counter() - wall
        labels.append(numbers)
        kinds.add((tuple(images.shape[1:]), str(images.dtype)))
        last = images, numbers
    spent = {"wall": time.perf_counter() - wall, "cpu": cpu.spent(), "waited": waited}
    given = np.concatenate([np.asarray(n).reshape(-1) for n in labels]).astype(np.int64)
    times = np.bincount(given, minlength=rows)
    assert len(kinds) == 1, f"pictures of several kinds: {kinds}"
    ((shape, dtype),) = kinds
    return {
        **spent,
        "rows": len(given),
        "missing": int((times[:rows] < count).sum()),
        "twice": int((times[:rows] > count).sum()) + int(times[rows:].sum()),
        "shape": list(shape),
        "dtype": dtype.removeprefix("torch."),
        "strides": list(last[0].stride()[1:]),
        "last": last,
    }


def run_epochs(
    epochs: Callable[[int], Iterator[Any]], start: int, rows: int, seconds: float
) -> dict[str, Any]:
    """Run epochs from number ``start`` on for about ``seconds``, at most 50; costs are their sums.

    One that takes long enough is all; of short ones more are run, looked at as one.
    """
    first = run_epoch(epochs(start), rows)
    count = min(50, int(seconds / first["wall"]))
    if not count:
        return {**first, "epochs": 1}
    more = (epochs(start + 1 + number) for number in range(count))
    return {**run_epoch(itertools.chain.from_iterable(more), rows, count), "epochs": count}
