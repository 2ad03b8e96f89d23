"""A private JupyterLab on loopback, everything of it in one temporary folder."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat

REPO = Path(__file__).resolve().parents[2]

_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/fileeditor-extension/plugin": {},
}

_CLASSES = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}


def _end_with_us() -> None:
    """Ask Linux to end the server when the test run dies, however it dies."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(1, signal.SIGTERM)  # 1: PR_SET_PDEATHSIG


def free_port() -> int:
    """Return a free port for a server that starts in a moment.

    It is none of those that the system gives to connections: one could take it until then.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


class Server:
    """One private JupyterLab process, or Notebook 7 with ``app="notebook"``."""

    def __init__(self, app: str = "lab") -> None:
        self.app = app
        self.home = Path(tempfile.mkdtemp(prefix="lancenb-lab-"))
        self.root = self.home / "files"
        self.root.mkdir()
        self.log = self.home / "server.log"
        self.token = secrets.token_hex(16)
        self.base = f"http://127.0.0.1:{free_port()}"
        self._settings()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command(), cwd=self.root, env=self._environment(),
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=_end_with_us,
            )  # fmt: skip
        self._await()

    def _settings(self) -> None:
        for name, values in _SETTINGS.items():
            file = self.home / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))

    def _command(self) -> list[str]:
        words = [
            "--no-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0",
            f"--ServerApp.port={self.base.rpartition(':')[2]}",
            f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}",
            f"--{_CLASSES[self.app]}.expose_app_in_browser=True",
            "--ServerApp.terminals_enabled=False",
            f"--FileCheckpoints.checkpoint_dir={self.home / 'checkpoints'}",
        ]  # fmt: skip
        if os.geteuid() == 0:
            words.append("--ServerApp.allow_root=True")
        return [sys.executable, "-m", {"lab": "jupyterlab"}.get(self.app, self.app), *words]

    def _environment(self) -> dict[str, str]:
        folders = {
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython", "LANCENB_CACHE": "cache",
        }  # fmt: skip
        # kernel.json says only "python": this interpreter's folder goes first.
        return {
            **os.environ,
            **{name: str(self.home / folder) for name, folder in folders.items()},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "PYTHONPATH": f"{REPO}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "OMP_NUM_THREADS": "1",
        }

    def _await(self) -> None:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + 240
        while time.monotonic() < end and self.process.poll() is None:
            try:
                direct.open(f"{self.base}/api/status?token={self.token}", timeout=20).close()
                return
            except (OSError, urllib.error.URLError):
                time.sleep(0.2)
        log = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{log}")

    def write(self, cells: list[str], name: str = "") -> str:
        """Write a notebook of code cells; return its name."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        book.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        name = name or f"{secrets.token_hex(4)}.ipynb"
        nbformat.write(book, self.root / name)
        return name

    def url(self, notebook: str) -> str:
        """Return the address of a notebook in single-document mode."""
        place = "lab/tree" if self.app == "lab" else "notebooks"
        return f"{self.base}/{place}/{notebook}?token={self.token}&reset"

    def stop(self) -> None:
        """End the server with its kernels and remove everything it wrote."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)
