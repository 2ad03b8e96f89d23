"""Live curves in a real JupyterLab: they fill, they end, they stay in the saved notebook."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

BEGIN = """
import threading, time
import lancenb as lnb

curves = lnb.curves(label="a long road")
go, half = threading.Event(), threading.Event()

def work():
    for step in range(1, 401):
        curves.add("first", step, train_loss=3 / step, lr=1e-3,
                   val_loss=4 / step if step % 50 == 0 else None)
        if step == 200:
            half.set()
            go.wait(600)
    curves.finish("first")

thread = threading.Thread(target=work)
thread.start()
assert half.wait(200)
curves
"""
END = """
go.set()
thread.join(200)
assert not curves.running
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_fill_end_and_stay(lab, theme, tmp_path):
    opened = lab([BEGIN, END], theme=theme, run=False)
    opened.run(0)
    page = opened.page
    page.wait_for_selector('.lnb-curves .lnb-state[data-state="live"]')
    page.wait_for_function("document.querySelectorAll('.lnb-plot').length === 2")
    opened.shot(f"curves-live-{theme}", cell=0)
    (output,) = json.loads(opened.save().read_text(encoding="utf-8"))["cells"][0]["outputs"]
    assert "first, running, 200 steps" in "".join(output["data"]["text/plain"])

    opened.run(1)
    page.wait_for_selector('.lnb-curves .lnb-state[data-state="done"]')
    page.wait_for_function("document.querySelectorAll('.lnb-curves').length === 1")
    path = page.locator(".lnb-plot g[clip-path] path").first.get_attribute("d")
    assert path.count("L") > 300
    assert opened.barriers() == []
    opened.shot(f"curves-done-{theme}", cell=0)
    opened.size(760)
    page.wait_for_timeout(300)
    opened.shot(f"curves-done-{theme}-760", cell=0)

    file = opened.save()
    (output,) = json.loads(file.read_text(encoding="utf-8"))["cells"][0]["outputs"]
    picture = base64.b64decode("".join(output["data"]["image/png"]))
    assert picture.startswith(b"\x89PNG")
    assert "first, done, 400 steps" in "".join(output["data"]["text/plain"])
    assert "first, done" in "".join(output["data"]["text/html"])
    if theme == "light":
        html = exported(file, tmp_path)
        assert "a long road" in html
        assert "loss by step, from" in html, "the drawing survives the export"


def exported(file: Path, folder: Path) -> str:
    """The outputs of a notebook without widget state as nbconvert shows them."""
    notebook = json.loads(file.read_text(encoding="utf-8"))
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        cell["source"] = ""
    copy = folder / "plain.ipynb"
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(copy)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return copy.with_suffix(".html").read_text(encoding="utf-8")


def test_a_reload_while_it_runs_brings_the_picture_back(lab):
    opened = lab([BEGIN, END], run=False)
    opened.run(0)
    opened.page.wait_for_selector(".lnb-plot")
    opened.reload()
    opened.page.wait_for_selector('.lnb-curves .lnb-state[data-state="live"]')
    opened.run(1)
    opened.page.wait_for_selector('.lnb-curves .lnb-state[data-state="done"]')
    opened.page.get_by_label("x axis").select_option("time")
    opened.idle()
    assert opened.ask("print(curves.axis)") == "time"
