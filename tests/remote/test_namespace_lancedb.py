"""The namespace as LanceDB, ``lance.dataset`` and lance-ray see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("uvicorn")
lancedb = pytest.importorskip("lancedb")

from lancenb import DataManager  # noqa: E402
from lancenb.errors import ArtifactNotFound, StoreError  # noqa: E402
from tests.remote.namespace_parts import READ, WRITE, Served, ipc, serving  # noqa: E402
from tests.scale._cluster import cluster  # noqa: E402

POINTS = pa.table(
    {
        "id": [1, 2, 3],
        "v": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
    }
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(DataManager(tmp_path / "root", actor="tester")) as one:
        yield one


@pytest.fixture(params=[None, ["CreateTable", "QueryTable"]], ids=["files", "server"])
def database(served: Served, request: pytest.FixtureRequest) -> Any:
    """LanceDB on our server, reading files itself or asking the server to."""
    return connect(served, WRITE, request.param)


def connect(served: Served, token: str, asks: Any = None) -> Any:
    known = {"uri": served.uri, "header.Authorization": f"Bearer {token}"}
    return lancedb.connect_namespace("rest", known, namespace_client_pushdown_operations=asks)


def names(database: Any) -> list[str]:
    return list(database.list_tables().tables)


def arrived(manager: DataManager, name: str) -> Any:
    """Return an artefact that a client is writing, as soon as it is published."""
    until = time.monotonic() + 60
    while True:
        try:
            return manager[name]
        except ArtifactNotFound:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def soon(condition: Any) -> bool:
    """Wait until something holds that is done just after what was waited for."""
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def test_a_table_from_making_to_dropping(served: Served, database: Any):
    assert names(database) == []
    database.create_table("points", POINTS)
    artifact = arrived(served.manager, "points")
    assert (artifact.kind, artifact.rows) == ("table", 3)
    made = ("create_table", "points", None, 1, WRITE, "done")
    assert soon(lambda: served.audited[-1] == made), served.audited
    assert names(database) == ["points"]
    table = database.open_table("points")
    assert table.count_rows() == 3
    assert table.to_arrow().equals(POINTS)
    assert table.to_pandas()["id"].tolist() == [1, 2, 3]
    found = table.search().where("id > 1").limit(5).to_arrow()
    assert found["id"].to_pylist() == [2, 3]
    near = table.search([3.1, 4.0]).limit(1).to_arrow()
    assert near["id"].to_pylist() == [2]
    with pytest.raises(ValueError, match="already exists"):
        database.create_table("points", POINTS)
    assert database.create_table("points", POINTS, exist_ok=True).count_rows() == 3
    database.rename_table("points", "dots")
    assert served.manager.list().names == ["dots"]
    database.drop_table("dots")
    assert len(served.manager) == 0
    assert served.manager.fsck().problems == []


def test_what_the_catalogue_made_opens(served: Served, database: Any):
    served.manager.convert(POINTS, "points")
    served.manager.tag("points", "prod")
    assert database.open_table("points").search().limit(2).to_arrow().num_rows == 2
    with pytest.raises(Exception, match=r"(?i)not found"):
        database.open_table("nope")
    with pytest.raises(RuntimeError, match="tagged prod"):
        database.drop_table("points")
    assert served.manager.tags("points") == {"prod": 1}


def test_tokens(served: Served):
    served.manager.convert(POINTS, "points")
    reader = connect(served, READ)
    assert reader.open_table("points").count_rows() == 3
    with pytest.raises(Exception, match="scope"):
        reader.create_table("mine", POINTS)
    with pytest.raises(Exception, match="scope"):
        reader.drop_table("points")
    with pytest.raises(Exception, match="token"):
        connect(served, "guessed").open_table("points")
    assert served.manager.list().names == ["points"]


def test_the_versions_lancedb_makes_are_the_artefacts(served: Served, database: Any):
    database.create_table("points", POINTS)
    arrived(served.manager, "points")
    database.open_table("points").add(POINTS)
    assert served.manager["points"].rows == 6
    served.manager.rollback("points", 1)
    assert database.open_table("points").count_rows() == 3


def test_lance_reads_and_writes_by_name(served: Served):
    import lance

    rest = served.rest()
    by_name = {"namespace_client": rest, "table_id": ["points"]}
    lance.write_dataset(POINTS, mode="create", **by_name)
    assert arrived(served.manager, "points").kind == "table"
    lance.write_dataset(POINTS, mode="append", **by_name)
    assert lance.dataset(**by_name).count_rows() == 6
    assert len(served.manager.versions("points")) == 2


# --- names that are declared and not written yet


def test_a_declared_name_is_taken_and_not_there(served: Served):
    status, given = served.send("/v1/table/later/declare", {"properties": {"team": "vision"}})
    assert status == 200
    assert "storage_options" not in given
    assert "later" not in served.manager
    assert served.send("/v1/table/later/exists", {})[0] == 200
    status, found = served.send("/v1/table/later/describe", {})
    assert (found["is_only_declared"], found["location"]) == (True, given["location"])
    assert served.send("/v1/namespace/$/table/list", method="GET")[1] == {"tables": ["later"]}
    listed = served.send("/v1/namespace/$/table/list?include_declared=false", method="GET")[1]
    assert listed == {"tables": []}
    for path in ("count_rows", "query", "tags/list", "stats"):
        status, error = served.send(f"/v1/table/later/{path}", {"k": 1})
        assert (status, error["code"]) == (409, 19)
    assert served.send("/v1/table/later/declare", {})[1]["code"] == 5
    made = served.send("/v1/table/later/create", ipc(POINTS), Content_Type=ARROW_TYPE)
    assert made[1]["code"] == 5

    import lance

    lance.write_dataset(POINTS, given["location"])
    artifact = arrived(served.manager, "later")
    assert artifact.metadata == {"team": "vision"}
    assert served.manager.fsck().problems == []


ARROW_TYPE = "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize("how", ["drop", "deregister"])
def test_a_declared_name_can_be_given_back(served: Served, how: str):
    served.send("/v1/table/later/declare", {})
    assert served.send(f"/v1/table/later/{how}", {})[0] == 200
    assert served.send("/v1/table/later/exists", {})[1]["code"] == 4
    served.manager.convert(POINTS, "later")
    assert served.manager.fsck().problems == []


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch, served: Served) -> Served:
    """A server that looks for declared tables when it is asked for something, and only then."""
    from lancenb.remote._rest_declared import Declared

    monkeypatch.setattr(Declared, "_watch", lambda self: None)
    return served


def written(served: Served, name: str) -> None:
    """Declare a table and write it, as LanceDB does."""
    import lance

    lance.write_dataset(POINTS, served.send(f"/v1/table/{name}/declare", {})[1]["location"])


@pytest.mark.parametrize("query", ["", "?include_declared=false"])
def test_a_declared_table_is_listed_as_soon_as_it_is_written(unwatched: Served, query: str):
    written(unwatched, "later")
    listed = unwatched.send(f"/v1/namespace/$/table/list{query}", method="GET")
    assert listed == (200, {"tables": ["later"]})


@pytest.mark.parametrize(("mode", "version"), [("exist_ok", 1), ("overwrite", 2)])
def test_a_declared_table_is_there_for_create_as_soon_as_it_is_written(
    unwatched: Served, mode: str, version: int
):
    written(unwatched, "later")
    path = f"/v1/table/later/create?mode={mode}"
    status, made = unwatched.send(path, ipc(POINTS), Content_Type=ARROW_TYPE)
    assert (status, made.get("version")) == (200, version)
    assert unwatched.manager["later"].version == version
    assert unwatched.manager.fsck().problems == []


def test_a_declared_table_gives_way_to_a_registered_one_as_soon_as_it_is_written(
    unwatched: Served,
):
    import lance

    written(unwatched, "later")
    place = unwatched.manager.store.join("other.lance")
    lance.write_dataset(pa.table({"id": [1]}), place)
    body = {"location": place, "mode": "overwrite"}
    assert unwatched.send("/v1/table/later/register", body)[0] == 200
    assert unwatched.manager["later"].rows == 1


@pytest.mark.parametrize("how", ["drop", "deregister"])
def test_a_declared_table_that_is_written_while_it_is_dropped(
    unwatched: Served, monkeypatch: pytest.MonkeyPatch, how: str
):
    import lance

    from lancenb.remote._rest_declared import Declared

    place = unwatched.send("/v1/table/later/declare", {})[1]["location"]
    give_up = Declared._give_up

    def late(self, name, promise):
        lance.write_dataset(POINTS, place)
        assert self._settle(name, promise)  # the watcher sees it
        return give_up(self, name, promise)

    monkeypatch.setattr(Declared, "_give_up", late)
    assert unwatched.send(f"/v1/table/later/{how}", {})[0] == 200
    assert "later" not in unwatched.manager
    assert Path(place).exists() == (how == "deregister")


def test_stopping_the_server_frees_declared_names(tmp_path: Path):
    manager = DataManager(tmp_path / "root")
    with serving(manager) as served:
        served.send("/v1/table/later/declare", {})
    manager.convert(POINTS, "later")
    assert manager.fsck().problems == []


def test_a_declared_name_that_is_never_written_is_free_again(tmp_path: Path):
    from lancenb.remote._rest_declared import Declared

    manager = DataManager(tmp_path / "root")
    declared = Declared(manager, patience=0.0)
    declared.declare(manager, "later", {}, lambda name, version: None)
    until = time.monotonic() + 60
    while declared.names() and time.monotonic() < until:
        time.sleep(0.01)
    manager.convert(POINTS, "later")


def test_a_name_is_not_called_free_before_its_reservation_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from lancenb.remote._rest_declared import Declared

    manager = DataManager(tmp_path / "root")
    erasing, go_on, erase = threading.Event(), threading.Event(), manager._erase

    def slow(entry):
        erasing.set()
        assert go_on.wait(60)
        return erase(entry)

    monkeypatch.setattr(manager, "_erase", slow)
    declared = Declared(manager, patience=0.0)
    declared.declare(manager, "later", {}, lambda name, version: None)
    assert erasing.wait(60)
    threading.Timer(0.5, go_on.set).start()
    assert declared.names() == []
    manager.convert(POINTS, "later")


def test_a_name_that_cannot_be_given_back_does_not_keep_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from lancenb.remote._rest_declared import Declared

    manager = DataManager(tmp_path / "root")
    declared = Declared(manager)
    for name in ("first", "second"):
        declared.declare(manager, name, {}, lambda name, version: None)
    opened = manager._open

    def refused(entry, *rest):
        if entry.name == "first":
            raise StoreError("the storage does not answer")
        return opened(entry, *rest)

    monkeypatch.setattr(manager, "_open", refused)
    declared.close()
    left = manager.registry.read().entries.values()
    assert [entry.name for entry in left] == ["first"]
    monkeypatch.undo()
    declared.close()
    assert not manager.registry.read().entries


# --- lance-ray


@pytest.mark.slow
def test_lance_ray_reads_and_writes_by_name(served: Served):
    lance_ray = pytest.importorskip("lance_ray", reason="pip install lance-ray")
    served.manager.convert(POINTS, "points")
    known = {"uri": served.uri, "header.Authorization": f"Bearer {WRITE}"}
    by_name = {"namespace_impl": "rest", "namespace_properties": known}
    with cluster() as ray:
        rows = lance_ray.read_lance(
            table_id=["points"], columns=["id"], filter="id > 1", **by_name
        ).take_all()
        assert sorted(row["id"] for row in rows) == [2, 3]
        lance_ray.write_lance(ray.data.from_arrow(POINTS), table_id=["made"], **by_name)
        assert arrived(served.manager, "made").rows == 3
        known = {**known, "header.Authorization": "Bearer guessed"}
        with pytest.raises(Exception, match="token"):
            lance_ray.read_lance(
                table_id=["points"], namespace_impl="rest", namespace_properties=known
            ).take_all()
