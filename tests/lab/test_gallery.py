"""The gallery in a real JupyterLab: shown, scrolled, chosen from, reloaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import Lab

pytestmark = pytest.mark.browser

MAKE = """
import io, tempfile
import numpy as np, pyarrow as pa
import lancenb as lnb
from PIL import Image, ImageDraw

def picture(i):
    rng = np.random.default_rng(i)
    wide, high = [(320, 240), (200, 300), (32, 32)][i % 3]
    top, low = rng.integers(30, 230, 3), rng.integers(30, 230, 3)
    ramp = np.linspace(top, low, high).astype("uint8")[:, None].repeat(wide, 1)
    image = Image.fromarray(ramp)
    x, y, r = wide * rng.uniform(.3, .7), high * rng.uniform(.3, .7), min(wide, high) * .25
    pen, ink = ImageDraw.Draw(image), tuple(int(v) for v in rng.integers(0, 255, 3))
    box = (x - r, y - r, x + r, y + r)
    kind = i % 5 % 3
    if kind == 2:
        pen.pieslice(box, 30, 330, fill=ink)
    else:
        (pen.ellipse, pen.rectangle)[kind](box, fill=ink)
    out = io.BytesIO()
    image.save(out, "PNG" if wide == 32 else "JPEG")
    return out.getvalue()

few = [picture(i) for i in range(59)] + [b"damaged"]
names = ["circle", "square", "pie"]
n = 100_000
table = pa.table({"image": pa.array(few, pa.binary()).take(pa.array(np.arange(n) % 60)),
                  "label": pa.array([names[i % 60 % 5 % 3] for i in range(n)]),
                  "score": np.random.default_rng(0).random(n)})
report = lnb.convert(table, tempfile.mkdtemp() + "/shapes.lance")
"""
SHOW = "gallery = lnb.Gallery(report)\ngallery"


def shot(notebook: Lab, name: str) -> None:
    """Keep a picture of the gallery alone."""
    notebook.shots.mkdir(parents=True, exist_ok=True)
    gallery = notebook.page.locator(".lnb-gallery").first
    gallery.screenshot(path=str(notebook.shots / f"{name}.png"))


def test_a_gallery_in_lab(lab: Callable[..., Lab]) -> None:
    notebook = lab([MAKE, SHOW])
    page = notebook.page
    page.locator(".lnb-gallery-cell[data-state=shown]").first.wait_for()
    notebook.wait("100,000 images")
    assert notebook.barriers() == []
    shot(notebook, "gallery-light-1280")
    page.locator("[data-index='3']").click()
    page.locator("[data-index='5']").click(modifiers=["Shift"])
    notebook.idle()
    notebook.wait("3 selected")
    assert "[3, 4, 5]" in notebook.ask("print(gallery.selected)")
    shot(notebook, "gallery-selected-1280")
    page.focus(".lnb-gallery-box")
    page.keyboard.press("End")
    page.wait_for_selector(".lnb-gallery-cell[data-index='99999'][data-state=shown]")
    shot(notebook, "gallery-end-1280")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lnb-gallery-stage img")
    page.wait_for_timeout(200)
    assert notebook.barriers() == []
    shot(notebook, "gallery-detail-1280")
    page.keyboard.press("Escape")
    page.get_by_label("SQL filter").fill("score > 0.5 AND nothing = 1")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    shot(notebook, "gallery-failed-1280")
    page.get_by_label("SQL filter").fill("score > 2")
    page.keyboard.press("Enter")
    notebook.wait("No image matches")
    shot(notebook, "gallery-none-1280")
    page.get_by_label("SQL filter").fill("score > 0.999")
    page.keyboard.press("Enter")
    page.locator(".lnb-gallery-cell[data-state=shown]").first.wait_for()
    notebook.reload()
    page.locator(".lnb-gallery-cell[data-state=shown]").first.wait_for()
    assert page.get_by_label("SQL filter").input_value() == "score > 0.999"
    page.get_by_label("SQL filter").fill("")
    page.keyboard.press("Enter")
    notebook.wait("100,000 images")
    for theme, width in (("light", 760), ("dark", 1280), ("dark", 760)):
        notebook.theme(theme)
        notebook.size(width)
        page.wait_for_timeout(500)
        page.locator(".lnb-gallery-cell[data-state=shown]").first.wait_for()
        assert notebook.barriers() == []
        shot(notebook, f"gallery-{theme}-{width}")
    page.locator("[data-index='0']").dblclick()
    page.wait_for_selector(".lnb-gallery-stage img")
    page.wait_for_timeout(200)
    shot(notebook, "gallery-detail-dark-760")
