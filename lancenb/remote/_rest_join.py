"""The Lance REST Namespace of a server: the same door, audit, limits and events as all else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lancenb.errors import Forbidden, ServerError, Unauthorized

from ._door import bearer
from ._logs import log_call
from ._rest import NamespaceRoutes, namespace_routes
from ._rest_routes import OPERATIONS
from ._wire import Call

if TYPE_CHECKING:
    from starlette.requests import Request

    from ._dispatch import Dispatcher
    from ._tokens import Principal

_WRITES = frozenset(op.name for op in OPERATIONS if op.scope != "read")


def namespace_routes_of(dispatcher: Dispatcher) -> NamespaceRoutes:
    """Return the routes of the namespace over a dispatcher's catalogue."""

    def call_of(request: Request, op: str) -> Call:
        peer = request.client.host if request.client else ""
        token = bearer(request.headers.items())
        call = Call(f"namespace.{op}", {}, token=token, engine="rest", peer=peer)
        call.request_id = request.scope.get("lancenb.request_id", call.request_id)
        return call

    def admit(request: Request, scope: str) -> Principal:
        return dispatcher.door.admit(call_of(request, "admit"), scope)

    def audit(
        op: str, name: str, before: int | None, after: int | None, principal: Any, outcome: str,
        request: Request,
    ) -> None:  # fmt: skip
        call = call_of(request, op)
        dispatcher.audit.note(
            call, principal, artefact=name, version_before=before, version_after=after,
            outcome=outcome,
        )  # fmt: skip
        if outcome == "done":
            dispatcher.house.feed.put("write", {
                "op": call.op, "name": name, "who": getattr(principal, "name", ""),
                "before": before, "after": after, "time": datetime.now(UTC).isoformat(),
            })  # fmt: skip

    def done(
        op: str, request: Request, principal: Any, status: int, error: Exception | None,
        seconds: float,
    ) -> None:  # fmt: skip
        call, name = call_of(request, op), str(request.path_params.get("id", ""))[:200]
        code = "ok" if error is None else getattr(error, "code", "server_error")
        unforeseen = isinstance(error, ServerError) or code == "server_error"
        log_call(
            call, principal, name=name, status=status, code=code, seconds=seconds,
            error=error if unforeseen else None,
        )  # fmt: skip
        dispatcher.metrics.done(call.engine, call.op, code, seconds)
        if isinstance(error, (Unauthorized, Forbidden)):
            dispatcher.metrics.rejected(error.code)
            if op in _WRITES:
                dispatcher.audit.note(call, None, artefact=name, outcome="refused")

    house = dispatcher.house
    return namespace_routes(
        house.manager, admit, confine=house.confined, limits=house.limits, audit=audit,
        gate=dispatcher.gate, done=done, acting=dispatcher._manager,
    )  # fmt: skip
