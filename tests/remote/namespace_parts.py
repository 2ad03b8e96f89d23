"""A catalogue served as a Lance REST Namespace on a real socket, for the tests of it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lancenb import DataManager
from lancenb.errors import Forbidden, Unauthorized

READ, WRITE = "read-token", "write-token"
ARROW = "application/vnd.apache.arrow.stream"


def admit(request: Any, scope: str) -> str:
    """Let in who has one of two tokens, as a bearer token or an API key."""
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    given = given or request.headers.get("x-api-key", "")
    if given not in (READ, WRITE):
        raise Unauthorized("the token is not one of this server's", hint="ask for one")
    if scope != "read" and given != WRITE:
        raise Forbidden(f"this token has no scope {scope!r}")
    return given


@dataclass
class Served:
    """A running server: the catalogue behind it and what its audit log was told."""

    manager: DataManager
    uri: str
    audited: list[tuple[Any, ...]] = field(default_factory=list)

    def rest(self, token: str = WRITE) -> Any:
        """Return Lance's own client."""
        from lance.namespace import RestNamespace

        return RestNamespace(uri=self.uri, **{"header.Authorization": f"Bearer {token}"})

    def send(
        self,
        path: str,
        body: Any = None,
        *,
        token: str | None = WRITE,
        method: str = "POST",
        **headers: str,
    ) -> tuple[int, Any]:
        """Send one request as it is; returns status and JSON."""
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        # The plain client: others would tidy dots and escapes in the address away.
        connection = http.client.HTTPConnection(self.uri.removeprefix("http://"), timeout=120)
        with contextlib.closing(connection):
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None


def ipc(table: pa.Table) -> bytes:
    """Return a table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@contextlib.contextmanager
def serving(manager: DataManager, limits: Any = None, **more: Any) -> Iterator[Served]:
    """Serve a catalogue on a free port of this machine."""
    import uvicorn
    from starlette.applications import Starlette

    from lancenb.remote._confine import Confined
    from lancenb.remote._rest import namespace_routes

    served = Served(manager, "")

    def audit(*facts: Any) -> None:
        served.audited.append(facts[:-1])

    door = more.pop("admit", admit)
    routes = namespace_routes(
        manager, door, confine=Confined(manager), limits=limits, audit=audit, **more
    )
    config = uvicorn.Config(
        Starlette(routes=routes),
        host="127.0.0.1",
        port=0,
        log_level="error",
        lifespan="off",
        timeout_keep_alive=600,
    )
    server = uvicorn.Server(config)
    started = threading.Event()

    async def run() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        started.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(60)
    assert server.started
    port = server.servers[0].sockets[0].getsockname()[1]
    served.uri = f"http://127.0.0.1:{port}"
    try:
        yield served
    finally:
        routes.close()
        server.should_exit = True
        thread.join(60)
