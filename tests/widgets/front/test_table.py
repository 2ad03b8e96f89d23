"""The table in a browser: keys, filter, order, figures, the pane."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.store import lance_module
from tests.widgets.front.conftest import Mounted

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror='hacked = 1'>"
SHARED = ["title", "chips", "columns", "shown", "total", "count", "asked", "where", "sort"]
SHARED += ["epoch", "busy", "problem", "stats", "measuring", "selected", "at", "reading"]
SHARED += ["wrap", "mono", "code"]


class Table:
    """A mounted view whose widget answers like one in a kernel."""

    def __init__(self, mounted: Mounted, view: lnb.TableView):
        self.mounted, self.view, self.page = mounted, view, mounted.page
        self.known: dict[str, Any] = {}
        self.grid = self.page.locator(".lnb-tv-grid")

    def until(self, true: Callable[[], Any], seconds: float = 120) -> Any:
        """Carry messages until ``true()``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.mounted.pump()
            state = self.view.get_state(SHARED)
            fresh = {n: v for n, v in state.items() if self.known.get(n) != v}
            if fresh:
                self.known.update(fresh)
                self.mounted.from_python(**fresh)
            self.page.wait_for_timeout(30)
            found = true()
            if found:
                return found
        raise AssertionError(f"never came: {self.page.inner_text('body')[:800]}")

    def sees(self, text: str) -> None:
        self.until(lambda: text in self.page.inner_text("body"))

    def reorder(self, order_by: str) -> None:
        """Order rows as the kernel does; the page has forgotten its own and waits for others."""
        self.view.sort_by(order_by)
        self.tell()
        self.page.locator(".lnb-tv-wait").first.wait_for()

    def tell(self) -> None:
        """Carry the traits to the page, and no answers."""
        self.known = self.view.get_state(SHARED)
        self.mounted.from_python(**self.known)

    def number(self, row: int) -> Any:
        """Return the cell with the number of a row in sight."""
        return self.page.locator(f".lnb-tv-body [aria-rowindex='{row + 2}'] [role=rowheader]")

    def active(self) -> str:
        """Return what the active cell says."""
        name = self.grid.get_attribute("aria-activedescendant")
        return self.page.locator(f"[id='{name}']").inner_text() if name else ""

    def keys(self, *names: str) -> None:
        for name in names:
            self.page.keyboard.press(name)


@pytest.fixture
def table(mount: Any, tmp_path: Path) -> Callable[..., Table]:
    def go(columns: Any, theme: str = "light", width: int = 800, **more: Any) -> Table:
        uri = str(tmp_path / "things.lance")
        lance_module().write_dataset(pa.table(columns), uri)
        view = lnb.TableView(uri, **more)
        made = Table(mount(view, theme, width), view)
        made.until(
            lambda: made.page.locator(".lnb-tv-body [role=gridcell]").count() or not view.count
        )
        return made

    return go


def things(n: int = 1000) -> dict[str, Any]:
    return {
        "id": range(n),
        "name": [f"name {i % 7}" if i % 5 else None for i in range(n)],
        "text": ["" if i % 2 else "\u202eevil\x1b" + EVIL * 9 for i in range(n)],
        EVIL: [i / 8 for i in range(n)],
    }


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 760)])
def test_no_barriers_and_nothing_runs(table: Callable[..., Table], theme: str, width: int):
    shown = table(things(), theme, width)
    shown.sees("Figures from all 1,000 rows")
    shown.sees("7 distinct")
    shown.until(lambda: "\\u202e" in shown.page.locator(".lnb-tv-body").inner_text())
    assert shown.mounted.axe() == []
    assert shown.page.evaluate("window.hacked") is None
    assert "\u202e" not in shown.page.inner_text("body")
    assert shown.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert shown.grid.get_attribute("aria-rowcount") == "1001"


def test_keys_alone(table: Callable[..., Table]):
    shown = table(things())
    shown.sees("name 1")
    shown.grid.focus()
    shown.keys("ArrowDown", "ArrowRight")
    assert shown.active() == "name 1"
    shown.keys("Control+End")
    shown.until(lambda: shown.active() == "124.875")
    assert "999" in shown.page.inner_text(".lnb-tv-body")
    shown.keys("Control+Home", "ArrowUp", "Enter")
    shown.until(lambda: shown.view.sort == {"column": 0, "way": "asc"})
    shown.keys("ArrowUp", "Enter")
    shown.until(lambda: shown.view.sort.get("way") == "desc")
    shown.sees("1–")
    shown.until(lambda: shown.page.locator("[aria-sort=descending]").count() == 1)
    first = shown.page.locator(".lnb-tv-body [role=gridcell]").first
    shown.until(lambda: first.inner_text() == "999")
    shown.keys("ArrowDown", "Space", "Shift+ArrowDown")
    shown.until(lambda: shown.view.selected == [998, 999])
    assert shown.page.locator("[role=row][aria-selected=true]").count() == 2
    shown.keys("ArrowRight", "ArrowRight", "Enter")
    shown.sees("characters")
    assert shown.page.locator(".lnb-tv-text").inner_text().startswith("\\u202eevil\\u001b" + EVIL)
    assert shown.mounted.axe() == []
    shown.keys("Escape")
    shown.until(lambda: not shown.view.reading)
    assert shown.grid.evaluate("g => g === document.activeElement")


def test_rows_chosen_before_they_come_are_selected_when_they_do(table: Callable[..., Table]):
    shown = table(things())
    shown.reorder("id desc")
    shown.number(2).click()
    shown.number(4).click()
    shown.until(lambda: shown.view.selected == [995, 997])
    shown.until(lambda: shown.page.locator("[role=row][aria-selected=true]").count() == 2)
    shown.reorder("id")
    shown.number(3).click()
    shown.number(5).click(modifiers=["Shift"])
    shown.until(lambda: shown.view.selected == [3, 4, 5, 995, 997])
    shown.reorder("id desc")
    shown.number(2).click()  # once more: not selected any longer
    shown.grid.focus()
    shown.keys("Control+Home", "Space", "Shift+ArrowDown")
    shown.until(lambda: shown.view.selected == [3, 4, 5, 995, 998, 999])


def test_a_row_chosen_in_an_order_that_never_came_is_not_selected(table: Callable[..., Table]):
    shown = table(things())
    shown.reorder("id desc")
    shown.number(2).click()
    shown.reorder("id")
    shown.until(lambda: shown.number(1).inner_text() == "1")
    shown.number(1).click()
    shown.until(lambda: 1 in shown.view.selected)
    assert shown.view.selected == [1]


def test_a_selection_from_elsewhere_holds_against_a_row_that_waits(table: Callable[..., Table]):
    shown = table(things())
    shown.reorder("id desc")
    shown.number(2).click()
    shown.view.selected = [5]
    shown.tell()
    shown.until(lambda: shown.number(1).inner_text() == "998")
    shown.number(1).click()
    shown.until(lambda: 998 in shown.view.selected)
    assert shown.view.selected == [5, 998]


def test_the_filter_says_what_is_wrong(table: Callable[..., Table]):
    shown = table(things())
    box = shown.page.get_by_label("Filter (SQL)")
    box.fill("nmae = 'x'")
    box.press("Enter")
    shown.sees("did you mean 'name'")
    assert box.get_attribute("aria-invalid") == "true"
    assert shown.page.locator("[role=alert]").first.is_visible()
    box.fill("id >= 990")
    box.press("Enter")
    shown.sees("10 match")
    shown.sees("of 10 that match")
    assert box.get_attribute("aria-invalid") == "false"
    shown.until(lambda: "where='id >= 990'" in shown.page.inner_text(".lnb-code"))
    box.fill("id > 99999")
    box.press("Enter")
    shown.sees("No row matches the filter.")
    shown.page.get_by_role("button", name="Clear", exact=True).click()
    shown.sees("Rows 0–")


def test_columns_are_chosen(table: Callable[..., Table]):
    shown = table({f"c{i:03}": [i] for i in range(150)})
    shown.page.locator("summary").filter(has_text="Columns 30 of 150").click()
    shown.page.get_by_label("Find a column").fill("c14")
    shown.page.get_by_text("c149", exact=True).click()
    shown.until(lambda: 149 in shown.view.shown)
    shown.sees("Columns 31 of 150")
    shown.page.get_by_role("button", name="Only one").click()
    shown.until(lambda: shown.view.shown == [0])
    shown.keys("Escape")
    shown.until(lambda: shown.page.locator("[role=columnheader]").count() == 2)


def test_a_million_rows_scroll(table: Callable[..., Table]):
    shown = table({"id": range(1_000_000)})
    shown.sees("Rows 0–")
    shown.grid.evaluate("g => { g.scrollTop = 3e6; }")
    first = shown.page.locator(".lnb-tv-body [role=gridcell]").first
    shown.until(lambda: 400_000 < int(first.inner_text() or 0) < 600_000)
    shown.grid.focus()
    shown.keys("Control+End")
    shown.until(lambda: shown.active() == "999999")
    shown.keys("PageUp")
    shown.until(lambda: shown.active() not in ("", "999999"))
    assert int(shown.active()) > 999_900
    assert shown.page.locator(".lnb-tv-body [role=row]").count() < 60


def test_figures_of_a_column_and_all_rows(
    table: Callable[..., Table], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lancenb.widgets._figures.FIRST_ROWS", 100)
    shown = table(things())
    shown.sees("Figures from the first 100 of 1,000 rows")
    shown.page.locator(".lnb-tv-th .lnb-tv-figures").nth(1).click()
    shown.sees("mean length")
    shown.page.get_by_role("button", name="Measure all rows").click()
    shown.sees("Figures from all 1,000 rows")
    assert shown.mounted.axe() == []


def test_values_come_back_after_a_reload_and_a_dead_kernel_is_told(
    table: Callable[..., Table], mount: Any
):
    shown = table(things())
    shown.grid.focus()
    shown.keys("PageDown", "PageDown", "PageDown", "Enter")
    shown.until(lambda: shown.view.at[0] > 20 and shown.view.reading)
    again = Table(mount(shown.view), shown.view)
    again.until(lambda: again.active() == str(shown.view.at[0]))
    again.sees(f"row {shown.view.at[0]}")
    again.page.evaluate("window.setLive(false)")
    again.sees("Disconnected")


def test_empty_and_busy(table: Callable[..., Table]):
    shown = table({"a": pa.array([], pa.int64())}, "dark", 480)
    shown.sees("The table has no rows yet.")
    assert shown.mounted.axe() == []
    shown.mounted.from_python(busy="Sorting …")
    shown.page.wait_for_function("document.body.innerText.includes('Sorting …')")
