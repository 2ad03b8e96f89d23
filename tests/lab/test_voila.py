"""Voila serves the workbench as a page: no code, no token, the same panels."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import browser
from tests.conftest import REPO

from ._server import free_port

pytestmark = pytest.mark.browser


class Voila:
    """A private Voila process for one notebook; ``url`` is its page."""

    def __init__(self, folder: Path, theme: str):
        shutil.copy(REPO / "notebooks" / "14_workbench.ipynb", folder)
        port = free_port()
        self.url, self._log = f"http://127.0.0.1:{port}/", folder / "voila.log"
        homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "LANCENB_CACHE")
        command = [sys.executable, "-m", "voila", "14_workbench.ipynb", "--no-browser"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--Voila.ip=127.0.0.1", f"--port={port}", f"--theme={theme}"],
                cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                env={
                    **os.environ,
                    **{name: str(folder / name.lower()) for name in homes},
                    "PYTHONPATH": str(REPO),
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                    "OMP_NUM_THREADS": "1",
                },
            )  # fmt: skip
        self._await()

    def _await(self) -> None:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + 240
        while time.monotonic() < end and self._process.poll() is None:
            try:
                direct.open(f"{self.url}voila/static/voila.js", timeout=20).close()
                return
            except urllib.error.HTTPError:
                return  # it answers
            except OSError:
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"Voila did not start:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End the server with its kernels."""
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()


@pytest.fixture
def voila(tmp_path: Path) -> Iterator[Callable[[str], Voila]]:
    """Return a function that starts Voila with a theme."""
    pytest.importorskip("voila", reason="Voila is not installed")
    made: list[Voila] = []

    def start(theme: str) -> Voila:
        made.append(Voila(tmp_path, theme))
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_workbench_is_a_page(
    voila: Callable[[str], Voila], chromium: Any, shots: Path, theme: str
) -> None:
    served = voila(theme)
    page = chromium.new_page(viewport={"width": 1280, "height": 800}, color_scheme=theme)
    page.set_default_timeout(120_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # Voila's own template asks for an icon font elsewhere; nothing of ours may need another host.
    page.route(
        "**/*",
        lambda route: route.continue_() if served.url in route.request.url else route.abort(),
    )
    try:
        page.goto(served.url, wait_until="commit", timeout=120_000)
        page.locator(".lnb-workbench").wait_for(timeout=120_000)
        page.get_by_role("option", name="people").click()
        page.get_by_text("Katherine").first.wait_for(timeout=120_000)
        page.get_by_role("option", name="shapes").click()
        page.locator(".lnb-gallery img, .lnb-gallery canvas").first.wait_for(timeout=120_000)
        page.get_by_role("tab", name="Lineage").click()
        page.get_by_text("synthetic").first.wait_for(timeout=120_000)
        page.get_by_role("option", name="small-net").click()
        page.get_by_role("tab", name="Versions").click()
        page.get_by_role("option", name=re.compile(r"^version 1\b")).wait_for(timeout=120_000)
        assert browser.barriers(page, ".lnb-workbench") == []
        shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(shots / f"voila-{theme}.png"), full_page=True)
        assert "import lancenb" not in page.inner_text("body"), "a page shows no code"
        assert errors == []
    finally:
        page.close()
