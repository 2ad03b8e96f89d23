"""Memory that worker processes share with the process that started them."""

from __future__ import annotations

import math
import mmap
import os
from multiprocessing import reduction
from typing import Any

import torch


class SharedArray:
    """A tensor of zeros whose pages exist once for all spawned workers.

    The memory is an anonymous file (``memfd_create``), which needs no room in ``/dev/shm``; where
    the system has none, each process has memory of its own. It pickles only while a process is
    being spawned.

    Args:
        shape: shape of the tensor.
        dtype: its type.
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype):
        self.shape = shape
        self.dtype = dtype
        self._file: int | None = None
        if hasattr(os, "memfd_create"):
            self._file = os.memfd_create("lancenb-cache")
            os.ftruncate(self._file, max(1, self.nbytes))
        self.tensor = self._mapped()

    @property
    def nbytes(self) -> int:
        """Bytes when every page is in use."""
        return math.prod(self.shape) * self.dtype.itemsize

    def _mapped(self) -> torch.Tensor:
        if self._file is None or not self.nbytes:
            return torch.zeros(self.shape, dtype=self.dtype, device="cpu")
        memory = mmap.mmap(self._file, self.nbytes)
        return torch.frombuffer(memory, dtype=self.dtype).reshape(self.shape)

    def __getstate__(self) -> dict[str, Any]:
        file = reduction.DupFd(self._file) if self._file is not None else None
        return {"shape": self.shape, "dtype": self.dtype, "_file": file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.shape = state["shape"]
        self.dtype = state["dtype"]
        self._file = state["_file"].detach() if state["_file"] is not None else None
        self.tensor = self._mapped()

    def __del__(self, close: Any = os.close) -> None:  # modules may be gone when Python ends
        file = getattr(self, "_file", None)
        if file is not None:
            close(file)  # the mapping keeps the memory
