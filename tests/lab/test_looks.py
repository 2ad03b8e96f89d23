"""Every panel and preview, in every state, theme and width: measured, checked by axe, kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import Lab
from ._looks import flaws

pytestmark = pytest.mark.browser

MAKE = """
import os, tempfile, threading
from pathlib import Path
import numpy as np, pyarrow as pa, torch
import lancenb as lnb
from lancenb.progress import Progress
from lancenb.store import lance_module

root = Path(tempfile.mkdtemp())
dm = lnb.DataManager(root, actor="ann@lab")
drawn = lnb.download("synthetic", split="train", limit=60)
dm.convert(drawn, "shapes", kind="images", description="ten classes, drawn by seed", tags=["demo"])
for seed in (1, 2, 3):
    torch.manual_seed(seed)
    state = {"conv1.weight": torch.randn(8, 3, 3, 3), "fc.weight": torch.randn(10, 8)}
    dm.save_weights("small-net", state, parents=["shapes"], message=f"trained with seed {seed}")
dm.tag("small-net", "prod", version=2)
words = ["a quick brown fox jumps over the lazy dog while rain falls on tin roofs"] * 40
dm.convert(pa.table({"id": np.arange(40), "score": np.random.rand(40), "text": words}), "notes")
_ = lance_module().write_dataset(dm.dataset("notes").to_table(), str(root / "copy.lance"))
"""
SHOWN = {
    "download": "lnb.DownloadPanel(dm)",
    "convert": "lnb.ConvertPanel(dm)",
    "register": "lnb.RegisterPanel(dm)",
    "rollback": "lnb.RollbackPanel(dm)",
    "workbench": "lnb.Workbench(dm)",
    "gallery": "lnb.Gallery(dm['shapes'], where='label = 99')",
    "tensor": "lnb.TensorBrowser(dm['small-net'])",
    "table": "lnb.TableView(dm['notes'], where='id < 0')",
    "curves": "lnb.curves()",
}
PANELS = ("download", "convert", "register", "rollback")
FAIL = """
download.fields["spec"].value = "hf:nothing"
convert.fields["source"].value = "/nowhere/a-rather-long-name-of-a-folder-that-is-not/here/*.png"
rollback.fields["name"].value = "wrds"
rollback.settle()
for panel in (download, convert, register):
    panel._click()
    panel.card.wait(200)
rollback._complain(lnb.errors.Conflict("version 7 was written since", hint="look again"))
"""
BUSY = """
go = threading.Event()
def work(progress=None, cancel=None):
    progress(Progress("read", bytes=300_000_000, total_bytes=1_000_000_000, elapsed=3))
    go.wait(900)
for panel in (download, convert, register, rollback):
    panel.card.start(work, name="a name as long as names of files in repositories are, sometimes")
"""
DONE = """
go.set()
for panel in (download, convert, register, rollback):
    panel.card.wait(200)
download.run(spec="synthetic", limit=30)
convert.run(source=drawn, name="more", kind="images")
register.run(uri="copy.lance", name="copy")
rollback.run(name="small-net", version=1)
workbench.select("shapes", "Preview").wait()
gallery.where = ""
table.filter(None)
tensor.selected = "fc.weight"
for name in ("first", "second"):
    for step in range(1, 60):
        curves.add(name, step, train_loss=3 / step, lr=1e-3)
    curves.finish(name)
"""


EVERY = [(theme, width) for theme in ("light", "dark") for width in (1280, 760)]


def test_nothing_sticks_out_overlaps_or_is_cut_off(lab: Callable[..., Lab]) -> None:
    cells = [MAKE, *(f"{name} = {made}\n{name}" for name, made in SHOWN.items())]
    book = lab(cells)
    found: dict[str, list[str]] = {}
    book.shots.mkdir(parents=True, exist_ok=True)
    for state, code in (("empty", ""), ("failed", FAIL), ("busy", BUSY), ("done", DONE)):
        book.ask(code)
        book.idle()
        book.page.mouse.move(0, 0)
        for theme, width in EVERY if state in ("empty", "done") else EVERY[::3]:
            look = f"{state}-{theme}-{width}"
            book.theme(theme)
            book.size(width, 9000)
            book.page.wait_for_timeout(500)
            if wrong := [*book.barriers(), *flaws(book.page)]:
                found[look] = wrong
            for number, name in enumerate(SHOWN, 1):
                if state in ("empty", "done") or name in PANELS:
                    picture = book.shots / f"look-{name}-{look}.png"
                    book.output(number).screenshot(path=str(picture))
    assert not found, "\n".join(f"{at}: {line}" for at, lines in found.items() for line in lines)


def test_the_measure_finds_what_is_wrong(lab: Callable[..., Lab]) -> None:
    bad = (
        "from IPython.display import HTML\n"
        'HTML(\'<div class="lnb" style="width:200px"><div style="width:260px">wide</div>'
        '<button style="width:20px;padding:0;overflow:hidden">too narrow</button>'
        '<button style="position:relative;left:-15px">over it</button></div>\')'
    )
    found = flaws(lab([bad]).page)
    assert [line.split(":")[0].split(" by ")[0] for line in found] == [
        "sticks out", "cut off", "overlap",
    ], found  # fmt: skip
