"""The same catalogue on S3."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from lancenb.catalog import DataManager
from lancenb.catalog._entry import PENDING, Entry
from lancenb.catalog._leases import leases, put
from lancenb.catalog._names import ulid
from lancenb.catalog._owner import this_owner
from lancenb.errors import AlreadyExists, ArtifactNotFound, BucketNotFound, VersionNotFound
from tests.store import _servers

from .helpers import points, rows_of, run_all
from .test_concurrency import expected

if TYPE_CHECKING:
    from lancenb.store import Store
    from tests.s3_fixtures import S3Server

pytestmark = pytest.mark.s3


def test_the_whole_life_of_an_artefact(s3_store: Store):
    dm = DataManager(s3_store)
    assert len(dm) == 0
    dm.convert(points(), "pts", metadata={"acc": 0.9})
    dm.convert(points(5), "pts", mode="append")
    with pytest.raises(AlreadyExists):
        dm.convert(points(), "pts")
    assert dm.upsert("pts", [{"id": 0, "x": 7.0}, {"id": 50, "x": 1.0}], key="id").version == 3
    dm.tag("pts", "prod", 1)
    assert tuple(dm.rollback("pts", "prod")) == (1, 3, 4)
    assert rows_of(dm, "pts") == points().to_pylist()
    assert dm.forward("pts").restored_from == 3
    assert [v.rows for v in dm.versions("pts")] == [5, 10, 11, 5, 11]
    assert dm.diff("pts", 1, key="id").added == 6
    assert dm.search(where="metadata.acc > 0.5 AND rows = 11")[0].aliases == {"prod": 1}
    assert dm.cleanup("pts", keep=1).protected == {"prod": 1}
    with pytest.raises(VersionNotFound):
        dm.dataset("pts", 2)
    assert dm.fsck().problems == []
    assert dm.delete("pts", confirm="pts", force=True).bytes > 0
    assert {info.path.split("/")[0] for info in s3_store.walk()} == {"registry.lance"}
    assert "minioadmin" not in repr(dm) + dm._repr_html_()


def test_debris_on_s3_is_named_and_cleaned(s3_store: Store):
    import json

    dm = DataManager(s3_store)
    dm.convert(points(), "pts")
    dead = {**this_owner("ghost", "t"), "started": "1"}
    ident = ulid()
    entry = Entry(ident, "new", uri=f"datasets/new-{ident}.lance", state=PENDING, owner=dead)
    dm.registry.change(lambda entries: entries.__setitem__(ident, entry), "plant")
    put(s3_store, f"{entry.uri}/data/a.lance", b"1" * 10)
    table = dm._entry("pts")
    put(s3_store, f"_leases/{table.id}--{ulid()}.json", json.dumps(dead).encode())
    put(s3_store, f"{table.uri}/data/half.lance", b"2" * 10)
    kinds = sorted(problem.kind for problem in dm.fsck().problems)
    assert kinds == ["stale_lease", "stale_reservation", "uncommitted_files"]
    assert dm.fsck(repair=True).ok
    assert dm.fsck(repair=True, grace=timedelta(0)).problems == []
    assert leases(s3_store) == []
    assert not s3_store.exists(entry.uri)
    assert rows_of(dm, "pts") == points().to_pylist()


def test_a_missing_bucket_is_one_typed_error(s3_server: S3Server):
    store = s3_server.store(create=False)
    for attempt in (lambda: DataManager(store).list(), lambda: DataManager(store).fsck()):
        with pytest.raises(BucketNotFound):
            attempt()
    with pytest.raises(BucketNotFound):
        DataManager(store).convert(points(), "pts")
    store.create()
    with pytest.raises(ArtifactNotFound):
        DataManager(store).get("pts")


def append(store: Store, who: int, times: int) -> None:
    _servers.unhurried()
    dm = DataManager(store)
    for i in range(times):
        dm.convert(points(1000 * (who + 1) + i, 1), "pts", mode="append")


def register(store: Store, who: int, each: int) -> int:
    _servers.unhurried()
    dm = DataManager(store)
    for i in range(each):
        dm.convert(pa.table({"id": [who]}), f"n{who}-{i}")
    try:
        dm.convert(pa.table({"id": [who]}), "same")
    except AlreadyExists:
        return 0
    return 1


def race(store: Store, processes: int, times: int) -> None:
    dm = DataManager(store)
    dm.convert(points(), "pts")
    run_all(append, [(store, who, times) for who in range(processes)])
    assert [row["id"] for row in rows_of(dm, "pts")] == expected(processes, times)
    assert dm.fsck().problems == []


def race_names(store: Store, processes: int, each: int) -> None:
    before = len(DataManager(store))
    assert sum(run_all(register, [(store, who, each) for who in range(processes)])) == 1
    dm = DataManager(store)
    assert len(dm) == before + processes * each + 1
    assert dm.fsck().problems == []


def test_appends_from_several_processes(s3_store: Store):
    race(s3_store, processes=2, times=3)


def test_names_from_several_processes(s3_store: Store):
    race_names(s3_store, processes=2, each=2)


@pytest.mark.slow
def test_8_processes_append_25_times_each(s3_store: Store):
    race(s3_store, processes=8, times=25)


@pytest.mark.slow
def test_8_processes_register_many_names(s3_store: Store):
    race_names(s3_store, processes=8, each=8)


@pytest.mark.slow
@pytest.mark.ceph
def test_appends_and_names_on_ceph(ceph_store: Store):
    race(ceph_store, processes=8, times=25)
    race_names(ceph_store, processes=4, each=4)
