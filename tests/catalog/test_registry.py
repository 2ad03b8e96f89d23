"""Names, registration, listing, search."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb.catalog import DataManager
from lancenb.catalog._registry import KEEP_VERSIONS, TABLE
from lancenb.errors import (
    AlreadyExists,
    ArtifactNotFound,
    InvalidArgument,
    InvalidName,
    LancenbError,
    NotFound,
    OutOfSpace,
    StoreNotWritable,
    UnknownOption,
)
from lancenb.store import Store, lance_module, open_table

from .helpers import points, rows_of, run_all


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    return DataManager(tmp_path / "root", actor="ada")


def files(root: Any) -> set[str]:
    return {p.relative_to(root).as_posix() for p in Path(root).rglob("*") if p.is_file()}


def test_w45_looking_makes_nothing(tmp_path: Path):
    root = tmp_path / "root"
    dm = DataManager(root)
    assert len(dm) == 0
    assert dm.list() == []
    assert "x" not in dm
    assert dm.search("x") == []
    assert dm.fsck().ok
    assert "0 artefacts" in repr(dm)
    for read in (dm.get, dm.dataset, dm.versions, dm.tags, dm.search_rows, dm.lineage):
        with pytest.raises(ArtifactNotFound) as caught:
            read("x")
        assert "LanceError" not in str(caught.value)
    assert not root.exists()


@pytest.mark.parametrize(
    "name",
    [
        *("", "..", "a..b", "../evil", "a/b", "a\\b", "😀", "modèle", "a b", "-a", ".hidden", "a."),
        *("x" * 129, "a\x00", "a\n", "c:d", "a$b", "a%20b", None, 5),
    ],
)
def test_bad_names_are_refused_with_the_pattern(dm: DataManager, name: Any):
    for attempt in (
        lambda: dm.convert(points(), name),
        lambda: dm.register(name, "x.lance"),
        lambda: dm.upsert(name, points(), key="id", create=True),
        lambda: dm.get(name),
    ):
        with pytest.raises(InvalidName) as caught:
            attempt()
        assert caught.value.code == "invalid_name"
        if isinstance(name, str):
            assert "letters a-z A-Z, digits" in caught.value.hint
    assert not os.path.exists(dm.store.uri)


@pytest.mark.parametrize("name", ["a", "A1", "resnet-18.v2_x", "_tmp", "x" * 128, "0"])
def test_good_names(dm: DataManager, name: str):
    assert dm.convert(points(), name).name == name
    assert dm[name].rows == 5


def test_d1_register_survives_a_restart(dm: DataManager):
    report = dm.convert(
        points(), "pts", description="five", tags=["toy"], metadata={"a": {"b": 1}}, message="m"
    )
    assert (report.rows, report.version, report.name) == (5, 1, "pts")
    again = DataManager(dm.store.uri)["pts"]
    assert (again.kind, again.description, again.tags) == ("table", "five", ["toy"])
    assert (again.metadata, again.rows, again.version) == ({"a": {"b": 1}}, 5, 1)
    assert again.columns == ["id", "x", "name"]
    assert again.history[0]["who"] == "ada"
    assert again.dataset().to_table().num_rows == 5
    assert pickle.loads(pickle.dumps(dm)).list().names == ["pts"]


def test_d1_register_a_table_that_is_there(dm: DataManager, tmp_path: Path):
    lance_module().write_dataset(points(), str(tmp_path / "mine.lance"))
    with pytest.raises(NotFound):
        dm.register("mine", tmp_path / "nothing.lance")
    assert "mine" not in dm
    artifact = dm.register("mine", tmp_path / "mine.lance", metadata={"k": 1})
    assert artifact.rows == 5
    assert artifact.uri == str(tmp_path / "mine.lance")
    with pytest.raises(AlreadyExists, match="'mine' already"):
        dm.register("other", tmp_path / "mine.lance")
    lance_module().write_dataset(points(0, 2), dm.store.join("inside.lance"))
    with pytest.raises(AlreadyExists, match="taken"):
        dm.register("mine", "inside.lance")
    replaced = dm.register("mine", "inside.lance", replace=True)
    assert (replaced.rows, dm["mine"].rows, len(dm)) == (2, 2, 1)
    assert (tmp_path / "mine.lance").exists()


def test_registering_the_registry_is_refused(dm: DataManager):
    dm.convert(points(), "pts")
    with pytest.raises(InvalidArgument):
        dm.register("loop", TABLE)


def test_a_name_is_taken_once(dm: DataManager):
    dm.convert(points(), "pts")
    for attempt in (
        lambda: dm.convert(points(), "pts"),
        lambda: dm.convert(points(), "pts", mode="create"),
    ):
        with pytest.raises(AlreadyExists) as caught:
            attempt()
        assert "overwrite" in caught.value.hint
    assert rows_of(dm, "pts") == points().to_pylist()


def test_modes(dm: DataManager):
    with pytest.raises(ArtifactNotFound) as caught:
        dm.convert(points(), "pts", mode="append")
    assert "create" in caught.value.hint
    assert dm.convert(points(), "pts", mode="overwrite").version == 1
    assert dm.convert(points(5), "pts", mode="append").version == 2
    assert [row["id"] for row in rows_of(dm, "pts")] == list(range(10))
    assert dm.convert(points(9, 1), "pts", mode="overwrite", tags=["new"]).version == 3
    assert [row["id"] for row in rows_of(dm, "pts")] == [9]
    assert dm["pts"].tags == ["new"]
    assert len(rows_of(dm, "pts", 2)) == 10
    with pytest.raises(InvalidArgument):
        dm.convert(points(), "pts", mode="truncate")


def test_a_failed_convert_leaves_nothing(dm: DataManager, tmp_path: Path):
    dm.convert(points(), "keep")
    before = files(dm.store.uri)
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"")
    with pytest.raises(LancenbError):
        dm.convert(bad, "gone")
    with pytest.raises(LancenbError):
        dm.convert(tmp_path / "missing.csv", "gone")
    with pytest.raises(UnknownOption):
        dm.convert(points(), "gone", no_such_option=1)
    assert "gone" not in dm
    assert dm.list().names == ["keep"]
    assert files(dm.store.uri) == before
    assert dm.convert(points(), "gone").rows == 5


def test_a_convert_that_fails_while_writing_leaves_nothing(dm: DataManager):
    class Boom(Exception):
        pass

    def batches() -> Any:
        yield points().to_batches()[0]
        raise Boom("in the middle")

    def reader() -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(points().schema, batches())

    with pytest.raises((Boom, LancenbError)):
        dm.convert(reader(), "gone")
    assert "gone" not in dm
    assert not list(Path(dm.store.uri).glob("datasets/*"))
    dm.convert(points(), "pts")
    with pytest.raises((Boom, LancenbError)):
        dm.convert(reader(), "pts", mode="append")
    assert (dm["pts"].version, dm["pts"].rows) == (1, 5)
    assert dm.fsck().problems == []


def test_a_reservation_whose_removal_failed_does_not_block_the_name(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
):
    """A full disk or a network blip may keep us from tidying up; the next try does it."""
    dm.convert(points(), "keep")

    def blip(*_: Any) -> int:
        raise OSError("no")

    monkeypatch.setattr(type(dm), "_erase", blip)
    with pytest.raises(OutOfSpace), dm._creating("new", "table") as slot:  # noqa: PT012
        lance_module().write_dataset(points(), dm._uri(slot))
        raise OutOfSpace("in the middle")
    monkeypatch.undo()
    assert "new" not in dm
    assert [p.kind for p in dm.fsck().problems] == ["stale_reservation"]
    assert dm.convert(points(), "new").rows == 5
    assert dm.fsck().problems == []


def test_an_unwritable_root_is_one_typed_error(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    dm = DataManager(tmp_path / "file" / "root")
    with pytest.raises(StoreNotWritable) as caught:
        dm.convert(points(), "pts")
    assert "file" in caught.value.message
    read_only = DataManager(Store(tmp_path / "ro", read_only=True))
    with pytest.raises(StoreNotWritable):
        read_only.convert(points(), "pts")
    assert not (tmp_path / "ro").exists()


def test_a_full_disk_loses_nothing(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    try:
        dm = DataManager(disk / "root")
        dm.convert(points(), "pts")
        big = pa.table({"id": range(300), "blob": [os.urandom(10_000) for _ in range(300)]})
        for attempt in (
            lambda: dm.convert(big, "big"),
            lambda: dm.convert(big, "pts", mode="overwrite"),
        ):
            with pytest.raises(OutOfSpace) as caught:
                attempt()
            assert "full" in caught.value.message
        assert dm.list().names == ["pts"]
        assert rows_of(dm, "pts") == points().to_pylist()
        assert dm.fsck(repair=True).ok
        assert dm.fsck().problems == []
        assert dm.convert(points(5), "pts", mode="append").version == 2
        assert dm.convert(points(), "big").rows == 5
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_w43_nothing_needs_datafusion(dm: DataManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datafusion", None)
    dm.convert(points(), "pts", metadata={"acc": 0.9})
    lance_module().write_dataset(points(), dm.store.join("t.lance"))
    dm.register("other", "t.lance")
    assert dm.search(where="metadata.acc > 0.5 AND rows = 5").names == ["pts"]
    assert dm.search_rows("pts", "x > 1 AND name LIKE 'row%'").num_rows == 2


def test_update_rename_and_history(dm: DataManager):
    dm.convert(points(), "pts", metadata={"a": 1, "b": 2})
    dm.convert(points(), "child", parents=["pts"])
    changed = dm.update(
        "pts", description="new", tags=["t", "t", "u"], metadata={"a": None, "c": 3}
    )
    assert (changed.description, changed.tags) == ("new", ["t", "u"])
    assert changed.metadata == {"b": 2, "c": 3}
    assert dm.update("pts").updated == changed.updated
    uri = dm["pts"].uri
    assert dm.rename("pts", "dots").name == "dots"
    assert dm["dots"].uri == uri
    assert "pts" not in dm
    assert dm["child"].parents[0]["name"] == "dots"
    assert dm["dots"].history[-1]["what"] == "renamed"
    with pytest.raises(AlreadyExists):
        dm.rename("dots", "child")
    with pytest.raises(ArtifactNotFound, match="'pts'"):
        dm.rename("pts", "x")


@pytest.mark.parametrize("metadata", [{"a": float("nan")}, {"a": object()}, {1: 2}, "text"])
def test_metadata_must_be_json(dm: DataManager, metadata: Any):
    with pytest.raises(InvalidArgument):
        dm.convert(points(), "pts", metadata=metadata)
    assert len(dm) == 0


def test_list_and_search(dm: DataManager):
    dm.convert(
        points(), "alpha", description="first letters", tags=["greek"], metadata={"acc": 0.9}
    )
    dm.convert(
        points(0, 3), "beta", tags=["greek", "b"], metadata={"acc": 0.4, "by": {"who": "Ann"}}
    )
    dm.convert(pa.table({"pixel": [1]}), "gamma", description="about alpha")
    dm.tag("beta", "prod")
    assert dm.list().names == ["alpha", "beta", "gamma"]
    assert dm.list(tag="greek").names == ["alpha", "beta"]
    assert dm.list(tag="prod").names == ["beta"]
    assert dm.list(kind="weights") == []
    assert dm.search("ALPHA").names == ["alpha", "gamma"]  # the name counts most
    assert dm.search("alpha letters").names == ["alpha"]
    assert dm.search("pixel").names == ["gamma"]  # column names are searched
    assert dm.search("ann").names == ["beta"]  # so is metadata
    assert dm.search("prod").names == ["beta"]
    assert dm.search("nothing like it") == []
    assert dm.search(where="metadata.acc > 0.5").names == ["alpha"]
    assert dm.search(where="metadata.by.who LIKE 'A%' OR name = 'gamma'").names == ["beta", "gamma"]
    assert dm.search(where="rows = 3 AND 'greek' IN tags").names == ["beta"]
    assert dm.search(where="version = 1 AND bytes > 0", limit=2).names == ["alpha", "beta"]
    assert dm.search("greek", where="metadata.acc < 0.5", tag="b", kind="table").names == ["beta"]
    assert all(a.aliases == {"prod": 1} for a in dm.search("beta"))
    with pytest.raises(InvalidArgument):
        dm.search(limit=-1)


def test_unknown_names_get_a_suggestion(dm: DataManager):
    dm.convert(points(), "cifar10-train")
    with pytest.raises(ArtifactNotFound) as caught:
        dm["cifar-10-train"]
    assert "did you mean 'cifar10-train'" in caught.value.hint
    assert caught.value.code == "artifact_not_found"


def test_reprs_are_escaped_and_readable(dm: DataManager):
    evil = "<script>alert(1)</script>"
    dm.convert(points(), "pts", description=evil, tags=[evil], metadata={"k": evil}, message=evil)
    shown = [dm["pts"], dm.list(), dm, dm.versions("pts"), dm.fsck(), dm.lineage("pts")]
    shown += [dm.delete("pts", dry_run=True), dm.diff("pts", 1, 1), dm.search(evil)]
    for item in shown:
        html = item._repr_html_()
        assert "<script" not in html
        assert "--jp-" in html
        assert repr(item)
    assert "pts" in repr(dm["pts"])
    assert "rows: 5" in repr(dm["pts"])
    assert "1 artefact" in repr(dm.list())


def test_the_registry_is_compacted_as_it_is_written(
    dm: DataManager, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lancenb.catalog._registry.KEEP_VERSIONS", 5)
    monkeypatch.setattr("lancenb.catalog._registry._CLEAN_EVERY", 5)
    dm.convert(points(), "pts")
    for i in range(20):
        dm.update("pts", description=str(i))
    registry = open_table(dm.registry.uri)
    assert registry.version > 20
    assert len(registry.version_refs()) <= 10 < KEEP_VERSIONS
    assert len(registry.get_fragments()) == 1
    assert len(list(Path(dm.registry.uri, "data").iterdir())) <= 10
    assert dm["pts"].description == "19"
    message = registry.read_transaction(registry.version).transaction_properties
    assert message["__lance_commit_message"] == "update pts"


def test_a_root_that_was_removed_and_made_anew_is_noticed(dm: DataManager):
    dm.convert(points(), "old")
    version = dm.registry.read().version
    shutil.rmtree(dm.store.uri)
    assert dm.list() == []
    shutil.rmtree(dm.store.uri, ignore_errors=True)
    other = DataManager(dm.store.uri)
    other.convert(points(), "new")
    assert other.registry.read().version == version
    assert dm.list().names == ["new"]
    dm.convert(points(), "third")
    assert other.list().names == ["new", "third"]


def test_memory(tmp_path: Path):
    dm = DataManager(f"memory://{tmp_path.name}")
    dm.convert(points(), "pts")
    dm.convert(points(5), "pts", mode="append")
    dm.rollback("pts", 1)
    assert rows_of(dm, "pts") == points().to_pylist()
    assert dm.fsck().problems == []
    dm.delete("pts", confirm="pts")
    assert len(dm) == 0


def test_threads_share_a_manager(dm: DataManager):
    dm.convert(points(0, 1), "pts")
    failures: list[BaseException] = []

    def work(i: int) -> None:
        try:
            dm.upsert("pts", {"id": 100 + i, "x": 0.0, "name": "t"}, key="id")
            dm.update("pts", metadata={f"k{i}": i})
            assert dm["pts"].rows >= 2
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert dm["pts"].rows == 7
    assert len(dm["pts"].metadata) == 6


def _register(root: str, first: int, count: int, same: str) -> int:
    dm = DataManager(root)
    for i in range(first, first + count):
        dm.register(f"t{i}", f"tables/t{i}.lance")
    try:
        dm.convert(pa.table({"id": [first]}), same)
    except AlreadyExists:
        return 0
    return 1


def _race(root: Path, processes: int, each: int) -> None:
    for i in range(processes * each):
        lance_module().write_dataset(pa.table({"id": [i]}), str(root / f"tables/t{i}.lance"))
    jobs = [(str(root), p * each, each, "same") for p in range(processes)]
    assert sum(run_all(_register, jobs)) == 1
    dm = DataManager(root)
    assert len(dm) == processes * each + 1
    assert {f"t{i}" for i in range(processes * each)} < set(dm.list().names)
    assert dm["same"].rows == 1
    assert len([p for p in (root / "datasets").iterdir()]) == 1
    assert dm.fsck().problems == []


def test_processes_registering_lose_no_entry_and_one_name_has_one_winner(tmp_path: Path):
    _race(tmp_path, processes=3, each=6)


@pytest.mark.slow
def test_8_processes_registering_50_names_each(tmp_path: Path):
    _race(tmp_path, processes=8, each=50)
