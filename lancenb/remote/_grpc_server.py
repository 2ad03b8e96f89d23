"""The gRPC engine of a server: a grpc.aio server on a loop of its own, in the background."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument

from . import _grpc_settings as settings
from ._grpc_slots import SERVICE
from ._limits import Limits

if TYPE_CHECKING:
    from ._tls import TLS

#: Seconds that calls have to end when the server stops; then they are cancelled.
GRACE = 3.0


class _Loop:
    """One event loop in one thread, for all servers of this process.

    grpc.aio has one completion queue for the process; loops that share it wake each other, and
    print errors about it.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, work: Coroutine[Any, Any, Any], timeout: float | None = None) -> Any:
        """Run a coroutine there and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.get()).result(timeout)

    def get(self) -> asyncio.AbstractEventLoop:
        """Return the loop, started if it is not."""
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="lancenb-grpc", daemon=True
                )
                thread.start()
                atexit.register(self._end, self._loop, thread)
            return self._loop

    @staticmethod
    def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        thread.join(2)


_LOOP = _Loop()


class Running:
    """A server that listens.

    Attributes:
        port: where.
    """

    def __init__(self, server: Any, pool: ThreadPoolExecutor, health: Any, port: int):
        self._server, self._pool, self._health, self.port = server, pool, health, port
        self._guard = threading.RLock()  # a signal may come while it stops, and stop it, too
        self._stopped = False

    def stop(self) -> None:
        """Take no more calls, give those that run a few seconds, end the rest; again is fine."""

        async def end() -> None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(GRACE)

        with self._guard:  # whoever comes second leaves when all is over, too
            if self._stopped:
                return
            with contextlib.suppress(TimeoutError):
                _LOOP.run(end(), GRACE + 1.5)
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._stopped = True


def run_grpc(
    dispatcher: Any,
    host: str,
    port: int,
    *,
    tls: TLS | None = None,
    limits: Limits | None = None,
    metrics: Any = None,
) -> Running:
    """Start answering calls over gRPC in the background.

    Args:
        dispatcher: answers calls.
        host: address to listen on; whether that is allowed was decided at the door.
        port: port to listen on, 0 for any.
        tls: certificate and key; without, connections are plain.
        limits: what the server takes on.
        metrics: counts calls that are refused before they reach the dispatcher.

    Raises:
        InvalidArgument: it cannot listen there.
        MissingDependency: grpcio is not installed.
    """
    settings.load()
    settings.check_process()
    limits = limits or Limits()
    most = 2 * (limits.max_calls + limits.max_streams) + limits.max_watches
    pool = ThreadPoolExecutor(most, thread_name_prefix="lancenb-grpc")
    try:
        return _LOOP.run(_start(dispatcher, host, port, tls, limits, metrics, pool, most))
    except BaseException:
        pool.shutdown(wait=False)
        raise


async def _start(
    dispatcher: Any,
    host: str,
    port: int,
    tls: TLS | None,
    limits: Limits,
    metrics: Any,
    pool: ThreadPoolExecutor,
    most: int,
) -> Running:
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection

    from ._grpc_service import Service
    from ._pb import lancenb_pb2

    # One more than there are places: the gate answers who is too many, with our own error.
    server = grpc.aio.server(
        options=settings.server_options(limits.max_header),
        maximum_concurrent_rpcs=most + limits.max_sockets,
    )
    service = Service(dispatcher, pool, limits, metrics)
    server.add_generic_rpc_handlers((service.handlers(),))
    checks = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in ("", SERVICE):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    assert SERVICE in {each.full_name for each in lancenb_pb2.DESCRIPTOR.services_by_name.values()}
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    bare = host.strip("[]")
    address = f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
    try:
        if tls is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, tls.grpc())
    except RuntimeError:
        bound = 0
    if not bound:
        raise InvalidArgument(
            f"the gRPC server cannot listen on {address}",
            hint="choose another port, or 0 for any that is free",
        )
    await server.start()
    return Running(server, pool, checks, bound)
