"""The panel of versions: list, difference, rollback, undo, tags, and writers in between."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.errors import ArtifactNotFound, Conflict, InvalidArgument, VersionNotFound
from lancenb.widgets.rollback_panel import RollbackPanel, Tagged
from tests.widgets.conftest import left_threads

pytestmark = pytest.mark.usefixtures("loud")


@pytest.fixture
def mine(tmp_path: Path) -> lnb.DataManager:
    """Rows 0-4, then 0-7 with one changed, then 0-2."""
    manager = lnb.DataManager(tmp_path / "store", actor="ann")
    for count, text in ((5, "old"), (8, "new"), (3, "new")):
        rows = {"id": list(range(count)), "text": [f"{text} {i}" for i in range(count)]}
        manager.convert(pa.table(rows), "mine", mode="overwrite")
    return manager


def shown(manager: Any, name: str = "mine", **inputs: Any) -> RollbackPanel:
    panel = RollbackPanel(manager, name, key="")
    panel._fill(inputs)
    assert panel.settle()
    return panel


def test_the_list_says_what_each_version_did(mine: lnb.DataManager) -> None:
    mine.tag("mine", "good", 2)
    mine.rollback("mine", 1)
    panel = shown(mine)
    newest, third, second, first = panel.timeline.first
    assert newest["words"] == "back to what version 1 was"
    assert newest["current"]
    assert (newest["rows_added"], newest["rows_net"]) == (None, 2)
    assert (third["rows_added"], third["rows_removed"]) == (3, 8)
    assert second["tags"] == ["good"]
    assert second["who"] == "ann"
    assert second["origin"].startswith("the pyarrow Table")
    assert first["rows_added"] == 5
    assert first["bytes_added"] == first["bytes"] > 0


def test_the_difference_is_known_before_anything_happens(mine: lnb.DataManager) -> None:
    panel = shown(mine, version=1)
    assert panel.diff is not None
    assert panel.diff.key == ("id",)
    assert "brings 2 rows back and changes 3 rows" in panel._change.value
    assert "old 4" in panel._change.value
    assert (
        panel.confirm.question
        == "Roll back mine to version 1: 2 rows to come back, 3 rows to change?"
    )
    assert panel.code_line.code == "dm.rollback('mine', 1)"
    assert mine["mine"].version == 3


def test_two_clicks_roll_back_and_undo_takes_it_back(mine: lnb.DataManager) -> None:
    panel = shown(mine, version="2")
    panel.confirm.click()
    assert mine["mine"].version == 3
    assert panel.confirm.armed
    panel.confirm.click()
    assert panel.card.wait(60)
    assert panel.settle()
    assert tuple(panel.result) == (2, 3, 4)
    assert mine["mine"].rows == 8
    assert "Version 4 has the rows of version 2" in panel.result_row.children[0].value
    assert panel.timeline.current.version == 4
    [undo] = panel.result_row.children[1].children
    undo.click()
    assert panel.card.wait(60)
    assert panel.settle()
    assert mine["mine"].rows == 3
    assert panel.result.new_head == 5
    assert panel.undo().new_head == 6
    assert mine["mine"].rows == 8


def test_somebody_wrote_meanwhile(mine: lnb.DataManager) -> None:
    panel = shown(mine, version="1")
    mine.convert(pa.table({"id": [9], "text": ["x"]}), "mine", mode="append")
    panel.confirm.click()
    panel.confirm.click()
    panel.card.wait(60)
    panel.settle()
    assert isinstance(panel.error, Conflict)
    assert "version 4 of mine" in panel.card.error
    assert mine["mine"].version == 4
    assert panel.timeline.current.version == 4
    panel.run(version=1)
    mine.convert(pa.table({"id": [9], "text": ["x"]}), "mine", mode="append")
    with pytest.raises(Conflict, match="version 6 of mine was written since"):
        panel.undo()
    assert mine["mine"].version == 6


def test_a_tag_that_was_moved_meanwhile_leads_where_the_question_said(
    mine: lnb.DataManager,
) -> None:
    mine.tag("mine", "prod", 1)
    panel = shown(mine, version="prod")
    assert panel.code_line.code == "dm.rollback('mine', 'prod')"
    panel.confirm.click()
    assert "to version 1:" in panel.confirm.question
    mine.tag("mine", "prod", 2, move=True)
    panel.confirm.click()
    panel.card.wait(60)
    assert tuple(panel.result) == (1, 3, 4)
    panel.settle()


def test_an_artefact_made_again_under_the_name_is_left_alone(mine: lnb.DataManager) -> None:
    def again(times: int) -> None:
        mine.delete("mine", confirm="mine")
        for number in range(times):
            mine.convert(pa.table({"other": [number]}), "mine", mode="overwrite")

    panel = shown(mine, version="1")
    panel.confirm.click()
    again(3)
    panel.confirm.click()
    panel.card.wait(60)
    panel.settle()
    assert isinstance(panel.error, Conflict)
    assert "made again" in panel.card.error
    assert mine["mine"].version == 3
    assert panel.run(version=1).new_head == 4
    again(4)
    with pytest.raises(Conflict, match="made again"):
        panel.undo()
    panel.settle()
    again(3)
    panel._tag.value = "prod"
    panel._tag_it()
    panel.card.wait(60)
    assert isinstance(panel.error, Conflict)
    assert mine.tags("mine") == {}


def test_a_question_about_another_name_is_not_confirmed(mine: lnb.DataManager) -> None:
    mine.convert(pa.table({"x": [1]}), "other")
    mine.convert(pa.table({"x": [1, 2]}), "other", mode="overwrite")
    panel = shown(mine, version="1")
    panel.confirm.click()
    panel.fields["name"].value = "other"
    assert not panel.confirm.armed
    assert panel.confirm.disabled
    panel.settle()
    assert "Roll back other to version 1" in panel.confirm.question


@pytest.mark.parametrize("odd", ["\u00b2", "\u0663", "9" * 5000])
def test_digits_that_are_no_number_are_a_sentence(mine: lnb.DataManager, odd: str) -> None:
    panel = shown(mine, version=odd)
    assert panel.confirm.disabled
    panel._tag.value = odd
    with pytest.raises(InvalidArgument, match="no version number"):
        panel.run()
    mine.tag("mine", "prod", 2)
    assert panel.run(version="prod").restored_from == 2


def test_a_list_that_cannot_be_drawn_says_so_and_the_next_is_read(
    mine: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = shown(mine)
    with monkeypatch.context() as broken:
        broken.setattr(type(panel.timeline), "_item", lambda *_: 1 / 0)
        panel.refresh()
        assert panel.settle()
        assert "division" in panel.timeline.error
    panel.refresh()
    assert panel.settle()
    assert (panel.timeline.total, panel.timeline.error) == (3, "")


def test_a_question_that_changed_is_not_confirmed(mine: lnb.DataManager) -> None:
    panel = shown(mine, version="1")
    panel.confirm.click()
    panel.timeline.at = 1
    assert panel.fields["version"].value == "2"
    assert not panel.confirm.armed
    panel.settle()
    panel._click()  # Enter in a field
    assert panel.confirm.armed
    panel._click()
    assert mine["mine"].version == 3


def test_figures_that_come_late_leave_the_question_asked(
    dm: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, diff = threading.Event(), type(dm).diff

    def slow(self: lnb.DataManager, *args: Any, **options: Any) -> Any:
        assert known.wait(600)
        return diff(self, *args, **options)

    monkeypatch.setattr(type(dm), "diff", slow)
    panel = RollbackPanel(dm, "net", key="")
    panel._fill({"version": "1"})
    assert panel._loader.settle(20)
    panel.confirm.click()
    assert "tensors?" in panel.confirm.question
    known.set()
    assert panel.settle()
    assert "to change" in panel.confirm.question
    assert panel.confirm.armed
    panel.confirm.click()
    panel.card.wait(60)
    panel.settle()
    assert dm["net"].version == 3


def test_tags_are_put_moved_and_taken_off(mine: lnb.DataManager) -> None:
    panel = shown(mine, version="2")
    assert panel._put_tag.disabled
    assert panel._drop_tag.disabled
    panel._tag.value = "prod"
    panel._put_tag.click()
    panel.card.wait(60)
    panel.settle()
    assert panel.result == Tagged("mine", "prod", 2)
    assert mine.tags("mine") == {"prod": 2}
    panel.timeline.at = 0
    assert panel._put_tag.description == "Move tag to version 3"
    panel._put_tag.click()
    panel.card.wait(60)
    panel.settle()
    assert mine.tags("mine") == {"prod": 3}
    panel.fields["version"].value = "prod"
    assert panel.timeline.chosen.version == 3
    panel._drop_tag.click()
    panel.card.wait(60)
    assert mine.tags("mine") == {}
    panel._tag.value = "12"
    panel.settle()
    panel.fields["version"].value = "2"
    panel._put_tag.click()
    panel.card.wait(60)
    assert "reads like a version number" in panel.card.error


def test_buttons_come_back_however_late_the_card_ends(mine: lnb.DataManager) -> None:
    panel = shown(mine, version="1")
    panel.card.on_end(lambda job: panel.settle())  # the list is read again before the card ends
    panel._tag.value = "prod"
    panel._put_tag.click()
    assert panel.card.wait(60)
    assert panel.settle()
    assert not panel.confirm.disabled
    assert not panel._drop_tag.disabled


def test_run_says_what_is_wrong(mine: lnb.DataManager) -> None:
    panel = RollbackPanel(mine, key="")
    with pytest.raises(InvalidArgument, match="no artefact yet"):
        panel.run()
    with pytest.raises(ArtifactNotFound, match="mien"):
        panel.run(name="mien", version=1)
    assert "mien" in panel.timeline.error
    assert "mine" in panel.timeline.hint
    with pytest.raises(InvalidArgument, match="no version is chosen"):
        panel.run(name="mine", version="")
    with pytest.raises(VersionNotFound):
        panel.run(name="mine", version=99)
    with pytest.raises(InvalidArgument, match="nothing to undo"):
        panel.undo()
    assert panel.run(name="mine", version=2, message="better").restored_from == 2
    assert mine.versions("mine")[-1].message == "better"


def test_from_afar_images_and_weights(far: Any) -> None:
    panel = RollbackPanel(far, "net", key="")
    assert tuple(panel.run(version=1)) == (1, 2, 3)
    panel._fill({"version": 2})
    panel.settle()
    assert "norm of change" in panel._change.value
    assert "tensors" in panel.confirm.question
    assert panel.undo().new_head == 4
    text = repr(panel)
    assert "version 4" in text
    assert "(current)" in text
    assert "<img" not in panel._static()[0]


def test_pictures_of_rows_that_would_go(mine: lnb.DataManager, tmp_path: Path) -> None:
    from tests.widgets.conftest import make_images

    mine.convert(make_images(tmp_path / "a", 6), "shapes")
    mine.delete_rows("shapes", [("label", "=", 1)])
    panel = shown(mine, "shapes", version=1)
    assert "brings 2 rows back" in panel._change.value
    assert panel._change.value.count("<img") == 2
    assert 'alt="square/001.png"' in panel._change.value


def test_markup_in_names_and_messages_stays_text(mine: lnb.DataManager) -> None:
    evil = "<img src=x onerror=alert(1)>"
    mine.convert(pa.table({"id": [0], "text": [evil]}), "mine", mode="overwrite", message=evil)
    panel = shown(mine, version=1)
    assert evil not in panel._change.value + panel._static()[0]
    assert panel.timeline.first[0]["words"] == evil  # set by textContent


def test_thousands_of_versions_travel_by_the_page(mine: lnb.DataManager) -> None:
    [version] = [v for v in mine.versions("mine") if v.current]
    many = [
        type(version)(n, version.time, 3, f"step {n}", current=n == 5000) for n in range(1, 5001)
    ]
    panel = shown(mine)
    panel.timeline.load(many)
    assert (panel.timeline.total, len(panel.timeline.first)) == (5000, 100)
    page = panel.timeline._answer_page(4900, 100, panel.timeline.stamp)
    assert page["items"][-1]["version"] == 1
    with pytest.raises(Conflict):
        panel.timeline._answer_page(0, 1, panel.timeline.stamp - 1)


def test_nothing_is_left_behind(mine: lnb.DataManager) -> None:
    from ipywidgets.widgets.widget import _instances

    before, threads = len(_instances), set(threading.enumerate())
    panel = shown(mine, version="1")
    panel.run(version=2)
    panel.settle()
    panel.close()
    assert len(_instances) == before
    assert left_threads(threads) == []
