"""Batch memory that is used again once nobody can see it any more."""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from typing import Any

import torch

_KEPT = 16
_LATELY = 2 * _KEPT  # requests that are remembered: more than the tensors of most batches
_count = getattr(torch._C, "_storage_Use_Count", None)


class _Kept:
    """One piece of memory, and how many references to it there are when nobody uses it."""

    def __init__(self, nbytes: int):
        self.storage = _fresh(nbytes)
        self.nbytes = nbytes
        self.address = self.storage.data_ptr()
        self.idle = self._references()

    def _references(self) -> tuple[int, int]:
        # tensors count on the memory itself; whoever holds the storage object counts on that
        return (_count(self.storage._cdata) if _count else -1, sys.getrefcount(self.storage))

    @property
    def free(self) -> bool:
        return _count is not None and self._references() == self.idle

    @property
    def ours(self) -> bool:
        """Whether it is still private memory (a queue between processes moves it away)."""
        unmoved = self.storage.nbytes() == self.nbytes and self.storage.data_ptr() == self.address
        return unmoved and not self.storage.is_shared()


class BatchPool:
    """Hands out memory for batches; fresh pages cost as much as a quarter of decoding a picture.

    A piece is handed out again only when no tensor, view, numpy array, DLPack capsule or storage
    refers to it, so that no batch is ever overwritten while somebody can still read it; and only
    for a batch of the very size, since a batch that is saved takes all of its memory along. Sizes
    that were asked for once lately, such as that of the last batch of an epoch, are not kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[_Kept] = []
        self._lately: deque[int] = deque(maxlen=_LATELY)

    def empty(
        self, shape: tuple[int, ...], dtype: torch.dtype = torch.uint8, *, pin: bool = False
    ) -> torch.Tensor:
        """A tensor of undefined content in memory of its own size, on the CPU.

        Args:
            shape: its shape.
            dtype: its type.
            pin: page-locked memory, which torch's own allocator reuses.
        """
        if pin and torch.cuda.is_available():
            return torch.empty(shape, dtype=dtype, device="cpu", pin_memory=True)
        nbytes = math.prod(shape) * dtype.itemsize
        if not nbytes:
            return torch.empty(shape, dtype=dtype, device="cpu")
        storage = self._storage(nbytes)
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        return torch.empty(0, dtype=dtype, device="cpu").set_(storage, 0, shape, strides)

    def _storage(self, nbytes: int) -> Any:
        with self._lock:
            again = nbytes in self._lately
            self._lately.append(nbytes)
            self._pieces = [p for p in self._pieces if p.nbytes in self._lately or not p.free]
            for piece in self._pieces:
                if piece.nbytes == nbytes and piece.free and piece.ours:
                    return piece.storage
            if not again or not self._room():
                return _fresh(nbytes)
            piece = _Kept(nbytes)
            self._pieces.append(piece)
            return piece.storage

    def _room(self) -> bool:
        """Make room for one more piece; False when all of them are in use."""
        self._pieces = [piece for piece in self._pieces if piece.ours]
        if len(self._pieces) < _KEPT:
            return True
        idle = next((piece for piece in self._pieces if piece.free), None)
        if idle is not None:
            self._pieces.remove(idle)
        return idle is not None

    def __reduce__(self) -> tuple[type[BatchPool], tuple[()]]:
        return (BatchPool, ())


def _fresh(nbytes: int) -> Any:
    return torch.empty(nbytes, dtype=torch.uint8, device="cpu").untyped_storage()


def pinned(batch: Any) -> Any:
    """The same batch with its tensors in page-locked memory; those that are there stay as is."""
    if isinstance(batch, torch.Tensor):
        return batch.pin_memory()
    if isinstance(batch, dict):
        return {key: pinned(part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(pinned(part) for part in batch)
    return batch
