"""The HTTP application: routes from the table of operations, health, metrics, documentation."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from lancenb.errors import LancenbError, MissingDependency

from ._http_openapi import document, listing
from ._http_stream import Workers
from ._http_wire import JSON, dumps
from ._wire import Call, error_dict

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ._door import Door
    from ._limits import Limits
    from ._metrics import Metrics

#: Seconds for which an answer of ``/readyz`` holds: nobody has to bring a token for it.
_FRESH = 1.0


def needs(module: str) -> MissingDependency:
    """Return the error for an absent package of the server extra."""
    return MissingDependency(
        f"serving over HTTP needs {module}", hint="pip install 'lancenb[server]'"
    )


def http_app(
    dispatcher: Any,
    *,
    door: Door,
    limits: Limits,
    metrics: Metrics,
    extra_routes: Iterable[Any] = (),
    docs: bool = False,
) -> FastAPI:
    """Return the HTTP application of a server.

    Args:
        dispatcher: what answers calls.
        door: whom it lets in.
        limits: what it takes on.
        metrics: what it counted, for ``/metrics``.
        extra_routes: routes beside those of the operations.
        docs: show a page that lists the operations at ``/docs``.

    Raises:
        MissingDependency: FastAPI is not installed.
    """
    try:
        from starlette.requests import Request
        from starlette.responses import HTMLResponse, Response
        from starlette.routing import Route
    except ImportError:
        raise needs("fastapi") from None
    from ._door import bearer
    from ._http_routes import make_app, op_routes

    workers = Workers(limits.max_calls + limits.max_streams)
    ready = _Ready(dispatcher)

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        workers.close()

    def json_response(data: Any, status: int = 200) -> Response:
        return Response(dumps(data), status, media_type=JSON)

    async def healthz(_: Request) -> Response:
        return json_response({"status": "ok"})

    async def readyz(_: Request) -> Response:
        trouble = await workers.run(ready.trouble)
        if trouble is None:
            return json_response({"status": "ready"})
        return json_response({"status": "not ready", "code": trouble["code"]}, 503)

    async def shown_metrics(request: Request) -> Response:
        call = Call("metrics", {}, token=bearer(request.headers.raw), engine="http")
        await workers.run(door.admit, call, "read")
        text, kind = await workers.run(metrics.render)
        return Response(text, media_type=kind)

    described: list[bytes] = []

    async def openapi(_: Request) -> Response:
        if not described:
            described.append(dumps(document()))
        return Response(described[0], media_type=JSON)

    async def page(_: Request) -> Response:
        return HTMLResponse(listing())

    named = {
        "/healthz": healthz, "/readyz": readyz, "/metrics": shown_metrics, "/openapi.json": openapi,
    }  # fmt: skip
    if docs:
        named["/docs"] = page
    app = make_app(door, lifespan)
    app.state.workers = workers  # for a stop that does not wait for `lifespan`
    app.router.routes.extend(Route(path, run, methods=["GET"]) for path, run in named.items())
    app.router.routes.extend(extra_routes)
    app.router.routes.extend(op_routes(dispatcher, door, limits, workers))
    return app


class _Ready:
    """Whether the registry can be read, asked at most once a second."""

    def __init__(self, dispatcher: Any):
        self._dispatcher = dispatcher
        self._at, self._found = -_FRESH, None

    def trouble(self) -> dict[str, Any] | None:
        if time.monotonic() - self._at >= _FRESH:
            self._found, self._at = self._look(), time.monotonic()
        return self._found

    def _look(self) -> dict[str, Any] | None:
        house = self._dispatcher.house
        if house.closing:
            return {"code": "closing"}
        try:
            house.manager.list()
        except LancenbError as error:
            return error_dict(error)
        return None
