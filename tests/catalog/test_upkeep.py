"""Deleting, cleaning up, compacting (D4, D7)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lancenb.catalog import DataManager
from lancenb.catalog._leases import writing
from lancenb.errors import (
    ArtifactNotFound,
    ConfirmationRequired,
    Conflict,
    InvalidArgument,
    Protected,
    VersionNotFound,
)
from lancenb.store import lance_module

from .helpers import points, rows_of


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    dm = DataManager(tmp_path / "root")
    dm.convert(points(0, 100), "pts")
    for i in range(1, 6):
        dm.convert(points(i * 100, 100), "pts", mode="overwrite")
    return dm


def size(dm: DataManager) -> int:
    return sum(f.stat().st_size for f in Path(dm["pts"].uri).rglob("*") if f.is_file())


def test_d4_delete_says_asks_and_erases(dm: DataManager):
    uri = Path(dm["pts"].uri)
    plan = dm.delete("pts", dry_run=True)
    assert (plan.versions, plan.rows, plan.bytes, plan.dry_run) == (6, 100, size(dm), True)
    for confirm in (None, "", "PTS", "pts "):
        with pytest.raises(ConfirmationRequired) as caught:
            dm.delete("pts", confirm=confirm)
        assert "6 versions" in caught.value.message
    assert uri.exists()
    done = dm.delete("pts", confirm="pts")
    assert (done.bytes, done.dry_run, done.erased) == (plan.bytes, False, True)
    assert not uri.exists()
    assert "pts" not in dm
    assert list(Path(dm.store.uri, "datasets").iterdir()) == []
    assert dm.fsck().problems == []
    with pytest.raises(ArtifactNotFound):
        dm.delete("pts", confirm="pts")
    assert dm.convert(points(), "pts").version == 1


def test_tags_and_dependants_protect(dm: DataManager):
    dm.tag("pts", "prod", 2)
    dm.convert(points(), "child", parents=["pts@prod"])
    plan = dm.delete("pts", dry_run=True)
    assert (plan.tags, plan.dependants) == ({"prod": 2}, ("child",))
    with pytest.raises(Protected) as caught:
        dm.delete("pts", confirm="pts")
    assert "prod" in caught.value.message
    assert "child" in caught.value.message
    assert dm["pts"].rows == 100
    dm.delete("pts", confirm="pts", force=True)
    assert dm.list().names == ["child"]
    assert "deleted" in repr(dm.lineage("child"))


def test_a_tag_that_only_lance_knows_protects_too(dm: DataManager):
    dm.dataset("pts").tags.create("outside", 1)
    with pytest.raises(Protected, match="outside"):
        dm.delete("pts", confirm="pts")


def test_tables_from_elsewhere_are_only_forgotten(dm: DataManager, tmp_path: Path):
    lance_module().write_dataset(points(), str(tmp_path / "theirs.lance"))
    dm.register("theirs", tmp_path / "theirs.lance")
    plan = dm.delete("theirs", dry_run=True)
    assert not plan.erased
    assert "stay" in repr(plan)
    assert not dm.delete("theirs", confirm="theirs").erased
    assert "theirs" not in dm
    assert lance_module().dataset(str(tmp_path / "theirs.lance")).count_rows() == 5


def test_what_is_being_written_is_not_deleted(dm: DataManager):
    entry = dm._entry("pts")
    with writing(dm.store, entry.id, "somebody"), pytest.raises(Conflict, match="somebody"):
        dm.delete("pts", confirm="pts")
    assert dm["pts"].rows == 100
    dm.delete("pts", confirm="pts")


def test_a_damaged_table_can_be_deleted(dm: DataManager):
    for file in Path(dm["pts"].uri, "_versions").iterdir():
        file.unlink()
    assert "gone" in repr(dm["pts"])
    assert "pts" in repr(dm.list())
    assert dm.fsck().of("missing_table")[0].where == "pts"
    dm.delete("pts", confirm="pts")
    assert dm.fsck().problems == []


def test_w42_cleanup_keeps_tags_and_says_what_it_freed(dm: DataManager):
    dm.tag("pts", "prod", 2)
    before = size(dm)
    plan = dm.cleanup("pts", keep=2, dry_run=True)
    assert plan.versions == (1, 3, 4)
    assert plan.protected == {"prod": 2}
    assert (plan.kept, plan.dry_run) == (3, True)
    assert size(dm) == before
    done = dm.cleanup("pts", keep=2)
    assert done.bytes == plan.bytes > 0
    assert size(dm) == before - done.bytes
    assert [v.version for v in dm.versions("pts")] == [2, 5, 6]
    assert rows_of(dm, "pts", "prod")[0]["id"] == 100
    with pytest.raises(VersionNotFound) as caught:
        dm.dataset("pts", 3)
    assert "pts" in caught.value.message
    assert dm.cleanup("pts", keep=2).versions == ()
    assert dm.fsck().problems == []


def test_cleanup_by_age(dm: DataManager):
    assert dm.cleanup("pts", older_than=timedelta(hours=1)).versions == ()
    assert dm.cleanup("pts").versions == ()  # ten are kept unless told otherwise
    assert dm.cleanup("pts", older_than=timedelta(0), keep=3).versions == (1, 2, 3)
    assert dm.cleanup("pts", older_than=timedelta(0)).versions == (4, 5)
    assert rows_of(dm, "pts")[0]["id"] == 500
    for odd in ({"keep": 0}, {"keep": True}, {"older_than": 5}, {"older_than": timedelta(days=-1)}):
        with pytest.raises(InvalidArgument):
            dm.cleanup("pts", **odd)


def test_optimize(dm: DataManager):
    for i in range(6):
        dm.convert(points(1000 + i, 1), "pts", mode="append")
    before = rows_of(dm, "pts")
    done = dm.optimize("pts")
    assert (done.fragments_before, done.fragments_after) == (7, 1)
    assert rows_of(dm, "pts") == before
    assert dm["pts"].version == done.version
    assert dm.fsck().problems == []


def test_optimize_with_an_index_leaves_versions_rollback_and_lineage_readable(dm: DataManager):
    for i in range(3):
        dm.convert(points(1000 + i, 1), "pts", mode="append")
    before = rows_of(dm, "pts")
    lance_module().dataset(dm["pts"].uri).create_scalar_index("id", "BTREE")
    done = dm.optimize("pts")
    last = dm.versions("pts")[-1]
    assert (last.version, last.message) == (done.version, "fragments joined")
    dm.rollback("pts", 1)
    dm.forward("pts")
    assert rows_of(dm, "pts") == before
    assert dm.lineage("pts")
    dm.cleanup("pts", keep=1)
    assert rows_of(dm, "pts") == before
    assert dm.fsck().problems == []


def test_nothing_remains_after_delete_and_cleanup(tmp_path: Path):
    dm = DataManager(tmp_path / "root")
    for i in range(4):
        dm.convert(points(), f"t{i}")
        dm.convert(points(5), f"t{i}", mode="append")
        dm.upsert(f"t{i}", {"id": 3, "x": 9.0}, key="id")
        dm.delete_rows(f"t{i}", [("id", "=", 4)])
        dm.optimize(f"t{i}")
        dm.cleanup(f"t{i}", keep=1)
    assert dm.fsck().problems == []
    for i in range(4):
        dm.delete(f"t{i}", confirm=f"t{i}")
    left = {p.relative_to(tmp_path / "root").parts[0] for p in (tmp_path / "root").rglob("*.*")}
    assert left == {"registry.lance"}
    assert dm.fsck().problems == []


def test_delete_sees_a_tag_and_a_child_made_meanwhile(tmp_path: Path, monkeypatch: Any):
    dm = DataManager(tmp_path / "root")
    dm.convert(points(), "pts")
    other = DataManager(tmp_path / "root")
    look = dm._deletion

    def interfere(act: Any) -> None:
        def late(entry: Any) -> Any:
            plan = look(entry)
            monkeypatch.setattr(dm, "_deletion", look)
            act()
            return plan

        monkeypatch.setattr(dm, "_deletion", late)

    interfere(lambda: other.convert(points(), "child", parents=["pts"]))
    with pytest.raises(Protected, match="child"):
        dm.delete("pts", confirm="pts")
    other.delete("child", confirm="child")
    interfere(lambda: other.tag("pts", "prod"))
    with pytest.raises(Protected, match="prod"):
        dm.delete("pts", confirm="pts")
    other.untag("pts", "prod")
    interfere(lambda: other.rename("pts", "kept"))
    with pytest.raises(ArtifactNotFound):
        dm.delete("pts", confirm="pts")
    assert dm["kept"].rows == 5
    interfere(lambda: other.delete("kept", confirm="kept"))
    with pytest.raises(ArtifactNotFound):
        dm.delete("kept", confirm="kept")
    assert dm.fsck().problems == []
