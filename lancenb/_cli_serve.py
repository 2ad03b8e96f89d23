"""``lancenb serve``: one catalogue for others, over HTTP, WebSocket and gRPC."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _html
from ._cli_store import store_of
from ._signals import stop_asked
from .errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from .remote import Server

EXAMPLE = """examples:
  lancenb serve ./lancenb-store
  lancenb serve s3://lab/demo --s3-endpoint http://localhost:9000 --grpc off
  lancenb serve ./store --host 0.0.0.0 --cert cert.pem --key key.pem --name lab.example.org"""
_VARIABLE = "LANCENB_TOKEN"


def words() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the arguments of the command."""
    flag = {"action": "store_true"}
    many = {"action": "append", "default": []}
    return (
        ("root", {"nargs": "?", "default": argparse.SUPPRESS, "metavar": "ROOT",
                  "help": "folder or s3:// to serve; also as --root"}),
        ("--http", {"type": _port, "default": 8080, "metavar": "PORT",
                    "help": "port for HTTP and WebSocket, 0 for a free one, or off "
                    "(default: 8080)"}),
        ("--grpc", {"type": _port, "default": 50051, "metavar": "PORT",
                    "help": "port for gRPC, likewise (default: 50051)"}),
        ("--host", {"default": "127.0.0.1", "metavar": "ADDRESS",
                    "help": "where to listen; beyond this machine only with a token of yours "
                    "(default: %(default)s)"}),
        ("--token-file", {"metavar": "FILE", "help": "file with one token that may do everything"}),
        ("--no-token", {**flag, "help": "let everybody on this machine do everything"}),
        ("--cert", {"metavar": "FILE", "help": "certificate (PEM), for TLS on both ports"}),
        ("--key", {"metavar": "FILE", "help": "its private key"}),
        ("--name", {**many, "metavar": "HOST", "help": "another name it is reached by"}),
        ("--origin", {**many, "metavar": "URL", "help": "a web page whose scripts may call it"}),
        ("--allow-private-downloads", {**flag, "help": "let clients have it download from "
                                       "addresses of private networks"}),
        ("--log", {**flag, "help": "one line of JSON per request, on standard error"}),
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; both are a good end."""
    _give_memory_back()
    from .remote import serve

    token = _token(args)
    store = store_of(args).create()
    with _logged("INFO" if args.log else "WARNING"), stop_asked() as stopped:
        server = serve(
            store, http=args.http, grpc=args.grpc, host=args.host, token=token,
            no_token=args.no_token, certificate=args.cert, key=args.key, origins=args.origin,
            names=args.name, allow_private_downloads=args.allow_private_downloads,
        )  # fmt: skip
        with server:
            _announce(server, args)
            stopped()
            print("stopping", file=sys.stderr, flush=True)
    return 0


def _give_memory_back() -> None:
    """Let this process return memory that streams have used, where its C library can be told so.

    Without it a server keeps a few hundred megabytes of free memory after the first large stream.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # read when pyarrow is imported
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        arenas, threshold = -8, -3  # M_ARENA_MAX and M_MMAP_THRESHOLD of glibc
        library = ctypes.CDLL(None)
        library.mallopt(arenas, 2)
        library.mallopt(threshold, 1 << 16)


def _announce(server: Server, args: argparse.Namespace) -> None:
    """Say where it listens and, this once, the token it made."""
    from .remote._door import is_loopback
    from .remote._state import token_file
    from .remote._tokens import Tokens

    manager = server.manager
    print(f"serving {manager.store.uri} ({_html.count(len(manager.list()), 'artefact')})")
    if server.url:
        print(f"  HTTP       {server.url}  (also as a Lance REST namespace)")
        print(f"  WebSocket  {server.ws_url}")
    if server.grpc_url:
        print(f"  gRPC       {server.grpc_url}")
    shown = "token=..."
    known = [] if args.no_token else Tokens(token_file(manager.store)).list()
    if known:
        print(f"tokens: {', '.join(f'{each.name} ({each.scope})' for each in known)}")
    if server.token is not None:
        print("no token was there, so one was made for this run; it is shown only here:")
        shown = f'token="{server.token}"'
    elif args.no_token:
        shown = ""
    place = f'"{server.url or server.grpc_url}"'
    print(f"  dm = lancenb.connect({place}{', ' if shown else ''}{shown})")
    if not is_loopback(args.host):
        print("  and on other machines the same with the name of this one")
    print("Ctrl-C stops it", flush=True)
    if server.warning:
        print(f"warning: {server.warning}", file=sys.stderr, flush=True)


def _token(args: argparse.Namespace) -> str | None:
    """Return the token of a file; those of the environment and of ``lancenb token`` count, too."""
    if args.token_file is None:
        return None
    if args.no_token:
        raise InvalidArgument("--token-file and --no-token exclude each other")
    path = Path(args.token_file)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise NotFound(f"--token-file {path} cannot be read") from None
    if not text:
        raise InvalidArgument(f"--token-file {path} is empty", hint="one token, on one line")
    if path.stat().st_mode & 0o077 and os.name == "posix":
        print(f"warning: other users can read {path}: chmod 600 {path}", file=sys.stderr)
    return text


@contextlib.contextmanager
def _logged(level: str) -> Iterator[None]:
    """Log to standard error while it runs."""
    from .remote._logs import LOGGER, setup_logs

    log = logging.getLogger(LOGGER)
    before, handler = (log.level, log.propagate), setup_logs(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def _port(text: str) -> int | None:
    """Return a port, ``None`` for "off".

    >>> _port("8080"), _port("off")
    (8080, None)
    """
    if text == "off":
        return None
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535, or off")
    return int(text)
