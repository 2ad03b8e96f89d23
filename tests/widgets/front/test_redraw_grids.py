"""Tables and tensors that are drawn again keep the focus, half-typed words, clicks and drags.

Keys and mouse are those of the page: a locator's ``press`` or ``fill`` would focus again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

import lancenb as lnb
from lancenb.convert.weights import save_weights
from lancenb.store import lance_module
from lancenb.widgets import TensorBrowser, compare
from tests.widgets.front.conftest import press_on
from tests.widgets.front.test_table import Table, things
from tests.widgets.front.test_tensor import settle

pytestmark = pytest.mark.browser
FOCUSED = "document.activeElement.ariaLabel ?? document.activeElement.innerText"


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """Two versions of the same tensors."""
    where = str(tmp_path / "m.lance")
    state = {f"block{b}.{part}": torch.randn(4) for b in range(60) for part in ("bias", "scale")}
    for _ in range(2):
        save_weights({**state, "conv": torch.randn(4, 3, 2, 2), "head": torch.randn(2, 3)}, where)
    return where


@pytest.fixture
def table(mount: Callable[..., Any], tmp_path: Path) -> Callable[..., Table]:
    def go(columns: dict[str, Any], **more: Any) -> Table:
        where = str(tmp_path / "t.lance")
        lance_module().write_dataset(pa.table(columns), where)
        view = lnb.TableView(where, **more)
        return Table(mount(view), view)

    return go


def test_a_click_in_the_tree_outlives_a_redraw(mount: Callable[..., Any], weights: str) -> None:
    shown = mount(TensorBrowser(weights, version=1))
    settle(shown)
    page = shown.page
    press_on(page.locator(".lnb-tt-row").filter(has_text="block0"))
    shown.from_python(selected="head", opened=["block1"])
    page.locator(".lnb-tt-row[aria-level='2']").first.wait_for()
    page.mouse.up()
    assert {"opened": ["block0", "block1"]} in shown.states()


def test_a_click_on_a_title_of_the_tree_outlives_a_redraw(
    mount: Callable[..., Any], weights: str
) -> None:
    shown = mount(TensorBrowser(weights, version=1))
    settle(shown)
    page = shown.page
    head = page.get_by_role("columnheader", name="name")
    press_on(head.get_by_role("button"))
    shown.from_python(flat=True)
    page.locator("[aria-rowcount='123']").wait_for()
    page.mouse.up()
    assert {"sort": "name"} in shown.states()
    page.locator("[role=columnheader][aria-sort=ascending]").wait_for()
    assert page.evaluate(FOCUSED).startswith("name")
    page.keyboard.press("Enter")
    assert {"sort": "-name"} in shown.states()


def test_a_filter_of_tensors_is_kept_though_one_goes_on(
    mount: Callable[..., Any], weights: str
) -> None:
    shown = mount(TensorBrowser(weights, version=1))
    settle(shown)
    pattern = shown.page.get_by_label("filter tensors")
    pattern.focus()
    shown.hold()
    shown.page.keyboard.type("head")
    shown.page.keyboard.press("Enter")
    shown.from_python(flat=True)
    shown.page.locator("[aria-rowcount='123']").wait_for()
    assert pattern.input_value() == "head"
    shown.release()
    assert {"pattern": "head"} in shown.states()


def test_a_number_half_typed_outlives_other_axes(mount: Callable[..., Any], weights: str) -> None:
    shown = mount(TensorBrowser(weights, version=1, selected="conv", axes=[0, 1]))
    settle(shown)
    page = shown.page
    field = page.get_by_label("position in dimension 3, as a number")
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("1")
    shown.widget.axes = [2, 1]
    shown.from_python(axes=[2, 1])
    settle(shown)
    page.get_by_label("position in dimension 0, as a number").wait_for()
    assert field.input_value() == "1"
    page.keyboard.press("Enter")
    settle(shown)
    assert (shown.widget.axes, shown.widget.index[3]) == ([2, 1], 1)


def test_figures_that_are_told_again_keep_the_focus(
    mount: Callable[..., Any], weights: str
) -> None:
    shown = mount(compare(weights, 1, 2, "head"))
    settle(shown)
    region = shown.page.get_by_role("region", name="figures")
    region.focus()
    told = region.inner_text()
    shown.from_python(measured=1)
    settle(shown)
    assert shown.page.evaluate(FOCUSED) == "figures"
    assert region.inner_text() == told


def test_a_click_on_a_head_outlives_figures(table: Callable[..., Table]) -> None:
    shown = table(things())
    shown.sees("7 distinct")
    page, stats = shown.page, shown.view.stats
    shown.mounted.from_python(stats={})
    page.get_by_text("7 distinct").wait_for(state="detached")
    shown.mounted.states()
    press_on(page.locator(".lnb-tv-th").get_by_text("name", exact=True))
    shown.mounted.from_python(stats=stats)
    page.get_by_text("7 distinct").wait_for()
    page.mouse.up()
    assert {"sort": {"column": 1, "way": "asc"}} in shown.mounted.states()


def test_a_column_is_dragged_on_while_figures_come(table: Callable[..., Table]) -> None:
    shown = table(things())
    shown.sees("7 distinct")
    page = shown.page
    wide = "() => document.querySelectorAll('.lnb-tv-th')[1].getBoundingClientRect().width"
    was, edge = page.evaluate(wide), page.locator(".lnb-tv-edge").nth(1).bounding_box()
    x, y = edge["x"] + 2, edge["y"] + 20
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y)
    shown.mounted.from_python(stats={})
    page.get_by_text("7 distinct").wait_for(state="detached")
    page.mouse.move(x + 60, y)
    page.mouse.up()
    assert page.evaluate(wide) == pytest.approx(was + 60, abs=1)


def test_a_click_on_a_row_that_waits_is_one_on_the_row_that_comes(
    table: Callable[..., Table],
) -> None:
    shown = table(things())
    press_on(shown.page.locator(".lnb-tv-body [aria-rowindex='5'] [role=gridcell]").first)
    shown.sees("name 1")
    shown.page.mouse.up()
    assert shown.active() == "3"


def test_a_selection_that_is_cleared_leaves_the_focus_to_the_rows(
    table: Callable[..., Table],
) -> None:
    shown = table(things())
    shown.sees("name 1")
    shown.page.locator(".lnb-tv-body [aria-rowindex='6'] [role=rowheader]").click()
    shown.until(lambda: shown.view.selected == [4])
    drop = shown.page.get_by_role("button", name="Clear selection")
    drop.focus()
    shown.page.keyboard.press("Enter")
    drop.wait_for(state="hidden")
    shown.keys("ArrowDown")
    assert shown.active() == "5"


def test_a_filter_half_typed_outlives_another(table: Callable[..., Table]) -> None:
    shown = table(things(20))
    page, box = shown.page, shown.page.get_by_label("Filter (SQL)")
    box.focus()
    page.keyboard.type("id > ")
    shown.mounted.from_python(asked="id < 5", title="another")
    page.get_by_text("another", exact=True).wait_for()
    page.keyboard.type("7")
    assert box.input_value() == "id > 7"
    page.keyboard.press("Escape")
    assert box.input_value() == "id < 5"
    for key in ("End", "5"):
        page.keyboard.press(key)
    # somebody who writes on before the next frame is drawn
    box.evaluate("b => b.addEventListener('keydown', () => { b.value += ' AND'; }, {once: true})")
    page.keyboard.press("Enter")
    shown.until(lambda: shown.view.where == "id < 55")
    shown.sees("20 match")
    assert box.input_value() == "id < 55 AND"


def test_the_end_of_a_long_text_keeps_the_focus(table: Callable[..., Table]) -> None:
    shown = table({"text": ["long " * 100_000]})
    shown.sees("long")
    shown.grid.focus()
    shown.keys("Enter")
    shown.sees("First")
    more = shown.page.get_by_role("button", name="Show more")
    more.focus()

    def length() -> int:
        return shown.page.evaluate("document.querySelector('.lnb-tv-text').textContent.length")

    while more.is_visible():
        before = length()
        shown.keys("Enter")
        shown.until(lambda n=before: length() > n)
    assert shown.page.evaluate(FOCUSED) == "the whole value"
