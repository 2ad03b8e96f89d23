"""What draws itself again keeps the focus, half-typed words, and clicks that have begun.

Keys and mouse are those of the page: a locator's ``press`` or ``fill`` would focus again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.store import lance_module
from lancenb.widgets.audio import AudioPlayer
from tests.widgets.front.conftest import press_on
from tests.widgets.front.test_catalogue import catalogue
from tests.widgets.front.test_curves import fill
from tests.widgets.front.test_gallery import png, settle
from tests.widgets.front.test_timeline import timeline
from tests.widgets.test_audio import tone

pytestmark = pytest.mark.browser
FOCUSED = "document.activeElement.ariaLabel ?? document.activeElement.innerText"


def test_a_click_in_the_catalogue_outlives_a_new_list(mount: Callable[..., Any]) -> None:
    shown = mount(catalogue(3), width=280)
    press_on(shown.page.get_by_text("artefact-001"))
    first, chosen, last = shown.widget.items
    fresh = {**chosen, "tags": ["new"]}
    shown.from_python(items=[first, fresh, last, {**last, "name": "more"}], total=4)
    shown.page.get_by_text("4 artefacts").wait_for()
    shown.page.get_by_text("new", exact=True).wait_for()
    shown.page.mouse.up()
    assert shown.states() == [{"selected": "artefact-001"}]
    assert shown.page.evaluate("document.activeElement.dataset.name") == "artefact-001"
    shown.from_python(items=[{**first, "name": "a"}, fresh, last])
    shown.page.get_by_text("a", exact=True).wait_for()
    assert shown.page.evaluate("document.activeElement.dataset.name") == "artefact-001"
    shown.page.keyboard.press("Enter")
    assert shown.states() == [{"selected": "artefact-001"}]


def test_words_typed_in_the_catalogue_are_asked_though_one_goes_on(
    mount: Callable[..., Any],
) -> None:
    shown = mount(catalogue(3), width=280)
    search = shown.page.get_by_label("Search the catalogue")
    search.focus()
    shown.hold()
    shown.page.keyboard.type("02")
    shown.page.keyboard.press("Tab")
    shown.from_python(total=99)
    shown.page.get_by_text("3 of 99").wait_for()
    assert search.input_value() == "02"
    shown.release()
    assert shown.states()[-1] == {"query": "02"}


def test_smoothing_is_kept_though_one_goes_on(mount: Callable[..., Any]) -> None:
    curves = lnb.widgets.Curves(label="one run")
    fill(curves, "a")
    shown = mount(curves)
    slider = shown.page.get_by_label("smoothing")
    slider.focus()
    shown.hold()
    for key in ("ArrowRight", "ArrowRight", "Tab"):
        shown.page.keyboard.press(key)
    shown.from_python(label="another")
    shown.page.get_by_text("another", exact=True).wait_for()
    assert slider.input_value() == "0.02"
    shown.release()
    assert shown.states()[-1] == {"smooth": 0.02}


@pytest.fixture
def player(mount: Callable[..., Any], tmp_path: Path) -> Any:
    """The player of twelve clips."""
    where = str(tmp_path / "sounds.lance")
    lance_module().write_dataset(pa.table({"audio": [tone(seconds=0.1)] * 12}), where)
    return mount(AudioPlayer(where))


def test_a_number_of_a_row_half_typed_outlives_a_redraw(player: Any) -> None:
    page, field = player.page, player.page.get_by_role("spinbutton", name="Row")
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("1")
    player.from_python(title="another")
    page.get_by_text("another", exact=True).wait_for()
    page.keyboard.type("0")
    assert field.input_value() == "10"
    page.keyboard.press("Enter")
    assert {"row": 10} in player.states()


def test_the_last_clip_keeps_the_focus(player: Any) -> None:
    page, field = player.page, player.page.get_by_role("spinbutton", name="Row")
    player.from_python(row=10)
    page.wait_for_function("document.querySelector('input').value === '10'")
    last = page.get_by_role("button", name="Next")
    last.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('button:disabled').length === 1")
    page.wait_for_function("!document.activeElement.disabled")
    assert page.evaluate(FOCUSED) == "Row"
    assert field.input_value() == "11"


def test_a_version_keeps_a_click_when_the_list_is_read_again(mount: Callable[..., Any]) -> None:
    shown = mount(timeline(3))
    press_on(shown.page.get_by_text("version 2"))
    first = [{**each, "words": "read again"} for each in shown.widget.first]
    shown.from_python(first=first, stamp=shown.widget.stamp + 1)
    shown.page.get_by_text("read again").nth(2).wait_for()
    shown.page.mouse.up()
    assert shown.states() == [{"at": 1}]


def test_the_last_picture_keeps_the_keys_of_its_view(
    mount: Callable[..., Any], tmp_path: Path
) -> None:
    place = str(tmp_path / "few.lance")
    lnb.convert(pa.table({"image": pa.array([png(i) for i in range(2)], pa.binary())}), place)
    gallery = lnb.Gallery(place)
    gallery.wait()
    shown = mount(gallery)
    page = shown.page
    page.wait_for_selector(".lnb-gallery-cell[data-state=shown]")
    page.focus(".lnb-gallery-box")
    for key in ("Space", "Enter"):
        page.keyboard.press(key)
    page.get_by_role("dialog", name="Row 0").wait_for()
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Row 1").wait_for()
    page.wait_for_function("!document.activeElement.disabled")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("dialog", name="Row 0").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    settle(shown)
    page.get_by_role("button", name="Clear selection").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Clear selection").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.className") == "lnb-gallery-box"
    gallery.close()
