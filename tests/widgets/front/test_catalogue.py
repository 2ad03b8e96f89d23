"""The catalogue's list in a bare page: search, keyboard, words for nothing and for trouble."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lancenb.widgets._catalogue_list import Catalogue

pytestmark = pytest.mark.browser


class Shelf:
    """A manager that only finds."""

    def __init__(self, count: int = 3):
        kinds = ("images", "weights", "table")
        self.all = [
            SimpleNamespace(
                name=f"artefact-{n:03}", kind=kinds[n % 3], description=f"number {n}",
                tags=["demo"] if n % 2 else [], aliases={"prod": n} if n % 4 == 1 else {},
            )
            for n in range(count)
        ]  # fmt: skip

    def search(self, text: str | None, kind: str | None = None, limit: int = 100) -> list[Any]:
        words = (text or "").split()
        found = [a for a in self.all if all(w in a.name for w in words)]
        return [a for a in found if kind in (None, a.kind)]


def catalogue(count: int = 3) -> Catalogue:
    made = Catalogue(Shelf(count))
    assert made.settle()
    return made


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_barrier_full_empty_and_in_trouble(mount: Callable[..., Any], theme: str) -> None:
    shown = mount(catalogue(), theme, width=280)
    shown.from_python(selected="artefact-001")
    shown.page.wait_for_selector("[aria-selected=true]")
    assert shown.axe() == []
    shown.from_python(items=[], total=0)
    shown.page.get_by_text("Nothing here yet. Download or convert something").wait_for()
    assert shown.axe() == []
    shown.from_python(query="zebra")
    shown.page.get_by_text("Nothing matches.").wait_for()
    shown.from_python(error="nobody answers at <b>http://h</b>", hint="is it running?")
    shown.page.get_by_text("nobody answers at <b>http://h</b>").wait_for()
    assert not shown.page.get_by_text("Nothing matches.").is_visible()
    assert shown.axe() == []


def test_typing_searches_once_and_the_list_follows(mount: Callable[..., Any]) -> None:
    made = catalogue(30)
    shown = mount(made, width=280)
    shown.page.get_by_label("Search the catalogue").press_sequentially("02", delay=20)
    shown.page.wait_for_function("window.sent.some(each => each.state?.query === '02')")
    assert shown.pump() <= 2, "a letter is not a search"
    assert made.settle()
    shown.pump("items", "total")
    shown.page.wait_for_function("document.querySelectorAll('[role=option]').length === 11")
    assert shown.page.get_by_role("status").inner_text() == "11 artefacts"
    shown.page.get_by_label("Kind").select_option("weights")
    shown.pump()
    assert made.settle()
    assert {item["kind"] for item in made.items} == {"weights"}
    shown.page.get_by_role("button", name="Refresh").click()
    assert shown.sent() == [{"msg": {"do": "refresh"}}]


def test_keyboard_alone_reaches_and_chooses(mount: Callable[..., Any]) -> None:
    shown = mount(catalogue(40), width=280)
    shown.page.get_by_label("Search the catalogue").focus()
    for key in ("Tab", "Tab", "Tab", "ArrowDown", "ArrowDown", "Enter"):
        shown.page.keyboard.press(key)
    assert shown.sent() == [{"state": {"selected": "artefact-002"}}]
    assert shown.page.locator("[aria-selected=true]").inner_text().startswith("artefact-002")
    for key in ("End", " "):
        shown.page.keyboard.press(key)
    assert shown.sent() == [{"state": {"selected": "artefact-039"}}]
    assert shown.page.locator("[role=option][tabindex='0']").count() == 1
    shown.from_python(items=shown.widget.items[:5], total=5)
    shown.page.wait_for_function("document.querySelectorAll('[role=option]').length === 5")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert shown.page.evaluate(focused) == "Search the catalogue", "the focus is never lost"


def test_long_names_stay_inside_and_five_hundred_scroll(mount: Callable[..., Any]) -> None:
    made = catalogue(500)
    items = [{**item, "name": item["name"] + "-long" * 30} for item in made.items]
    shown = mount(made, width=280)
    shown.from_python(items=items, total=812)
    shown.page.get_by_text("500 of 812; search to narrow").wait_for()
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert shown.page.locator(".lnb-list").bounding_box()["height"] < 480
