"""The FastAPI application and its routes: found by the raw path, so that names stay whole."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from lancenb.errors import InvalidArgument, LancenbError, NotFound, RequestTooLarge

from ._http_op import OpHandler
from ._http_reply import Reply
from ._http_wire import BASE, problem, segments, unquoted
from ._ops import OPS, Op
from ._wire import unexpected

if TYPE_CHECKING:
    from ._door import Door
    from ._http_stream import Workers
    from ._limits import Limits

_LOG = logging.getLogger("lancenb.server")
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}\Z", re.ASCII)
#: What health checks of load balancers ask, who call a server by its bare address.
_ANY_NAME = ("/healthz", "/readyz")
_ID = "lancenb.request_id"


class OpRoute(BaseRoute):
    """All operations at one path.

    The path is taken apart before its parts are decoded, so that a name with a slash in it is a
    name (and refused as such), not another path.
    """

    def __init__(self, path: str, ops: dict[str, Op], handler: OpHandler):
        self.path, self.ops, self.methods = BASE + path, ops, set(ops)
        self.name = "+".join(op.name for op in ops.values())
        self._handler = handler
        self._parts = segments(self.path)
        self._fixed = [
            (i, part.encode()) for i, part in enumerate(self._parts) if not part.startswith("{")
        ]
        self._open = [(i, part[1:-1]) for i, part in enumerate(self._parts) if part[:1] == "{"]

    def matches(self, scope: Any) -> tuple[Match, dict[str, Any]]:
        """Compare the parts of a path."""
        if scope["type"] != "http":
            return Match.NONE, {}
        parts = scope.get("lancenb.parts")
        if parts is None:
            raw = scope.get("raw_path") or scope["path"].encode()
            parts = scope["lancenb.parts"] = raw.partition(b"?")[0].lstrip(b"/").split(b"/")
        if len(parts) != len(self._parts) or any(parts[i] != part for i, part in self._fixed):
            return Match.NONE, {}
        return Match.FULL, {}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request at this path."""
        reply = _reply(scope, receive, send)
        try:
            op = self.ops.get(scope["method"])
            if op is None:
                reply.headers["allow"] = ", ".join(sorted(self.methods))
                await reply.error(_no_method(scope["method"]), 405)
                return
            parts = scope["lancenb.parts"]
            placed = {name: unquoted(parts[i]) for i, name in self._open}
            await self._handler.handle(op, placed, scope, reply)
        except LancenbError as error:
            await _failed(reply, error)
        except Exception as error:
            _LOG.exception("request %s failed", scope[_ID])
            await _failed(reply, unexpected(scope[_ID]), error)


def _reply(scope: Any, receive: Any, send: Any) -> Reply:
    has_body = any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
    return Reply(send, receive, scope[_ID], has_body=has_body)


async def _failed(reply: Reply, error: LancenbError, cause: Exception | None = None) -> None:
    """Say it, unless the answer is under way: then only breaking off says that it is not whole."""
    if not reply.started:
        await reply.error(error)
    elif cause is None:
        _LOG.warning("an answer broke off: %s", error.message)


def op_routes(dispatcher: Any, door: Door, limits: Limits, workers: Workers) -> Iterator[OpRoute]:
    """Make the routes of all operations."""
    handler = OpHandler(dispatcher, door, limits, workers)
    for path in dict.fromkeys(op.path for op in OPS.values()):
        yield OpRoute(path, {op.method: op for op in OPS.values() if op.path == path}, handler)


class Front:
    """What holds for every request: its id, the names and pages it may come by, typed errors."""

    def __init__(self, app: Any, door: Door, routes: list[Any]):
        self._app, self._door = app, door
        self._ops = [route for route in routes if isinstance(route, OpRoute)]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = origin = given = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1")
            elif name == b"origin":
                origin = value.decode("latin-1")
            elif name == b"x-request-id":
                given = value.decode("latin-1")
        known = given if given and _REQUEST_ID.match(given) else uuid.uuid4().hex[:16]
        scope[_ID] = known
        try:
            if scope["path"] not in _ANY_NAME:
                self._door.check_host(host)
            self._door.check_origin(origin, host)
        except LancenbError as error:
            await _reply(scope, receive, send).error(error)
            return
        # Operations see to their own errors, and need nothing of what a framework puts in between.
        for route in self._ops if scope["path"].startswith(BASE) else ():
            if route.matches(scope)[0] is Match.FULL:
                await route.handle(scope, receive, send)
                return
        await self._plain(scope, receive, send)

    async def _plain(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer what is no operation: the request id is put in on the way out."""
        started = False

        async def sending(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = [pair for pair in message["headers"] if pair[0] != b"x-request-id"]
                message["headers"] = [*headers, (b"x-request-id", scope[_ID].encode())]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            _LOG.exception("request %s failed", scope[_ID])
            if not started:
                await _reply(scope, receive, send).error(unexpected(scope[_ID]))


def make_app(door: Door, lifespan: Any) -> FastAPI:
    """Make an application that answers errors, and only them."""
    app = FastAPI(
        title="lancenb", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False,
        lifespan=lifespan,
    )  # fmt: skip
    usual = app.build_middleware_stack
    app.build_middleware_stack = lambda: Front(usual(), door, app.routes)  # outside of everything

    def told(request: Request, error: Exception) -> Response:
        status, error = _known(request, error)
        headers = getattr(error, "headers", None) or {}
        code, body, more = problem(error, status)
        return Response(body, code, headers={**headers, **more})

    for kind in (LancenbError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, told)
    return app


def _known(request: Request, error: Exception) -> tuple[int | None, LancenbError]:
    """Return an error of the framework as one of ours, with its status."""
    if isinstance(error, LancenbError):
        return None, error
    if not isinstance(error, HTTPException):
        return 400, InvalidArgument("the request is not of the form that is described")
    made: LancenbError
    if error.status_code == 404:
        made = NotFound(
            f"there is nothing at {request.url.path!r:.120}",
            hint="see /openapi.json",
        )
    elif error.status_code == 405:
        made = _no_method(request.method)
    elif error.status_code == 413:
        made = RequestTooLarge("the request is too large")
    elif error.status_code < 500:
        made = InvalidArgument(str(error.detail)[:200])
    else:
        made = unexpected()
    made.headers = error.headers  # type: ignore[attr-defined]
    return error.status_code, made


def _no_method(method: str) -> InvalidArgument:
    return InvalidArgument(
        f"{method:.20} means nothing at this address", hint="the header Allow says what does"
    )
