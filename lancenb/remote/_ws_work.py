"""One call that came over WebSocket, answered in a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from lancenb.errors import Cancelled, InvalidArgument, LancenbError

from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS
from ._ops import OPS
from ._wire import Answer, Call, error_dict, unexpected
from ._ws import CHUNK, MAX_STREAM, UPLOAD_WINDOW, WINDOW, encode
from ._ws_flow import Incoming, Outbox, Outgoing

LOG = logging.getLogger("lancenb.server")
_KINDS: dict[str, Any] = {
    "id": str, "op": str, "args": dict, "stream": int, "key": str, "if_match": str,
    "deadline": (int, float),
}  # fmt: skip


class Work:
    """A call on its way through the server.

    Args:
        envelope: as it came.
        outbox: the way back.
        token: of the connection.
        peer: address of the client.
        idle: seconds to wait for each piece of an upload.

    Attributes:
        ident: its id.
        stream: its stream number, 0 for none.
        body: the upload that belongs to it.
        out: what is sent back.

    Raises:
        InvalidArgument: it is no proper call.
    """

    def __init__(
        self, envelope: dict[str, Any], outbox: Outbox, token: str | None, peer: str, idle: float
    ):
        _check(envelope)
        op, ident = envelope["op"], envelope["id"]
        self.ident: str = ident
        self.stream: int = envelope.get("stream") or 0
        self._shape = OPS[op].shape if op in OPS else ""
        self._outbox = outbox
        self._answer: Answer | None = None
        self._over = False
        self.body: Incoming | None = None
        if self._shape in (ARROW_IN, BYTES_IN):
            self.body = Incoming(
                UPLOAD_WINDOW, lambda size: outbox.tell({"id": ident, "credit": size}), idle,
                "request",
            )  # fmt: skip
        self.out = Outgoing(outbox, self.stream, WINDOW, CHUNK)
        self._call = Call(
            op, envelope.get("args") or {}, token, ident, envelope.get("key"),
            envelope.get("if_match"), envelope.get("deadline"), "ws", peer, self.body,
        )  # fmt: skip

    def start(
        self, dispatcher: Any, ended: Callable[[Work], None], left: Callable[[], None]
    ) -> None:
        """Answer the call in a thread.

        Args:
            dispatcher: answers it.
            ended: called before its last frame is on its way: the id is free from then on.
            left: called when the thread is through.
        """

        def run() -> None:
            try:
                self._run(dispatcher, ended)
            finally:
                left()

        # Not of a pool: those who follow events stay for long, and must not hold up the exit.
        threading.Thread(target=run, name=f"lancenb-ws-{self._call.op:.40}", daemon=True).start()

    def _run(self, dispatcher: Any, ended: Callable[[Work], None]) -> None:
        try:
            answer = self._answer = dispatcher.call(self._call)
            with contextlib.closing(answer):
                last = self._give(answer)
        except LancenbError as error:
            last = {"id": self.ident, "error": error_dict(error)}
        except BaseException:
            LOG.exception("%s failed (%s)", self._call.op, self.ident)
            last = {"id": self.ident, "error": error_dict(unexpected(self.ident))}
        ended(self)
        if not self._over:
            self.out.end(encode(last) if last is not None else None)

    def _give(self, answer: Answer) -> dict[str, Any] | None:
        """Send the answer but for the frame that ends the call, which is returned."""
        envelope: dict[str, Any] = {"id": self.ident, "ok": answer.value}
        if answer.etag is not None:
            envelope["etag"] = answer.etag
        if self._over or self._shape not in (ARROW_OUT, EVENTS):
            return envelope
        self._outbox.tell(envelope)
        if self._shape == ARROW_OUT:
            for piece in answer.body or ():
                self.out.send(piece)
            return None
        for event in answer.body or ():
            if self._over:
                break
            if "seq" in event:  # the connection has its own signs of life
                self.out.send_text(encode({"id": self.ident, "event": event}))
        return {"id": self.ident, "end": True}

    def abandon(self, error: LancenbError) -> None:
        """Let the call end, since nobody waits for it; its thread cleans up."""
        self._over = True
        self.out.fail(error)
        if self.body is not None:
            self.body.fail(error)
        if self._shape == EVENTS and self._answer is not None:
            # Its thread may wait for the next event for a while; the place is free at once.
            threading.Thread(target=self._answer.close, daemon=True).start()

    def cancel(self) -> None:
        """Abandon the call and tell the client so."""
        error = Cancelled("the caller cancelled the call")
        self.abandon(error)
        self._outbox.tell({"id": self.ident, "error": error_dict(error)})


def _check(envelope: dict[str, Any]) -> None:
    unknown = sorted(set(envelope) - set(_KINDS))
    if unknown:
        raise InvalidArgument(
            f"a call has no field {unknown[0]!r:.60}", hint=f"it has {', '.join(_KINDS)}"
        )
    for name, kinds in _KINDS.items():
        value = envelope.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            raise InvalidArgument(f"{name} cannot be {value!r:.60}")
    deadline = envelope.get("deadline")
    if deadline is not None and not deadline > 0:
        raise InvalidArgument(f"deadline cannot be {deadline!r:.60}")
    op, stream = envelope.get("op"), envelope.get("stream")
    if op is None:
        raise InvalidArgument("op cannot be null")
    streams = op in OPS and OPS[op].shape in (ARROW_IN, ARROW_OUT, BYTES_IN)
    if (streams or stream is not None) and not 1 <= (stream or 0) <= MAX_STREAM:
        raise InvalidArgument(f"{op:.60} needs a stream", hint=f"a number from 1 to {MAX_STREAM}")
