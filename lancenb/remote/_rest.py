"""The Lance REST Namespace: tables of a catalogue for clients that know nothing of lancenb.

Below ``/v1`` the server speaks the protocol of ``lance.namespace.RestNamespace``, LanceDB and
lance-ray. There is one namespace, the root; its tables are the artefacts. Everything is done by
the catalogue, so versions, tags, lineage and leases are the same whoever asks.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lancenb.errors import LancenbError

from ._limits import Limits
from ._rest_ask import DELIMITER, Asked, Space, arguments, identifier
from ._rest_body import Body
from ._rest_declared import Declared
from ._rest_query import FILE, ArrowFile
from ._rest_routes import OPERATIONS, Operation
from ._rest_wire import Code, Problem, code_of, error_body, invalid, unsupported
from ._wire import ARROW

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from lancenb import DataManager

    from ._confine import Confined
    from ._limits import Gate

#: Requests worked on at once; more wait.
_WORKERS = 64
_REQUEST_ID = re.compile(r"[\w.-]{1,64}\Z")
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Admit = Callable[["Request", str], Any]
Audit = Callable[..., None]
Done = Callable[..., None]
Acting = Callable[[Any], "DataManager"]


class NamespaceRoutes(list["Route"]):
    """The routes, for a Starlette or FastAPI application.

    ``close`` takes back names that were declared and not written yet; call it when the server
    stops.
    """

    def __init__(self, routes: list[Route], declared: Declared):
        super().__init__(routes)
        self.close = declared.close


def namespace_routes(
    manager: DataManager,
    admit: Admit,
    *,
    confine: Confined,
    limits: Limits | None = None,
    audit: Audit | None = None,
    gate: Gate | None = None,
    done: Done | None = None,
    acting: Acting | None = None,
) -> NamespaceRoutes:
    """Return the routes of the Lance REST Namespace for a catalogue.

    Args:
        manager: the catalogue.
        admit: ``admit(request, scope)`` returns who asks, or raises ``Unauthorized`` or
            ``Forbidden``; scopes are ``"read"`` and ``"write"``.
        confine: the rules for addresses and filters.
        limits: how large and how slow bodies may be.
        audit: called after every write as ``audit(op, name, before, after, principal, outcome,
            request)``; ``outcome`` is ``"done"`` or the code of an error.
        gate: how much may go on at once.
        done: called after every request as ``done(op, request, principal, status, error,
            seconds)``, for logs and figures; ``principal`` is ``None`` for those not let in.
        acting: ``acting(principal)`` returns the catalogue under the name of who asks, which its
            histories then keep.
    """
    from starlette.routing import Route

    space = Space(manager, Declared(manager), confine)
    desk = _Desk(space, admit, limits or Limits(), audit, gate, done, acting)
    routes = [
        Route(path, desk.endpoint(op), methods=[op.method], name=f"namespace.{op.name}")
        for op in OPERATIONS
        for path in op.paths
    ]
    other = Operation("other", "GET", "/v1/{rest:path}", "read", _nothing)
    routes.append(Route("/v1/{rest:path}", desk.endpoint(other), methods=_METHODS))
    return NamespaceRoutes(routes, space.declared)


def _nothing(space: Space, asked: Asked) -> Any:
    """Answer what is no operation of ours."""
    if b"%2f" in bytes(asked.request.scope.get("raw_path") or b"").lower():
        raise invalid("an identifier has no '/'", "tables lie in the root namespace, by name")
    method, path = asked.request.method, asked.request.url.path
    raise unsupported(f"do {method} {path:.200}", "it lists, describes, reads and writes tables")


class _Desk:
    """Takes requests in, has them worked on in threads, gives answers out."""

    def __init__(
        self,
        space: Space,
        admit: Admit,
        limits: Limits,
        audit: Audit | None,
        gate: Gate | None,
        done: Done | None,
        acting: Acting | None,
    ):
        self._space, self._admit, self._limits = space, admit, limits
        self._audit, self._gate, self._told, self._acting = audit, gate, done, acting
        self._limiter: Any = None

    def endpoint(self, op: Operation) -> Callable[[Request], Any]:
        """Return the function that answers the requests for one operation."""

        async def answer(request: Request) -> Response:
            given = request.headers.get("x-request-id", "")
            instance = given if _REQUEST_ID.match(given) else uuid.uuid4().hex[:16]
            request.scope["lancenb.request_id"] = instance
            body = Body(request, self._limits)
            started, failure = time.monotonic(), None
            try:
                response = _response(await self._done(op, request, body))
            except Exception as error:
                failure = error
                if not isinstance(error, LancenbError):
                    log = logging.getLogger("lancenb.server")
                    log.error("%s failed (%s)", op.name, instance, exc_info=error)
                response = _refusal(error, self._space.manager.store.uri, instance)
            await body.close()
            response.headers["x-request-id"] = instance
            if self._told is not None:
                who, seconds = request.scope.get("lancenb.principal"), time.monotonic() - started
                self._told(op.name, request, who, response.status_code, failure, seconds)
            return response

        return answer

    async def _done(self, op: Operation, request: Request, body: Body) -> Any:
        if op.arrow:
            # A stream is opened to those who may send one; what is small is read at once, so that
            # one thread does all the rest.
            principal = await self._work(self._let_in, request, op.scope)
            _check_arrow(request)
            body.open()
            return await self._work(self._written, op, request, principal, body)
        data = await body.json() if op.method == "POST" else b""
        return await self._work(self._asked, op, request, data)

    def _written(self, op: Operation, request: Request, principal: Any, body: Body) -> Any:
        asked = Asked(request, _ident(request) or [], request.query_params, principal=principal)
        asked.stream = body
        return self._run(op, asked)

    def _asked(self, op: Operation, request: Request, data: bytes) -> Any:
        principal, ident = self._let_in(request, op.scope), _ident(request)
        asked = Asked(request, ident or [], request.query_params, principal=principal)
        asked.body = arguments(data, ident)
        return self._run(op, asked)

    async def _work(self, function: Callable[..., Any], *args: Any) -> Any:
        import anyio.to_thread

        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_WORKERS)
        return await anyio.to_thread.run_sync(function, *args, limiter=self._limiter)

    def _let_in(self, request: Request, scope: str) -> Any:
        request.scope["lancenb.principal"] = principal = self._admit(request, scope)
        return principal

    def _run(self, op: Operation, asked: Asked) -> Any:
        """Do the work, in a thread, as soon as there is room for it."""
        if self._gate is None:
            return self._audited(op, asked)
        leave = self._gate.take(asked.principal, f"namespace.{op.name}", op.queue)
        try:
            value = self._audited(op, asked)
        except BaseException:
            leave()
            raise
        if isinstance(value, ArrowFile):
            value.release = leave
        else:
            leave()
        return value

    def _audited(self, op: Operation, asked: Asked) -> Any:
        """Do the work, and write down what was changed."""
        audit, space = self._audit if op.scope != "read" else None, self._space
        if self._acting is not None:
            space = replace(space, manager=self._acting(asked.principal))
        if audit is None:
            return _safe(op.handler, space, asked)
        name = DELIMITER.join(asked.ident)
        asked.before = self._head(name)

        def note(what: str, before: int | None, after: int | None, outcome: str) -> None:
            audit(what, name, before, after, asked.principal, outcome, asked.request)

        asked.adopted = lambda _, version: note("create_table", None, version, "done")
        try:
            value = _safe(op.handler, space, asked)
        except BaseException as error:
            note(op.name, asked.before, asked.before, _outcome(error))
            raise
        note(op.name, asked.before, asked.after, "done")
        return value

    def _head(self, name: str) -> int | None:
        try:
            return int(self._space.manager.dataset(name).version)
        except LancenbError:
            return None


def _ident(request: Request) -> list[str] | None:
    """Return the parts of the identifier in the path, ``None`` where there is none."""
    text = request.path_params.get("id")
    delimiter = request.query_params.get("delimiter", DELIMITER)
    return None if text is None else identifier(text, delimiter)


def _outcome(error: BaseException) -> str:
    if isinstance(error, Problem):
        return error.number.name.lower()
    return error.code if isinstance(error, LancenbError) else "server_error"


def _safe(handler: Callable[..., Any], *args: Any) -> Any:
    try:
        return handler(*args)
    except (KeyboardInterrupt, SystemExit, Exception):
        raise
    except BaseException as error:  # a panic in Lance is none of the others
        raise RuntimeError(f"{type(error).__name__} in Lance") from error


def _check_arrow(request: Request) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != ARROW:
        raise Problem(
            Code.INVALID_INPUT,
            f"the body is an Arrow IPC stream, not {given or 'of unknown type'!r:.100}",
            hint=f"Content-Type: {ARROW}",
            status=415,
        )


def _response(value: Any) -> Response:
    from starlette.responses import JSONResponse, Response

    if isinstance(value, ArrowFile):
        return _streamed(value)
    return Response(status_code=200) if value is None else JSONResponse(value)


def _streamed(file: ArrowFile) -> Response:
    from starlette.responses import StreamingResponse

    class Rows(StreamingResponse):
        async def __call__(self, *args: Any) -> None:
            try:
                await super().__call__(*args)
            finally:  # also when the client went away in the middle
                file.close()

    return Rows(file, media_type=FILE)


def _refusal(error: Exception, root: str, instance: str) -> Response:
    from starlette.responses import JSONResponse

    status = code_of(error)[1]
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, LancenbError) and "retry_after" in error.details:
        headers["Retry-After"] = str(max(1, round(float(error.details["retry_after"]))))
    return JSONResponse(error_body(error, root, instance), status, headers)
