"""Registering a table, going back and undoing it, by clicks and keys in a real JupyterLab."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ._lab import PATIENT, Lab

pytestmark = pytest.mark.browser

SETUP = (
    PATIENT
    + """
import tempfile
import numpy as np, pyarrow as pa
from pathlib import Path
from PIL import Image
import lancenb as lnb
from lancenb.store import lance_module

root, scratch = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
dm = lnb.DataManager(root, actor="ann@lab")
rng = np.random.default_rng(0)
for n in range(9):
    place = scratch / ("circle", "square", "star")[n % 3]
    place.mkdir(exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(place / f"{n}.png")
dm.convert(scratch, "shapes")
dm.delete_rows("shapes", [("label", "=", 1)])
dm.convert(pa.table({"id": [1, 2, 3], "text": ["a", "b", "c"]}), "words", mode="overwrite")
dm.upsert("words", [{"id": 2, "text": "B"}, {"id": 4, "text": "d"}], key="id")
late = pa.table({"id": [9], "text": ["late"]})
dm.convert(late, "words", mode="append", message="one more from the field")
dm.tag("words", "prod", 1)
_ = lance_module().write_dataset(dm.dataset("shapes", 1).to_table(), str(root / "copy.lance"))
"""
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_rolling_back_and_undoing(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([SETUP, "panel = lnb.RollbackPanel(dm); panel"], theme=theme)
    book.shot(f"rollback-{theme}-empty")
    assert book.barriers() == []
    book.fill("Artefact", "wrds")
    book.wait("there is no artefact 'wrds'")
    assert book.barriers() == []
    book.shot(f"rollback-{theme}-unknown")
    book.fill("Artefact", "words")
    book.wait("one more from the field")
    page = book.page
    page.get_by_role("listbox", name="versions").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    book.wait("takes away 2 rows and changes 1 row")
    assert book.barriers() == []
    book.shot(f"rollback-{theme}-chosen")
    book.click("Roll back to version 1")
    book.wait("Roll back words to version 1:")
    book.shot(f"rollback-{theme}-armed")
    assert book.ask("print(dm['words'].version)") == "3"
    page.get_by_role("button", name="Roll back words to version 1").click()
    book.wait("Version 4 has the rows of version 1")
    book.state("done")
    assert book.barriers() == []
    book.shot(f"rollback-{theme}-done")
    book.size(760)
    book.shot(f"rollback-{theme}-done-760")
    book.click("Undo")
    book.wait("Version 5 has the rows of version 3")
    book.fill("Tag", "good")
    book.fill("Go back to", "2")
    book.click("Tag version 2")
    book.wait("Tag good of words is on version 2")
    assert book.ask("print(dm.tags('words'), dm['words'].rows)") == "{'good': 2, 'prod': 1} 5"


def test_a_writer_in_between_and_pictures(lab: Callable[..., Lab]) -> None:
    book = lab([SETUP, "panel = lnb.RollbackPanel(dm, 'shapes'); panel"])
    book.wait("delete rows")
    book.fill("Go back to", "1")
    book.wait("3 rows would come back")
    book.shot("rollback-light-pictures")
    book.ask("_ = dm.delete_rows('shapes', [('label', '=', 2)])")
    book.click("Roll back to version 1")
    book.page.get_by_role("button", name="Roll back shapes to version 1").click()
    book.wait("somebody wrote version 3 of shapes meanwhile")
    book.shot("rollback-light-conflict")
    assert book.barriers() == []
    assert book.ask("print(dm['shapes'].version)") == "3"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_registering_editing_and_verifying(lab: Callable[..., Lab], theme: str) -> None:
    book = lab([SETUP, "panel = lnb.RegisterPanel(dm); panel"], theme=theme)
    book.shot(f"register-{theme}-empty")
    assert book.barriers() == []
    page = book.page
    book.click("Register")
    book.wait("there is no name yet")
    book.shot(f"register-{theme}-failed")
    book.fill("Table", "copy.lance")
    book.wait("Same content as shapes")
    book.fill("Name", "my copy")
    book.wait("cannot name an artefact")
    book.fill("Name", "copy")
    tags = page.get_by_label("Tags").get_by_role("combobox")
    tags.fill("demo")
    tags.press("Enter")
    tags.fill("wrong")
    tags.press("Enter")
    tags.press("Backspace")
    parents = page.get_by_label("Made from").get_by_role("combobox")
    parents.fill("words")
    parents.press("Enter")
    book.wait("words@3")
    book.fill("Metadata", "seed: 1\nclasses [")
    book.wait("line 2 of the metadata")
    assert book.barriers() == []
    book.shot(f"register-{theme}-typed")
    book.fill("Metadata", "seed: 1")
    book.wait("seed (number)")
    book.idle()
    book.click("Register")
    book.wait("copy is registered")
    book.state("done")
    assert book.barriers() == []
    book.shot(f"register-{theme}-done")
    book.size(760)
    book.shot(f"register-{theme}-done-760")
    book.click("Verify hashes")
    book.wait("all as recorded")
    book.shot(f"register-{theme}-verified")
    book.fill("Description", "another")
    book.idle()
    book.click("Save changes")
    book.wait("copy is registered")
    book.idle()
    facts = "a = dm['copy']; print(a.tags, a.metadata, a.parents[0]['version'], a.description)"
    assert book.ask(facts) == "['demo'] {'seed': 1} 3 another"
