"""The gallery's front end in a bare page: what it asks for, how it scrolls, selects and opens."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import lancenb as lnb

pytestmark = pytest.mark.browser


def png(seed: int, side: int = 24) -> bytes:
    """Return a little noisy picture."""
    rng = np.random.default_rng(seed)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A table of 1,000,000 pictures, few different ones, one of them damaged."""
    place = str(tmp_path_factory.mktemp("many") / "many.lance")
    images = pa.array([png(i) for i in range(9)] + [b"no picture"], pa.binary())
    which = pa.array(np.arange(100_000) % 10, pa.int32())
    labels = pa.array(np.arange(100_000) % 3, pa.int64())
    batch = pa.table({"image": images.take(which), "label": labels})
    lnb.convert(pa.concat_tables([batch] * 10), place)
    return place


@pytest.fixture
def gallery(many: str) -> Iterator[lnb.Gallery]:
    """The gallery of a million rows."""
    view = lnb.Gallery(many)
    view.wait()
    yield view
    view.close()


TRAITS = (
    *("where", "chosen", "classes", "busy", "problem", "total", "matches"),
    *("first", "first_items", "view", "picked", "size"),
)


def scroll(mounted: Any, to: float) -> None:
    mounted.page.evaluate("to => { document.querySelector('.lnb-gallery-box').scrollTop = to }", to)


def settle(mounted: Any, rounds: int = 400) -> list[tuple[Any, list[bytes]]]:
    """Carry messages until the page asks nothing more; return what Python sent."""
    sent: list[tuple[Any, list[bytes]]] = []
    quiet = 0
    for _ in range(rounds):
        mounted.page.wait_for_timeout(60)
        moved = mounted.pump()
        mounted.widget._desk.settle(10)
        sent += mounted._out
        moved += len(mounted._out)
        moved += mounted.pump("picked", "view", "matches", "first", "first_items", "size")
        quiet = 0 if moved else quiet + 1
        if quiet == 8:  # a busy page may take its time
            break
    return sent


def seen(mounted: Any) -> list[int]:
    return mounted.page.evaluate(
        "[...document.querySelectorAll('.lnb-gallery-cell:not([hidden])')]"
        ".map(e => +e.dataset.index).sort((a, b) => a - b)"
    )


def test_the_first_page_shows_without_asking(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    assert mounted.page.locator(".lnb-gallery-cell[data-state=shown]").count() > 10
    assert mounted.page.get_by_role("status").inner_text() == "1,000,000 images"
    first = mounted.page.get_by_role("option", name="row 0: 0")
    mounted.page.wait_for_function("[...document.images].every(image => image.complete)")
    assert first.locator("img").get_attribute("alt") == "row 0: 0"
    cell, picture = first.bounding_box(), first.locator("img").bounding_box()
    middle = picture["x"] + picture["width"] / 2
    assert middle == pytest.approx(cell["x"] + cell["width"] / 2, abs=0.6)
    broken = mounted.page.locator(".lnb-gallery-cell[data-index='9']")
    assert "cannot be decoded" in broken.inner_text()
    assert mounted.axe() == []


def test_a_first_page_that_comes_late_is_shown_without_asking(gallery: Any, mount: Any) -> None:
    begun = {name: getattr(gallery, name) for name in ("first", "first_items", "busy")}
    gallery.put(first=b"", first_items=[], busy=True)
    mounted = mount(gallery)
    mounted.page.wait_for_timeout(150)
    assert "loading" in mounted.page.get_by_role("status").inner_text()
    assert mounted.page.locator(".lnb-gallery-cell[data-state=waiting]").count() > 10
    assert [each for each in mounted.sent() if each.get("msg", {}).get("ask") == "page"] == []
    mounted.from_python(**begun)
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    assert mounted.page.locator(".lnb-gallery-cell[data-state=shown]").count() > 10


def test_the_last_of_a_million_rows_is_reached_and_little_is_read(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    before = gallery._thumbs.read
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    scroll(mounted, 1e9)
    sent = settle(mounted)
    assert seen(mounted)[-1] == 999_999
    assert mounted.page.locator(".lnb-gallery-cell[data-state=waiting]:not([hidden])").count() == 0
    assert gallery._thumbs.read - before <= 5 * len(seen(mounted))
    assert max(sum(map(len, blobs)) for _, blobs in sent) < 1_000_000


def test_the_middle_of_the_scroll_bar_is_the_middle_of_the_table(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    mounted.page.evaluate(
        "b => { b = document.querySelector('.lnb-gallery-box');"
        " b.scrollTop = (b.scrollHeight - b.clientHeight) / 2; }"
    )
    settle(mounted)
    assert abs(seen(mounted)[0] - 500_000) < 2_000
    before = seen(mounted)[0]
    mounted.page.hover(".lnb-gallery-box")
    mounted.page.mouse.wheel(0, 150)  # a turn of the wheel is one row, not thousands
    settle(mounted)
    assert 0 < seen(mounted)[0] - before < 60


def test_keys_move_select_and_open(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    page = mounted.page
    page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    page.focus(".lnb-gallery-box")
    for key in ("ArrowRight", "Space", "ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    settle(mounted)
    assert gallery.selected == [2, 3]
    page.keyboard.press("End")
    page.keyboard.press("Control+Space")
    settle(mounted)
    assert gallery.selected == [2, 3, 999_999]
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    settle(mounted)
    dialog = page.get_by_role("dialog")
    assert "Row 0" in dialog.inner_text()
    assert dialog.locator("dt").all_inner_texts() == ["image", "label"]
    assert mounted.axe() == []
    page.keyboard.press("ArrowRight")
    settle(mounted)
    assert "Row 1" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert page.evaluate("document.activeElement.className") == "lnb-gallery-box"
    page.keyboard.press("Escape")
    settle(mounted)
    assert gallery.selected == []


def test_mouse_selects_one_more_and_a_range(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    cell = mounted.page.locator(".lnb-gallery-cell:not([hidden])")
    cell.first.wait_for()
    at = mounted.page.locator
    at("[data-index='1']").click()
    at("[data-index='4']").click(modifiers=["Shift"])
    settle(mounted)
    assert gallery.selected == [1, 2, 3, 4]
    at("[data-index='2']").click(modifiers=["Control"])
    settle(mounted)
    assert gallery.selected == [1, 3, 4]
    assert "3 selected" in mounted.page.get_by_role("status").inner_text()
    mounted.page.get_by_role("button", name="Clear selection").click()
    settle(mounted)
    assert gallery.selected == []


def test_filters_and_their_faults(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    page = mounted.page
    box = page.get_by_label("SQL filter")

    def apply() -> None:
        page.wait_for_timeout(80)
        mounted.pump()
        gallery.wait()
        mounted.pump(*TRAITS)
        page.wait_for_timeout(80)

    box.fill("nothing = 1")
    box.press("Enter")
    apply()
    assert "nothing" in page.get_by_role("alert").inner_text()
    assert "1,000,000 images" in page.get_by_role("status").inner_text()
    box.fill("label > 7")
    box.press("Enter")
    apply()
    page.get_by_text("No image matches").wait_for()
    assert page.get_by_role("alert").count() == 0
    box.fill("")
    box.press("Enter")
    apply()
    page.get_by_label("class", exact=True).select_option("2")
    apply()
    page.wait_for_function("document.querySelector('[role=status]').innerText.includes('333,33')")
    assert page.get_by_role("option", name="row 2: 2").count() == 1
    page.get_by_label("jump to row").fill("500")
    page.get_by_label("jump to row").press("Enter")
    settle(mounted)
    active = page.locator(".lnb-gallery-active")
    assert active.get_attribute("aria-label").startswith("row 500")


def test_fast_scrolling_drops_what_is_no_longer_in_sight(
    gallery: Any, mount: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, go = gallery._source.take, threading.Event()
    monkeypatch.setattr(gallery._source, "take", lambda *a: (go.wait(600), take(*a))[1])
    mounted = mount(gallery)
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    before = gallery._thumbs.read
    mounted.page.evaluate("""async () => {
      const box = document.querySelector('.lnb-gallery-box');
      for (let step = 1; step < 30; step += 1) {
        box.scrollTop = step * 1e5;
        await new Promise(r => setTimeout(r, 10));
      } }""")  # in the page: the pace of the driver does not count
    mounted.pump()
    go.set()  # everything was asked while the first answer was read
    settle(mounted)
    assert gallery._thumbs.read - before <= 8 * len(seen(mounted))
    assert mounted.page.locator(".lnb-gallery-cell[data-state=waiting]:not([hidden])").count() == 0


def pages(mounted: Any) -> list[str]:
    asked = [each["msg"] for each in mounted.sent() if "msg" in each]
    return [each["id"] for each in asked if each.get("ask") == "page"]


def test_what_was_scrolled_past_is_not_asked_for_again(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    mounted.page.evaluate("""() => { const real = window.setTimeout;
      window.late = [];
      window.setTimeout = (f, ms, ...args) =>
        ms === 2000 ? window.late.push(f) : real(f, ms, ...args); }""")
    for count in (1, 2):
        scroll(mounted, 2e6 * count)
        mounted.page.wait_for_function("count => window.late.length === count", arg=count)
    first, second = pages(mounted)[-2:]
    mounted.page.evaluate("window.late.forEach(f => f())")  # no answer for two seconds
    assert pages(mounted) == [second] != [first]


def test_a_failed_read_is_said_and_tried_again(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery)
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    good = gallery._source.take
    gallery._source.take = lambda *a: (_ for _ in ()).throw(OSError("the store is gone"))
    scroll(mounted, 2e6)
    settle(mounted, 20)
    assert "the store is gone" in mounted.page.get_by_role("alert").inner_text()
    gallery._source.take = good
    mounted.page.get_by_role("button", name="Try again").click()
    settle(mounted)
    assert mounted.page.locator(".lnb-gallery-cell[data-state=waiting]:not([hidden])").count() == 0


def test_without_a_kernel_it_says_so(gallery: Any, mount: Any) -> None:
    mounted = mount(gallery, theme="dark")
    mounted.page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    mounted.page.evaluate("window.setLive(false)")
    assert "disconnected" in mounted.page.get_by_role("alert").inner_text()
    assert mounted.page.get_by_label("SQL filter").is_disabled()
    assert mounted.axe() == []
