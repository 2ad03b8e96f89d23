"""Debris of every sort is named, and cleaned only when nobody can need it."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lancenb.catalog import DataManager
from lancenb.catalog._entry import DELETING, PENDING, Entry
from lancenb.catalog._leases import FOLDER, writing
from lancenb.catalog._names import now, ulid
from lancenb.catalog._owner import (
    ALIVE,
    DEAD,
    EXPIRED,
    _started,
    active,
    process_mark,
    state_of,
    this_owner,
)
from lancenb.errors import AlreadyExists, InvalidArgument
from lancenb.store import lance_module

from .helpers import SPAWN, points, rows_of


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    dm = DataManager(tmp_path / "root", actor="ada")
    dm.convert(points(), "pts")
    return dm


@pytest.fixture(scope="module")
def dead() -> dict[str, Any]:
    """An owner on this host whose process has ended."""
    process = SPAWN.Process(target=time.sleep, args=(0,))
    process.start()
    owner = this_owner("ghost", "token")
    process.join()
    return {**owner, "pid": process.pid, "started": "1"}


def neighbour() -> dict[str, Any]:
    """An owner on this host whose process lives: the one that started the tests."""
    parent = os.getppid()
    return {**this_owner("bob", "t"), "pid": parent, "started": _started(parent)}


def elsewhere(minutes: float) -> dict[str, Any]:
    """An owner on another host whose lease ends in so many minutes."""
    lease = (now() + timedelta(minutes=minutes)).isoformat()
    return {**this_owner("remote", "t"), "host": "far/away", "lease": lease}


def plant(
    dm: DataManager, name: str, state: str, owner: dict[str, Any], files: bool = True
) -> Path:
    """Put an unfinished entry into the registry, with some files of its table."""
    ident = ulid()
    entry = Entry(ident, name, uri=f"datasets/{name}-{ident}.lance", state=state, owner=owner)
    dm.registry.change(lambda entries: entries.__setitem__(ident, entry), "plant")
    folder = Path(dm.store.join(entry.uri))
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "half.lance").write_bytes(b"x" * 1000)
    return folder


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86400
    for file in [path, *path.rglob("*")]:
        os.utime(file, (then, then))


def test_owner_states(dead: dict[str, Any]):
    mine = this_owner("a", "t")
    with active("t"):
        assert state_of(mine) == ALIVE
        assert state_of({**mine, "started": "12345"}) == DEAD  # the number was used again
    assert state_of(mine) == DEAD  # this process lives, but that work has ended
    assert state_of(neighbour()) == ALIVE
    assert state_of(dead) == DEAD
    assert state_of(elsewhere(5)) == ALIVE
    assert state_of(elsewhere(-5)) == EXPIRED
    assert state_of({}) == EXPIRED


def test_all_in_order(dm: DataManager):
    report = dm.fsck()
    assert report.ok
    assert report.problems == []
    assert report.tables == 1
    assert "all in order" in repr(report)
    with pytest.raises(InvalidArgument):
        dm.fsck(grace=5)  # type: ignore[arg-type]


def test_a_dead_reservation_is_invisible_and_taken_over_at_once(
    dm: DataManager, dead: dict[str, Any]
):
    folder = plant(dm, "new", PENDING, dead)
    assert "new" not in dm
    assert dm.list().names == ["pts"]
    assert dm.convert(points(), "new").rows == 5
    assert not folder.exists()
    assert dm.fsck().problems == []


def test_fsck_cleans_a_dead_reservation(dm: DataManager, dead: dict[str, Any]):
    folder = plant(dm, "new", PENDING, dead)
    report = dm.fsck()
    (problem,) = report.problems
    assert (problem.kind, problem.where, problem.bytes) == ("stale_reservation", "new", 1000)
    assert not report.ok
    assert folder.exists()
    assert "ghost" in repr(report)
    repaired = dm.fsck(repair=True)
    assert repaired.ok
    assert not folder.exists()
    assert dm.fsck().problems == []


def test_an_unfinished_deletion_is_finished(dm: DataManager, dead: dict[str, Any]):
    folder = plant(dm, "old", DELETING, dead)
    assert dm.fsck().of("stale_deletion")[0].where == "old"
    assert dm.fsck(repair=True).ok
    assert not folder.exists()


def test_a_living_reservation_keeps_the_name(dm: DataManager):
    for owner in (neighbour(), elsewhere(30)):
        folder = plant(dm, "new", PENDING, owner)
        with pytest.raises(AlreadyExists) as caught:
            dm.convert(points(), "new")
        assert owner["actor"] in caught.value.message
        assert dm.fsck(repair=True, grace=timedelta(0)).problems == []
        assert folder.exists()
        dm.registry.change(lambda e: [e.pop(i) for i, x in list(e.items()) if x.name == "new"], "x")
        shutil.rmtree(folder)


def test_a_lapsed_reservation_elsewhere_frees_the_name_but_not_yet_the_files(dm: DataManager):
    folder = plant(dm, "new", PENDING, elsewhere(-1))
    assert dm.convert(points(), "new").rows == 5
    assert folder.exists()  # its writer may only sleep
    (problem,) = dm.fsck(repair=True).problems
    assert (problem.kind, problem.repaired) == ("stale_deletion", False)
    age(folder, 2)
    assert dm.fsck(repair=True).ok
    assert not folder.exists()
    assert dm["new"].rows == 5


def test_a_writer_whose_reservation_was_taken_over_leaves_nothing(dm: DataManager):
    other = DataManager(dm.store.uri, actor="thief")

    with pytest.raises(Exception, match="taken over"):  # noqa: SIM117, PT012
        with dm._creating("new", "table") as slot:
            lance_module().write_dataset(points(), dm._uri(slot))

            def lapse(entries: dict[str, Entry]) -> None:
                entries[slot.id] = replace(entries[slot.id], owner=elsewhere(-1))

            dm.registry.change(lapse, "sleep for hours")
            other.convert(points(7, 1), "new")
            dm._publish(slot)
    assert rows_of(dm, "new")[0]["id"] == 7
    assert len(list(Path(dm.store.uri, "datasets").iterdir())) == 2
    assert dm.fsck().problems == []


def _loose(dm: DataManager) -> list[Path]:
    """Write files into the table that no version refers to, as a killed writer does."""
    uri = dm["pts"].uri
    lance_module().fragment.write_fragments(points(50, 50), uri, mode="append")
    sidecar = Path(uri, "data", "0101")
    sidecar.mkdir()
    paths = [sidecar / "1.blob", Path(uri, "data", ".tmpAbC"), Path(uri, "_deletions", "9.arrow")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"y" * 100)
    return paths


def test_uncommitted_files_wait_for_their_age(dm: DataManager):
    loose = _loose(dm)
    before = rows_of(dm, "pts")
    report = dm.fsck(repair=True)
    (problem,) = report.problems
    assert (problem.kind, problem.where, problem.repaired) == ("uncommitted_files", "pts", False)
    assert len(problem.paths) == 4
    assert all(path.exists() for path in loose)
    age(Path(dm["pts"].uri, "data"), 2)
    age(Path(dm["pts"].uri, "_deletions"), 2)
    repaired = dm.fsck(repair=True)
    assert repaired.ok
    assert repaired.bytes > 300
    assert not any(path.exists() for path in loose)
    assert not loose[0].parent.exists()
    assert rows_of(dm, "pts") == before
    dm.dataset("pts").validate()
    assert dm.fsck().problems == []


def _lease(dm: DataManager, owner: dict[str, Any], key: str | None = None) -> Path:
    path = Path(dm.store.uri, FOLDER, f"{key or dm._entry('pts').id}--{ulid()}.json")
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(owner))
    return path


def test_files_of_a_dead_writer_go_at_once(dm: DataManager, dead: dict[str, Any]):
    lease = _lease(dm, dead)
    loose = _loose(dm)
    assert {p.kind for p in dm.fsck().problems} == {"uncommitted_files", "stale_lease"}
    assert dm.fsck(repair=True).ok
    assert not any(path.exists() for path in [*loose, lease])
    assert rows_of(dm, "pts") == points().to_pylist()


def test_files_that_a_dead_cleaner_was_about_to_remove_go_at_once(
    dm: DataManager, dead: dict[str, Any]
):
    sidecar, *others = _loose(dm)
    going = Path(dm["pts"].uri, "data", "0101.lance")
    going.write_bytes(b"y")
    later = (now() + timedelta(minutes=1)).isoformat()  # the files were there before it began
    lease = _lease(dm, {**dead, "since": later, "removing": ["data/0101.lance"]})
    assert not dm.fsck(repair=True).ok
    assert not any(path.exists() for path in (going, sidecar, sidecar.parent, lease))
    assert all(path.exists() for path in others)  # of those nobody knows
    for odd in (["data/0101.lance", 3], "data", None, {}):
        _lease(dm, {**dead, "since": later, "removing": odd})
        assert not dm.fsck(repair=True).ok
        assert all(path.exists() for path in others)
    assert rows_of(dm, "pts") == points().to_pylist()


def test_files_of_a_living_writer_are_never_touched(dm: DataManager, dead: dict[str, Any]):
    _lease(dm, dead)
    loose = _loose(dm)
    age(Path(dm["pts"].uri, "data"), 9)
    with writing(dm.store, dm._entry("pts").id, "bob"):
        assert dm.fsck(repair=True, grace=timedelta(0)).problems == []
        assert all(path.exists() for path in loose)
    assert dm.fsck(repair=True).ok


def test_an_append_in_flight_survives_a_repair(dm: DataManager):
    class Reader:
        """Rows that run fsck while they are being read."""

        def __iter__(self) -> Any:
            yield points(5, 1).to_batches()[0]
            assert DataManager(dm.store.uri).fsck(repair=True, grace=timedelta(0)).problems == []
            yield points(6, 1).to_batches()[0]

    import pyarrow as pa

    reader = pa.RecordBatchReader.from_batches(points().schema, iter(Reader()))
    dm.convert(reader, "pts", mode="append")
    assert [row["id"] for row in rows_of(dm, "pts")] == list(range(7))
    dm.dataset("pts").validate()


def test_debris_of_the_registry(dm: DataManager, dead: dict[str, Any]):
    junk = Path(dm.registry.uri, "data", "0110.lance")
    junk.write_bytes(b"z" * 10)
    _lease(dm, dead, "registry")
    report = dm.fsck()
    assert report.of("uncommitted_files")[0].where == "registry.lance"
    assert dm.fsck(repair=True).ok
    assert not junk.exists()
    assert dm["pts"].rows == 5


def test_a_lease_on_a_registry_that_was_never_made(tmp_path: Path, dead: dict[str, Any]):
    dm = DataManager(tmp_path / "root")
    lease = _lease(dm, dead, "registry")
    (problem,) = dm.fsck().problems
    assert problem.kind == "stale_lease"
    assert dm.fsck(repair=True).ok
    assert not lease.exists()


def test_leases_of_what_is_no_more(dm: DataManager, dead: dict[str, Any]):
    lease = _lease(dm, dead, "01GONE")
    part = lease.with_name(f"{lease.name}.{dead['pid']}-{process_mark().split('-')[1]}.part")
    part.write_bytes(b"")
    mine = lease.with_name(f"{lease.name}.{process_mark()}.part")
    mine.write_bytes(b"")
    assert len(dm.fsck().of("stale_lease")) == 2
    assert dm.fsck(repair=True).ok
    assert not lease.exists()
    assert not part.exists()
    assert mine.exists()  # this process lives and may be about to rename it
    age(mine, 2)
    assert dm.fsck(repair=True).ok
    assert not mine.exists()


def test_the_index_of_tags_is_brought_in_line(dm: DataManager):
    dm.tag("pts", "prod", 1)
    dm.dataset("pts").tags.create("outside", 1)
    dm.dataset("pts").tags.delete("prod")
    (problem,) = dm.fsck().problems
    assert (problem.kind, problem.where) == ("alias_mismatch", "pts")
    assert dm["pts"].aliases == {"prod": 1}
    assert dm.fsck(repair=True).ok
    assert dm["pts"].aliases == dm.tags("pts") == {"outside": 1}
    assert dm.fsck().problems == []


def test_folders_without_a_name(dm: DataManager):
    top = Path(dm.store.uri, "datasets")
    whole = top / f"lost-{ulid()}.lance"
    lance_module().write_dataset(points(), str(whole))
    half = top / f"half-{ulid()}.lance"
    (half / "data").mkdir(parents=True)
    (half / "data" / "a.lance").write_bytes(b"1")
    strange = top / "notes"
    strange.mkdir()
    (strange / "x.txt").write_text("mine")
    for path in (whole, half, strange):
        age(path, 5)
    report = dm.fsck(repair=True)
    found = {p.where.split("/")[1].split("-")[0]: (p.kind, p.repaired) for p in report.problems}
    assert found == {
        "lost": ("unregistered_table", False),  # a whole table is never thrown away
        "half": ("orphan_directory", True),
        "notes": ("orphan_directory", False),
    }
    assert not half.exists()
    assert strange.exists()
    dm.register("found", whole)
    assert dm["found"].rows == 5


def test_a_young_orphan_is_left_alone(dm: DataManager):
    half = Path(dm.store.uri, "datasets", f"half-{ulid()}.lance", "data")
    half.mkdir(parents=True)
    (half / "a.lance").write_bytes(b"1")
    assert not dm.fsck(repair=True).ok
    assert half.exists()
    assert dm.fsck(repair=True, grace=timedelta(0)).ok
    assert not half.exists()
