"""The curves in a bare page: lines, cursor, zoom, legend, downloads, accessibility."""

from __future__ import annotations

import math
import re
import time

import numpy as np
import pytest
from PIL import Image

import lancenb as lnb
from lancenb.widgets import Curves

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect
pytestmark = pytest.mark.browser
SOON = 120_000
PLOT = ".lnb-plot-box > svg"


def fill(curves: Curves, name: str, steps: int = 200, shift: float = 0.0, end: str = "done"):
    for step in range(1, steps + 1):
        values = {"train_loss": 2 * math.exp(-step / 60) + 0.2 + shift, "lr": 1e-3 * step / steps}
        if step % 50 == 0:
            values["val_loss"] = 2.1 * math.exp(-step / 60) + 0.3 + shift
        curves.add(name, step, epoch=step / 50, time=0.5 * step, **values)
    if end:
        curves.finish(name, end)


@pytest.fixture
def two() -> Curves:
    c = Curves(label="two runs")
    fill(c, "a")
    fill(c, "b", shift=0.5, end="failed")
    return c


def paths(mounted):
    return mounted.page.locator(".lnb-plot g[clip-path] path")


def test_empty_says_what_to_expect(mount):
    m = mount(Curves())
    assert "No points yet" in m.page.locator(".lnb-empty").inner_text()
    assert m.page.locator(".lnb-plot").count() == 0
    assert m.axe() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_is_drawn_named_and_readable(mount, two, theme):
    m = mount(two, theme=theme, width=900)
    titles = m.page.locator(".lnb-plot figcaption > span").all_inner_texts()
    assert titles == ["loss", "learning rate"]
    assert paths(m).count() == 6, "train and val of two runs in one panel, two learning rates"
    assert m.page.locator(".lnb-state").inner_text() == "one failed"
    assert m.page.locator(".lnb-key").all_text_contents() == ["a", "bfailed"]
    colours = m.page.locator(".lnb-plot g[clip-path] path").evaluate_all(
        "all => [...new Set(all.map(p => getComputedStyle(p).stroke))]"
    )
    assert len(colours) == 2
    assert m.page.locator(PLOT).first.get_attribute("aria-label").startswith("loss by step: a")
    assert m.axe() == []


@pytest.mark.parametrize("width", [480, 760, 1280])
def test_nothing_leaves_the_page(mount, two, width):
    m = mount(two, width=width)
    m.page.wait_for_timeout(150)
    wide = m.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    boxes = m.page.locator(".lnb-plot").evaluate_all(
        "all => all.map(e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])"
    )
    assert all(0 <= left < right <= width for left, right in boxes)


def test_the_pointer_shows_the_values_of_all_runs(mount, two):
    m = mount(two)
    box = m.page.locator(PLOT).first.bounding_box()
    m.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    tip = m.page.locator(".lnb-tip:visible")
    expect(tip).to_have_count(1, timeout=SOON)
    words = tip.inner_text()
    assert words.startswith("step ")
    assert "a" in words
    assert "val" in words
    assert m.page.locator(".lnb-cross").count() == 2, "the cursor stands in all panels"
    m.page.mouse.move(2, 2)
    expect(m.page.locator(".lnb-cross")).to_have_count(0, timeout=SOON)


def test_the_keyboard_moves_the_cursor_and_the_values_are_spoken(mount, two):
    m = mount(two)
    m.page.locator(PLOT).first.focus()
    for key in ("End", "ArrowLeft"):
        m.page.keyboard.press(key)
    heard = m.page.locator(".lnb-aloud").last
    words = re.compile(r"^\s*step 199: a 0\.27.*val 0\.3", re.DOTALL)
    expect(heard).to_have_text(words, timeout=SOON, use_inner_text=True)
    m.page.keyboard.press("Home")
    expect(heard).to_have_text(re.compile(r"^\s*step 1:"), timeout=SOON, use_inner_text=True)
    m.page.keyboard.press("Escape")
    expect(m.page.locator(".lnb-cross")).to_have_count(0, timeout=SOON)


def test_legend_switches_runs_by_keyboard(mount, two):
    m = mount(two)
    m.page.locator(".lnb-key").first.focus()
    m.page.keyboard.press("ArrowRight")
    m.page.keyboard.press("Enter")
    m.pump("hidden")
    assert two.hidden == ["b"]
    expect(paths(m)).to_have_count(3, timeout=SOON)
    assert m.page.locator(".lnb-key").last.get_attribute("aria-pressed") == "false"
    m.page.locator(".lnb-key").first.click()
    m.pump("hidden")
    expect(m.page.locator(".lnb-empty")).to_contain_text("switched off", timeout=SOON)


def test_axis_log_and_smoothing_are_traits(mount, two):
    m = mount(two)
    m.page.get_by_label("x axis").select_option("time")
    m.page.get_by_role("button", name="logarithmic axis for loss").click()
    slider = m.page.get_by_label("smoothing")
    slider.focus()
    for _ in range(5):
        m.page.keyboard.press("ArrowRight")
    end = time.monotonic() + 120
    while two.smooth != pytest.approx(0.05) and time.monotonic() < end:
        m.page.wait_for_timeout(100)
        m.pump()
    m.pump("axis", "log", "ended", "ended_data", "smooth")
    assert two.axis == "time"
    assert two.log == ["loss"]
    assert two.smooth == pytest.approx(0.05)
    seconds = m.page.locator(PLOT).first.locator("text").filter(has_text=re.compile(" s$"))
    seconds.first.wait_for(state="attached")
    m.page.locator(".lnb-raw").nth(1).wait_for(state="attached")  # the raw lines stay, pale


def test_dragging_zooms_and_fetches_what_was_left_out(mount):
    size = 300_000
    steps = np.arange(size)
    c = lnb.curves({"step": steps, "loss": np.sin(steps / 50.0)})
    m = mount(c)
    area = m.page.locator(PLOT).first
    coarse = area.locator("g[clip-path] path").first.get_attribute("d")
    box = area.bounding_box()
    m.page.mouse.move(box["x"] + 300, box["y"] + 50)
    m.page.mouse.down()
    m.page.mouse.move(box["x"] + 320, box["y"] + 60, steps=3)
    assert m.page.locator(".lnb-brush").is_visible()
    m.page.mouse.up()
    before = area.locator("g[clip-path] path").first.get_attribute("d")
    assert before != coarse
    assert m.pump() >= 1  # what is not answered soon is asked again
    expect(area.locator("g[clip-path] path").first).not_to_have_attribute("d", before, timeout=SOON)
    assert m.page.get_by_role("button", name="Reset zoom").is_enabled()
    m.page.get_by_role("button", name="Reset zoom").click()
    expect(area.locator("g[clip-path] path").first).to_have_attribute("d", coarse, timeout=SOON)


def test_live_points_move_no_element(mount):
    c = Curves(label="live")
    fill(c, "a", steps=60, end="")
    c.refresh()
    m = mount(c)
    m.page.wait_for_timeout(100)
    where = """all => all.map(e => {
        const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })"""
    before = m.page.locator(".lnb-plot, button, select, input").evaluate_all(where)
    assert m.page.locator(".lnb-state").inner_text() == "live"
    for step in range(61, 400):
        c.add("a", step, train_loss=0.2, lr=1e-3, val_loss=0.5 if step % 50 == 0 else None)
    c.refresh()
    m.pump("runs", "panels", "live", "live_data", "notes")
    m.page.wait_for_timeout(150)
    assert m.page.locator(".lnb-plot, button, select, input").evaluate_all(where) == before


def test_what_is_no_number_is_marked_with_a_word(mount):
    c = Curves()
    for step in range(1, 101):
        c.add("a", step, loss=float("nan") if step > 70 else 1.0)
    c.finish("a", "failed")
    m = mount(c)
    assert m.page.locator(".lnb-gap-word").text_content() == "no number"
    assert m.page.locator(".lnb-curves-notes").inner_text().startswith("loss became NaN at step 71")
    assert m.axe() == []


def test_downloads_of_picture_and_points(mount, two, tmp_path):
    m = mount(two, theme="dark")
    with m.page.expect_download() as got:
        m.page.get_by_role("button", name="Download the picture as PNG").click()
    got.value.save_as(tmp_path / "c.png")
    picture = Image.open(tmp_path / "c.png").convert("RGB")
    assert picture.size[0] > 600
    assert max(picture.getpixel((5, 5))) < 60, "the dark theme's background"
    assert len(picture.resize((200, 100)).getcolors(100_000)) > 50
    with m.page.expect_download() as got:
        m.page.get_by_role("button", name="Download all points as CSV").click()
        m.pump()
    got.value.save_as(tmp_path / "c.csv")
    again = lnb.curves(tmp_path / "c.csv")
    assert again.table()["train_loss"].to_pylist() == two.table()["train_loss"].to_pylist()


def test_a_lost_kernel_is_said(mount):
    c = Curves()
    fill(c, "a", end="")
    c.refresh()
    m = mount(c)
    m.page.evaluate("window.setLive(false)")
    state = m.page.locator(".lnb-state")
    expect(state).to_have_text("disconnected", timeout=SOON, use_inner_text=True)
    assert m.page.get_by_role("button", name="Download all points as CSV").is_disabled()
