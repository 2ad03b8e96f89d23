"""The write path: one atomic version or nothing, whatever happens on the way."""

from __future__ import annotations

import multiprocessing as mp
import os
import resource
import threading

import pyarrow as pa
import pytest

from lancenb.convert import Converter, Plan
from lancenb.convert._write import write_fragments
from lancenb.errors import (
    AlreadyExists,
    ArtifactNotFound,
    Cancelled,
    Conflict,
    CorruptInput,
    InvalidArgument,
    LancenbError,
    SchemaMismatch,
    StoreNotWritable,
)
from lancenb.progress import CancelToken, Job
from lancenb.store import Store, open_table

SCHEMA = pa.schema([("x", pa.int64())])


class Numbers(Converter):
    """Rows ``start .. start + n``, failing or cancelling itself after some batches if told to."""

    kind = "table"

    def __init__(self, n=10, batch=2, fail_at=None, schema=SCHEMA, metadata=None, updates=None):
        self.n, self.batch, self.fail_at, self.schema = n, batch, fail_at, schema
        self.metadata, self.updates = metadata, updates
        self.closed = False
        self.planned = 0

    def plan(self, source, *, existing=None):
        self.planned += 1

        def batches(tracker):
            for i in range(0, self.n, self.batch):
                if self.fail_at is not None and i >= self.fail_at:
                    raise CorruptInput(f"row {i} is damaged")
                values = list(range(source + i, source + i + self.batch))
                batch = pa.record_batch([pa.array(values)], schema=self.schema)
                tracker.advance(batch.num_rows, batch.nbytes)
                yield batch

        def close():
            self.closed = True

        return Plan(
            "table",
            self.schema.with_metadata(self.metadata) if self.metadata else self.schema,
            batches,
            total_rows=self.n,
            properties={"source": "numbers"},
            schema_metadata_updates=self.updates,
            on_close=close,
        )


def values(uri, version=None):
    return open_table(str(uri), None, version).to_table().column("x").to_pylist()


def data_files(uri):
    return sorted(os.listdir(uri / "data")) if (uri / "data").exists() else []


def test_create_append_overwrite_are_versions(tmp_path):
    uri = tmp_path / "t.lance"
    first = Numbers().convert(0, uri, message="first rows", lineage={"who": "me"})
    assert (first.version, first.rows, first.bytes, first.mode) == (1, 10, 80, "create")
    assert Numbers().convert(100, uri, mode="append").version == 2
    assert Numbers(n=2).convert(7, uri, mode="overwrite").version == 3
    assert values(uri, 1) == list(range(10))
    assert values(uri, 2) == [*range(10), *range(100, 110)]
    assert values(uri) == [7, 8]
    dataset = open_table(str(uri), None)
    assert dataset.data_storage_version == "2.2"
    assert dataset.schema.metadata[b"lancenb.kind"] == b"table"
    facts = dataset.read_transaction(1).transaction_properties
    assert facts["lancenb.who"] == "me"
    assert facts["lancenb.source"] == "numbers"
    assert facts["lancenb.converter"] == "Numbers"
    assert facts["__lance_commit_message"] == "first rows"


def test_create_refuses_an_existing_table_and_append_a_missing_one(tmp_path):
    uri = tmp_path / "t.lance"
    with pytest.raises(ArtifactNotFound, match="append"):
        Numbers().convert(0, uri, mode="append")
    assert not uri.exists()
    Numbers().convert(0, uri)
    with pytest.raises(AlreadyExists) as caught:
        Numbers().convert(0, uri)
    assert "overwrite" in caught.value.hint
    with pytest.raises(InvalidArgument, match="replace"):
        Numbers().convert(0, uri, mode="replace")


def test_failure_half_way_keeps_its_own_error_and_leaves_nothing(tmp_path):
    uri = tmp_path / "t.lance"
    converter = Numbers(fail_at=4)
    with pytest.raises(CorruptInput, match="row 4 is damaged"):
        converter.convert(0, uri)
    assert not uri.exists()
    assert converter.closed
    Numbers().convert(0, uri)
    before = data_files(uri)
    for mode in ("append", "overwrite"):
        with pytest.raises(CorruptInput):
            Numbers(fail_at=4).convert(100, uri, mode=mode)
    assert data_files(uri) == before
    assert open_table(str(uri), None).version == 1
    assert values(uri) == list(range(10))


class Elsewhere(Numbers):
    """Has its rows written by somebody else, who may fail after some fragments."""

    fails = False

    def plan(self, source, *, existing=None):
        made = super().plan(source, existing=existing)

        def write(uri, existing, store, tracker, fragments):
            fragments += write_fragments(made, uri, existing, store, tracker)
            made.properties["found"] = "late"
            if self.fails:
                raise CorruptInput("the other one gave up")

        made.write = write
        return made


def test_fragments_written_elsewhere_become_one_version_or_are_removed(tmp_path):
    uri = tmp_path / "t.lance"
    failing = Elsewhere()
    failing.fails = True
    with pytest.raises(CorruptInput, match="gave up"):
        failing.convert(0, uri)
    assert not uri.exists()
    report = Elsewhere().convert(0, uri)
    assert (report.version, report.rows, report.bytes) == (1, 10, 80)
    facts = open_table(str(uri), None).read_transaction(1).transaction_properties
    assert facts["lancenb.found"] == "late"  # what came to light while writing is noted, too
    before = data_files(uri)
    with pytest.raises(CorruptInput, match="gave up"):
        failing.convert(0, uri, mode="append")
    assert data_files(uri) == before
    assert values(uri) == list(range(10))


def test_cancel_leaves_nothing(tmp_path):
    uri = tmp_path / "t.lance"
    token = CancelToken()

    def stop(event):
        if event.rows >= 4:
            token.cancel()

    with pytest.raises(Cancelled):
        Numbers(n=100_000).convert(0, uri, progress=stop, cancel=token)
    assert not uri.exists()


def test_runs_in_a_job_with_progress(tmp_path):
    events = []
    job = Job(
        lambda progress, cancel: Numbers().convert(
            0, tmp_path / "t.lance", progress=progress, cancel=cancel
        ),
        on_progress=events.append,
    )
    assert job.result(timeout=300).rows == 10
    assert [e.phase for e in events if e.phase in ("write", "commit", "done")][-1] == "done"
    assert events[-1].fraction == 1.0


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (pa.schema([("x", pa.string())]), "'x' is int64"),
        (pa.schema([("x", pa.int64()), ("y", pa.int64())]), "'y' of the new rows"),
    ],
)
def test_append_is_checked_before_a_byte_is_written(tmp_path, schema, words):
    uri = tmp_path / "t.lance"
    Numbers().convert(0, uri)
    before = data_files(uri)
    with pytest.raises(SchemaMismatch, match=words):
        Numbers(schema=schema).convert(0, uri, mode="append")
    assert data_files(uri) == before
    assert open_table(str(uri), None).version == 1


class Ended(Numbers):
    """Notes the thread in which its stream ends."""

    thread = None

    def plan(self, source, *, existing=None):
        plan = super().plan(source, existing=existing)
        inner = plan.batches

        def batches(tracker):
            try:
                yield from inner(tracker)
            finally:
                self.thread = threading.current_thread()

        plan.batches = batches
        return plan


def test_a_disk_that_refuses_ends_the_stream_in_our_thread(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    converter = Ended(n=4_000_000, batch=500_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(LancenbError):
            converter.convert(0, tmp_path / "t.lance")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert converter.thread is threading.current_thread()
    assert not (tmp_path / "t.lance").exists()


def test_read_only_store_refuses(tmp_path):
    store = Store(tmp_path, read_only=True)
    with pytest.raises(StoreNotWritable):
        Numbers().convert(0, "t.lance", store=store)
    assert not (tmp_path / "t.lance").exists()


def test_no_secret_reaches_the_version(tmp_path):
    uri = tmp_path / "t.lance"
    secret = "https://me:hunter2@example.org/a?X-Amz-Signature=abcdef"
    Numbers().convert(0, uri, message=f"from {secret}", lineage={"source": {"url": secret}})
    stored = str(open_table(str(uri), None).read_transaction(1).transaction_properties)
    assert "example.org" in stored
    assert "hunter2" not in stored
    assert "abcdef" not in stored


def test_memory_store(tmp_path):
    assert Numbers().convert(0, "memory://write-path/t.lance").rows == 10
    assert Numbers().convert(10, "memory://write-path/t.lance", mode="append").version == 2


def test_empty_tables_are_tables(tmp_path):
    uri = tmp_path / "t.lance"
    assert Numbers(n=0).convert(0, uri).rows == 0
    assert values(uri) == []
    assert Numbers().convert(0, uri, mode="append").version == 2


def test_metadata_and_rows_change_in_one_version(tmp_path):
    uri = tmp_path / "t.lance"
    Numbers(metadata={b"labels": b"a"}).convert(0, uri)
    grown = Numbers(metadata={b"labels": b"a"}, updates={"labels": "a,b"})
    report = grown.convert(50, uri, mode="append", message="grow")
    assert report.version == 2
    dataset = open_table(str(uri), None)
    assert dataset.schema.metadata[b"labels"] == b"a,b"
    assert values(uri) == [*range(10), *range(50, 60)]
    assert dataset.read_transaction(2).transaction_properties["__lance_commit_message"] == "grow"
    assert open_table(str(uri), None, 1).schema.metadata[b"labels"] == b"a"


class Outrun(Numbers):
    """Grows the labels of the table behind its own back while its first plan is being written."""

    def plan(self, source, *, existing=None):
        plan = super().plan(source, existing=existing)
        if self.planned == 1:
            inner = plan.batches

            def batches(tracker):
                Numbers(metadata={b"labels": b"a"}, updates={"labels": "a,z"}).convert(
                    900, existing.uri, mode="append"
                )
                yield from inner(tracker)

            plan.batches = batches
        return plan


def test_label_map_that_grew_meanwhile_is_read_again(tmp_path):
    uri = tmp_path / "t.lance"
    Numbers(metadata={b"labels": b"a"}).convert(0, uri)
    converter = Outrun(metadata={b"labels": b"a"}, updates={"labels": "a,z,b"})
    converter.convert(50, uri, mode="append")
    assert converter.planned == 2
    assert open_table(str(uri), None).schema.metadata[b"labels"] == b"a,z,b"
    assert sorted(values(uri)) == [*range(10), *range(50, 60), *range(900, 910)]


def test_append_after_a_changed_schema_conflicts(tmp_path):
    uri = tmp_path / "t.lance"
    Numbers().convert(0, uri)

    class Late(Numbers):
        def plan(self, source, *, existing=None):
            plan = super().plan(source, existing=existing)
            inner = plan.batches

            def batches(tracker):
                other = pa.schema([("y", pa.int64())])
                yield from inner(tracker)
                Numbers(schema=other).convert(0, existing.uri, mode="overwrite")

            plan.batches = batches
            return plan

    with pytest.raises(Conflict, match="columns"):
        Late().convert(0, uri, mode="append")
    assert open_table(str(uri), None).schema.names == ["y"]
    assert open_table(str(uri), None).version == 2


def _create(uri, start):
    try:
        Numbers().convert(start, uri)
        return "won"
    except AlreadyExists:
        return "exists"


def _append(uri, start, times):
    for i in range(times):
        Numbers(n=2).convert(start + 2 * i, uri, mode="append")


def test_of_several_creators_one_wins(tmp_path):
    uri = str(tmp_path / "t.lance")
    with mp.get_context("spawn").Pool(4) as pool:
        outcome = pool.starmap(_create, [(uri, 1000 * i) for i in range(4)], chunksize=1)
    assert sorted(outcome) == ["exists", "exists", "exists", "won"]
    start = 1000 * outcome.index("won")
    assert values(uri) == list(range(start, start + 10))


def test_concurrent_appends_all_arrive(tmp_path):
    uri = str(tmp_path / "t.lance")
    Numbers(n=0).convert(0, uri)
    with mp.get_context("spawn").Pool(4) as pool:
        pool.starmap(_append, [(uri, 1000 * i, 5) for i in range(4)], chunksize=1)
    assert sorted(values(uri)) == sorted(1000 * i + j for i in range(4) for j in range(10))
