"""One question to a server: the key of a write, another try, following a job to its end."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lancenb.errors import Busy, LancenbError, ServerUnreachable

from ._op import JOB, OPS, Op
from ._typed import load
from ._wire import Answer, error_from

if TYPE_CHECKING:
    from lancenb.progress import CancelToken, ProgressCallback

    from ._transport import Transport

#: Seconds for which a call is tried again; with a dead server, a caller waits about that long.
PATIENCE = 2.0
#: Seconds for which a busy server is asked again: it is there, and says when to come back.
QUEUEING = 30.0
_ENDS = ("done", "failed", "cancelled")


class Asking:
    """How a client asks."""

    _transport: Transport

    def _loaded(self, op: Op, data: Any) -> Any:
        return load(op.result, data)

    def _call(
        self,
        op: Op,
        args: dict[str, Any],
        *,
        body: Callable[[], Iterator[Any]] | None = None,
        again: bool = True,
        key: str | None = None,
    ) -> Answer:
        """Make a call, again when the connection broke or the server was busy.

        Args:
            op: the operation.
            args: JSON data.
            body: makes the pieces that go with it, anew for each try.
            again: whether the pieces can be made again.
            key: idempotency key of a write; one is made up when there is none.
        """
        if op.writes and key is None:
            key = uuid.uuid4().hex
        ask, began, pause = uuid.uuid4().hex[:16], time.monotonic(), 0.1
        while True:
            try:
                return self._transport.call(
                    op, args, request_id=ask, body=body() if body else None, idempotency_key=key
                )
            except (ServerUnreachable, Busy) as error:
                wait = max(pause, float(error.details.get("retry_after") or 0))
                most = QUEUEING if isinstance(error, Busy) else PATIENCE
                if not again or time.monotonic() + wait > began + most:
                    raise
            time.sleep(wait * random.uniform(0.8, 1.2))
            pause *= 2

    def _ask(
        self,
        op: Op,
        args: dict[str, Any],
        *,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
        **more: Any,
    ) -> Any:
        """Make a call and return its result; of a job, when it is done."""
        if cancel is not None:
            cancel.check()
        answer = self._call(op, args, **more)
        if op.shape == JOB:
            return self._loaded(op, self._result(answer.value["job"], progress, cancel))
        return self._loaded(op, answer.value)

    def _follow(self, op: Op, args: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield events, taken up again where they were when the connection breaks."""
        broken: float | None = None
        while True:
            answer = None
            try:
                answer = self._call(op, args)
                for event in answer.body or ():
                    broken = None
                    if "seq" in event:
                        args = {**args, "after": event["seq"]}
                        yield event
                return
            except ServerUnreachable:
                now = time.monotonic()
                broken = broken or now
                if now - broken > PATIENCE:
                    raise
                time.sleep(0.2)
            finally:
                if answer is not None:
                    answer.close()

    def _result(
        self, job: str, progress: ProgressCallback | bool | None, cancel: CancelToken | None
    ) -> Any:
        """Follow a job: its progress to the callback, a cancel to the server; return its result."""
        from lancenb._events import _text_bar
        from lancenb.progress import Progress

        show = _text_bar() if progress is True else (progress or None)
        with self._cancelling(job, cancel):
            for event in self._follow(OPS["job_events"], {"job": job}):
                if event["event"] == "progress" and callable(show):
                    show(Progress(**event["data"]))
                elif event["event"] == "done":
                    return event["data"]
                elif event["event"] in _ENDS:
                    raise error_from(event["data"])
        raise ServerUnreachable("the server ended before the job did")

    @contextlib.contextmanager
    def _cancelling(self, job: str, cancel: CancelToken | None) -> Iterator[None]:
        """Stop the job in the server when the token is set, or when the wait is interrupted."""
        over = threading.Event()

        def stop() -> None:
            with contextlib.suppress(LancenbError):
                self._call(OPS["cancel_job"], {"job": job})

        def watch() -> None:
            while cancel is not None and not over.is_set():
                if cancel.wait(0.1):
                    if not over.is_set():  # else the connection may be closed, and opened anew
                        stop()
                    return

        if cancel is not None:
            threading.Thread(target=watch, name="lancenb-cancel", daemon=True).start()
        try:
            yield
        except KeyboardInterrupt:
            stop()
            raise
        finally:
            over.set()
