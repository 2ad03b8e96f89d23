"""Hashing payloads in threads while they are written."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ._rows import Row, stored_size

if TYPE_CHECKING:
    import numpy as np

_AHEAD = 64 << 20


class Hasher:
    """Computes SHA-256 in threads, at most some payloads ahead of the reader."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._found: dict[str, str] = {}
        self._aliases: list[Row] = []
        self._waiting: deque[tuple[list[str], Future[list[str]], int]] = deque()
        self._held = 0
        self._pool = ThreadPoolExecutor(
            min(4, os.cpu_count() or 1), thread_name_prefix="lancenb-sha256"
        )

    def __enter__(self) -> Hasher:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, group: list[Row], payloads: list[np.ndarray]) -> None:
        """Take the payloads of a group: one for each row that has bytes."""
        if not self._enabled:
            return
        names, work = [], []
        given = iter(payloads)
        for row in group:
            payload = next(given) if stored_size(row.item) else None
            if row.sha256 is not None:
                self._found[row.item.name] = row.sha256
            elif row.item.alias_of is not None:
                self._aliases.append(row)
            else:
                names.append(row.item.name)
                work.append(b"" if payload is None else payload.data)
        size = sum(len(w) for w in work)
        self._waiting.append((names, self._pool.submit(_digests, work), size))
        self._held += size
        while self._held > _AHEAD and len(self._waiting) > 1:
            self._collect()

    def _collect(self) -> None:
        names, future, size = self._waiting.popleft()
        self._found.update(zip(names, future.result(), strict=True))
        self._held -= size

    def result(self) -> dict[str, str]:
        """Return the hash of every row."""
        while self._waiting:
            self._collect()
        for row in self._aliases:
            base = self._found.get(row.item.alias_of or "")
            found = base or hashlib.sha256(row.item.read().data).hexdigest()
            self._found[row.item.name] = found
        return self._found


def _digests(payloads: list[Any]) -> list[str]:
    return [hashlib.sha256(payload).hexdigest() for payload in payloads]
