"""The quickstart as a person goes it: clicks and two typed words, to a model rolled back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import REPO

from ._lab import PATIENT, Lab

pytestmark = pytest.mark.browser


def code_cells(name: str) -> list[str]:
    """Return the code of a notebook's cells."""
    notebook = json.loads((REPO / "notebooks" / name).read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


class Road:
    """Goes from cell to cell, keeping a picture after each step."""

    def __init__(self, book: Lab, cells: list[str]):
        self.book, self.cells, self.typed, self.steps = book, cells, [], 0

    def to(self, mark: str) -> int:
        """Run the cell that has these words, as its ▶ does; return its number."""
        (cell,) = [i for i, source in enumerate(self.cells) if mark in source]
        self.book.run(cell)
        return cell

    def within(self, cell: int) -> Any:
        """Return the output of a cell."""
        return self.book.output(cell)

    def type(self, cell: int, label: str, words: str) -> None:
        """Type a word."""
        self.within(cell).get_by_label(label, exact=True).first.fill(words)
        self.typed.append(words)

    def click(self, cell: int, name: str) -> None:
        """Click the button with this name (or the beginning of it)."""
        found = self.within(cell).get_by_role("button", name=name).filter(visible=True)
        found.first.click()

    def done(self, cell: int, seconds: float = 300) -> None:
        """Wait until the panel's work is done."""
        card = self.within(cell).locator('.lnb-job[data-state="done"]')
        card.first.wait_for(state="attached", timeout=1000 * seconds)
        self.book.idle()

    def shot(self, name: str, cell: int) -> None:
        """Keep a picture."""
        self.steps += 1
        self.book.shot(f"quickstart-{self.steps}-{name}", cell)


def test_from_opening_to_a_rolled_back_model_with_two_typed_words(lab: Callable[..., Lab]) -> None:
    cells = code_cells("01_quickstart.ipynb")
    book = lab(cells, run=False)
    road = Road(book, cells)
    road.to("import lancenb")
    book.ask(PATIENT)

    at = road.to("lnb.DownloadPanel")
    road.type(at, "Source", "synthetic")
    road.within(at).get_by_role("button", name="Advanced").click()
    road.type(at, "Rows (0: all)", "600")
    road.click(at, "Plan")
    road.within(at).get_by_role("button", name="Download").wait_for()
    road.shot("plan", at)
    road.click(at, "Download")
    road.done(at)
    road.shot("downloaded", at)
    road.to("download.result or")

    at = road.to("lnb.ConvertPanel")
    road.within(at).get_by_role("button", name="Convert", exact=True).click()
    road.done(at)
    road.shot("converted", at)
    road.to("convert.result or")
    at = road.to("lnb.Gallery(")
    road.within(at).get_by_role("img").first.wait_for()
    road.shot("gallery", at)

    at = road.to("lnb.Workbench(dm)")
    for number in (1, 2):
        train = road.within(at).get_by_role("button", name="Train", exact=True)
        train.click()
        road.within(at).get_by_text("Cancel", exact=True).wait_for()
        if number == 1:
            book.page.wait_for_timeout(5000)
            road.shot("training", at)
        book.ask("training.card.wait(400)")
        book.idle()
    road.shot("trained", at)
    road.to("training.result or")
    road.to("model = first.name")

    at = road.to("lnb.RollbackPanel")
    road.within(at).get_by_role("option", name=re.compile(r"^version 1\b")).click()
    road.click(at, "Roll back to version 1")
    edges = "e => [e, e.closest('.lnb-panel')].map(each => each.getBoundingClientRect().right)"
    scrolls = road.within(at).locator(".lnb-change .lnb-scroll").first
    table, panel = scrolls.evaluate(edges)
    assert table < panel, "a wide table scrolls within its panel"
    road.shot("asked", at)
    road.click(at, "Roll back resnet18 to version 1")
    road.done(at)
    road.shot("rolled-back", at)

    assert book.ask("print(len(dm.versions(model)), dm.diff(model, 1).same)") == "3 True"
    assert len(road.typed) <= 3
    for mark in ("rollback.run", "import torch", "dm.lineage", "dm.fsck"):
        road.to(mark)
    assert book.ask("print(len(dm.versions(model)))") == "3", (
        "cells repeat nothing that was clicked"
    )
