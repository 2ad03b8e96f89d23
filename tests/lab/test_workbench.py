"""The workbench in a real JupyterLab: the whole road by clicks, by keys, in two tabs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import PATIENT, Lab

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

STORE = (
    PATIENT
    + """
import tempfile
from pathlib import Path
import torch
import lancenb as lnb

work = Path(tempfile.mkdtemp())
dm = lnb.DataManager(work / "store")
drawn = lnb.download("synthetic", split="train", limit=120)
dm.convert(drawn, "shapes", kind="images", description="ten classes, drawn by seed", tags=["demo"])
for seed in (1, 2, 3):
    torch.manual_seed(seed)
    state = {"conv1.weight": torch.randn(8, 3, 3, 3), "fc.weight": torch.randn(10, 8)}
    dm.save_weights("small-net", state, parents=["shapes"], message=f"trained with seed {seed}")
dm.tag("small-net", "prod", version=2)
people = work / "people.csv"
people.write_text("name,age,city\\n" + "".join(f"Ada {i},{20 + i},Paris\\n" for i in range(40)))
dm.convert(people, "people", description="forty people")
"""
)
BENCH = "bench = lnb.Workbench(dm); bench"


def choose(book: Lab, name: str) -> None:
    """Click an artefact in the catalogue."""
    book.page.get_by_role("option", name=name).click()


def tab(book: Lab, name: str) -> None:
    """Click a tab of the workbench."""
    book.page.locator(".lnb-workbench").get_by_role("tab", name=name, exact=True).click()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_tab_by_clicks_without_barriers(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([STORE, BENCH], theme=theme)
    book.wait("3 artefacts")
    book.shot(f"workbench-{theme}-empty")
    assert book.barriers(".lnb-workbench") == []
    choose(book, "shapes")
    book.wait("120")
    book.idle()
    book.page.wait_for_timeout(1200)
    book.shot(f"workbench-{theme}-gallery")
    assert book.barriers(".lnb-workbench") == []
    choose(book, "small-net")
    for name in ("Preview", "Versions", "Lineage", "Diff", "Train", "Actions"):
        tab(book, name)
        book.page.wait_for_timeout(300)
        book.idle()
        book.page.wait_for_timeout(700)
        book.shot(f"workbench-{theme}-{name.lower()}")
        assert book.barriers(".lnb-workbench") == [], name
    book.size(760)
    book.shot(f"workbench-{theme}-760")
    assert book.ask("print(bench.selected, bench.tab)") == "small-net Actions"


def test_new_things_by_clicks(lab: Callable[..., Lab]) -> None:
    book = lab([STORE, BENCH])
    bench = book.page.locator(".lnb-workbench")
    book.click("Download …")
    book.fill("Source", "synthetic:table")
    book.click("Advanced")
    book.fill("Rows (0: all)", "30")
    book.click("Plan")
    bench.get_by_role("button", name="Download", exact=True).click()
    book.state("done")
    bench.get_by_role("button", name="Convert", exact=True).click()
    name = bench.get_by_label("Name", exact=True)
    expect(name).not_to_have_value("", timeout=120_000)  # one is proposed
    name.fill("drawn")
    name.press("Tab")
    bench.get_by_role("button", name="Convert", exact=True).click()
    book.wait("Open drawn")
    book.shot("workbench-light-new")
    assert book.barriers(".lnb-workbench") == []
    book.click("Open drawn")
    book.page.locator('.lnb-option[aria-selected="true"]', has_text="drawn").wait_for()
    assert book.ask("print(bench.wait().selected, dm['drawn'].rows)") == "drawn 30"


def test_two_tabs_stay_in_step_and_a_reload_keeps_everything(lab: Callable[..., Lab]) -> None:
    book = lab([STORE, BENCH])
    choose(book, "small-net")
    tab(book, "Diff")
    book.wait("Compare two versions")
    other = book.tab()
    other.wait("Compare two versions")
    other.page.get_by_label("Search the catalogue").fill("peop")
    choose(other, "people")
    tab(other, "Preview")
    book.page.locator(".lnb-workbench").get_by_text("forty people").first.wait_for()
    expect(book.page.get_by_label("Search the catalogue")).to_have_value("peop", timeout=120_000)
    book.reload()
    book.wait("forty people")
    assert book.page.get_by_role("tab", name="Preview").get_attribute("aria-selected") == "true"


def test_keys_alone_choose_compare_and_delete(lab: Callable[..., Lab]) -> None:
    book = lab([STORE, BENCH])
    press = book.page.keyboard.press
    book.page.get_by_label("Search the catalogue").focus()
    book.page.keyboard.type("net")
    book.wait("1 artefact")
    for key in ("ArrowDown", "Enter"):
        press(key)
    book.page.locator('.lnb-option[aria-selected="true"]', has_text="small-net").wait_for()
    book.idle()
    for _ in range(12):  # past the list and the buttons below it, to the tabs
        press("Tab")
        if book.page.evaluate("document.activeElement.getAttribute('role')") == "tab":
            break
    for name in ("Versions", "Lineage", "Diff"):
        press("ArrowRight")
        focused = book.page.locator(".lnb-workbench [role=tab]:focus", has_text=name)
        focused.wait_for(timeout=120_000)
    press("Enter")
    book.wait("Compare two versions")
    book.button("Compare").focus()
    press("Enter")
    book.state("done")
    book.wait("fc.weight")
    book.page.get_by_role("tab", name="Actions").focus()
    press("Enter")
    book.field("Action").select_option("Delete")
    book.wait("Deletes small-net")
    book.shot("workbench-light-delete")
    book.fill("Type its name", "wrong")
    book.button("Delete").focus()
    press("Enter")
    book.wait("nothing was deleted")
    book.shot("workbench-light-refused")
    assert book.barriers(".lnb-workbench") == []
    assert book.ask("print('small-net' in dm)") == "True"
