"""One JupyterLab per run, and a fixture that opens notebooks in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import browser

from ._lab import Lab
from ._server import Server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests in JupyterLab."""
    with browser.chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def lab_server(chromium: Any) -> Iterator[Server]:
    """One private JupyterLab for all tests."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept: ``LANCENB_SHOTS``, or a temporary folder."""
    named = os.environ.get("LANCENB_SHOTS")
    return Path(named) if named else tmp_path_factory.mktemp("shots")


@pytest.fixture
def lab(lab_server: Server, chromium: Any, shots: Path) -> Iterator[Callable[..., Lab]]:
    """Return ``lab([cell, ...], theme="light", width=1280, run=True)``, an open notebook.

    Errors of scripts in the page and requests to other hosts fail the test.
    """
    made: list[Lab] = []

    def go(cells: list[str], *, theme: str = "light", width: int = 1280, run: bool = True) -> Lab:
        opened = Lab(lab_server, chromium, lab_server.write(cells), shots, width)
        made.append(opened)
        opened.theme(theme)
        if run:
            opened.run()
        return opened

    yield go
    for opened in made:
        opened.close()
    assert not [error for opened in made for error in opened.errors]
    assert not [url for opened in made for url in opened.foreign]
