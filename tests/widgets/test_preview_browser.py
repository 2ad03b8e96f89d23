"""What a browser makes of a preview: both themes readable, nothing wider than the page."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lancenb.convert.weights import save_weights
from lancenb.widgets import preview

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
THEMES = {
    "light": {"layout-color1": "#ffffff", "layout-color2": "#eeeeee", "ui-font-color1": "#212121"},
    "dark": {"layout-color1": "#212121", "layout-color2": "#424242", "ui-font-color1": "#ffffff"},
}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


def photograph(html: str, theme: str, folder: Path, width: int = 900) -> np.ndarray:
    variables = "".join(f"--jp-{name}: {value};" for name, value in THEMES[theme].items())
    page = folder / f"{theme}.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><style>:root {{{variables}}}"
        f"body {{margin: 0 8px; background: var(--jp-layout-color1)}}</style>{html}",
        encoding="utf-8",
    )
    picture = folder / f"{theme}.png"
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
    command += ["--no-first-run", "--disable-sync", "--disable-background-networking"]
    command += ["--disable-component-update", "--hide-scrollbars", f"--user-data-dir={folder}/u"]
    command += [f"--window-size={width},700", f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    return np.asarray(Image.open(picture).convert("L"), dtype=float)


@pytest.mark.parametrize("theme", THEMES)
def test_tensor_is_readable_in_both_themes(theme: str, tmp_path: Path):
    torch.manual_seed(0)
    uri = str(tmp_path / "m.lance")
    save_weights({"layer.weight": torch.randn(40, 60)}, uri)
    seen = photograph(preview(uri, tensor="layer.weight").html, theme, tmp_path)
    background = {"light": 255, "dark": 0x21}[theme]
    text = {"light": 0x21, "dark": 255}[theme]
    assert np.median(seen) == pytest.approx(background, abs=3)
    title = seen[5:35, 10:300]
    assert np.abs(title - text).min() < 30, "the title is not drawn in the theme's colour"
    # The heat map fills the right half with values between background and strong colour.
    assert seen[:, 460:].std() > 10
    # Nothing leaves the card on the right.
    assert np.ptp(seen[:, -4:]) < 3
