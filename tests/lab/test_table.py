"""The table in a real JupyterLab: filter, order, pane, selection, reload, both themes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import Lab

pytestmark = pytest.mark.browser

MAKE = """
import datetime as dt, io, tempfile, wave
import numpy as np, pyarrow as pa
import lancenb as lnb

def tone(pitch, rate=8000):
    out, time = io.BytesIO(), np.arange(rate) / rate
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1), sound.setsampwidth(2), sound.setframerate(rate)
        wave_ = np.sin(2 * np.pi * pitch * time) * np.exp(-3 * time)
        sound.writeframes((wave_ * 30000).astype("<i2").tobytes())
    return out.getvalue()

n, rng = 20_000, np.random.default_rng(0)
words = "a quick brown fox jumps over the lazy dog while rain falls on tin roofs".split()
table = pa.table({
    "id": np.arange(n),
    "split": [None if i % 11 == 0 else ("train", "test", "val")[i % 3] for i in range(n)],
    "score": rng.normal(size=n),
    "text": [" ".join(rng.choice(words, 4 + i % 30)) for i in range(n)],
    "when": [dt.datetime(2024, 1, 1) + dt.timedelta(minutes=i) for i in range(n)],
    "vector": pa.array(list(rng.normal(size=(n, 16)).astype("f4")), pa.list_(pa.float32(), 16)),
    "audio": pa.array([tone(220 + 40 * i) for i in range(8)]).take(pa.array(np.arange(n) % 8)),
})
dm = lnb.DataManager(tempfile.mkdtemp())
dm.convert(table, "notes")
"""
LOWEST = """
from lancenb.widgets._table_cells import cells
print(cells(view.rows(1)["score"])[0])
"""
SCHEME = "sound => getComputedStyle(sound).colorScheme"
SHOW = "view = lnb.TableView(dm['notes'])\nview"


def test_a_table_in_lab(lab: Callable[..., Lab]) -> None:
    notebook = lab([MAKE, SHOW])
    page = notebook.page
    notebook.wait("Figures from all 20,000 rows")
    assert notebook.barriers() == []
    notebook.shot("table-light-1280", cell=1)

    page.get_by_label("Filter (SQL)").fill("split = 'test' AND score > 1")
    page.get_by_label("Filter (SQL)").press("Enter")
    notebook.wait("that match")
    page.locator(".lnb-tv-th b").filter(has_text="score").click()
    page.locator("[aria-sort=ascending]").wait_for()
    notebook.ask("view.settle(60)")  # the page shows the wish before the rows are in order
    score = page.locator(".lnb-tv-body [aria-rowindex='2'] [role=gridcell]").nth(2)
    score.get_by_text(notebook.ask(LOWEST), exact=True).wait_for()
    page.locator(".lnb-tv-body [role=rowheader]").nth(2).click()
    notebook.wait("1 selected")
    notebook.idle()
    assert notebook.ask("print(view.selected_rows().num_rows)").strip() == "1"
    shown = "print(view.rows(1)['score'][0].as_py() > 1, view.rows().num_rows == view.count)"
    assert notebook.ask(shown).strip() == "True True"
    same = "print(eval(view.code)['id'].equals(view.rows()['id']))"
    assert notebook.ask(same).strip() == "True"

    page.locator(".lnb-tv-grid").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    notebook.wait("characters")
    assert notebook.barriers() == []
    notebook.theme("dark")
    notebook.size(760)
    text = page.locator(".lnb-tv-text")
    assert text.evaluate("text => getComputedStyle(text).wordBreak") == "normal"  # whole words
    notebook.shot("table-dark-760", cell=1)
    page.keyboard.press("End")
    page.locator(".lnb-au-wave svg").wait_for()
    page.wait_for_function("document.querySelector('audio').duration > 0.9")
    for theme in ("light", "dark"):  # the player is the browser's own, and follows
        notebook.theme(theme)
        assert page.locator("audio").evaluate(SCHEME) == theme
    assert notebook.barriers() == []
    notebook.shot("table-audio-dark-760", cell=1)

    notebook.reload()
    notebook.wait("that match")
    page.locator("[aria-sort=ascending]").wait_for()
    notebook.wait("1 selected")
