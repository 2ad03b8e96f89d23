"""How the gRPC library is set up, for servers and channels alike."""

from __future__ import annotations

import contextlib
import ctypes
import os
import weakref
from typing import Any

from lancenb.errors import LocalOnly, MissingDependency

#: Bytes of one message of a stream, and what a peer with other habits may send in one.
MAX_PIECE = 16 << 20
#: Bytes of an answer that is no stream, such as a long list.
MAX_ANSWER = 256 << 20
#: Bytes of metadata; errors travel there.
MAX_METADATA = 64 << 10

#: A client asks a server that said nothing for so many seconds whether it lives, and waits so long
#: for the answer. Together they stay below the five seconds after which a dead server is an error.
PING_AFTER, PING_WITHIN = 1.5, 2.5
#: A server only wants to let go of clients that are gone for good.
SERVER_PING = 20.0

#: Bytes on their way in each direction. What a client sends is the less, because its question waits
#: behind it: on a link of 4 Mbit/s the answer still comes in time.
WINDOW_OUT, WINDOW_IN = 4 << 20, 1 << 20

_channels: weakref.WeakSet[Any] = weakref.WeakSet()
_started_in: int | None = None


def load() -> Any:
    """Import grpc, set up so that a fork of this process is silent and safe.

    Raises:
        MissingDependency: it is not installed.
    """
    # With its fork handlers on, every `!ls` in a notebook stops all of gRPC, prints warnings, and
    # now and then hangs (grpc#18075). Without them a fork that runs a program is harmless, and one
    # that does not is told so by check_process().
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # A lost connection is an error with a hint, not lines of C++ on the terminal.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import google.protobuf  # noqa: F401
        import grpc
    except ImportError:
        raise MissingDependency(
            "gRPC needs grpcio and protobuf", hint="pip install 'lancenb[server]'"
        ) from None
    return grpc


def forked() -> bool:
    """Whether this process was forked from one that uses gRPC."""
    return _started_in not in (None, os.getpid())


def check_process() -> None:
    """Refuse to use gRPC in a child made by fork: its threads are gone, the library would abort.

    Raises:
        LocalOnly: this process was forked from one that uses gRPC.
    """
    global _started_in
    if _started_in is None:
        _started_in = os.getpid()
        os.register_at_fork(after_in_child=_keep_alive)
    if forked():
        raise LocalOnly(
            "gRPC does not work in a process forked from one that uses it",
            hint="connect over http:// where workers are forked, or start them by 'spawn'",
        )


def _keep_alive() -> None:
    """Never destroy the parent's channels in a forked child: that, too, needs their threads."""
    for channel in list(_channels):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(channel))


def remember(channel: Any) -> Any:
    """Return a channel (or what holds one), protected in children made by fork."""
    with contextlib.suppress(TypeError):
        _channels.add(channel)
    return channel


def _common(ping_after: float, ping_within: float, window: int) -> list[tuple[str, Any]]:
    return [
        ("grpc.keepalive_time_ms", int(ping_after * 1000)),
        ("grpc.keepalive_timeout_ms", int(ping_within * 1000)),
        ("grpc.http2.ping_timeout_ms", int(ping_within * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        # Probing would send pings behind data, whose answers may take longer than is allowed.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", window),
        ("grpc.http2.max_frame_size", 1 << 20),
        ("grpc.http2.write_buffer_size", 1 << 20),
    ]


def client_options(connect_seconds: float) -> list[tuple[str, Any]]:
    """Return the options of a channel."""
    connect = max(100, int(connect_seconds * 1000))
    return [
        *_common(PING_AFTER, PING_WITHIN, WINDOW_OUT),
        ("grpc.max_receive_message_length", MAX_ANSWER),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_METADATA),
        ("grpc.absolute_max_metadata_size", 2 * MAX_METADATA),
        # The least time between two tries is also how long one may take.
        ("grpc.min_reconnect_backoff_ms", connect),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        # As over HTTP: an address is reached directly.
        ("grpc.enable_http_proxy", 0),
    ]


def server_options(max_header: int) -> list[tuple[str, Any]]:
    """Return the options of a server."""
    return [
        *_common(SERVER_PING, SERVER_PING, WINDOW_IN),
        ("grpc.max_receive_message_length", MAX_PIECE),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", max_header),
        ("grpc.absolute_max_metadata_size", 2 * max_header),
        ("grpc.http2.min_ping_interval_without_data_ms", 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 0),
        # Two servers on one port would each get some of the calls.
        ("grpc.so_reuseport", 0),
    ]
