"""Every panel with a password, a token and keys: nothing of them is in any file afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lancenb.store import Store

from ._lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.s3]

PASSWORD, SIGNATURE, KEY = "pa55w0rdOfAnn", "5ecre7sIgnature", "k3yOfTheStoreOfAnn"
TOKEN = "hf_" + "s3cretTokenOfBob" * 2
SECRETS = (PASSWORD, SIGNATURE, KEY, TOKEN)
# Written to a file of its own: what stands in a cell is in the notebook because somebody wrote it.
SETUP = """
import os, sys
from pathlib import Path
home = Path({home!r})
from lancenb.testing import FileServer, HubStub
for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
    os.environ.pop(name, None)
hub, files = HubStub(tokens={{{token!r}: "ann"}}).__enter__(), FileServer().__enter__()
os.environ.update(hub.env(home / "hf"), LANCENB_CACHE=str(home / "cache"), HF_TOKEN={token!r},
                  NO_PROXY="127.0.0.1,localhost")
import lancenb as lnb, torch
from lancenb.store import Store
from safetensors.torch import save
hub.repos.create("model", "ann/own", private=True).commit(
    {{"model.safetensors": save({{"w": torch.ones(8, 8)}})}})
numbers = files.add("/numbers.csv", b"a,b\\n1,2\\n3,4\\n")
dm = lnb.DataManager(Store({uri!r}, endpoint={endpoint!r}, access_key="ann", secret_key={key!r}))
dm.convert(home / "first.csv", "first")
"""
NAMES = ("Download", "Convert", "Register", "Rollback")
PANELS = [f"made = lnb.{name}Panel(dm); made" for name in NAMES]
PANELS.append("bench = lnb.Workbench(dm); bench")
SAVE_STATE = (
    "window.jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState')"
)


def found_in(folder: Path, secrets: tuple[str, ...]) -> list[str]:
    """Return which files below a folder hold which of the texts, in their names or their bytes."""
    hits = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = bytes(file) + b"\0" + file.read_bytes()
        hits += [f"{file.relative_to(folder)}: {word}" for word in secrets if word.encode() in data]
    return hits


@pytest.fixture
def shop(s3_server: Any, tmp_path: Path) -> Store:
    """Return a store on S3, and write the setup that opens it beside it."""
    store = s3_server.store("shop")
    home = tmp_path / "kernel"
    home.mkdir()
    (home / "first.csv").write_text("a,b\n5,6\n")
    (tmp_path / "setup.py").write_text(
        SETUP.format(
            home=str(home), token=TOKEN, uri=store.uri, endpoint=s3_server.endpoint, key=KEY
        )
    )
    return store


@pytest.fixture
def state_saved(lab: Callable[..., Lab]) -> Iterator[Callable[[Lab], None]]:
    """Return what lets JupyterLab save the state of widgets; it is set back afterwards."""
    books: list[Lab] = []

    def keep(book: Lab) -> None:
        book.page.evaluate(SAVE_STATE)
        books.append(book)

    yield keep
    for book in books:
        book.page.evaluate(SAVE_STATE)


def fill_everything(book: Lab, cell: int, words: str) -> list[str]:
    """Type words into all text boxes of a cell; return the labels of those that took them."""
    boxes = book.output(cell).locator("input[type=text], input:not([type]), input[type=search]")
    labels = []
    for box in [boxes.nth(n) for n in range(boxes.count())]:
        if not (box.is_visible() and box.is_enabled()):
            continue
        labels.append(box.evaluate("box => box.labels?.[0]?.textContent || box.ariaLabel || ''"))
        box.fill(words)
        box.press("Tab")
    return labels


def test_no_secret_is_in_any_file(
    lab: Callable[..., Lab], shop: Store, tmp_path: Path, state_saved: Callable[[Lab], None]
) -> None:
    book = lab([f"exec(open({str(tmp_path / 'setup.py')!r}).read())", *PANELS])
    said: list[str] = []
    book.page.on("console", lambda message: said.append(message.text))
    state_saved(book)
    plain = book.ask("print(numbers)")
    signed = f"{plain}?X-Amz-Signature={SIGNATURE}"
    address = signed.replace("http://", f"http://ann:{PASSWORD}@")

    # a token: what needs it is planned and downloaded
    book.fill("Source", "hf:model:ann/own")
    book.wait("Signed in to the Hub by the environment")
    book.click("Plan")
    ready = book.output(1).get_by_role("button", name=re.compile("^Download [0-9]"))
    ready.click()
    book.state("done")
    # a password is refused, a signature is used: planned, downloaded, converted into the store
    book.fill("Source", address)
    book.wait("File numbers.csv at 127.0.0.1.")
    book.click("Plan")
    book.wait("credentials do not belong in an address")
    book.fill("Source", signed)
    book.click("Plan")
    ready.click()
    book.state("done")
    book.fill("Source", signed, nth=1)
    book.wait("It is downloaded first.")
    book.fill("Name", "numbers")
    book.button("Convert", nth=1).click()
    book.wait("2 rows")
    assert book.ask("print(dm['numbers'].rows)") == "2"

    # everything else that takes words gets the address, and shows no more than it may
    for cell in range(1, 1 + len(PANELS)):
        for fold in book.output(cell).get_by_role("button", name="Advanced").all():
            fold.click()
        labels = fill_everything(book, cell, address)
        assert labels, cell
        book.idle()
    book.click("Register")
    book.state("failed")
    book.page.wait_for_timeout(1000)
    book.idle()
    saved = book.save()
    state = saved.read_text()
    assert "application/vnd.jupyter.widget-state+json" in state
    assert "numbers.csv?***" in state
    assert traits_with(state, SECRETS) == []
    assert found_in(book.server.home, SECRETS) == []
    assert found_in(tmp_path / "kernel", SECRETS) == []
    assert [word for word in SECRETS if word in "\n".join(said)] == []
    assert objects_with(shop, SECRETS) == []
    assert objects_with(shop, ("numbers.csv",)) != []  # where secrets would be


def traits_with(notebook: str, words: tuple[str, ...]) -> list[str]:
    """Return which traits of which widgets in a saved notebook hold which of the texts."""
    kept = json.loads(notebook)["metadata"]["widgets"]
    models = kept["application/vnd.jupyter.widget-state+json"]["state"].values()
    return [
        f"{model['state'].get('description') or model['model_name']}.{trait}: {word}"
        for model in models for trait, value in model["state"].items()
        for word in words if word in str(value)
    ]  # fmt: skip


def objects_with(store: Store, words: tuple[str, ...]) -> list[str]:
    """Return which objects of a store hold which of the texts, in their keys or their bytes."""
    bucket, hits = store.uri.split("/")[2], []
    client = store.boto3()
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", ()):
            data = client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            data += b"\0" + item["Key"].encode()
            hits += [f"{item['Key']}: {word}" for word in words if word.encode() in data]
    return hits
