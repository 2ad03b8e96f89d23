"""The whole road with the keyboard alone: Tab, Enter, arrows and typing; no mouse, no focus()."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ._lab import PATIENT, Lab

pytestmark = pytest.mark.browser

CELLS = [
    "import tempfile\nimport lancenb as lnb\ndm = lnb.DataManager(tempfile.mkdtemp())",
    "download = lnb.DownloadPanel(dm)\ndownload",
    "convert = lnb.ConvertPanel(dm, download.result, name='shapes')\nconvert",
    "bench = lnb.Workbench(dm)\nbench",
    "rollback = lnb.RollbackPanel(dm, 'resnet18')\nrollback",
]
SELECT = """cell => { const nb = window.jupyterapp.shell.currentWidget;
  nb.content.deselectAll(); nb.content.activeCellIndex = cell; nb.content.mode = "command";
  nb.content.activeCell.node.focus(); }"""
HERE = """() => { const e = document.activeElement;
  if (!e?.closest(".jp-OutputArea-output")) return null;
  const label = e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent;
  const ring = getComputedStyle(e), probe = document.createElement("i");
  probe.style.color = "var(--brand)"; e.parentElement.append(probe);
  const brand = getComputedStyle(probe).color; probe.remove();
  return {name: label.replace(/[\\ue000-\\uf8ff]/g, "").trim(), role: e.getAttribute("role") ?? "",
    seen: ring.outlineStyle !== "none" || ring.borderColor === brand
      || e.closest("[role=listbox]") !== null}; }"""
BOOK = """() => { const cells = window.jupyterapp.shell.currentWidget.content.widgets;
  return cells.map(cell => cell.model.type).join(" "); }"""


class Keys:
    """Somebody without a mouse."""

    def __init__(self, book: Lab):
        self.book, self.press = book, book.page.keyboard.press

    def run(self, cell: int) -> None:
        """Run a cell as Ctrl+Enter does, from command mode."""
        self.book.page.evaluate(SELECT, cell)
        self.press("Control+Enter")
        self.book.page.locator(".jp-Cell").nth(cell).locator(".lnb").first.wait_for()
        self.book.idle()

    def to(self, name: str, *, role: str = "", back: bool = False) -> None:
        """Press Tab until what has this name (or role) has the focus, and can be seen to."""
        passed: list[str] = []
        for _ in range(60):
            here = self.book.page.evaluate(HERE)
            if here and (here["name"] == name if name else here["role"] == role):
                assert here["seen"], f"no sign of focus on {name or role}"
                return
            passed.append(here["name"][:30] if here else "(outside)")
            self.press("Shift+Tab" if back else "Tab")
        raise AssertionError(f"Tab never came to {name or role}; it passed {passed}")

    def type(self, name: str, words: str, *, back: bool = False) -> None:
        """Type into the field with this name."""
        self.to(name, back=back)
        self.press("Control+a")
        self.book.page.keyboard.type(words)

    def enter(self, name: str, *, back: bool = False) -> None:
        """Press the button with this name."""
        self.to(name, back=back)
        self.press("Enter")


def trained(book: Lab, version: int) -> None:
    """Wait until the training has made this version; it may have ended before one looks."""
    known = "'resnet18' in dm and dm['resnet18'].version"
    end, said = time.monotonic() + 400, ""
    while said != f"True {version}" and time.monotonic() < end:
        book.page.wait_for_timeout(300)
        said = book.ask(f"print(bench.content.card.wait(1), {known})")
    assert said == f"True {version}"


def test_the_whole_road_without_a_mouse(lab: Callable[..., Lab]) -> None:
    book = lab(CELLS, run=False)
    keys = Keys(book)
    book.run(0)
    book.ask(PATIENT)

    keys.run(1)
    keys.type("Source", "synthetic")
    keys.enter("Advanced")
    keys.type("Rows (0: all)", "60")
    keys.enter("Plan")
    book.button("Download").wait_for()
    book.idle()
    keys.enter("Download", back=True)
    book.state("done")
    assert book.ask("print(download.card.wait(200), download.result is None)") == "True False"

    keys.run(2)
    keys.enter("Convert")
    book.wait("skipped")
    assert book.ask("print(convert.card.wait(200), dm['shapes'].rows)") == "True 60"

    keys.run(3)
    keys.to("", role="option")
    for key in "ddxbm":  # commands of the notebook must not hear these
        keys.press(key)
    keys.press("Enter")
    book.wait("60 images")
    keys.to("", role="tab")
    for _ in range(4):
        keys.press("ArrowRight")
    keys.press("Enter")
    book.wait("Train on these images")
    keys.type("Steps (0: all)", "2")
    for version in (1, 2):
        keys.enter("Train", back=version == 2)
        trained(book, version)
        book.idle()

    keys.run(4)
    book.wait("version 2")
    keys.to("", role="listbox")
    keys.press("End")
    # no Tab comes to a button that is not enabled yet
    ready = book.page.locator(".jp-Notebook button:enabled").filter(
        has_text="Roll back to version 1"
    )
    ready.wait_for()
    keys.to("Roll back to version 1")
    book.idle()
    keys.press("Enter")
    book.wait("Roll back resnet18 to version 1")
    keys.press("Enter")
    book.wait("Version 3 has the tensors of version 1")
    book.idle()
    keys.enter("Undo")
    book.wait("Version 4 has the tensors of version 2")
    book.shot("keyboard-end")
    assert book.page.evaluate(BOOK) == " ".join(["code"] * len(CELLS)), "a key went past a panel"
