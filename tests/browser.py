"""One Chromium for all browser tests of a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROME") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
]
_open: dict[str, Any] = {"users": 0}

# The host page, not the widget, owns title, language and landmarks.
HOST_RULES = (
    "document-title",
    "html-has-lang",
    "landmark-one-main",
    "page-has-heading-one",
    "region",
)


@contextmanager
def chromium() -> Iterator[Any]:
    """Give the one browser of this process; skip the test where there is none.

    Playwright's blocking interface exists once per thread, so that all fixtures share it.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (set CHROME)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not _open["users"]:
        _open["driver"] = playwright.sync_playwright().start()
        _open["browser"] = _open["driver"].chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    _open["users"] += 1
    try:
        yield _open["browser"]
    finally:
        _open["users"] -= 1
        if not _open["users"]:
            _open["browser"].close()
            _open["driver"].stop()


def barriers(page: Any, within: str | None = None) -> list[str]:
    """Return the accessibility rules of axe-core that a page breaks inside a selector."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=within).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]}"
        for each in found
        if each["id"] not in HOST_RULES
        for node in each["nodes"][:3]
    ]
