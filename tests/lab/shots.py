"""Makes the pictures of the README: ``python -m tests.lab.shots [FOLDER]``.

A real JupyterLab, real panels, small data drawn here; nothing leaves this machine. The pictures go
to ``notebooks/images``; each has less than 150 kB.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests import browser
from tests.conftest import REPO

from ._lab import Lab
from ._server import Server

PREPARE = """
import os, tempfile
from pathlib import Path
from lancenb.testing import HubStub
work = Path(tempfile.mkdtemp())
hub = HubStub()
os.environ.update(hub.env(work / "hf"), LANCENB_CACHE=str(work / "cache"))
import torch
from safetensors.torch import save_file
import lancenb as lnb
torch.manual_seed(0)
(work / "seal").mkdir()
index = {}
for part in (1, 2):
    names = [f"layers.{part}.{name}.weight" for name in ("query", "key", "value")]
    shard = f"model-0000{part}-of-00002.safetensors"
    save_file({name: torch.randn(512, 512) for name in names}, work / "seal" / shard)
    index.update(dict.fromkeys(names, shard))
import json
(work / "seal" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
(work / "seal" / "config.json").write_text('{"layers": 2}')
(work / "seal" / "README.md").write_text("---\\nlicense: apache-2.0\\n---\\n# Seal\\n")
hub.repos.import_folder("model", "acme/seal", work / "seal")
dm = lnb.DataManager(work / "store", actor="ada")
drawn = lnb.download("synthetic", split="train", limit=600)
"""
FILL = """
dm.convert(drawn, "shapes", kind="images", description="ten classes, drawn by seed", tags=["demo"])
for seed, loss in ((1, 1.65), (2, 1.19), (3, 1.31)):
    torch.manual_seed(seed)
    state = {"conv1.weight": torch.randn(64, 3, 7, 7), "fc.weight": torch.randn(10, 512)}
    dm.save_weights("classifier", state, parents=["shapes"], message=f"trained, loss {loss}")
dm.tag("classifier", "prod", version=2)
(work / "people.csv").write_text("name,age\\nAda,36\\nGrace,85\\n")
dm.convert(work / "people.csv", "people", description="two people")
"""


def main(folder: Path) -> None:
    """Take all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with browser.chromium() as chromium, tempfile.TemporaryDirectory() as scratch:
        server = Server()
        try:
            for take in (_panels, _workbench, _training):
                take(server, chromium, Path(scratch), folder)
        finally:
            server.stop()
    for path in sorted(folder.glob("*.png")):
        size = path.stat().st_size
        print(f"{path.name}: {size / 1000:.0f} kB")
        assert size < 150_000, "too large for a README"


def _open(server: Server, chromium: Any, scratch: Path, cells: list[str], width: int) -> Lab:
    book = Lab(server, chromium, server.write(cells), scratch, width)
    book.theme("light")
    book.run()
    return book


def _keep(book: Lab, folder: Path, name: str, cell: int, height: int = 0) -> None:
    """Photograph the panel of a cell and keep it."""
    book.page.mouse.move(0, 0)
    book.page.evaluate("document.activeElement?.blur()")
    book.page.set_viewport_size({"width": book.page.viewport_size["width"], "height": 2200})
    book.page.wait_for_timeout(600)
    raw = book.shots / f"{name}.png"
    book.output(cell).locator(".lnb").first.screenshot(path=str(raw))
    picture = Image.open(raw).convert("RGB")
    if height and picture.height > height:
        picture = picture.crop((0, 0, picture.width, height))
    picture.save(folder / f"{name}.png", optimize=True)


def _panels(server: Server, chromium: Any, scratch: Path, folder: Path) -> None:
    cells = [PREPARE, "lnb.DownloadPanel(dm)", "lnb.ConvertPanel(dm, drawn, name='shapes')"]
    book = _open(server, chromium, scratch, cells, 1120)
    download = book.output(1)
    download.get_by_label("Source", exact=True).first.fill("hf:model:acme/seal")
    download.get_by_role("button", name="Plan").click()
    download.get_by_role("button", name=re.compile("^Download")).wait_for(timeout=60_000)
    book.output(2).get_by_role("button", name="Convert", exact=True).click()
    book.state("done")
    _keep(book, folder, "download", 1)
    _keep(book, folder, "convert", 2)
    book.close()


def _workbench(server: Server, chromium: Any, scratch: Path, folder: Path) -> None:
    cells = [PREPARE, FILL, "bench = lnb.Workbench(dm); bench"]
    book = _open(server, chromium, scratch, cells, 1400)
    book.page.get_by_role("option", name="shapes").click()
    book.page.locator(".lnb-gallery img, .lnb-gallery canvas").first.wait_for(timeout=60_000)
    book.idle()
    for theme, name in (("dark", "workbench-dark"), ("light", "workbench")):
        book.theme(theme)
        _keep(book, folder, name, 2)
    book.close()
    book = _open(
        server, chromium, scratch, [PREPARE, FILL, "lnb.RollbackPanel(dm, 'classifier')"], 1120
    )
    book.page.get_by_role("option", name=re.compile(r"^version 1\b")).click()
    book.page.get_by_role("button", name="Roll back to version 1").click()
    book.page.wait_for_timeout(1500)
    _keep(book, folder, "rollback", 2)
    book.close()


def _training(server: Server, chromium: Any, scratch: Path, folder: Path) -> None:
    show = "bench = lnb.Workbench(dm).select('shapes', 'Train').wait(); bench"
    book = _open(server, chromium, scratch, [PREPARE, FILL, show], 1700)
    book.ask("bench.content.run(epochs=3, val='0.1')")
    book.state("done")
    book.idle()
    _keep(book, folder, "train", 2, 1100)
    book.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPO / "notebooks" / "images")
