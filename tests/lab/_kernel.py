"""A Python kernel without a browser: cells go in, what they print comes out."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

from ._server import REPO


class Kernel:
    """A kernel as JupyterLab starts one; it ends with the ``with`` block.

    Args:
        home: folder for what it keeps: its cache and its history.
    """

    def __init__(self, home: Path):
        from jupyter_client.manager import KernelManager

        self._manager: Any = KernelManager(kernel_name="python3")
        self._environment = {
            **os.environ,
            "LANCENB_CACHE": str(home / "cache"), "IPYTHONDIR": str(home / "ipython"),
            "PYTHONPATH": f"{REPO}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        }  # fmt: skip

    def __enter__(self) -> Kernel:
        self._manager.start_kernel(env=self._environment)
        self._client: Any = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=200)
        return self

    def run(self, code: str, seconds: float = 600) -> str:
        """Run a cell; return what it prints, or fail as it fails."""
        printed: list[str] = []

        def hear(message: Any) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, timeout=seconds, output_hook=hear)
        content = reply["content"]
        assert content["status"] == "ok", f"{content.get('ename')}: {content.get('evalue')}"
        return "".join(printed).strip()

    def ask(self, expression: str) -> str:
        """Return an expression's value as it prints."""
        return self.run(f"print(({expression}))")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
