"""The contract of a store on S3, on moto and on Ceph's radosgw."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import time
import traceback
import urllib.request

import pyarrow as pa
import pytest

from lancenb.errors import (
    AccessDenied,
    AlreadyExists,
    BucketNotFound,
    Conflict,
    InvalidName,
    NotFound,
    StoreError,
    StoreNotWritable,
    TagNotFound,
    VersionNotFound,
)
from lancenb.store import Store, lance_errors, lance_module, open_table
from tests.store import _servers

pytestmark = pytest.mark.s3


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.ceph)])
def server(request):
    return request.getfixturevalue({"moto": "s3_server", "ceph": "ceph_server"}[request.param])


@pytest.fixture(params=["tables", ""], ids=["prefix", "root"])
def store(server, request):
    return server.store(request.param)


def write(store, name="t.lance", rows=3, mode="create", first=0):
    uri = store.join(name)
    table = pa.table({"a": list(range(first, first + rows))})
    with lance_errors(uri, store):
        lance_module().write_dataset(table, uri, mode=mode, storage_options=store.storage_options)
    return uri


def test_create_write_append_read_list_delete(store):
    assert store.create() is store
    with pytest.raises(AlreadyExists):
        store.create(exist_ok=False)
    assert store.list() == []
    assert not store.exists("models")
    uri = write(store, "models/t.lance")
    write(store, "models/t.lance", 2, "append", 3)
    write(store, "models/t2.lance", 1)
    assert open_table(uri, store).to_table()["a"].to_pylist() == [0, 1, 2, 3, 4]
    assert open_table("models/t.lance", store, version=1).count_rows() == 3
    assert store.list() == ["models"]
    assert store.list("models") == ["t.lance", "t2.lance"]
    assert store.list("models/t.lance") == ["_transactions", "_versions", "data"]
    assert store.exists(uri)
    assert not store.exists("models/t")  # a key that merely begins alike is no hit
    infos = list(store.walk("models/t.lance"))
    assert all(i.path.startswith("models/t.lance/") and i.modified.tzinfo for i in infos)
    assert sum(i.size for i in infos) == store.size("models/t.lance") > 0
    one = infos[0].path
    assert store.exists(one)
    assert [i.path for i in store.walk(one)] == [one]
    assert store.delete_tree(uri) == sum(i.size for i in infos)
    assert store.list("models") == ["t2.lance"]
    assert open_table("models/t2.lance", store).count_rows() == 1
    with pytest.raises(NotFound):
        open_table(uri, store)
    assert store.delete_tree(uri) == 0
    with pytest.raises(InvalidName, match="whole store"):
        store.delete_tree(store.uri)


def test_errors_of_tables(store):
    uri = write(store)
    with pytest.raises(NotFound, match="no table at"):
        open_table("none.lance", store)
    with pytest.raises(VersionNotFound, match="versions: 1"):
        open_table(uri, store, version=7)
    with pytest.raises(TagNotFound, match="tags: none"):
        open_table(uri, store, version="best")
    with pytest.raises(AlreadyExists):
        write(store)
    assert open_table(uri, store).count_rows() == 3


def test_a_missing_bucket(server):
    store = server.store("x", create=False)
    start = time.monotonic()
    for call in (store.check, lambda: open_table("t.lance", store), store.list, store.probe):
        with pytest.raises(BucketNotFound, match=store.bucket) as caught:
            call()
        assert "create()" in caught.value.hint
        assert caught.value.message.count("\n") == 0
    assert time.monotonic() - start < 60
    uri = store.join("t.lance")
    with pytest.raises(BucketNotFound), lance_errors(uri, store):  # past the check
        lance_module().write_dataset(
            pa.table({"a": [1]}), uri, storage_options=store.storage_options
        )
    assert store.create().list() == []


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_create_in_a_region(server, region):
    store = server.store(region=region)
    assert store.region == region
    assert store.list() == []


def test_pickled_store_works(store):
    uri = write(store)
    again = pickle.loads(pickle.dumps(store))
    assert open_table(uri, again).count_rows() == 3


def test_probe_is_safe_and_leaves_nothing(store):
    result = store.probe()
    assert result.safe, result.reason
    assert (result.double, result.lost) == (0, 0)
    assert store.bucket in result.reason
    assert list(store.walk()) == []


def test_many_keys_are_listed_and_removed_in_pages(server):
    if server.kind != "moto":
        pytest.skip("1100 small writes take long there and test the same code")
    from concurrent.futures import ThreadPoolExecutor

    store = server.store("many")
    client = store.boto3()
    names = [f"d/{n:04}" for n in range(1100)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda n: client.put_object(Bucket=store.bucket, Key=f"many/{n}", Body=b"x"), names
            )
        )
    assert [i.path for i in store.walk()] == names
    assert len(store.list("d")) == 1100
    assert store.delete_tree("d") == 1100
    assert list(store.walk()) == []


def test_names_with_spaces_and_letters_of_the_world(server):
    store = server.store("my tables/数据")
    uri = write(store, "ünï cødé.lance")
    assert open_table(uri, store).count_rows() == 3
    assert store.list() == ["ünï cødé.lance"]
    assert store.delete_tree(uri) > 0


def test_presigned_address(server):
    store = server.store()
    client = store.boto3()
    client.put_object(Bucket=store.bucket, Key="k", Body=b"hello")
    params = {"Bucket": store.bucket, "Key": "k"}
    with urllib.request.urlopen(client.generate_presigned_url("get_object", Params=params)) as got:
        assert got.read() == b"hello"


def test_read_only(server):
    store = server.store()
    uri = write(store)
    reader = Store(store.uri, **server.options(read_only=True))
    assert open_table(uri, reader).count_rows() == 3
    with pytest.raises(StoreNotWritable, match="read-only"):
        write(reader, mode="append")
    for call in (reader.create, reader.probe, lambda: reader.delete_tree("t.lance")):
        with pytest.raises(StoreNotWritable):
            call()
    assert open_table(uri, store).count_rows() == 3


def test_server_side_encryption(s3_server):
    store = s3_server.store(sse="AES256")
    write(store)
    client = store.boto3()
    for info in store.walk():
        head = client.head_object(Bucket=store.bucket, Key=info.path)
        assert head["ServerSideEncryption"] == "AES256"
    assert store.probe().safe


def test_fsspec_reads_what_we_wrote(server):
    pytest.importorskip("s3fs")
    import fsspec

    store = server.store("p")
    write(store)
    files = fsspec.filesystem(**store.fsspec())
    assert files.ls(f"{store.bucket}/p") == [f"{store.bucket}/p/t.lance"]


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.ceph)])
def strict_server(request):
    """A server that checks keys."""
    return request.getfixturevalue({"moto": "s3_auth_server", "ceph": "ceph_server"}[request.param])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"secret_key": "not-the-secret"}, "secret key"),
        ({"access_key": "NOBODYSKEY"}, "access key"),
        ({"access_key": None, "secret_key": None, "anonymous": True}, "denies access"),
    ],
)
def test_wrong_keys(strict_server, change, says):
    if "anonymous" in change and strict_server.kind == "moto":
        pytest.skip("moto answers 500 to unsigned requests when it checks keys")
    owner = strict_server.store("tables")
    uri = write(owner)
    assert open_table(uri, owner).count_rows() == 3
    store = Store(owner.uri, **strict_server.options(**change))
    start = time.monotonic()
    for call in (store.check, lambda: open_table(uri, store), store.create, store.list):
        with pytest.raises(AccessDenied, match=says) as caught:
            call()
        assert caught.value.message.count("\n") == 0
        shown = "".join(traceback.format_exception(caught.value))
        shown += json.dumps(caught.value.to_dict())
        for secret in (strict_server.access_key, strict_server.secret_key, "not-the-secret"):
            assert secret not in shown
    assert time.monotonic() - start < 60
    # What Lance itself says when it is not asked before:
    with pytest.raises(AccessDenied), lance_errors(uri, store):
        lance_module().dataset(uri, storage_options=store.storage_options)


@pytest.mark.ceph
def test_a_token_of_the_environment_does_no_harm(ceph_store, monkeypatch):
    uri = write(ceph_store)
    monkeypatch.setenv("TOKEN", "of-somebody-else")
    assert open_table(uri, ceph_store).count_rows() == 3
    write(ceph_store, mode="append")


def _append(store, name, worker, times, queue):
    _servers.unhurried()
    done = []
    for number in range(times):
        value = worker * 1000 + number
        for _ in range(20):
            try:
                write(store, name, 1, "append", value)
                done.append(value)
                break
            except Conflict:
                time.sleep(0.05)
    queue.put(done)


def race_appends(store, workers, times):
    """Append from several processes; return what they say they wrote."""
    uri = write(store, "race.lance", 1, first=-1)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [
        context.Process(target=_append, args=(store, "race.lance", n, times, queue))
        for n in range(workers)
    ]
    for process in processes:
        process.start()
    acknowledged = [value for _ in processes for value in queue.get(timeout=300)]
    for process in processes:
        process.join(60)
    return uri, acknowledged


def test_appends_of_several_processes_are_all_kept(server):
    store = server.store("race")
    uri, acknowledged = race_appends(store, 3, 5)
    rows = open_table(uri, store).to_table()["a"].to_pylist()
    assert sorted(rows) == sorted([-1, *acknowledged])
    assert len(acknowledged) == 15


@pytest.mark.ceph
@pytest.mark.slow
def test_soak_eight_processes(ceph_server):
    store = ceph_server.store("soak")
    uri, acknowledged = race_appends(store, 8, 25)
    rows = open_table(uri, store).to_table()["a"].to_pylist()
    assert sorted(rows) == sorted([-1, *acknowledged])
    assert len(acknowledged) == 200


WRITER = """
    import pickle, sys
    import pyarrow as pa
    from lancenb.store import lance_module
    store = pickle.loads(bytes.fromhex(sys.stdin.readline().strip()))
    lance, number = lance_module(), int(sys.argv[1])
    while True:
        number += 1
        lance.write_dataset(pa.table({"a": [number] * 20_000}), store.join("k.lance"),
                            mode="append", storage_options=store.storage_options)
        print(number, flush=True)
"""


def test_a_killed_writer_loses_nothing(server):
    store = server.store("kill")
    uri = write(store, "k.lance", 1, first=-1)
    for first, delay in ((1_000, 0.02), (100_000, 0.3)):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(first)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(pickle.dumps(store).hex() + "\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == f"{first + 1}\n"
        time.sleep(delay)
        writer.kill()
        acknowledged = 1 + len(writer.stdout.read().splitlines())
        writer.wait()
        found = open_table(uri, store).to_table()["a"].value_counts().to_pylist()
        counts = {c["values"]: c["counts"] for c in found if c["values"] > first}
        # One commit may have landed whose acknowledgement did not.
        assert len(counts) in (acknowledged, acknowledged + 1)
        assert counts == dict.fromkeys(range(first + 1, first + 1 + len(counts)), 20_000)
    write(store, "k.lance", 1, "append", -2)
    assert open_table(uri, store).count_rows(filter="a = -2") == 1


@pytest.mark.ceph
@pytest.mark.slow
def test_a_killed_gateway_loses_nothing(ceph_server):
    store = ceph_server.store("gateway", retries=10, retry_window=120)
    ceph = ceph_server.process
    uri = write(store, "g.lance", 1, first=-1)
    acknowledged, failed = [], []
    for number in range(12):
        if number in (3, 7):
            ceph.kill_gateway()
            if number == 3:
                with pytest.raises(StoreError, match="refuses the connection"):
                    Store(f"s3://{store.bucket}/other", **ceph_server.options()).check()
            ceph.start_gateway()
        try:
            write(store, "g.lance", 1, "append", number)
            acknowledged.append(number)
        except StoreError:
            failed.append(number)
    rows = open_table(uri, store).to_table()["a"].to_pylist()
    assert set(acknowledged) <= set(rows)
    assert len(rows) == len(set(rows))
    assert not set(failed) - set(range(12))
    assert len(acknowledged) >= 8
