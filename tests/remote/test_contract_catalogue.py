"""Catalogue, versions, tags and care by every engine: the same answers, the same state after."""

from __future__ import annotations

import inspect
import threading
from datetime import timedelta

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.errors import (
    AlreadyExists,
    ArtifactNotFound,
    ConfirmationRequired,
    LocalOnly,
    Protected,
    TagNotFound,
)
from lancenb.remote import Manager
from lancenb.remote._client import RemoteManager
from lancenb.remote._ops import OPS

from ._compare import plain
from ._samples import points, state


def test_facts_of_an_artefact(dm, twin, fresh):
    name, other = fresh("points"), fresh("derived")
    dm.convert(points(), name, description="d \u00e9", tags=["b", "a"], message="first",
               metadata={"n": 1, "deep": {"x": [1.5, None]}})  # fmt: skip
    dm.convert(points(), other, parents=[f"{name}@1", {"uri": "https://x.example/y"}])
    dm.tag(name, "prod")
    mine, local = dm[name], twin[name]
    assert plain(mine) == plain(local)
    assert (mine.kind, mine.rows, mine.version, mine.aliases) == ("table", 5, 1, {"prod": 1})
    assert (mine.metadata, mine.tags) == ({"n": 1, "deep": {"x": [1.5, None]}}, local.tags)
    assert mine.to_dict() == local.to_dict()
    assert repr(mine) == repr(local)
    assert plain(dm.get(mine)) == plain(local)
    assert plain(dm[other]) == plain(twin[other])
    assert plain(dm.lineage(other)) == plain(twin.lineage(other))
    assert plain(dm.lineage(name)) == plain(twin.lineage(name))
    assert str(dm.lineage(other)) == str(twin.lineage(other))
    assert name in dm
    assert mine in dm
    assert f"{name}-not" not in dm
    assert 5 not in dm
    assert bool(dm)


def test_lists_and_searches(dm, twin, fresh):
    name = fresh("listed")
    dm.convert(points(), name, description="needles in hay", tags=["rare"])
    dm.tag(name, "gold")
    assert plain(dm.list()) == plain(twin.list())
    assert plain(list(dm)) == plain(list(twin))
    assert len(dm) == len(twin)
    assert dm.list().names == twin.list().names
    assert repr(dm.list()) == repr(twin.list())
    for options in ({"kind": "table"}, {"kind": "weights"}, {"tag": "gold"}, {"tag": "nope"}):
        assert plain(dm.list(**options)) == plain(twin.list(**options)), options
    where = f"name = '{name}' and rows > 1"
    assert dm.search(where=where).names == [name]
    assert plain(dm.search("needles")) == plain(twin.search("needles"))
    assert plain(dm.search(where=where)) == plain(twin.search(where=where))
    assert plain(dm.search("needles", limit=1)) == plain(twin.search("needles", limit=1))
    assert dm.search("needles", kind="images").names == []


def test_changing_an_entry(dm, twin, fresh):
    name, new = fresh("old"), fresh("new")
    dm.convert(points(), name)
    changed = dm.update(name, description="better", tags=("x", "y"), metadata={"k": None})
    assert plain(changed) == plain(twin[name])
    assert (changed.description, changed.tags) == ("better", ["x", "y"])
    renamed = dm.rename(changed, new)
    assert renamed.name == new
    assert plain(renamed) == plain(twin[new])
    assert name not in dm
    assert [each["what"] for each in renamed.history] == [e["what"] for e in twin[new].history]
    assert {each["who"] for each in renamed.history} == {"given at start"}


def test_versions_back_and_forth(dm, twin, fresh):
    name = fresh("moves")
    dm.convert(points(), name, message="one")
    dm.convert(points(10, 2), name, mode="append", message="two")
    dm.convert(points(0, 1), name, mode="overwrite", message="three")
    assert plain(dm.versions(name)) == plain(twin.versions(name))
    assert [v.message for v in dm.versions(name)] == ["one", "two", "three"]
    assert [v.rows for v in dm[name].versions()] == [5, 7, 1]
    back = dm.rollback(name, 1, message="oh no")
    assert tuple(back) == (1, 3, 4)
    assert dm.search_rows(name).num_rows == 5
    forth = dm.forward(name)
    assert (forth.restored_from, forth.new_head) == (3, 5)
    dm.tag(name, "mid", 2)
    assert tuple(dm.rollback(name, "mid")) == (2, 5, 6)
    assert tuple(dm[name].forward(1)) == (1, 6, 7)
    assert plain(dm.versions(name)) == plain(twin.versions(name))
    assert repr(dm.versions(name)) == repr(twin.versions(name))


def test_tags(dm, twin, fresh):
    name = fresh("tagged")
    dm.convert(points(), name)
    dm.convert(points(9, 1), name, mode="append")
    assert dm.tag(name, "prod") == 2
    assert dm.tag(name, "prod", 1) == 1
    assert dm.tag(name, "v1.0-b", "prod") == 1
    with pytest.raises(AlreadyExists):
        dm.tag(name, "prod", 2, move=False)
    assert dm.tags(name) == twin.tags(name) == {"prod": 1, "v1.0-b": 1}
    assert dm.untag(name, "prod") is None
    with pytest.raises(TagNotFound):
        dm.untag(name, "prod")
    assert plain(dm.tag_history(name)) == plain(twin.tag_history(name))
    assert len(dm.tag_history(name, "prod")) == 3
    assert dm[name].aliases == {"v1.0-b": 1}


def test_differences(dm, twin, fresh):
    name, net = fresh("changing"), fresh("net")
    dm.convert(points(), name)
    dm.upsert(name, pa.table({"id": [1, 99], "x": [9.0, float("nan")]}), key="id")
    for options in ({}, {"key": "id"}, {"key": ["id"], "samples": 1}, {"samples": 0}):
        mine = dm.diff(name, 1, 2, **options)
        assert plain(mine) == plain(twin.diff(name, 1, 2, **options)), options
        assert repr(mine) == repr(twin.diff(name, 1, 2, **options))
    assert plain(dm.diff(name, 1)) == plain(twin.diff(name, 1))
    tensors = state()
    dm.save_weights(net, tensors)
    dm.save_weights(net, tensors | {"count": tensors["count"] + 1})
    mine = dm.diff(net, 1, 2)
    assert plain(mine) == plain(twin.diff(net, 1, 2))
    assert repr(mine) == repr(twin.diff(net, 1, 2))


def test_deleting(dm, twin, fresh):
    name, child = fresh("goes"), fresh("stays")
    dm.convert(points(), name)
    dm.convert(points(), child, parents=name)
    would = dm.delete(name, dry_run=True)
    assert plain(would) == plain(twin.delete(name, dry_run=True))
    assert (would.rows, would.dependants, would.dry_run) == (5, (child,), True)
    with pytest.raises(ConfirmationRequired):
        dm.delete(name)
    with pytest.raises(Protected):
        dm.delete(name, confirm=name)
    assert name in twin
    gone = dm.delete(name, confirm=name, force=True)
    assert (gone.name, gone.rows, gone.erased, gone.dry_run) == (name, 5, True, False)
    with pytest.raises(ArtifactNotFound):
        twin.get(name)


def test_care(dm, twin, fresh):
    name = fresh("worn")
    for number in range(4):
        dm.convert(points(number, 1), name, mode="append" if number else "create")
    compact = dm.optimize(name)
    assert (compact.fragments_before, compact.fragments_after) == (4, 1)
    would = dm.cleanup(name, keep=1, dry_run=True)
    assert plain(would) == plain(twin.cleanup(name, keep=1, dry_run=True))
    assert plain(dm.cleanup(name, older_than=timedelta(days=1))) == plain(
        twin.cleanup(name, older_than=timedelta(days=1))
    )
    assert dm.cleanup(name, keep=1).kept == 1
    assert dm.search_rows(name)["id"].to_pylist() == [0, 1, 2, 3]
    net, told = fresh("hashed"), []
    dm.save_weights(net, state())
    assert plain(dm.verify(net, progress=told.append)) == plain(twin.verify(net))
    assert told
    assert plain(dm.verify(net, 1)) == plain(twin.verify(net, 1))


def test_the_whole_root(dm, twin, fresh):
    dm.convert(points(), fresh("checked"))
    assert plain(dm.fsck()) == plain(twin.fsck())
    assert plain(dm.fsck(repair=True, grace=timedelta(hours=1))) == plain(twin.fsck())


def test_a_table_that_somebody_else_wrote(dm, twin, fresh, served):
    from lancenb.store import lance_module

    name = fresh("found")
    uri = served.store.join(f"others/{name}.lance")
    options = served.store.storage_options
    lance_module().write_dataset(points(), uri, storage_options=options)
    assert plain(dm.examine(uri)) == plain(twin.examine(uri))
    made = dm.register(name, uri, description="theirs", tags=["x"], metadata={"a": 1})
    assert plain(made) == plain(twin[name])
    assert dm.search_rows(name).num_rows == 5
    again = dm.register(name, uri, replace=True, kind="table")
    assert again.version == 1


def test_what_needs_files_says_so(case, dm, fresh):
    name = fresh("far")
    dm.convert(points(), name)
    if case[0] == "local":
        assert dm.dataset(name).count_rows() == 5
        return
    for bad in (lambda: dm.dataset(name), lambda: dm[name].dataset()):
        with pytest.raises(LocalOnly) as caught:
            bad()
        assert caught.value.hint


def test_two_threads_use_one_manager(dm, twin, fresh):
    name, failed = fresh("shared"), []
    dm.upsert(name, {"id": -1, "x": 0.0}, key="id", create=True)

    def work(number: int) -> None:
        try:
            for step in range(3):
                dm.upsert(name, {"id": number * 10 + step, "x": 1.0}, key="id")
                assert dm.get_row(name, "id", number * 10 + step) is not None
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failed
    assert twin[name].rows == 10


# --- the table of operations, the interface and both managers say the same

#: Public names of DataManager that are no verbs of a catalogue.
OWN = {
    "dataset": "a Lance dataset opens only where its files are: LocalOnly",
    "registry": "the registry's own table, a property",
    "store": "where the files are, a property",
    "actor": "who is noted in histories; a server notes the token's name",
}


def verbs(cls: type) -> dict[str, inspect.Signature]:
    found = {}
    for name, member in inspect.getmembers(cls, callable):
        if not name.startswith("_") and name != "register_subclass":
            found[name] = inspect.signature(member)
    return found


def shape(signature: inspect.Signature) -> list[tuple[str, str, object]]:
    return [(p.name, str(p.kind), p.default) for p in signature.parameters.values()]


def test_every_verb_is_in_the_interface_and_everywhere_alike():
    local, far, interface = verbs(DataManager), verbs(RemoteManager), verbs(Manager)
    assert set(local) - set(interface) == {"dataset"} & set(OWN)
    for name in set(local) - set(OWN):
        assert shape(far[name]) == shape(local[name]), name
        mine, theirs = shape(interface[name]), shape(local[name])
        assert [part[:2] for part in mine] == [part[:2] for part in theirs], name
        plain_defaults = [p for p, q in zip(mine, theirs, strict=True) if p[2] is not ...]
        assert all(part in theirs for part in plain_defaults), name
    assert shape(far["dataset"]) == shape(local["dataset"])


def test_every_operation_has_its_method():
    inside = {"head", "content_hash", "prepare", "write", "upload", "read_weights", "job_events"}
    for name in set(OPS) - inside:
        assert callable(getattr(RemoteManager, name)), name
    taken = {"progress", "cancel"}
    for name, op in OPS.items():
        local = getattr(DataManager, name, None)
        if local is None or name in ("convert", "save_weights", "upsert", "read_weights"):
            continue
        params = inspect.signature(local).parameters
        assert [p for p in params if p not in taken | {"self"}] == list(op.params), name
        for key, param in op.params.items():
            given = params[key].default
            assert given == param.default or (not given and not param.default), (name, key)
