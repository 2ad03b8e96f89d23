"""The gRPC engine of a client."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from lancenb.errors import InvalidArgument, LancenbError, ServerUnreachable

from . import _grpc_convert as convert
from . import _grpc_errors as wire
from . import _grpc_settings as settings
from ._grpc_answers import Events, Pieces, Watchdog
from ._grpc_frames import flag, frame, frames
from ._grpc_proto import END, HEAD, PIECE
from ._grpc_slots import method
from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, Op
from ._transport import Reach
from ._wire import Answer

#: How the library begins what it says of a closed channel; it has no class of its own for it.
_CLOSED = "Cannot invoke RPC"


class GrpcTransport:
    """Calls over one gRPC channel, opened when it is first needed.

    Works in the process that opened it, from any thread; in a child made by fork each call is a
    ``LocalOnly`` error, because the library would abort the child.

    Args:
        reach: where the server is; ``grpc://host:port`` or ``grpcs://host:port``.

    Raises:
        InvalidArgument: the address is not of that form.
        MissingDependency: grpcio is not installed.
    """

    def __init__(self, reach: Reach):
        self.reach = reach
        parts = urlsplit(reach.url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in ("grpc", "grpcs") or not parts.hostname or not port:
            raise InvalidArgument(
                f"{reach.url!r} is no address of a gRPC server",
                hint="grpc://host:50051, or grpcs://host:50051 with TLS",
            )
        self._secure = parts.scheme == "grpcs"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._target, self._place = f"{host}:{port}", (parts.hostname, port)
        self._channel: Any = None
        self._guard = threading.Lock()
        settings.load()

    def _open(self) -> Any:
        settings.check_process()
        with self._guard:
            if self._channel is None:
                import grpc

                options = settings.client_options(self.reach.connect_seconds)
                if self._secure:
                    from ._tls import client_grpc

                    trust = client_grpc(self.reach.ca)
                    channel = grpc.secure_channel(self._target, trust, options)
                else:
                    channel = grpc.insecure_channel(self._target, options)
                self._channel = settings.remember(channel)
            return self._channel

    def close(self) -> None:
        """Let go of the channel; a later call opens another."""
        if settings.forked():
            return  # even closing needs threads that a forked child does not have
        with self._guard:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def call(
        self,
        op: Op,
        args: dict[str, Any],
        *,
        request_id: str,
        body: Iterator[Any] | None = None,
        idempotency_key: str | None = None,
        if_match: str | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Make one call; see :class:`~lancenb.remote._transport.Transport`."""
        more = {wire.REQUEST_ID: request_id, wire.KEY: idempotency_key, wire.IF_MATCH: if_match}
        metadata = [(key, value) for key, value in more.items() if value is not None]
        if self.reach.token is not None:
            metadata.append(("authorization", f"Bearer {self.reach.token}"))
        if not all(value.isascii() and value.isprintable() for _, value in metadata):
            raise InvalidArgument(
                "the token or a key holds characters that no header can hold",
                hint="a token read from a file may end in a line break: token.strip()",
            )
        request = convert.request_bytes(op, args)
        seconds = self.reach.timeout if timeout is None else timeout
        try:
            if op.shape in (ARROW_OUT, EVENTS):
                return self._stream(op, request, metadata, seconds, timeout)
            if op.shape in (ARROW_IN, BYTES_IN):
                return self._send(op, request, body or iter(()), metadata, seconds, timeout)
            return self._plain(op, request, metadata, seconds)
        except ValueError as error:
            if not str(error).startswith(_CLOSED):
                raise
            # Between the two steps of beginning a call.
            raise ServerUnreachable(
                f"another thread closed the connection to {self.reach.url}",
                hint="ask again: a new one is opened",
                details={"sent": False},
            ) from None

    def _failed(self, error: Any, seconds: float | None) -> LancenbError:
        """Return the error that a failed call stands for."""
        given = wire.unpacked(error.trailing_metadata())
        if given is not None:
            return given
        text = str(error.details() or "")
        made = wire.from_status(error.code().name, text, self.reach.url, seconds)
        if self._secure and made.details.get("sent") is False:
            return wire.distrusted(*self._place, self.reach.ca, self.reach.url) or made
        return made

    def _late(self, seconds: float | None) -> LancenbError:
        return wire.from_status("DEADLINE_EXCEEDED", "", self.reach.url, seconds)

    def _plain(self, op: Op, request: bytes, metadata: Any, seconds: float | None) -> Answer:
        import grpc

        ask = self._open().unary_unary(method(op))
        try:
            raw, call = ask.with_call(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            raise self._failed(error, seconds) from None
        return Answer(convert.response_value(op, raw), etag=_etag(call))

    def _stream(
        self, op: Op, request: bytes, metadata: Any, seconds: float | None, whole: float | None
    ) -> Answer:
        """Start a stream; without a limit for the whole, there is one until it begins."""
        import grpc

        call = self._open().unary_stream(method(op))(request, timeout=whole, metadata=metadata)
        watchdog = Watchdog(call, seconds if whole is None else None)

        def failed(error: Any) -> LancenbError:
            if watchdog.fired:
                return self._late(seconds)
            return self._failed(error, whole)

        try:
            with watchdog:
                etag = _started(call)
                if op.shape == EVENTS:
                    return Answer(body=Events(call, failed), etag=etag)
                pieces = Pieces(op, call, failed)
                return Answer(pieces.head(), pieces, etag)
        except grpc.RpcError as error:
            raise failed(error) from None
        except BaseException:
            call.cancel()
            raise

    def _send(
        self, op: Op, request: bytes, body: Iterator[Any], metadata: Any,
        seconds: float | None, whole: float | None,
    ) -> Answer:  # fmt: skip
        """Stream pieces there; without a limit for the whole, there is one for the answer."""
        import grpc

        problem: list[BaseException] = []
        sent = threading.Event()

        def messages() -> Iterator[bytes]:
            try:
                yield frame(HEAD, request)
                yield from frames(PIECE, body)
                yield flag(END)
            except GeneratorExit:
                raise
            except BaseException as error:
                # Ends without its mark, so that the server takes nothing of it.
                problem.append(error)
            finally:
                sent.set()

        ask = self._open().stream_unary(method(op))
        call = ask.future(messages(), timeout=whole, metadata=metadata)
        watchdog = Watchdog(call, seconds if whole is None else None, after=sent)
        try:
            with watchdog:
                raw = call.result()
        except (grpc.RpcError, grpc.FutureCancelledError):
            if problem:
                raise problem[0] from None
            if watchdog.fired:
                raise self._late(seconds) from None
            raise self._failed(call, whole) from None
        except BaseException:
            call.cancel()
            raise
        finally:
            _close(body)
        if problem:
            raise problem[0]
        return Answer(convert.response_value(op, raw), etag=_etag(call))


def _close(body: Any) -> None:
    close: Callable[[], None] | None = getattr(body, "close", None)
    if close is not None:
        with contextlib.suppress(ValueError):  # still being read, and let go of a moment later
            close()


def _etag(call: Any) -> str | None:
    for key, value in call.initial_metadata() or ():
        if key == wire.ETAG:
            return value
    return None


def _started(call: Any) -> str | None:
    """Return the ETag of a stream once it begins; raise the call when it failed instead."""
    import grpc

    metadata = dict(call.initial_metadata() or ())
    # A failure has no leading metadata of ours, and its status comes a moment later.
    if wire.REQUEST_ID not in metadata and call.code() != grpc.StatusCode.OK:
        raise call
    return metadata.get(wire.ETAG)
