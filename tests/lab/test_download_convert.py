"""The download and the convert panel in a real JupyterLab: the road, errors, cancel, upload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ._lab import Lab

pytestmark = pytest.mark.browser

TOKEN = "hf_" + "s3cretTokenOfAnn" * 2
SETUP = f"""
import os, pathlib, tempfile
from lancenb.testing import FileServer, HubStub
home = pathlib.Path(tempfile.mkdtemp())
hub, files = HubStub(tokens={{{TOKEN!r}: "ann"}}).__enter__(), FileServer().__enter__()
for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
    os.environ.pop(name, None)
os.environ.update(hub.env(home / "hf"), LANCENB_CACHE=str(home / "cache"), HF_TOKEN={TOKEN!r},
                  NO_PROXY="127.0.0.1,localhost")
import lancenb as lnb, torch
from PIL import Image
from safetensors.torch import save
torch.manual_seed(0)
model = {{f"layer{{i}}.weight": torch.randn(64, 64) for i in range(6)}}
card = b"---\\nlicense: apache-2.0\\n---\\n"
hub.repos.create("model", "acme/tiny").commit(
    {{"config.json": b"{{}}", "model.safetensors": save(model), "README.md": card}})
pets = home / "pets"
for kind in ("cat", "dog"):
    (pets / kind).mkdir(parents=True)
    for i in range(6):
        Image.effect_noise((80, 60), 60).convert("RGB").save(pets / kind / f"{{i}}.jpg")
data = (pets / "cat" / "0.jpg").read_bytes()
for i in range(10):
    (pets / "cat" / f"broken-{{i:02}}.jpg").write_bytes(data[: len(data) * (3 + i % 5) // 10])
big = files.add("/big.bin", bytes(60_000_000))  # seven minutes at this pace
files.faults.add("slow", path="/big.bin", method="GET", rate=150_000, times=0)
dm = lnb.DataManager(home / "store")
os.chdir(home)
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_from_a_spec_to_an_artefact_by_clicks(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([SETUP, "panel = lnb.DownloadPanel(dm); panel"], theme=theme)
    book.shot(f"download-{theme}-empty")
    assert book.barriers() == []
    book.fill("Source", "hf:model:acme/tiny")
    book.wait("Model acme/tiny on the Hub, revision main.")
    book.wait("Signed in to the Hub by the environment")
    book.click("Plan")
    book.wait("apache-2.0")
    book.shot(f"download-{theme}-planned")
    assert book.barriers() == []
    book.button("Download 98.8 kB").click()
    book.state("done")
    book.wait("verified")
    book.shot(f"download-{theme}-done")
    assert book.barriers() == []
    book.click("Convert")
    book.wait("Makes tiny, version 1.")
    book.shot(f"download-{theme}-convert")
    book.click("Convert", nth=1)
    book.wait("version 1")
    book.state("done", nth=1)
    assert book.barriers() == []
    book.size(760)
    book.shot(f"download-{theme}-converted-760")
    assert book.ask("print(len(dm.load_weights('tiny').state_dict))") == "6"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_converting_a_folder_with_damaged_pictures(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([SETUP, "panel = lnb.ConvertPanel(dm); panel"], theme=theme)
    book.shot(f"convert-{theme}-empty")
    book.click("Convert")
    book.wait("there is no source yet")
    book.fill("Source", "pets")
    book.wait("Images: a folder")
    book.wait("Makes pets, version 1.")
    book.click("Advanced")
    book.field("On damage").wait_for()
    book.shot(f"convert-{theme}-options")
    assert book.barriers() == []
    book.click("Advanced")
    book.click("Convert")
    book.wait("10 items left out")
    book.shot(f"convert-{theme}-done")
    assert book.barriers() == []
    book.click("Next")
    book.wait("9 to 10 of 10")
    book.size(760)
    book.shot(f"convert-{theme}-done-760")
    assert book.button("Convert").is_disabled()  # the same once more would only lose the result
    book.fill("Name", "pets2")
    book.wait("Makes pets2, version 1.")
    assert book.ask("print(dm.convert('pets', 'pets2').rows)") == "12"  # somebody was faster
    book.click("Convert")
    book.state("failed")
    book.shot(f"convert-{theme}-failed-760")
    assert book.barriers() == []
    book.field("Mode").select_option("append: a next version with these rows, too")
    book.wait("Adds rows to the 12 of pets2, as version 2.")
    book.click("Convert")
    book.state("done")
    assert book.ask("print(dm['pets2'].rows)") == "24"


def test_an_upload_becomes_an_artefact(lab: Callable[..., Lab], tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("name,age\n" + "Ada,36\n" * 300_000)
    book = lab([SETUP, "panel = lnb.ConvertPanel(dm); panel"])
    book.page.set_input_files(".lnb-drop input[type=file]", str(file))
    book.wait("people.csv, 2.1 MB")
    book.wait("Makes people, version 1.")
    book.shot("convert-light-uploaded")
    assert book.barriers() == []
    book.click("Convert")
    book.state("done")
    assert book.ask("print(dm['people'].rows)") == "300000"
    assert book.ask("print(panel.card.wait(200), panel.drop.parcel)") == "True None"
    book.wait("or drop them here")


def test_errors_cancel_and_a_kernel_that_is_gone(lab: Callable[..., Lab]) -> None:
    book = lab([SETUP, "panel = lnb.DownloadPanel(dm, big); panel"])
    book.click("Plan")
    book.button("Download 60.0 MB").click()
    book.state("running")
    book.wait("of 60.0 MB")
    book.shot("download-light-busy")
    assert book.barriers() == []
    book.reload()
    book.wait("of 60.0 MB")
    book.click("Cancel")
    book.state("cancelled")
    book.shot("download-light-cancelled")
    book.fill("Source", "hf:model:acme/none")
    book.click("Plan")
    book.state("failed")
    book.wait("does not exist")
    book.shot("download-light-failed")
    assert book.barriers() == []
    book.shutdown()
    book.state("disconnected")
