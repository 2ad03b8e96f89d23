"""The same panels in Notebook 7: they draw, they hear a click, nothing is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ._lab import Lab
from ._looks import flaws
from ._server import Server

pytestmark = pytest.mark.browser

CELLS = [
    "import tempfile\nimport lancenb as lnb\ndm = lnb.DataManager(tempfile.mkdtemp())\n"
    "drawn = lnb.download('synthetic', split='train', limit=60)",
    "lnb.ConvertPanel(dm, drawn, name='shapes')",
    "lnb.Workbench(dm)",
]


def test_panels_work_in_notebook_7(chromium: Any, shots: Path) -> None:
    pytest.importorskip("notebook", reason="Notebook 7 is not installed")
    server = Server("notebook")
    try:
        book = Lab(server, chromium, server.write(CELLS), shots)
        book.run()
        book.click("Convert")
        book.state("done")
        book.page.locator(".lnb-workbench").get_by_role("button", name="Refresh").click()
        book.page.get_by_role("option", name="shapes").click()
        book.page.locator(".lnb-gallery-cell[data-state=shown]").first.wait_for()
        book.idle()
        book.shot("notebook7-workbench", 2)
        # Headings above ours are the notebook's: this one has none.
        assert [each for each in book.barriers() if not each.startswith("heading-order")] == []
        assert flaws(book.page) == []
        # Notebook 7 says this of a settings page of its own; no script of ours reads a schema.
        assert [each for each in book.errors if "reading 'schema'" not in each] == []
        assert not book.foreign
        book.close()
    finally:
        server.stop()
