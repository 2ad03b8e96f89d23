"""Keys on commits: after a crash one can tell whether a write was made, and make it once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.catalog._log import properties_of
from lancenb.catalog._once import find_once, find_once_in_registry, once
from lancenb.errors import Conflict, InvalidArgument, InvalidFilter, TagNotFound
from lancenb.store import lance_module

from .helpers import points, rows_of

if TYPE_CHECKING:
    from lancenb.store import Store


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    manager = DataManager(tmp_path / "root")
    manager.convert(points(), "points")
    return manager


class Crash(BaseException):
    """A kill between two steps, as far as one process can play it."""


def crash_before_the_note(dm: DataManager, write: Callable[[DataManager], Any]) -> None:
    """Let ``write`` die between its commit to the table and that to the registry."""

    def change(*_: Any, **__: Any) -> None:
        raise Crash

    with pytest.MonkeyPatch.context() as patch, once("key-1"):
        patch.setattr(dm.registry, "change", change)
        with pytest.raises(Crash):
            write(dm)


TABLE_WRITES: dict[str, Callable[[DataManager], Any]] = {
    "create": lambda dm: dm.convert(points(), "points2"),
    "append": lambda dm: dm.convert(points(5), "points", mode="append"),
    "overwrite": lambda dm: dm.convert(points(9), "points", mode="overwrite"),
    "upsert": lambda dm: dm.upsert("points", {"id": 1, "x": 9.0, "name": "a"}, key="id"),
    "upsert that creates": lambda dm: dm.upsert("points2", {"id": 1}, key="id", create=True),
    "delete_rows": lambda dm: dm.delete_rows("points", "id = 2"),
    "rollback": lambda dm: dm.rollback("points", 1),
}


@pytest.mark.parametrize("verb", TABLE_WRITES)
def test_a_write_of_a_table_can_be_found_by_its_key(dm: DataManager, verb: str):
    dm.convert(points(20), "points", mode="append")
    name = "points2" if "create" in verb else "points"
    assert find_once(dm, name, "key-1") is None
    with once("key-1"):
        TABLE_WRITES[verb](dm)
    assert find_once(dm, name, "key-1") == dm[name].version
    assert find_once(dm, name, "key-2") is None
    dm.convert(points(30).select(dm[name].columns), name, mode="append")
    assert find_once(dm, name, "key-1") == dm[name].version - 1
    assert find_once(dm, name, "key-1", look_back=1) is None


def test_weights_carry_the_key_new_and_changed(dm: DataManager):
    torch = pytest.importorskip("torch")
    state = {"a": torch.zeros(1000), "b": torch.ones(1000)}
    with once("first"):
        dm.save_weights("net", state)
    with once("second"):
        dm.save_weights("net", {**state, "b": torch.zeros(1000)})
    with once("third"):
        dm.save_weights("net", {**state, "b": torch.zeros(1000)})
    assert [find_once(dm, "net", key) for key in ("first", "second", "third")] == [1, 2, None]


def test_without_a_key_the_facts_of_a_commit_are_as_ever(dm: DataManager):
    def facts() -> list[dict[str, str]]:
        head = dm.dataset("points")
        registry = lance_module().dataset(dm.registry.uri)
        return [
            *(properties_of(head, number) for number in range(1, head.version + 1)),
            *(properties_of(registry, number) for number in range(1, registry.version + 1)),
        ]

    for write in list(TABLE_WRITES.values())[1:]:
        write(dm)
    dm.tag("points", "prod")
    dm.rename("points", "dots")
    dm.rename("dots", "points")
    before = facts()
    assert not any("once" in key for properties in before for key in properties)
    with once("key-1"):
        dm.convert(points(50), "points", mode="append")
    dm.convert(points(50), "points", mode="append")
    head = dm.dataset("points")
    marked, plain = (properties_of(head, head.version - back) for back in (1, 0))
    assert {**plain, "lancenb.once": "key-1"} == marked


REGISTRY_WRITES: dict[str, Callable[[DataManager], Any]] = {
    "register": lambda dm: dm.register("mine", "mine.lance"),
    "rename": lambda dm: dm.rename("points", "dots"),
    "update": lambda dm: dm.update("points", description="new"),
    "delete": lambda dm: dm.delete("points", confirm="points"),
    "tag": lambda dm: dm.tag("points", "prod"),
    "untag": lambda dm: dm.untag("points", "old"),
    "rollback": lambda dm: dm.rollback("points", 1),
    "forward": lambda dm: dm.forward("points"),
}


@pytest.mark.parametrize("verb", REGISTRY_WRITES)
def test_a_change_of_the_registry_can_be_found_by_its_key(dm: DataManager, verb: str):
    lance_module().write_dataset(points(), dm.store.join("mine.lance"))
    dm.convert(points(5), "points", mode="append")
    if verb == "untag":
        dm.tag("points", "old")
    if verb == "forward":
        dm.rollback("points", 1)
    assert not find_once_in_registry(dm, "key-1")
    with once("key-1"):
        REGISTRY_WRITES[verb](dm)
    dm.convert(points(), "another")
    assert find_once_in_registry(dm, "key-1")
    assert not find_once_in_registry(dm, "key-2")
    assert not find_once_in_registry(dm, "key-1", look_back=1)


def test_a_reservation_is_not_a_write(dm: DataManager):
    def broken() -> Any:
        yield points().to_batches()[0]
        raise Conflict("not now")

    reader = pa.RecordBatchReader.from_batches(points().schema, broken())
    with once("key-1"), pytest.raises(Conflict, match="not now"):
        dm.convert(reader, "points2")
    assert find_once(dm, "points2", "key-1") is None
    assert not find_once_in_registry(dm, "key-1")


def test_a_deletion_taken_back_is_none(dm: DataManager, monkeypatch: pytest.MonkeyPatch):
    entry = dm._entry("points")

    def look(*_: Any) -> Any:
        if dm.registry.read().entries[entry.id].state != entry.state:
            raise Conflict("somebody writes")
        return original(*_)

    original = dm._deletion
    monkeypatch.setattr(dm, "_deletion", look)
    with once("key-1"), pytest.raises(Conflict, match="somebody writes"):
        dm.delete("points", confirm="points")
    assert "points" in dm
    assert not find_once_in_registry(dm, "key-1")


def test_a_root_or_an_artefact_that_is_not_there_has_no_key(tmp_path: Path):
    dm = DataManager(tmp_path / "nothing")
    assert find_once(dm, "points", "key-1") is None
    assert not find_once_in_registry(dm, "key-1")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("key", ["", "x" * 201, "kä", "a\nb", "\x7f", None, 3, b"key"])
def test_a_key_is_short_plain_text(dm: DataManager, key: Any):
    for use in (
        lambda: once(key).__enter__(),
        lambda: find_once(dm, "points", key),
        lambda: find_once_in_registry(dm, key),
    ):
        with pytest.raises(InvalidArgument, match="key of a write"):
            use()


def test_keys_nest_and_end_with_their_block(dm: DataManager):
    key = " ~" + "k" * 198
    with once("outer"):
        with once(key):
            dm.convert(points(5), "points", mode="append")
        with pytest.raises(ZeroDivisionError), once("third"):
            _ = 1 / 0
        dm.convert(points(10), "points", mode="append")
    dm.convert(points(15), "points", mode="append")
    found = [find_once(dm, "points", k) for k in (key, "outer", "third")]
    assert found == [2, 3, None]


def test_a_key_is_that_of_its_thread(dm: DataManager):
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        inside.wait(120)
        dm.convert(points(5), "points", mode="append")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with once("key-1"):
        inside.set()
        assert done.wait(120)
    thread.join()
    assert find_once(dm, "points", "key-1") is None


def test_rows_deleted_under_a_key_are_those_a_plain_delete_takes(dm: DataManager):
    for start in range(5, 30, 5):
        dm.convert(points(start), "points", mode="append")
    dm.convert(dm.read("points"), "copy")
    filters = ["id = 3", "id < 12", [("name", "=", "row-20")], "id > 100", "true"]
    for number, where in enumerate(filters):
        with once(f"key-{number}"):
            taken = dm.delete_rows("points", where)
        assert taken == dm.delete_rows("copy", where)
        assert rows_of(dm, "points") == rows_of(dm, "copy")
    found = [find_once(dm, "points", f"key-{n}") is not None for n in range(5)]
    assert found == [True, True, True, False, True]
    assert dm.versions("points")[6].message == "delete rows: id = 3"
    assert dm.fsck().ok


def test_deletes_under_keys_beside_each_other_all_count(dm: DataManager):
    dm.convert(points(5, 200), "points", mode="append")
    failures: list[BaseException] = []

    def remove(number: int) -> None:
        try:
            mine = DataManager(dm.store)
            for step in range(5):
                with once(f"{number}-{step}"):
                    assert mine.delete_rows("points", f"id = {10 + number * 5 + step}") == 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=remove, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [row["id"] for row in rows_of(dm, "points")] == [*range(10), *range(30, 205)]
    keys = [f"{n}-{s}" for n in range(4) for s in range(5)]
    assert len({find_once(dm, "points", key) for key in keys} - {None}) == 20
    assert dm.fsck().ok


@pytest.mark.parametrize("verb", ["rollback", "forward"])
def test_a_restore_done_again_completes_the_first(dm: DataManager, verb: str):
    dm.convert(points(5), "points", mode="append")
    if verb == "forward":
        dm.rollback("points", 1)
    write = REGISTRY_WRITES[verb]
    crash_before_the_note(dm, write)
    head = dm["points"].version
    assert find_once(dm, "points", "key-1") == head
    assert not find_once_in_registry(dm, "key-1")
    with once("key-1"):
        done = write(dm)
    assert (done.old_head, done.new_head) == (head - 1, head)
    assert dm["points"].version == head
    assert find_once_in_registry(dm, "key-1")
    with once("key-1"):
        assert write(dm) == done
    events = [e for e in dm["points"].history if e["what"] == verb]
    assert [e["new_head"] for e in events] == [head]
    with once("key-2"):
        dm.rollback("points", 2 if verb == "rollback" else 1)
    assert dm["points"].version == head + 1


def test_a_tag_done_again_completes_the_first(dm: DataManager):
    crash_before_the_note(dm, lambda dm: dm.tag("points", "prod"))
    with once("key-1"):
        assert dm.tag("points", "prod") == 1
    assert dm["points"].aliases == {"prod": 1}
    [moved] = dm.tag_history("points")
    assert (moved["tag"], moved["old"], moved["new"]) == ("prod", None, 1)
    assert find_once_in_registry(dm, "key-1")


def test_an_untag_done_again_completes_the_first(dm: DataManager):
    dm.tag("points", "prod")
    crash_before_the_note(dm, lambda dm: dm.untag("points", "prod"))
    with once("key-1"):
        dm.untag("points", "prod")
    assert dm["points"].aliases == {}
    assert [move["what"] for move in dm.tag_history("points")] == ["tag", "untag"]
    with once("key-1"), pytest.raises(TagNotFound):
        dm.untag("points", "prod")


def test_what_a_server_keeps_in_the_root_is_left_alone(dm: DataManager):
    root = Path(dm.store.uri)
    (root / ".server" / "uploads").mkdir(parents=True)
    (root / ".server" / "tokens.json").write_text("{}")
    (root / ".server" / "uploads" / "half").write_bytes(bytes(1000))
    lance_module().write_dataset(points(), str(root / "audit.lance"))
    (root / "audit.lance" / "data" / "half.lance").write_bytes(bytes(1000))
    before = sorted(path for path in root.rglob("*") if "registry" not in path.parts)
    report = dm.fsck()
    assert not report.problems
    assert not dm.fsck(repair=True).problems
    dm.cleanup("points", keep=1)
    dm.delete("points", confirm="points")
    after = set(root.rglob("*"))
    kept = [p for p in before if p.relative_to(root).parts[0] in (".server", "audit.lance")]
    assert len(kept) > 5
    assert after.issuperset(kept)
    assert not dm.list()
    for address in ("audit.lance", ".server/uploads", root / "audit.lance"):
        with pytest.raises(InvalidArgument, match="belongs to the server"):
            dm.register("mine", address)


@pytest.mark.s3
def test_on_s3_keys_and_streams_are_the_same(s3_store: Store):
    torch = pytest.importorskip("torch")
    from lancenb.convert.weights.stream import tensors_from_batches, weights_batches

    dm = DataManager(s3_store)
    writes: list[Callable[[], Any]] = [
        lambda: dm.convert(points(), "points"),
        lambda: dm.upsert("points", {"id": 1, "x": 9.0, "name": "a"}, key="id"),
        lambda: dm.delete_rows("points", "id = 3"),
        lambda: dm.rollback("points", 1),
    ]
    for number, write in enumerate(writes, 1):
        with once(f"key-{number}"):
            write()
    assert [find_once(dm, "points", f"key-{n}") for n in range(1, 6)] == [1, 2, 3, 4, None]
    assert find_once_in_registry(dm, "key-4")
    with pytest.raises(InvalidFilter, match="ivide by zero"):
        dm.read("points", "1 / (id - 2) > 0").read_all()
    state = {"a": torch.randn(100), "b": torch.ones(3)}
    dm.save_weights("net", {**state, "tied": state["a"]})
    found = tensors_from_batches(weights_batches(dm["net"]))
    assert found["a"].equal(state["a"])
    assert found["tied"].data_ptr() == found["a"].data_ptr()
    assert dm.read("points").read_all().equals(dm.search_rows("points"))
