"""The player in a browser that really decodes the clip."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb.store import lance_module
from lancenb.widgets.audio import AudioPlayer
from tests.widgets.test_audio import tone

pytestmark = pytest.mark.browser


def until(mounted: Any, view: AudioPlayer, true: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        mounted.pump("row", "total")
        mounted.page.wait_for_timeout(40)
        if true():
            return
    raise AssertionError(mounted.page.inner_text("body"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_clips_are_loaded_row_by_row(mount: Any, tmp_path: Path, theme: str):
    uri = str(tmp_path / "sounds.lance")
    clips = [tone(seconds=0.5), tone(seconds=2), b"no sound"]
    lance_module().write_dataset(pa.table({"audio": clips}), uri)
    view = AudioPlayer(uri)
    mounted = mount(view, theme)
    page = mounted.page
    length = "document.querySelector('audio').duration"
    until(mounted, view, lambda: abs((page.evaluate(length) or 0) - 0.5) < 0.01)
    assert page.locator(".lnb-au-wave svg").is_visible()
    assert mounted.axe() == []
    page.get_by_role("button", name="Next").click()
    until(mounted, view, lambda: abs((page.evaluate(length) or 0) - 2) < 0.01)
    assert "row 1 of audio" in (page.locator("audio").get_attribute("aria-label") or "")
    page.get_by_role("spinbutton", name="Row").fill("2")
    page.get_by_role("spinbutton", name="Row").press("Enter")
    until(mounted, view, lambda: "holds no sound" in page.inner_text("body"))
    assert page.locator("audio").is_hidden()
    assert view.row == 2
    assert page.get_by_role("button", name="Next").is_disabled()
