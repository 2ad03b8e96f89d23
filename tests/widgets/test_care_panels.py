"""Removing and deleting: only what was shown goes, whatever others do in between."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.errors import Conflict
from lancenb.widgets._care_panels import CleanupPanel, DeletePanel

pytestmark = pytest.mark.usefixtures("loud")


@pytest.fixture
def mine(tmp_path: Path) -> lnb.DataManager:
    manager = lnb.DataManager(tmp_path / "store")
    write(manager, 5)
    return manager


def write(manager: lnb.DataManager, times: int, column: str = "x") -> None:
    for number in range(times):
        manager.convert(pa.table({column: [number]}), "mine", mode="overwrite")


def numbers(manager: lnb.DataManager) -> list[int]:
    return [version.version for version in manager.versions("mine")]


def confirm(panel: Any) -> None:
    button = panel.result_row.children[-1]
    button.click()
    button.click()
    assert panel.card.wait(60)


def test_clean_up_removes_what_was_planned_whatever_the_form_says_by_now(
    mine: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed, cleanup = threading.Event(), type(mine).cleanup

    def slow(self: lnb.DataManager, *args: Any, **options: Any) -> Any:
        assert typed.wait(600)
        return cleanup(self, *args, **options)

    monkeypatch.setattr(type(mine), "cleanup", slow)
    panel = CleanupPanel(mine, mine["mine"], key="")
    panel.run(wait=False, keep=4)
    panel.fields["keep"].value = 1
    typed.set()
    assert panel.card.wait(60)
    assert "1 version" in panel.result_row.children[-1].question
    confirm(panel)
    assert panel.error is None
    assert numbers(mine) == [2, 3, 4, 5]


def test_clean_up_shows_the_new_plan_when_others_wrote(mine: lnb.DataManager) -> None:
    panel = CleanupPanel(mine, mine["mine"], key="")
    panel.run(keep=4)
    write(mine, 2)
    confirm(panel)
    assert isinstance(panel.error, Conflict)
    assert "nothing was removed" in panel.card.error
    assert len(numbers(mine)) == 7
    assert "3 versions" in panel.result_row.children[-1].question
    confirm(panel)
    assert panel.error is None
    assert numbers(mine) == [4, 5, 6, 7]


def test_clean_up_leaves_an_artefact_made_again_alone(mine: lnb.DataManager) -> None:
    panel = CleanupPanel(mine, mine["mine"], key="")
    panel.run(keep=4)
    mine.delete("mine", confirm="mine")
    write(mine, 5, "y")
    confirm(panel)
    assert isinstance(panel.error, Conflict)
    assert numbers(mine) == [1, 2, 3, 4, 5]
    confirm(panel)
    assert numbers(mine) == [2, 3, 4, 5]


def test_clean_up_by_a_panel_that_took_the_plan_over(
    mine: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, cleanup = threading.Event(), type(mine).cleanup

    def slow(self: lnb.DataManager, *args: Any, **options: Any) -> Any:
        assert shown.wait(600)
        return cleanup(self, *args, **options)

    monkeypatch.setattr(type(mine), "cleanup", slow)
    CleanupPanel(mine, mine["mine"], key="again").run(wait=False, keep=4)
    panel = CleanupPanel(mine, mine["mine"], key="again")
    shown.set()
    assert panel.card.wait(60)
    confirm(panel)
    assert numbers(mine) == [2, 3, 4, 5]


def test_delete_shows_the_new_plan_when_others_wrote(mine: lnb.DataManager) -> None:
    panel = DeletePanel(mine, mine["mine"], key="")
    assert panel._force.layout.display == "none"
    write(mine, 1)
    mine.tag("mine", "prod", 6)
    with pytest.raises(Conflict, match="nothing was removed"):
        panel.run(confirm="mine", force=True)
    panel.card.wait(60)
    assert "mine" in mine
    assert "prod → 6" in panel._told.value
    assert panel.inputs == {"confirm": "", "force": False}
    assert panel._force.layout.display is None
    panel.run(confirm="mine", force=True)
    assert "mine" not in mine


def test_delete_leaves_an_artefact_made_again_alone(mine: lnb.DataManager) -> None:
    panel = DeletePanel(mine, mine["mine"], key="")
    mine.delete("mine", confirm="mine")
    write(mine, 5, "y")
    with pytest.raises(Conflict):
        panel.run(confirm="mine")
    panel.card.wait(60)
    assert "mine" in mine
    panel.run(confirm="mine")
    assert "mine" not in mine


def test_removing_from_afar(far: Any, dm: lnb.DataManager) -> None:
    panel = CleanupPanel(far, far.get("net"), key="")
    panel.run(keep=1)
    confirm(panel)
    assert panel.error is None
    assert [version.version for version in dm.versions("net")] == [2]
    DeletePanel(far, far.get("net"), key="").run(confirm="net")
    assert "net" not in dm
