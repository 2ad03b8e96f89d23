"""One catalogue over HTTP, gRPC and WebSocket: ``serve`` it here, ``connect`` to it from there.

>>> import tempfile, lancenb as lnb
>>> with lnb.serve(tempfile.mkdtemp()) as server:
...     for engine in ("http", "grpc", "ws"):
...         print(engine, len(server.connect(engine)))
http 0
grpc 0
ws 0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._client import RemoteManager
    from ._connect import connect
    from ._limits import Limits
    from ._serve import Server, serve
    from .protocol import Manager

_HOMES = {
    "Limits": "_limits",
    "Manager": "protocol",
    "RemoteManager": "_client",
    "Server": "_serve",
    "connect": "_connect",
    "serve": "_serve",
}
__all__ = ["Limits", "Manager", "RemoteManager", "Server", "connect", "serve"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
