"""Reading rows as a stream: the same rows and errors as a search, in bounded memory."""

from __future__ import annotations

import gc
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.errors import (
    ArtifactNotFound,
    ColumnNotFound,
    InvalidArgument,
    InvalidFilter,
    LancenbError,
    VersionNotFound,
)

from .helpers import points


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    manager = DataManager(tmp_path / "root")
    manager.convert(points(count=50), "points")
    manager.convert(points(50, 50), "points", mode="append")
    manager.delete_rows("points", "id % 7 = 0")
    return manager


QUERIES: list[dict[str, Any]] = [
    {},
    {"where": "id > 20"},
    {"where": [("name", "like", "row-1%")], "columns": ["x", "id"]},
    {"columns": "name"},
    {"limit": 7, "offset": 40},
    {"limit": 0},
    {"limit": 0, "order_by": "id"},
    {"where": "id < 0"},
    {"order_by": "x desc"},
    {"order_by": "x desc", "limit": 5, "offset": 3, "where": "id > 10", "columns": ["id"]},
    {"version": 1},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.parametrize("batch_rows", [None, 1, 8])
def test_a_stream_holds_what_a_search_finds(
    dm: DataManager, query: dict[str, Any], batch_rows: int | None
):
    found = dm.search_rows("points", **query)
    streamed = dm.read("points", **query, batch_rows=batch_rows).read_all()
    assert streamed.equals(found, check_metadata=True)
    assert streamed.schema.metadata == {b"lancenb.kind": b"table"}
    batches = list(dm["points"].read(**query, batch_rows=batch_rows))
    assert sum(batch.num_rows for batch in batches) == found.num_rows
    assert max((batch.num_rows for batch in batches), default=0) <= (batch_rows or 100)


@pytest.mark.parametrize(
    ("name", "query", "error"),
    [
        ("nothing", {}, ArtifactNotFound),
        ("points", {"version": 99}, VersionNotFound),
        ("points", {"columns": ["nme"]}, ColumnNotFound),
        ("points", {"columns": ["id", "id"]}, InvalidArgument),
        ("points", {"where": "id >"}, InvalidFilter),
        ("points", {"where": [("idd", "=", 1)]}, ColumnNotFound),
        ("points", {"order_by": "y"}, ColumnNotFound),
        ("points", {"limit": -1}, InvalidArgument),
        ("points", {"offset": True}, InvalidArgument),
    ],
)
def test_a_wrong_question_is_refused_at_once_and_in_the_same_words(
    dm: DataManager, name: str, query: dict[str, Any], error: type[LancenbError]
):
    with pytest.raises(error) as searched:
        dm.search_rows(name, **query)
    with pytest.raises(error) as read:
        dm.read(name, **query)
    assert read.value.to_dict() == searched.value.to_dict()


@pytest.mark.parametrize("batch_rows", [0, -1, True, 2.0, "8"])
def test_the_size_of_batches_is_a_count(dm: DataManager, batch_rows: Any):
    with pytest.raises(InvalidArgument, match="batch_rows"):
        dm.read("points", batch_rows=batch_rows)


def _consume(reader: pa.RecordBatchReader, how: str) -> None:
    if how == "read_all":
        reader.read_all()
    elif how == "loop":
        for _ in reader:
            pass
    else:
        while True:
            try:
                reader.read_next_batch()
            except StopIteration:
                return


@pytest.mark.parametrize("how", ["read_all", "loop", "next"])
def test_a_row_that_a_filter_fails_on_is_told_as_in_a_search(dm: DataManager, how: str):
    with pytest.raises(InvalidFilter) as searched:
        dm.search_rows("points", "1 / (id - 60) > 0")
    with pytest.raises(InvalidFilter) as read:
        _consume(dm.read("points", "1 / (id - 60) > 0"), how)
    assert read.value.to_dict() == searched.value.to_dict()
    assert "ivide by zero" in read.value.message


@pytest.mark.parametrize("how", ["read_all", "loop", "next"])
def test_a_file_that_is_gone_is_told_as_in_a_search(dm: DataManager, how: str):
    for file in Path(dm["points"].uri, "data").glob("*.lance"):
        file.unlink()
    with pytest.raises(LancenbError) as searched:
        dm.search_rows("points")
    with pytest.raises(LancenbError) as read:
        _consume(dm.read("points"), how)
    assert type(read.value) is type(searched.value)
    assert read.value.message == searched.value.message


def test_a_stream_stays_at_its_version(dm: DataManager):
    reader = dm.read("points", columns=["id"], batch_rows=10)
    first = reader.read_next_batch().num_rows
    dm.delete_rows("points", "true")
    dm.cleanup("points", keep=5)
    assert first + reader.read_all().num_rows == 85


def test_an_error_crosses_a_conversion_as_itself(dm: DataManager):
    with pytest.raises(InvalidFilter, match="ivide by zero"):
        dm.convert(dm.read("points", "1 / (id - 60) > 0"), "copy")
    assert "copy" not in dm


def test_letting_go_of_a_reader_ends_the_scan(dm: DataManager):
    query = dm._query("points", None, None, None, None, None, None)
    ended: list[bool] = []
    schema, batches = dm._stream(query, 1)

    def watched() -> Any:
        try:
            yield from batches
        finally:
            ended.append(True)

    with pa.RecordBatchReader.from_batches(schema, watched()) as reader:
        reader.read_next_batch()
    assert inspect.getgeneratorstate(batches) == inspect.GEN_SUSPENDED
    del reader
    gc.collect()
    assert ended == [True]
    assert inspect.getgeneratorstate(batches) == inspect.GEN_CLOSED


def test_batches_are_about_eight_megabytes(tmp_path: Path):
    dm = DataManager(tmp_path)
    rows = [{"id": i, "data": bytes(1000 if i % 2 else 100_000)} for i in range(1000)]
    dm.convert(pa.Table.from_pylist(rows), "blobs")
    dm.convert(pa.table({"a": pa.array(range(200_000))}), "narrow")
    sizes = [batch.nbytes for batch in dm.read("blobs")]
    assert 6 < len(sizes) < 30
    assert max(sizes) <= 8 << 20
    assert max(batch.num_rows for batch in dm.read("narrow")) > 30_000


def test_a_large_row_among_small_ones_makes_no_large_batch(tmp_path: Path):
    dm = DataManager(tmp_path)
    sizes = [10 << 20 if i in (3, 4, 100) else 10 for i in range(200)]
    table = pa.table({"id": range(200), "data": [bytes(size) for size in sizes]})
    dm.convert(table, "skewed")
    found = list(dm.read("skewed"))
    assert all(batch.num_rows == 1 or batch.nbytes <= 8 << 20 for batch in found)
    assert pa.Table.from_batches(found).column("id").to_pylist() == list(range(200))


SCHEMA = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("name", pa.string())])
START = {"create": "fresh", "append": "points", "overwrite": "points"}


def _counted(seen: list[int], last: BaseException | None = None) -> pa.RecordBatchReader:
    """A reader of ten batches that notes how far it was read, and may fail at the end."""

    def batches() -> Any:
        for at in range(10):
            seen.append(at)
            yield points(at * 100, 100).to_batches()[0]
        if last is not None:
            raise last

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


@pytest.mark.parametrize("mode", START)
def test_a_reader_is_converted_in_one_pass(dm: DataManager, mode: str):
    seen: list[int] = []
    before = dm["points"].rows if mode == "append" else 0
    report = dm.convert(_counted(seen), START[mode], mode=mode)
    assert seen == list(range(10))
    assert report.rows == 1000
    found = dm.search_rows(START[mode])
    assert found.num_rows == before + 1000
    assert found.column("id").to_pylist()[before:] == list(range(1000))


class Odd(Exception):
    """Something that is none of lancenb's errors."""


@pytest.mark.parametrize("mode", START)
@pytest.mark.parametrize(
    "error",
    [
        InvalidFilter("the filter fails", hint="another one"),
        LancenbError("something", hint="a hint\nof two lines", details={"row": 7}),
        InvalidArgument("an argument"),
        Odd("strange"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_reader_that_fails_leaves_the_old_version_and_its_error(
    dm: DataManager, mode: str, error: BaseException
):
    seen: list[int] = []
    versions, rows = len(dm.versions("points")), dm.search_rows("points")
    with pytest.raises(type(error)) as raised:
        dm.convert(_counted(seen, error), START[mode], mode=mode)
    assert raised.value is error
    assert seen == list(range(10))
    assert len(dm.versions("points")) == versions
    assert dm.search_rows("points").equals(rows)
    assert dm.list().names == ["points"]
    assert not dm.fsck().problems


_MEASURED = """
import sys
import pyarrow as pa
from lancenb import DataManager

def resident():
    facts = open("/proc/self/status").read().split()
    return int(facts[facts.index("RssAnon:") + 1]) << 10

def watched(reader, seen):
    for batch in reader:
        seen.append((batch.nbytes, resident()))
        yield batch

dm = DataManager(sys.argv[1])
dm.convert(dm.read("big", limit=1), "copy", mode="overwrite")
before, seen = resident(), []
reader = pa.RecordBatchReader.from_batches(dm["big"].schema, watched(dm.read("big"), seen))
if sys.argv[2] == "copy":
    dm.convert(reader, "copy", mode="append")
else:
    for batch in reader:
        pass
print(sum(size for size, _ in seen) >> 20, (max(peak for _, peak in seen) - before) >> 20)
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with an artefact of about 300 MB."""
    root = tmp_path_factory.mktemp("big")

    def batches() -> Any:
        for i in range(30):
            data = [os.urandom(10_000) for _ in range(1000)]
            yield pa.record_batch({"id": range(i * 1000, i * 1000 + 1000), "data": data})

    schema = pa.schema([("id", pa.int64()), ("data", pa.binary())])
    DataManager(root).convert(pa.RecordBatchReader.from_batches(schema, batches()), "big")
    return root


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read as Linux tells it")
@pytest.mark.parametrize(("what", "most"), [("read", 150), ("copy", 280)])
def test_memory_stays_that_of_a_few_batches(big: Path, what: str, most: int):
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(big), what],
        capture_output=True,
        text=True,
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # what is held, not what malloc keeps
    )
    assert done.returncode == 0, done.stderr
    read, grown = map(int, done.stdout.split())
    assert read > 280
    assert grown < most
