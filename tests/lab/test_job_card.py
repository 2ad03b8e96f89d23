"""The job card and a panel in a real JupyterLab."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import Lab

pytestmark = pytest.mark.browser

PANEL = """
import threading, time
from lancenb.errors import InvalidArgument
from lancenb.progress import Tracker
from lancenb.widgets._panel import Panel
from lancenb.widgets._fields import Confirm, choice, facts, note, number, switch, tags, text

started = []

class Count(Panel):
    title, verb, lead = "Count rows", "Count", "Counts slowly, so that one can watch."

    def _inputs(self):
        return [text("Artefact", key="name", placeholder="mnist"),
                number("Rows", key="rows", value=10_000),
                choice("Mode", ["create", "append"], key="mode")]

    def _advanced(self):
        return [tags("Tags", key="tags"), switch("Exact", key="exact")]

    def _extra(self):
        self.plan = note("Nothing is counted before the button is pressed.")
        return [self.plan]

    def _actions(self):
        return [Confirm("Delete", "Delete 'mnist', 3 versions?", lambda: started.append("deleted"))]

    def _work(self):
        name, rows = self.inputs["name"], self.inputs["rows"]
        if not name:
            raise InvalidArgument("name an artefact", hint="for example mnist")

        def work(progress=None, cancel=None):
            started.append(name)
            track = Tracker(progress, cancel, total_rows=rows)
            for row in range(rows):
                time.sleep(0.05)
                track.advance(1, 2_000_000)
                if name == "broken" and row == 5:
                    raise OSError("the disk is full, said token=abcdef")
            track.enter("done")
            return rows

        return work

    def _code(self):
        return f"count({self.inputs['name']!r}, rows={self.inputs['rows']})"

    def _show(self, result):
        return [facts("Counted", [("rows", f"{result:,}"), ("version", 3)], chips=["new"])]
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_panel_runs_fails_and_cancels(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([PANEL, "panel = Count(); panel"], theme=theme)
    book.shot(f"panel-{theme}-empty")
    assert book.barriers() == []
    book.click("Count")
    book.wait("name an artefact")
    book.shot(f"panel-{theme}-refused")
    book.fill("Artefact", "mnist")
    book.field("Artefact").press("Enter")
    book.state("running")
    book.wait("rows/s")
    assert book.barriers() == []
    book.shot(f"panel-{theme}-busy")
    book.click("Cancel")
    book.state("cancelled")
    book.shot(f"panel-{theme}-cancelled")
    book.fill("Artefact", "broken")
    book.click("Count")
    book.state("failed")
    book.page.get_by_text("Details").click()
    book.shot(f"panel-{theme}-failed")
    assert book.barriers() == []
    assert "abcdef" not in book.output().inner_text()
    book.fill("Artefact", "mnist")
    book.fill("Rows", "10")
    book.click("Count")
    book.state("done")
    book.wait("Counted")
    book.click("Advanced")
    book.click("Delete")
    book.wait("3 versions?")
    book.shot(f"panel-{theme}-done")
    assert book.barriers() == []
    book.size(760)
    book.shot(f"panel-{theme}-done-760")
    book.page.keyboard.press("Escape")
    book.button("Delete").wait_for()
    assert book.ask("print(started)") == "['mnist', 'broken', 'mnist']"


def test_a_reload_and_a_second_tab_follow_the_running_job(lab: Callable[..., Lab]) -> None:
    book = lab([PANEL, "panel = Count(); panel.run(name='mnist', rows=20_000, wait=False); panel"])
    book.state("running")
    book.reload()
    book.state("running")
    other = book.tab()
    other.state("running")
    other.click("Cancel")
    other.state("cancelled")
    book.state("cancelled")


def test_running_the_cell_again_neither_repeats_the_work_nor_leaves_widgets(
    lab: Callable[..., Lab],
) -> None:
    cell = "panel = Count(); panel.run(name='mnist', rows=20_000, wait=False); panel"
    book = lab([PANEL, "import ipywidgets; 0", cell])
    ours = "sum(t.name.startswith('lancenb') for t in threading.enumerate())"
    count = f"print(len(ipywidgets.widgets.widget._instances), {ours})"
    first = book.ask(count)
    for _ in range(5):
        book.run(2)
    book.state("running")
    assert book.ask("print(started)") == "['mnist']"
    widgets, threads = map(int, book.ask(count).split())
    assert widgets == int(first.split()[0])
    book.ask("panel.cancel(); panel.card.wait(200)")
    book.state("cancelled")
    assert threads <= int(first.split()[1]) + 5


# What of a panel stands first, and what ipywidgets put in front of our widgets.
TOP = """() => {
  const top = (each) => each.getBoundingClientRect().top;
  const parts = [...document.querySelector(".lnb-panel").children].filter((p) => p.offsetHeight);
  const first = parts.sort((a, b) => top(a) - top(b))[0];
  const lost = [...document.querySelectorAll(".jupyter-widgets-disconnected")];
  const icons = lost.filter((each) => each.closest(".lnb"))
    .map((each) => getComputedStyle(each, "::before").content).filter((it) => it !== "none");
  return [first.classList.contains("lnb-job") ? "lnb-job" : first.className, icons];
}"""

ENDS = {
    "restart": lambda book: book.restart(),
    "crash": lambda book: book.crash(),
    "shutdown": lambda book: book.shutdown(),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_kernel_that_is_gone_leaves_a_card_that_says_so(
    lab: Callable[..., Lab], end: str
) -> None:
    book = lab([PANEL, "panel = Count(); panel.run(name='mnist', rows=20_000, wait=False); panel"])
    book.state("running")
    ENDS[end](book)
    book.state("disconnected")
    book.wait("run the cell again")
    assert book.page.evaluate(TOP) == ["lnb-job", []]
    book.shot(f"panel-light-{end}")
    if end == "restart":
        book.run()
        book.state("running")
        book.ask("panel.cancel()")
        book.state("cancelled")
