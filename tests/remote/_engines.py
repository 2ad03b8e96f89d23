"""The same catalogue behind every engine: a root, its server, and ways to reach it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lancenb import DataManager
from lancenb.errors import LancenbError
from lancenb.remote._client import RemoteManager
from lancenb.remote._door import Door
from lancenb.remote._limits import Limits
from lancenb.remote._serve import Server, _dispatcher, serve
from lancenb.remote._tokens import Tokens
from lancenb.remote._transport import Reach
from lancenb.remote._wire import Answer, Call, error_dict, error_from

ENGINES = ("local", "http", "grpc", "ws")
REMOTE = ENGINES[1:]
STORES = ("disk", "s3")
TOKEN = "a-token-for-the-contract"
WHO = "given at start"


class Loop:
    """A transport without sockets: JSON goes through text, bytes as they are."""

    def __init__(self, dispatcher: Any, token: str | None = TOKEN):
        self.dispatcher, self.token = dispatcher, token
        self.reach = Reach("loop://here", token)
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []

    def call(
        self, op: Any, args: dict[str, Any], *, request_id: str = "r", body: Any = None,
        idempotency_key: str | None = None, if_match: str | None = None, timeout: Any = None,
    ) -> Answer:  # fmt: skip
        self.calls.append((op.name, args, idempotency_key))
        call = Call(op.name, json.loads(json.dumps(args)), self.token, request_id, idempotency_key,
                    if_match, engine="http", body=body)  # fmt: skip
        try:
            answer = self.dispatcher.call(call)
        except LancenbError as error:
            raise error_from(json.loads(json.dumps(error_dict(error)))) from None
        answer.value = json.loads(json.dumps(answer.value))
        return answer

    def close(self) -> None:
        """Nothing to let go of."""


def dispatcher_of(root: Any, *, tokens: Path | None = None, limits: Limits | None = None) -> Any:
    """Return a dispatcher as a server has it, without sockets."""
    manager = root if isinstance(root, DataManager) else DataManager(root)
    manager.store.create()
    door = Door(Tokens(tokens, None if tokens else TOKEN))
    return _dispatcher(manager, door, limits, False)


def looped(root: Any, **options: Any) -> RemoteManager:
    """Return a client of a dispatcher in this process."""
    return RemoteManager(Loop(dispatcher_of(root, **options)))


class Served:
    """A root, served as soon as somebody wants an engine."""

    def __init__(self, store: Any):
        self.store = store
        self._server: Server | None = None
        self._reached: dict[str, Any] = {}
        self.count = 0

    @property
    def server(self) -> Server:
        """The server, started at first use."""
        if self._server is None:
            self._server = serve(self.store, token=TOKEN)
        return self._server

    def reach(self, engine: str) -> Any:
        """Return the catalogue by an engine; everything it notes is noted as by ``WHO``."""
        if engine not in self._reached:
            local = engine == "local"
            self._reached[engine] = self.twin() if local else self.server.connect(engine)
        return self._reached[engine]

    def twin(self) -> DataManager:
        """Return another manager over the same root."""
        return DataManager(self.store, actor=WHO)

    def close(self) -> None:
        """Close connections and stop the server."""
        for each in self._reached.values():
            if isinstance(each, RemoteManager):
                each.close()
        if self._server is not None:
            self._server.stop()


def cases(*stores: str) -> Iterator[tuple[str, str]]:
    """Yield engine and store, each with each."""
    return ((engine, store) for store in stores or STORES for engine in ENGINES)
