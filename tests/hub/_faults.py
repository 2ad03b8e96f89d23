"""Faults that a test asks a server to commit."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass


@dataclass
class Fault:
    """One misbehaviour.

    Attributes:
        kind: ``status``, ``cut`` (FIN), ``rst``, ``truncate`` (with a consistent Content-Length),
            ``stall``, ``corrupt`` (one flipped byte), ``norange``, ``slow``.
        path: pattern for the request path.
        method: request method or ``*``.
        skip: matching requests to let pass first.
        times: how often; 0 for ever.
        at: share of the body after which it happens.
        status: for ``status``.
        retry_after: ``Retry-After`` value for ``status``.
        seconds: for ``stall``.
        rate: bytes per second for ``slow``.
    """

    kind: str
    path: str = "*"
    method: str = "*"
    skip: int = 0
    times: int = 1
    at: float = 0.5
    status: int = 503
    retry_after: str | None = None
    seconds: float = 2.0
    rate: int = 1 << 20
    used: int = 0


class Faults:
    """The faults of one origin; thread-safe."""

    def __init__(self) -> None:
        self._list: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **options: object) -> Fault:
        """Plan a fault and return it (``fault.used`` tells how often it struck)."""
        fault = Fault(kind, **options)  # type: ignore[arg-type]
        with self._lock:
            self._list.append(fault)
        return fault

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._list.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault for this request, if any, and count it."""
        with self._lock:
            for fault in self._list:
                if fault.method not in ("*", method) or not fnmatch.fnmatch(path, fault.path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times and fault.used >= fault.times:
                    continue
                fault.used += 1
                return fault
        return None
