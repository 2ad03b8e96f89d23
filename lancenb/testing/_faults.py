"""Faults that a test asks a server to commit."""

from __future__ import annotations

import fnmatch
import threading
import time
from dataclasses import asdict, dataclass
from email.utils import formatdate
from typing import Any, Literal

Moment = Literal["request", "body", "range"]
KINDS = ("status", "cut", "rst", "truncate", "stall", "corrupt", "norange", "slow")
_BEFORE_ANY_ANSWER = ("cut", "rst", "stall")


@dataclass
class Fault:
    """One misbehaviour of a server.

    A ``status`` strikes any request it matches. ``norange`` strikes requests that ask for a range.
    All others strike the body of a successful answer, so that a HEAD request, a redirect or a 404
    in between does not use them up.

    Attributes:
        kind: what happens.

            - ``status``: answer ``status`` instead of doing the work;
            - ``cut``: close the connection (FIN) at ``at`` of the body;
            - ``rst``: reset it (RST) there;
            - ``truncate``: end the body there, with a Content-Length that agrees;
            - ``stall``: pause there for ``seconds``, then go on;
            - ``corrupt``: flip the bits of one byte there;
            - ``norange``: ignore ``Range`` and send the whole file with 200;
            - ``slow``: send ``rate`` bytes a second (each answer for itself).
        path: pattern (as of :mod:`fnmatch`) for the path of the request, without the query.
        method: request method or ``*``.
        skip: let this many matching requests pass first.
        times: strike this often; 0 for ever.
        at: share of the body, 0 to 1, after which it happens.
        early: ``cut``, ``rst`` and ``stall`` strike before the first byte of the answer instead,
            whatever the request.
        status: the status code for ``status``.
        retry_after: ``Retry-After`` for ``status``: seconds, or any text.
        retry_date: send ``retry_after`` as the HTTP date that many seconds from now.
        seconds: for ``stall``.
        rate: bytes per second for ``slow``.
        used: how often it has struck.
    """

    kind: str
    path: str = "*"
    method: str = "*"
    skip: int = 0
    times: int = 1
    at: float = 0.5
    early: bool = False
    status: int = 503
    retry_after: str | int | None = None
    retry_date: bool = False
    seconds: float = 2.0
    rate: int = 1 << 20
    used: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.early and self.kind not in _BEFORE_ANY_ANSWER:
            raise ValueError(f"{self.kind!r} cannot strike before the answer begins")
        if not 0 <= self.at <= 1 or self.rate < 1 or self.skip < 0 or self.times < 0:
            raise ValueError("a fault needs 0 <= at <= 1, rate >= 1, skip >= 0 and times >= 0")

    @property
    def moment(self) -> Moment:
        """When the server asks for it."""
        if self.kind == "status" or self.early:
            return "request"
        return "range" if self.kind == "norange" else "body"

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it should."""
        return bool(self.times) and self.used >= self.times

    def strike(self, length: int) -> int:
        """Return the offset in a body of ``length`` bytes at which it happens."""
        return int(length * self.at)

    def headers(self) -> dict[str, str]:
        """Return the headers that go with ``status``."""
        if self.retry_after is None:
            return {}
        if self.retry_date:
            return {"Retry-After": formatdate(time.time() + float(self.retry_after), usegmt=True)}
        return {"Retry-After": str(self.retry_after)}

    def to_dict(self) -> dict[str, Any]:
        """Return the form that ``POST /_stub/fault`` takes."""
        return asdict(self)


class Faults:
    """The faults of one origin; safe to use from several threads."""

    def __init__(self) -> None:
        self._list: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **options: Any) -> Fault:
        """Plan a fault.

        Args:
            kind: see :class:`Fault`.
            **options: its other attributes.

        Returns:
            The fault; ``fault.used`` tells how often it struck.

        Raises:
            ValueError: there is no such fault, or a number is out of range.

        >>> Faults().add("cut", path="*.safetensors", at=0.7).used
        0
        """
        fault = Fault(kind, **options)
        with self._lock:
            self._list.append(fault)
        return fault

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._list.clear()

    def planned(self) -> list[Fault]:
        """Return all faults, spent ones too, in the order they were added."""
        with self._lock:
            return list(self._list)

    def take(self, method: str, path: str, moment: Moment) -> Fault | None:
        """Return the first fault due for this request at this moment, and count it."""
        with self._lock:
            for fault in self._list:
                if fault.moment != moment or fault.spent or not _matches(fault, method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.used += 1
                return fault
        return None

    def ignores_ranges(self, method: str, path: str) -> bool:
        """Whether the next range asked of this path would be ignored."""
        return any(
            fault.kind == "norange" and not fault.spent and _matches(fault, method, path)
            for fault in self.planned()
        )


def _matches(fault: Fault, method: str, path: str) -> bool:
    return fault.method in ("*", method) and fnmatch.fnmatchcase(path, fault.path)
