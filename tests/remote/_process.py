"""A server in a process of its own, to be killed or measured."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from lancenb.remote._connect import reconnect
from lancenb.remote._transport import Reach

from ._engines import TOKEN

_RUN = """
import json, sys, threading
{before}
from lancenb.remote import serve
server = serve(sys.argv[1], token=sys.argv[2], http=int(sys.argv[3]), grpc=int(sys.argv[4]))
print(json.dumps({{"http": server.url, "grpc": server.grpc_url, "ws": server.ws_url}}), flush=True)
threading.Event().wait()
"""


class Process:
    """A server of a root; ``before`` is Python that runs first, there."""

    def __init__(self, root: Path, before: str = "", ports: tuple[int, int] = (0, 0)):
        words = [sys.executable, "-c", _RUN.format(before=before), str(root), TOKEN]
        words += [str(port) for port in ports]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True,
            env={**os.environ, "LANCENB_TOKEN": ""},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.urls: dict[str, str] = json.loads(self.process.stdout.readline())

    @property
    def ports(self) -> tuple[int, int]:
        """Where it listens: HTTP and gRPC."""
        http, grpc = (int(self.urls[name].rpartition(":")[2]) for name in ("http", "grpc"))
        return http, grpc

    def connect(self, engine: str) -> Any:
        """Reach it by an engine."""
        return reconnect(Reach(self.urls[engine], TOKEN))

    def kill(self) -> None:
        """End it at once; nothing in it can do anything about that."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()
