"""What needs no Ray: sharing out files, and what is said when Ray is not there."""

from __future__ import annotations

import builtins
import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import lancenb as lnb
from lancenb.errors import InvalidArgument, MissingDependency
from lancenb.progress import Tracker
from lancenb.scale import add_column, convert, from_ray, to_ray
from lancenb.scale._share import Share, limit, write_share
from lancenb.scale.columns import Column, as_array
from tests.data.tables import pattern, png


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("sizes", [[1] * 10, [1000, 1, 1, 1, 1, 1, 1, 1, 1, 1], [0] * 10])
def test_shares_are_neighbours_and_hold_everything_once(count, sizes):
    items = list(range(10))
    shares = [items[Share(index, count).span(sizes)] for index in range(count)]
    assert [item for share in shares for item in share] == items


def test_shares_have_about_as_many_bytes():
    sizes = [5, 1, 1, 1, 1, 1, 5, 5]
    shares = [sizes[Share(index, 2).span(sizes)] for index in range(2)]
    assert [sum(share) for share in shares] == [9, 11]


def _folder(tmp_path):
    for number in range(6):
        folder = tmp_path / "in" / ("ant", "bee", "cat")[number // 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(png(pattern(number % 3, number)))
    return tmp_path / "in"


def test_a_share_knows_paths_and_ids_of_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("lancenb.convert.images._read.BATCH_BYTES", 1)
    source = _folder(tmp_path)
    converter = lnb.PngConverter()
    assert limit(converter.plan(str(source)), Share(0, 1)) == 6
    uri = str(tmp_path / "t.lance")
    parts = [
        write_share(converter, str(source), str(tmp_path), uri, None, None, Share(i, 2))
        for i in range(2)
    ]
    assert [part.rows for part in parts] == [3, 3]


def _tables(folder, suffix):
    """Five files; columns and types of the whole are known from the last one only."""
    folder.mkdir()
    for number in range(5):
        rows = pa.table({"n": [number, 2.5 if number == 4 else 7], "w": ["a", f"b{number}"]})
        if number == 4:
            rows = rows.append_column("late", pa.array([1, 2]))
        path = folder / f"{number}.{suffix}"
        if suffix == "parquet":
            pq.write_table(rows, path)
        elif suffix == "csv":
            pa.csv.write_csv(rows, path)
        else:
            lines = [json.dumps(row) for row in rows.to_pylist()]
            path.write_text("\n".join(lines) + "\n")
    return str(folder)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt", "parquet"])
@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_shares_of_a_plan_are_the_plan(tmp_path, suffix, count):
    source = _tables(tmp_path / "in", suffix)
    converter = lnb.ParquetConverter() if suffix == "parquet" else lnb.TextConverter()
    whole = converter.plan(source)
    rows = pa.Table.from_batches(whole.batches(Tracker()), whole.schema)
    assert rows.num_rows == 10
    batches, files = [], []
    for index in range(count):
        plan = converter.plan(source)
        assert limit(plan, Share(index, count)) == 5
        assert plan.schema.equals(whole.schema, check_metadata=True)
        batches += plan.batches(Tracker())
        files += plan.properties["files"]
    assert pa.Table.from_batches(batches, whole.schema).equals(rows)
    assert files == whole.properties["files"]  # each read and hashed once
    assert all(file["sha256"] for file in files)


@pytest.mark.parametrize("source", [pa.table({"x": [1]}), "s3://bucket/a.csv", {"a": 1}, []])
def test_what_is_no_file_cannot_be_shared_out(tmp_path, source):
    with pytest.raises(InvalidArgument, match="cannot be shared out"):
        convert(source, tmp_path / "t.lance")


def test_weights_and_impossible_tasks_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(InvalidArgument, match="tasks must be"):
        convert(tmp_path / "a.csv", tmp_path / "t.lance", tasks=0)
    with pytest.raises(InvalidArgument, match="is a name"):
        convert(tmp_path / "a.csv", "somewhere")


def test_what_is_read_in_one_go_cannot_be_shared_out(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
    for source in (str(tmp_path / "a.zip"), pa.table({"x": [1]})):
        plan = lnb.ParquetConverter().plan(source)
        with pytest.raises(InvalidArgument, match="can be shared out"):
            limit(plan, Share(0, 1))


@pytest.mark.parametrize("module", ["ray", "lance_ray"])
def test_missing_ray_is_one_line_of_advice(tmp_path, monkeypatch, module):
    real = builtins.__import__

    def absent(name, *rest, **more):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=module)
        return real(name, *rest, **more)

    def missing(name, package=None):
        if name == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=module)
        return sys

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr("lancenb.data._optional.importlib.import_module", missing)
    calls = [
        lambda: to_ray(tmp_path),
        lambda: from_ray(None, None, "x"),
        lambda: add_column(tmp_path, "x", len),
    ]
    for call in calls:
        with pytest.raises(MissingDependency, match="is not installed") as failure:
            call()
        assert failure.value.hint == "pip install 'lancenb[ray]'"


def test_values_of_a_column_are_checked():
    batch = pa.record_batch({"x": [1, 2, 3]})
    column = Column("y", lambda b: np.ones((3, 2), np.float32), pa.list_(pa.float32(), 2))
    assert column(batch).column(0).to_pylist() == [[1.0, 1.0]] * 3
    with pytest.raises(InvalidArgument, match="3 rows were given 2 values for the column 'y'"):
        Column("y", lambda b: [1, 2], pa.int64())(batch)
    with pytest.raises(InvalidArgument, match="values for the column 'y' are no int64"):
        Column("y", lambda b: ["a", "b", "c"], pa.int64())(batch)
    assert as_array(pa.chunked_array([[1], [2]])).to_pylist() == [1, 2]
