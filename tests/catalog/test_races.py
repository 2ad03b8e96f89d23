"""Two or three at once, in the order that once went wrong: each is brought about on purpose."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from lancenb.catalog import DataManager, _leases, _slots, _upkeep
from lancenb.catalog._leases import leases, writing
from lancenb.catalog._owner import ALIVE
from lancenb.errors import AlreadyExists, ArtifactNotFound, Conflict

from .helpers import points


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    dm = DataManager(tmp_path / "root", actor="ada")
    dm.convert(points(), "pts")
    return dm


def overwrite(dm: DataManager) -> None:
    dm.convert(pa.table({"other": ["a"]}), "pts", mode="overwrite")


def other_weights(dm: DataManager) -> None:
    dm.save_weights("net", {"w": torch.zeros(3)})
    dm.save_weights("net", {"v": torch.zeros(2)})


@pytest.mark.parametrize("write", [overwrite, other_weights])
def test_a_writer_holds_its_table_until_the_catalogue_knows(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch, write: Callable[[DataManager], None]
) -> None:
    refresh, seen = dm._refresh, []

    def look(entry: Any, *rest: Any) -> None:
        seen.append([lease.state for lease in leases(dm.store, entry.id)])
        seen.append(DataManager(dm.store.uri).fsck().problems)
        refresh(entry, *rest)

    monkeypatch.setattr(dm, "_refresh", look)
    write(dm)
    assert seen == [[ALIVE], []]
    assert dm.fsck().problems == []


def test_a_writer_that_comes_and_goes_while_fsck_looks_is_no_finding(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, opened = DataManager(dm.store.uri), []
    open_table = looking._open

    def then_overwrite(entry: Any, *rest: Any) -> Any:
        head = open_table(entry, *rest)
        if not opened:
            opened.append(entry.name)
            overwrite(dm)
        return head

    monkeypatch.setattr(looking, "_open", then_overwrite)
    assert looking.fsck().problems == []
    assert opened == ["pts"]


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None], calls: int) -> None:
    """Let ``act`` happen between the mark of a deletion and its second look for writers."""
    real, seen = _upkeep.leases, []

    def look(store: Any, key: str | None = None) -> Any:
        seen.append(key)
        if len(seen) == calls:
            act()
        return real(store, key)

    monkeypatch.setattr(_upkeep, "leases", look)


def test_a_deletion_is_refused_before_anybody_sees_the_name_free(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = []
    monkeypatch.setattr(dm.registry, "change", lambda *rest: marked.append(rest))
    with (
        writing(dm.store, dm._entry("pts").id, "eve"),
        pytest.raises(Conflict, match="is being written by eve"),
    ):
        dm.delete("pts", confirm="pts")
    assert marked == []


def test_a_name_that_was_taken_during_a_refused_deletion_is_not_there_twice(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = dm._entry("pts")
    writer = writing(dm.store, entry.id, "eve")

    def act() -> None:
        DataManager(dm.store.uri).convert(pa.table({"id": [9]}), "pts")
        writer.__enter__()

    meanwhile(monkeypatch, act, calls=2)
    with pytest.raises(Conflict, match=r"being written by eve.*is called 'pts-2' now") as caught:
        dm.delete("pts", confirm="pts")
    writer.__exit__(None, None, None)
    assert "dm.rename('pts-2', ...)" in str(caught.value)
    assert sorted(dm.list().names) == ["pts", "pts-2"]
    assert dm.get("pts-2").id == entry.id
    assert dm.get("pts").rows == 1
    assert dm.get("pts-2").rows == points().num_rows
    assert dm.fsck().problems == []


def test_an_interrupt_stays_one_when_the_name_was_taken(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> None:
        DataManager(dm.store.uri).convert(points(), "pts")
        raise KeyboardInterrupt

    meanwhile(monkeypatch, act, calls=2)
    with pytest.raises(KeyboardInterrupt):
        dm.delete("pts", confirm="pts")
    assert sorted(dm.list().names) == ["pts", "pts-2"]


def test_a_second_deletion_does_not_make_the_first_look_dead(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, repaired = DataManager(dm.store.uri), []
    stale = second._entry("pts")
    writer = writing(dm.store, stale.id, "eve")

    def act() -> None:
        monkeypatch.setattr(second, "_entry", lambda name: stale)  # it had looked before the mark
        with pytest.raises(ArtifactNotFound):
            second.delete("pts", confirm="pts")
        repaired.extend(DataManager(dm.store.uri).fsck(repair=True).problems)
        writer.__enter__()

    meanwhile(monkeypatch, act, calls=2)
    with pytest.raises(Conflict):
        dm.delete("pts", confirm="pts")
    writer.__exit__(None, None, None)
    assert repaired == []
    assert dm.get("pts").rows == points().num_rows


def test_a_name_that_a_thread_beside_us_gives_back_is_waited_for(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_slots, "_GIVEN_BACK", 120.0)  # the thread may get no processor for long
    reserved, give_up = threading.Event(), threading.Event()

    def begins_and_gives_up() -> None:
        with contextlib.suppress(KeyError), dm._creating("new", "table"):
            reserved.set()
            assert give_up.wait(60)
            raise KeyError

    thread = threading.Thread(target=begins_and_gives_up)
    thread.start()
    assert reserved.wait(60)
    threading.Timer(0.2, give_up.set).start()
    dm.convert(points(), "new")
    thread.join(60)
    assert dm.fsck().problems == []


def test_a_name_that_stays_reserved_is_refused(dm: DataManager) -> None:
    with dm._creating("new", "table") as slot:
        with pytest.raises(AlreadyExists, match="'new' is being created by ada"):
            DataManager(dm.store.uri).convert(points(), "new")
        assert slot.id in dm.registry.read().entries


def test_leases_in_memory_are_listed_while_others_come(monkeypatch: pytest.MonkeyPatch) -> None:
    dm = DataManager("memory://races")

    class Busy(str):
        """A key beside which another one turns up when somebody looks at it."""

        def startswith(self, *words: Any) -> bool:  # type: ignore[override]
            _leases._MEMORY.setdefault("another", b"{}")
            return super().startswith(*words)

    monkeypatch.setattr(_leases, "_MEMORY", {Busy("one"): b"{}", Busy("two"): b"{}"})
    assert leases(dm.store) == []
    assert "another" in _leases._MEMORY
