"""The panel that registers and edits: names, duplicates, metadata, parents, hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lancenb as lnb
from lancenb.errors import AlreadyExists, ArtifactNotFound, InvalidArgument, InvalidName
from lancenb.store import lance_module
from lancenb.widgets._metadata import parse, write
from lancenb.widgets.register_panel import RegisterPanel
from tests.widgets.conftest import left_threads

pytestmark = pytest.mark.usefixtures("loud")


def loose(dm: lnb.DataManager, name: str = "shapes") -> str:
    """Write a copy of an artefact's table that has no name."""
    uri = str(Path(dm.store.uri) / "copy.lance")
    lance_module().write_dataset(dm.dataset(name).to_table(), uri)
    return uri


def test_a_table_is_looked_at_and_registered(dm: lnb.DataManager) -> None:
    panel = RegisterPanel(dm, loose(dm), key="")
    panel.fields["name"].value = "copy"
    panel.fields["parents"].value = ["table"]
    panel.fields["tags"].value = ["demo", "demo", " "]
    panel.settle()
    assert "Same content as shapes (version 1)" in panel._seen.value
    assert panel.fields["parents"].value == ["table@1"]
    panel.fields["metadata"].value = "seed: 1\nauthor: Ann"
    assert "tags=['demo'], metadata={'seed': 1, 'author': 'Ann'}" in panel.code_line.code
    panel.primary.click()
    panel.card.wait(60)
    made = dm["copy"]
    assert (made.tags, made.metadata) == (["demo"], {"seed": 1, "author": "Ann"})
    assert made.parents[0]["version"] == 1
    panel.settle()
    assert panel.editing
    assert panel.primary.description == "Save changes"


def test_only_what_was_changed_is_written(far: Any) -> None:
    far.update("shapes", metadata={"a": 1, "b": 2}, tags=["old"])
    panel = RegisterPanel(far, name="shapes", key="")
    panel.settle()
    assert panel.fields["metadata"].value == "a: 1\nb: 2"
    with pytest.raises(InvalidArgument, match="nothing about shapes was changed"):
        panel.run()
    far.update("shapes", description="by somebody else")
    made = panel.run(metadata={"a": 1, "c": [3]}, tags=["new"], parents=["net"])
    assert made.metadata == {"a": 1, "c": [3]}
    assert (made.tags, made.description) == (["new"], "by somebody else")
    assert made.parents[0]["name"] == "net"


def test_the_relation_of_a_parent_stays(dm: lnb.DataManager) -> None:
    dm.update("shapes", parents=[{"name": "table", "version": 1, "relation": "cut from"}])
    panel = RegisterPanel(dm, name="shapes", key="")
    panel.run(parents=["table@1", "net@1"])
    assert [edge["relation"] for edge in dm["shapes"].parents] == ["cut from", "made from"]


def test_rules_are_said_while_typing_and_by_run(dm: lnb.DataManager) -> None:
    panel = RegisterPanel(dm, loose(dm), key="")
    panel.fields["name"].value = "a b"
    panel.settle()
    assert "cannot name an artefact" in panel._news.value
    with pytest.raises(InvalidName):
        panel.run()
    with pytest.raises(AlreadyExists):
        panel.run(name="shapes")
    assert "shapes is taken (images, version 1)" in panel._news.value
    assert panel.run(name="net", replace=True).kind == "images"
    with pytest.raises(ArtifactNotFound):
        RegisterPanel(dm, name="nett", key="").run()
    with pytest.raises(InvalidArgument, match="no name yet"):
        RegisterPanel(dm, key="").run()


def test_metadata_is_checked_by_line() -> None:
    assert parse('lr: 0.1\n\nnote: a: b\nok: true\nid: "7"') == {
        "lr": 0.1, "note": "a: b", "ok": True, "id": "7",
    }  # fmt: skip
    for text, line in (
        ("a: 1\nb", "line 2"),
        ("a: [1", "line 1"),
        ('{"a": 1,\n}', "line 2"),
        ("a: 1\na: 2", "line 2"),
    ):
        with pytest.raises(InvalidArgument, match=line):
            parse(text)
    for facts in (
        {"a": 1, "b": "x"},
        {"a:b": None},
        {"t": "1", "u": "a\nb", "v": "", "w": "[x"},
        {},
    ):
        assert parse(write(facts)) == facts


def test_a_damaged_payload_is_found(dm: lnb.DataManager) -> None:
    panel = RegisterPanel(dm, name="shapes", key="")
    panel.settle()
    assert panel.verify().ok
    assert "24 rows" in panel.result_row.children[0].value
    dm.dataset("shapes").update({"image": "X'00'"}, where="path = 'circle/000.png'")
    found = panel.verify()
    assert (found.ok, found.damaged) == (False, ("circle/000.png",))
    with pytest.raises(InvalidArgument, match="no hashes"):
        RegisterPanel(dm, name="table", key="").verify()


def test_the_button_comes_back_however_late_the_card_ends(dm: lnb.DataManager) -> None:
    panel = RegisterPanel(dm, name="shapes", key="")
    assert panel.settle()
    panel.card.on_end(lambda job: panel.settle())  # the name is looked up before the card ends
    assert panel.verify().ok
    assert panel.settle()
    assert not panel._verify.disabled


def test_nothing_is_left_behind_and_markup_stays_text(dm: lnb.DataManager) -> None:
    import threading

    from ipywidgets.widgets.widget import _instances

    before, threads = len(_instances), set(threading.enumerate())
    panel = RegisterPanel(dm, key="")
    panel.run(name="net", description="<script>alert(1)</script>", tags=["<b>"])
    panel.settle()
    assert "<b>" not in panel.result_row.children[0].value
    assert "<script>" not in panel._static()[0]
    panel.close()
    assert len(_instances) == before
    assert left_threads(threads) == []


def test_secrets_in_areas_stay_out_of_the_saved_state_and_edits_keep_them(
    dm: lnb.DataManager,
) -> None:
    dm.update("shapes", description="see https://a.org/x?page=2")
    panel = RegisterPanel(dm, name="shapes", key="")
    panel.settle()
    with pytest.raises(InvalidArgument, match="nothing about shapes was changed"):
        panel.run()
    area = panel.fields["description"]
    area.value += " twice"
    assert panel.run().description == "see https://a.org/x?page=2 twice"
    area.value = "from https://me:pw@host/x"
    panel.fields["metadata"].value = "src: https://me:pw@host/x"
    panel.settle()
    assert "pw@" not in repr([field.get_state() for field in panel.fields.values()])
    assert "pw@" not in repr(panel._repr_mimebundle_())


def test_nothing_waits_for_the_store_and_wrong_managers_are_refused(dm: lnb.DataManager) -> None:
    import threading
    import time

    go, made = threading.Event(), threading.Event()

    class Asleep:
        def __getattr__(self, name: str) -> Any:
            if made.is_set():
                go.wait(200)
            return getattr(dm, name)

        def register(self, *args: Any, **more: Any) -> Any:
            return dm.register(*args, **more)

        def verify(self, *args: Any, **more: Any) -> Any:
            return dm.verify(*args, **more)

    panel = RegisterPanel(Asleep(), name="shapes", key="")
    made.set()
    begin = time.monotonic()
    panel.verify(wait=False)
    assert time.monotonic() - begin < 150  # the store sleeps for 200
    go.set()
    assert panel.card.wait(60)
    assert panel.result.ok
    with pytest.raises(InvalidArgument, match="no store"):
        RegisterPanel("/tmp/x", key="")
    with pytest.raises(InvalidArgument, match="not known"):
        panel.run(kind="image")


def test_the_line_is_valid_and_true_for_any_table(dm: lnb.DataManager, tmp_path: Path) -> None:
    import pyarrow as pa

    table = pa.table({"x": [1]})
    for given, line in (
        (table, "dm.register('new', table)  # a Table"),
        (tmp_path / "a.lance", f"dm.register('new', {str(tmp_path / 'a.lance')!r})"),
        ("s3://me:pw@b/a.lance", "dm.register('new', table)  # s3://***@b/a.lance"),
    ):
        panel = RegisterPanel(dm, given, "new", key="")
        assert panel.code_line.code == line
        compile(panel.code_line.code, "line", "eval")


def test_the_form_for_details_is_only_that(dm: lnb.DataManager) -> None:
    from lancenb.widgets._details_panel import DetailsPanel

    panel = DetailsPanel(dm, "shapes", key="")
    panel.settle()
    assert "Details of shapes" in repr(panel)
    hidden = {name for name, field in panel.fields.items() if field.layout.display == "none"}
    assert hidden == {"uri", "name", "kind", "replace"}
    assert panel.primary.description == "Save changes"
    assert "[]" not in repr(panel)
    assert "Tags" not in repr(panel)
    assert panel.run(tags=["a", "b"]).tags == ["a", "b"]
    assert "Tags: a, b" in repr(panel)
    panel = RegisterPanel(dm, name="nope", key="")
    panel.settle()
    assert "nope is new" in repr(panel)


def test_addresses_in_errors_hold_no_token(dm: lnb.DataManager) -> None:
    for act in (dm.examine, lambda uri: dm.register("x", uri)):
        with pytest.raises(InvalidArgument) as caught:
            act("hf://datasets/a/b/x.lance?token=SEKRET")
        assert "SEKRET" not in str(caught.value)


def test_a_second_run_leaves_alone_what_the_first_wrote(dm: lnb.DataManager) -> None:
    panel = RegisterPanel(dm, name="shapes", key="")
    assert panel.run(description="round and square").description == "round and square"
    made = panel.run(tags=["demo"])
    assert (made.description, made.tags) == ("round and square", ["demo"])
    dm.update("shapes", metadata={"a": 1})
    assert panel.run(tags=["x"]).metadata == {"a": 1}
