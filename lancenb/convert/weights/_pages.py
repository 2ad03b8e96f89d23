"""Reading large files through the page cache without letting the process grow.

Pages of a mapped file count as memory of the process once touched. While a file is streamed, a
:class:`PageDropper` gives them back a few dozen times per second; the bytes stay in the page cache,
so touching them again costs next to nothing.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from lancenb.errors import SourceNotFound

_PERIOD = 0.02


class FileMap:
    """A file mapped copy-on-write as one array of bytes.

    Attributes:
        path: the file.
        array: ``uint8[size]``; writing to it never changes the file.
    """

    def __init__(self, path: Path) -> None:
        import numpy as np

        self.path = path
        try:
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except OSError as error:
            raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
        self.array = np.frombuffer(mapped, dtype=np.uint8)

    @property
    def region(self) -> tuple[int, int]:
        """Address and length in bytes."""
        return int(self.array.ctypes.data), int(self.array.nbytes)


def region_of(address: int) -> tuple[int, int] | None:
    """Return start and length of the file mapping that holds ``address`` (Linux only)."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                fields = line.split(None, 5)
                start, end = (int(part, 16) for part in fields[0].split("-"))
                if start <= address < end:
                    named = len(fields) > 5 and fields[5].startswith("/")
                    return (start, end - start) if named else None
    except (OSError, ValueError):
        pass
    return None


class PageDropper:
    """Context in which the pages of some file mappings are given back again and again.

    Only for mappings that nobody has written to: a private page that was changed would be lost.

    Args:
        regions: ``(address, length)`` of each mapping.
    """

    def __init__(self, regions: list[tuple[int, int]]) -> None:
        self._regions = regions if sys.platform == "linux" else []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> PageDropper:
        if self._regions:
            self._thread = threading.Thread(target=self._run, name="lancenb-pages", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        madvise = _madvise()
        if madvise is None:
            return
        page = mmap.PAGESIZE
        while not self._stop.wait(_PERIOD):
            for address, length in self._regions:
                start = address - address % page
                madvise(start, length + address - start, mmap.MADV_DONTNEED)


def _madvise() -> Any:
    try:
        function = ctypes.CDLL(None, use_errno=True).madvise
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    function.restype = ctypes.c_int
    return function


def same_bytes(left: Any, right: Any) -> bool:
    """Compare two contiguous ``uint8`` arrays of equal length at memory speed.

    >>> import numpy as np
    >>> same_bytes(np.zeros(5, np.uint8), np.zeros(5, np.uint8))
    True
    """
    import numpy as np

    if left.nbytes != right.nbytes:
        return False
    step = 8 << 20
    for start in range(0, left.nbytes, step):
        if not np.array_equal(left[start : start + step], right[start : start + step]):
            return False
    return True
