"""Figures for Prometheus; every label comes from a set that is fixed beforehand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lancenb._error import _BY_CODE
from lancenb.errors import MissingDependency

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SHAPES = ("call", "stream", "watch", "job")
_REASONS = frozenset(
    {"unauthorized", "forbidden", "busy", "request_too_large", "timed_out", "origin", "host"}
    | {"slow", "invalid_argument"}
)


class Metrics:
    """What one server counts, in a registry of its own.

    Args:
        ops: names of the operations; any other is counted as ``"other"``.
        engines: likewise.
        queue: tells how many audit notes wait.

    Raises:
        MissingDependency: prometheus_client is not installed.
    """

    def __init__(
        self,
        ops: Iterable[str],
        engines: Iterable[str] = ("http", "grpc", "ws", "rest"),
        queue: Callable[[], int] | None = None,
    ):
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise MissingDependency(
                "the metrics of a server need prometheus_client",
                hint="pip install 'lancenb[server]'",
            ) from None
        self._prometheus: Any = prometheus
        self._ops, self._engines = frozenset(ops), frozenset(engines)
        self.registry = own = prometheus.CollectorRegistry()
        which = ("engine", "op")
        self._requests = prometheus.Counter(
            "lancenb_requests", "Requests answered.", (*which, "code"), registry=own
        )
        self._seconds = prometheus.Histogram(
            "lancenb_request_seconds", "Time to the answer.", which, registry=own, buckets=_SECONDS
        )
        self._bytes = prometheus.Counter(
            "lancenb_bytes", "Bytes of bodies.", ("engine", "direction"), registry=own
        )
        self._running = prometheus.Gauge(
            "lancenb_running", "Calls, streams and jobs under way.", ("shape",), registry=own
        )
        self._rejected = prometheus.Counter(
            "lancenb_rejected", "Requests turned away.", ("reason",), registry=own
        )
        self._audit_errors = prometheus.Counter(
            "lancenb_audit_failures", "Failed attempts to write the audit log.", registry=own
        )
        waiting = prometheus.Gauge("lancenb_audit_queue", "Audit notes that wait.", registry=own)
        if queue is not None:
            waiting.set_function(queue)

    def done(
        self, engine: str, op: str, code: str, seconds: float, bytes_in: int = 0, bytes_out: int = 0
    ) -> None:
        """Count a request; ``code`` is ``"ok"`` or that of an error."""
        engine, op = _one_of(engine, self._engines), _one_of(op, self._ops)
        self._requests.labels(engine, op, code if code == "ok" else _one_of(code, _BY_CODE)).inc()
        self._seconds.labels(engine, op).observe(max(0.0, seconds))
        self.moved(engine, bytes_in, bytes_out)

    def moved(self, engine: str, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Count bytes of a body."""
        engine = _one_of(engine, self._engines)
        for direction, size in (("in", bytes_in), ("out", bytes_out)):
            if size:
                self._bytes.labels(engine, direction).inc(size)

    @contextlib.contextmanager
    def running(self, shape: str) -> Iterator[None]:
        """Count something as under way while the body runs."""
        gauge = self._running.labels(_one_of(shape, _SHAPES))
        with gauge.track_inprogress():
            yield

    def watch(self, running: Callable[[str], int]) -> None:
        """Ask ``running(shape)`` for what is under way, instead of counting it here."""
        for shape in _SHAPES:
            self._running.labels(shape).set_function(lambda shape=shape: running(shape))

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._rejected.labels(_one_of(reason, _REASONS)).inc()

    def audit_failed(self, error: Exception | None = None) -> None:
        """Count a failed attempt to write the audit log; fits ``Audit(on_error=...)``."""
        self._audit_errors.inc()

    def render(self) -> tuple[bytes, str]:
        """Return the figures and their content type."""
        text = self._prometheus.generate_latest(self.registry)
        return text, self._prometheus.CONTENT_TYPE_LATEST


def _one_of(value: str, known: Any) -> str:
    return value if value in known else "other"
