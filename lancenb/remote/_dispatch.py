"""One way through for every call, whatever engine brought it.

Known operation, token and scope, room, arguments, what they may name, the key of a write, the work,
the audit, the event: in this order, so that nothing is changed for a caller who may not.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lancenb.errors import (
    Forbidden,
    InvalidArgument,
    LancenbError,
    PreconditionFailed,
    ServerError,
    Unauthorized,
)

from ._arrow import then
from ._binding import bind, etag_for, still
from ._context import Context, House
from ._handlers import HANDLERS
from ._journal import mark_of
from ._limits import metered
from ._op import JOB, Op
from ._ops import OPS
from ._recover import recovered
from ._turns import Turns
from ._typed import dump
from ._wire import Answer, Call, unexpected

if TYPE_CHECKING:
    from lancenb.catalog import DataManager

    from ._audit import Audit
    from ._door import Door
    from ._journal import Journal
    from ._limits import Gate
    from ._metrics import Metrics
    from ._tokens import Principal

_MANAGERS = 64


class Dispatcher:
    """Answers calls.

    Args:
        house: what all calls share.
        door: who may come in.
        gate: how many at a time.
        journal: answers of writes with a key.
        audit: where writes are noted.
        metrics: what is counted.
    """

    def __init__(
        self, house: House, *, door: Door, gate: Gate, journal: Journal, audit: Audit,
        metrics: Metrics,
    ):  # fmt: skip
        self.house, self.door, self.gate = house, door, gate
        self.journal, self.audit, self.metrics = journal, audit, metrics
        self._managers: OrderedDict[str, DataManager] = OrderedDict()
        self._guarded = Turns()
        self._guard = threading.Lock()

    def call(self, call: Call) -> Answer:
        """Answer one call.

        Raises:
            LancenbError: always typed; what nobody foresaw is a ServerError that tells nothing.
        """
        from ._logs import log_call

        start, principal, error = time.monotonic(), None, None
        name = call.args.get("name", "") if isinstance(call.args, dict) else ""
        try:
            op = self._op(call)
            principal = self._admit(call, op)
            return self._admitted(call, op, principal)
        except LancenbError as caught:
            error = caught
            raise
        except Exception as caught:
            error = caught
            raise unexpected(call.request_id) from caught
        finally:
            code = "ok" if error is None else getattr(error, "code", "server_error")
            seconds = time.monotonic() - start
            from ._wire import http_status

            log_call(
                call, principal, name=str(name)[:200], code=code, seconds=seconds,
                status=200 if error is None else http_status(error),
                error=error if isinstance(error, ServerError) or code == "server_error" else None,
            )  # fmt: skip
            self.metrics.done(call.engine, call.op, code, seconds)

    def _op(self, call: Call) -> Op:
        op = OPS.get(call.op)
        if op is None:
            raise InvalidArgument(f"there is no operation {call.op!r:.80}")
        if self.house.closing:
            raise ServerError("the server is being stopped", hint="try again in a moment")
        return op

    def _admit(self, call: Call, op: Op) -> Principal:
        try:
            return self.door.admit(call, op.scope)
        except (Unauthorized, Forbidden) as error:
            self.metrics.rejected(error.code)
            if op.writes:
                self.audit.note(call, None, artefact=_target(call), outcome="refused")
            raise

    def _admitted(self, call: Call, op: Op, principal: Principal) -> Answer:
        place = contextlib.ExitStack()
        held = False
        try:
            place.enter_context(self.gate.enter(principal, op.name, _queue(op)))
            if call.body is not None:
                call.body = metered(call.body, self.house.limits.max_body)
            if call.idempotency_key is not None:
                mark_of(principal.id, call.idempotency_key)  # a bad one shows before any work
            args = bind(op, call.args)
            self.house.confined.check(args)
            ctx = Context(call, op, principal, self._manager(principal), self.house)
            answer = self._changed(ctx, args) if op.writes else self._run(ctx, args)
            if answer.body is not None:
                held = True
                answer.release = _both(answer.release, place.close)
            return answer
        finally:
            if not held:
                place.close()

    def _manager(self, principal: Principal) -> DataManager:
        """Return the catalogue as this principal sees it: its name goes into the histories."""
        from lancenb.catalog import DataManager

        if principal.id == "anonymous":
            return self.house.manager
        with self._guard:
            manager = self._managers.pop(principal.id, None)
            if manager is None or manager.actor != principal.name:
                manager = DataManager(self.house.manager.store, actor=principal.name)
            self._managers[principal.id] = manager
            while len(self._managers) > _MANAGERS:
                self._managers.popitem(last=False)
            return manager

    def _run(self, ctx: Context, args: dict[str, Any]) -> Answer:
        op = ctx.op
        if op.shape == JOB:
            return Answer(dump(Any, self._start(ctx, args)))
        given = self._perform(ctx, args)
        if isinstance(given, Answer):
            given.value = dump(op.result, given.value)
            return given
        value = dump(op.result, given)
        return Answer(value, etag=etag_for(op, value))

    def _perform(self, ctx: Context, args: dict[str, Any]) -> Any:
        own = HANDLERS.get(ctx.op.name)
        if own is not None:
            return own(ctx, **args)
        return getattr(ctx.manager, ctx.op.name)(**args)

    # --- writes

    def _changed(self, ctx: Context, args: dict[str, Any]) -> Answer:
        if args.get("dry_run"):
            return self._run(ctx, args)
        if ctx.op.shape == JOB:
            return Answer(dump(Any, self._start(ctx, args)))
        value = self._once(ctx, args)
        return Answer(value, etag=etag_for(ctx.op, value))

    def _once(self, ctx: Context, args: dict[str, Any]) -> Any:
        """Do a write, or give the answer it gave before under its key."""
        from lancenb.catalog._once import once

        call, key = ctx.call, ctx.call.idempotency_key

        def work() -> Any:
            with contextlib.ExitStack() as held:
                if call.if_match:  # after its key: what was done is not refused when asked again
                    held.enter_context(self._guarded.take(_target(call)))
                    self._precondition(ctx)
                    if call.body is not None:
                        call.body = then(call.body, lambda: self._precondition(ctx))
                if key:
                    held.enter_context(once(mark_of(ctx.principal.id, key)))
                return self._noted(ctx, args)

        def recover(mark: str) -> Any:
            return recovered(ctx, args, mark)

        request = [ctx.op.name, call.args]
        return self.journal.once(ctx.principal.id, key, request, work, recover)

    def _noted(self, ctx: Context, args: dict[str, Any]) -> Any:
        name = _target(ctx.call)
        before = _version(ctx.manager, name) if ctx.op.targets else None
        try:
            value = dump(ctx.op.result, self._perform(ctx, args))
        except BaseException as error:
            code = getattr(error, "code", "server_error")
            self.audit.note(
                ctx.call, ctx.principal, artefact=name, version_before=before, outcome=code
            )
            raise
        after = _version(ctx.manager, args.get("new", name)) if ctx.op.targets else None
        self.audit.note(
            ctx.call, ctx.principal, artefact=name, version_before=before, version_after=after
        )
        if ctx.op.targets:
            self.house.feed.put("write", {
                "op": ctx.op.name, "name": name, "who": ctx.principal.name, "before": before,
                "after": after, "time": datetime.now(UTC).isoformat(),
            })  # fmt: skip
        return value

    def _start(self, ctx: Context, args: dict[str, Any]) -> Any:
        """Start the work of a call as a job."""
        place = contextlib.ExitStack()
        place.enter_context(self.gate.enter(ctx.principal, ctx.op.name, "job"))

        def work(*, progress: Any, cancel: Any) -> Any:
            more = _takes_progress(ctx.op, progress, cancel)
            if ctx.op.writes and not args.get("dry_run"):
                return self._once(ctx, {**args, **more})
            return dump(ctx.op.result, self._perform(ctx, {**args, **more}))

        try:
            facts = self.house.jobs.start(
                ctx.principal.id, ctx.op.name, _target(ctx.call), work, place.close
            )
        except BaseException:
            place.close()
            raise
        return dump(type(facts), facts)

    def _precondition(self, ctx: Context) -> None:
        if not still(ctx.manager.get(_target(ctx.call)), ctx.call.if_match or ""):
            raise PreconditionFailed(
                f"{_target(ctx.call)!r} was changed since it was looked at",
                hint="get it again, and decide again",
            )


def _queue(op: Op) -> str:
    """Return where a call waits; the start of a job is a short call, the job itself has a place."""
    return "call" if op.shape == JOB else op.shape


def _target(call: Call) -> str:
    name = call.args.get("name", "") if isinstance(call.args, dict) else ""
    return name if isinstance(name, str) else ""


def _version(manager: DataManager, name: str) -> int | None:
    try:
        return manager.get(name).version
    except LancenbError:
        return None


def _takes_progress(op: Op, progress: Any, cancel: Any) -> dict[str, Any]:
    """Return the arguments with which a job's work reports and is stopped, where it can be."""
    import inspect

    from lancenb.catalog import DataManager

    work = HANDLERS.get(op.name) or getattr(DataManager, op.name)
    known = inspect.signature(work).parameters
    return {k: v for k, v in (("progress", progress), ("cancel", cancel)) if k in known}


def _both(first: Any, second: Any) -> Any:
    def release() -> None:
        try:
            if first is not None:
                first()
        finally:
            second()

    return release
