"""A notebook open in JupyterLab: what the browser tests drive."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

from tests.browser import barriers

from . import _scripts as js
from ._server import Server

#: Run before panels are made: pictures and questions between two clicks may take their time.
PATIENT = "from lancenb.widgets import _fields; _fields._ARMED_SECONDS = 900.0"

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


class Lab:
    """A notebook open in JupyterLab.

    ``page`` is Playwright's page, ``errors`` and ``foreign`` list what must stay empty: errors of
    scripts in the page, and requests to other hosts (which are refused).
    """

    def __init__(self, server: Server, browser: Any, notebook: str, shots: Path, width: int = 1280):
        self.server, self.browser, self.notebook, self.shots = server, browser, notebook, shots
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.context = browser.new_context(viewport={"width": width, "height": 900})
        self.context.set_default_timeout(120_000)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.base)
        self.context.route("**/*", self._gate)
        self.page = self._open()

    def _gate(self, route: Any) -> None:
        url = route.request.url
        if url.startswith(
            (self.server.base, self.server.base.replace("http", "ws"), "data:", "blob:")
        ):
            route.continue_()
        else:
            self.foreign.append(url)
            route.abort()

    def _open(self) -> Any:
        page = self.context.new_page()
        page.on("pageerror", self._hear)
        page.goto(self.server.url(self.notebook))
        self._ready(page)
        return page

    def _hear(self, error: Any) -> None:
        # JupyterLab itself says this of requests that were open when a kernel died.
        if "Canceled future" not in str(error):
            self.errors.append(str(error)[:500])

    @staticmethod
    def _ready(page: Any) -> None:
        # Running a cell before the session is ready opens a dialog and never returns.
        page.wait_for_function(js.READY, timeout=180_000)

    # Notebook --------------------------------------------------------------------------------

    def run(self, cell: int | None = None, seconds: float = 300) -> None:
        """Run all cells, or one; wait until the kernel is idle; fail when a cell failed."""
        if not self.page.evaluate(js.RUN, {"cell": cell, "limit": 1000 * seconds}):
            raise TimeoutError("the run did not end")
        self.idle(seconds)
        errors = self.page.evaluate(js.ERRORS)
        assert not errors, errors

    def idle(self, seconds: float = 180) -> None:
        """Wait until the kernel has been idle for a moment."""
        if not self.page.evaluate(js.IDLE, {"quiet": 300, "limit": 1000 * seconds}):
            raise TimeoutError("the kernel stayed busy")

    def ask(self, code: str) -> str:
        """Run code in the kernel beside the notebook; return what it prints."""
        answer = self.page.evaluate(js.ASK, code)
        assert answer["status"] == "ok", answer["text"]
        return answer["text"].strip()

    def start(self, code: str) -> None:
        """Run code in the kernel beside the notebook; go on while it runs."""
        self.page.evaluate(js.START, code)

    def restart(self) -> None:
        """Restart the kernel, without the dialog."""
        self.page.evaluate(js.RESTART)
        self._ready(self.page)

    def crash(self) -> None:
        """Kill the kernel's process, as the system does when memory is short."""
        process = int(self.ask("import os; print(os.getpid())"))
        os.kill(process, signal.SIGKILL)

    def shutdown(self) -> None:
        """End the kernel for good."""
        self.page.evaluate(js.SHUTDOWN)

    def save(self) -> Path:
        """Save the notebook; return the file."""
        self.page.evaluate(js.SAVE)
        return self.server.root / self.notebook

    def reload(self) -> None:
        """Save, and load the page again; the kernel goes on."""
        self.save()
        self.page.reload()
        self._ready(self.page)

    def tab(self) -> Lab:
        """Open the same notebook, on the same kernel, in a second tab; closed with this one."""
        self.save()
        other = object.__new__(Lab)
        other.__dict__.update(self.__dict__)
        other.page = self.context.new_page()
        other.page.on("pageerror", self._hear)
        # A workspace of its own: two tabs of one workspace would write over each other.
        other.page.goto(
            self.server.url(self.notebook).replace("/lab/tree", "/lab/workspaces/second/tree")
        )
        self._ready(other.page)
        return other

    # Elements --------------------------------------------------------------------------------

    def button(self, name: str, nth: int = 0) -> Any:
        """Return the visible button with exactly this name."""
        found = self.page.locator(".jp-Notebook").get_by_role("button", name=_exactly(name))
        return found.filter(visible=True).nth(nth)

    def click(self, name: str, nth: int = 0) -> None:
        """Click a button by its name."""
        self.button(name, nth).click()

    def field(self, label: str, nth: int = 0) -> Any:
        """Return the input with exactly this label."""
        return self.page.locator(".jp-Notebook").get_by_label(_exactly(label)).nth(nth)

    def fill(self, label: str, value: str, nth: int = 0) -> None:
        """Type into the input with this label, as a person would, and leave it."""
        field = self.field(label, nth)
        field.fill(value)
        field.press("Tab")

    def text(self, words: str) -> Any:
        """Return the first visible element with these words."""
        return self.page.locator(".jp-OutputArea").get_by_text(words).filter(visible=True).first

    def wait(self, words: str, seconds: float = 180) -> None:
        """Wait until these words can be seen in an output."""
        self.text(words).wait_for(timeout=1000 * seconds)

    def state(self, word: str, nth: int = 0, seconds: float = 180) -> None:
        """Wait until a job card says this word."""
        card = self.page.locator(f'.lnb-job[data-state="{word}"]').nth(nth)
        card.wait_for(state="attached", timeout=1000 * seconds)

    def output(self, cell: int = -1) -> Any:
        """Return the output area of a cell; default: the last one with widgets."""
        areas = self.page.locator(".jp-Cell-outputArea:has(.jupyter-widgets, .lnb-view)")
        return (
            areas.last
            if cell < 0
            else self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-Cell-outputArea")
        )

    # Looks -----------------------------------------------------------------------------------

    def theme(self, name: str) -> None:
        """Switch to the ``light`` or ``dark`` theme."""
        self.page.evaluate(
            "t => window.jupyterapp.commands.execute('apputils:change-theme', {theme: t})",
            THEMES[name],
        )
        self.page.wait_for_selector(f'body[data-jp-theme-name="{THEMES[name]}"]', state="attached")
        self.page.wait_for_timeout(400)

    def size(self, width: int, height: int = 900) -> None:
        """Change the size of the window."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_timeout(200)

    def barriers(self, within: str = ".jp-OutputArea-output") -> list[str]:
        """Return the accessibility rules broken in the outputs."""
        return barriers(self.page, within)

    def shot(self, name: str, cell: int = -1) -> Path:
        """Keep a picture of a cell's whole output among the test artefacts."""
        self.shots.mkdir(parents=True, exist_ok=True)
        before = self.page.viewport_size
        # The notebook scrolls inside the page: the page has to be as tall as the notebook.
        tall = int(min(max(self.page.evaluate(js.TALL), before["height"]), 6000))
        self.page.set_viewport_size({"width": before["width"], "height": tall})
        self.page.wait_for_timeout(250)
        file = self.shots / f"{name}.png"
        self.output(cell).screenshot(path=str(file))
        self.page.set_viewport_size(before)
        return file

    def view(self, name: str) -> Path:
        """Keep a picture of the whole window among the test artefacts."""
        self.shots.mkdir(parents=True, exist_ok=True)
        file = self.shots / f"{name}.png"
        self.page.screenshot(path=str(file))
        return file

    def close(self) -> None:
        """Close the page and end its kernel."""
        try:
            self.page.evaluate(js.SHUTDOWN)
        finally:
            self.context.close()


def _exactly(name: str) -> re.Pattern[str]:
    """Match a whole label; icon glyphs and blanks around it do not count."""
    return re.compile(rf"^[\s\ue000-\uf8ff]*{re.escape(name)}[\s\ue000-\uf8ff]*$")
