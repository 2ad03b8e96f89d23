"""The list of versions and the field of chips in a bare page: keys, paging, words, barriers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lancenb.catalog import Version
from lancenb.widgets._labels import Labels
from lancenb.widgets._timeline import Timeline

pytestmark = pytest.mark.browser


def timeline(count: int = 3) -> Timeline:
    made = Timeline()
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    versions = [
        Version(
            n, time, 10 * n, f"step {n} <b>", ("prod",) if n == 2 else (), {"lancenb.actor": "ann"},
            1000 * n, n == count, 10, 0, 1000, 0,
        )
        for n in range(1, count + 1)
    ]  # fmt: skip
    made.load(versions)
    return made


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_barrier_full_empty_and_in_trouble(mount: Callable[..., Any], theme: str) -> None:
    shown = mount(timeline(), theme)
    assert shown.page.get_by_role("option").count() == 3
    text = shown.page.get_by_role("option").nth(1).inner_text()
    assert "version 2" in text
    assert "prod" in text
    assert "step 2 <b>" in text
    assert "+10 rows" in text
    assert "by ann" in text
    shown.from_python(at=1)
    shown.page.wait_for_selector("[aria-selected=true]")
    assert shown.axe() == []
    shown.from_python(total=0, first=[], stamp=9, at=-1, state="empty")
    shown.page.get_by_text("Name an artefact to see its versions.").wait_for()
    assert shown.axe() == []
    shown.from_python(error="there is no artefact 'x'", hint="did you mean 'y'?", state="failed")
    shown.page.get_by_text("did you mean 'y'?").wait_for()
    assert shown.axe() == []


def test_keys_choose_among_thousands_and_few_rows_exist(mount: Callable[..., Any]) -> None:
    made = timeline(5000)
    shown = mount(made)
    page, box = shown.page, shown.page.get_by_role("listbox")
    box.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    shown.pump("at")
    page.get_by_text("version 1", exact=True).wait_for()
    assert made.at == 4999
    assert page.locator(".lnb-version").count() < 40
    active = box.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-posinset") == "5000"
    page.keyboard.press("Home")
    page.keyboard.press("PageDown")
    shown.pump("at")
    assert 1 < made.at < 6
    page.locator(".lnb-version").first.click()
    shown.pump("at")
    assert made.chosen.version > 4990


def test_chips_are_added_and_removed_by_keys_and_clicks(mount: Callable[..., Any]) -> None:
    made = Labels("Tags", options=["demo"], placeholder="type a word, press Enter")
    shown = mount(made)
    page, field = shown.page, shown.page.get_by_role("combobox")
    field.fill("one")
    field.press("Enter")
    field.fill("two, one, three")
    field.press("Enter")
    shown.pump("value")
    assert made.value == ["one", "two", "three"]
    field.press("Backspace")
    page.get_by_role("button", name="Remove one").click()
    shown.pump("value")
    assert made.value == ["two"]
    assert shown.axe() == []


def test_the_field_of_chips_keeps_focus_and_half_typed_words(mount: Callable[..., Any]) -> None:
    """No call here focuses the field again: what redraws must not take the focus from it."""
    made = Labels("Tags", value=["old"])
    shown = mount(made)
    page, field = shown.page, shown.page.get_by_role("combobox")
    field.focus()
    for word in ("one", "two"):
        page.keyboard.type(word)
        page.keyboard.press("Enter")
        page.get_by_text(word, exact=True).wait_for()
    page.keyboard.press("Backspace")
    page.get_by_text("two", exact=True).wait_for(state="detached")
    page.keyboard.type("hal")
    shown.pump("value")
    shown.from_python(value=["new", "old", "one"], options=["half"])
    page.get_by_text("new", exact=True).wait_for()
    page.keyboard.type("f")
    assert field.input_value() == "half"
    assert made.value == ["old", "one"]
    assert shown.sent() == []
    assert page.locator(".lnb-label .lnb-cut").all_inner_texts() == ["new", "old", "one"]


def test_a_click_on_a_chip_outlives_a_redraw(mount: Callable[..., Any]) -> None:
    made = Labels("Tags", value=["one", "two"])
    shown = mount(made)
    page = shown.page
    page.get_by_role("button", name="Remove one").hover()
    page.mouse.down()
    shown.from_python(value=["one", "two", "three"])
    page.get_by_text("three", exact=True).wait_for()
    page.mouse.up()
    page.get_by_text("one", exact=True).wait_for(state="detached")
    shown.pump("value")
    assert made.value == ["two", "three"]
