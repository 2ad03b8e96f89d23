"""lance-ray on a local cluster of two processes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import lancenb as lnb
from lancenb.errors import (
    AlreadyExists,
    Cancelled,
    ColumnNotFound,
    EmptyInput,
    InvalidArgument,
    LancenbError,
    SchemaMismatch,
    UnsupportedFormat,
)
from lancenb.progress import CancelToken
from lancenb.scale import add_column, convert, from_ray, to_ray
from tests.data.tables import pattern, png
from tests.scale._cluster import cluster

ray = pytest.importorskip("ray", reason="ray is not installed (pip install 'lancenb[ray]')")
pytest.importorskip("lance_ray", reason="lance-ray is not installed (pip install 'lancenb[ray]')")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def two_workers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANCE_LOG", "error")
        with cluster() as ray:
            yield ray


@pytest.fixture
def dm(tmp_path):
    return lnb.DataManager(tmp_path / "store")


def _points(dm, rows=100, **options):
    dm.convert(pa.table({"id": list(range(rows)), "x": np.arange(rows) / 2}), "points", **options)
    return dm["points"]


def _same(one, other):
    """The same rows in the same order under the same schema, metadata included."""
    assert one.schema.equals(other.schema, check_metadata=True)
    assert one.to_table().equals(other.to_table())


def _same_report(one, other):
    for name in ("rows", "bytes", "skipped", "kind", "converter", "mode", "lineage", "notes"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.schema.equals(other.schema, check_metadata=True)


# reading and writing -------------------------------------------------------------------------
def test_to_ray_reads_a_pinned_version(dm):
    points = _points(dm)
    _points(dm, 10, mode="append")
    data = to_ray(points, columns=["id"], filter=[("id", ">=", 90)], version=1)
    assert sorted(row["id"] for row in data.iter_rows()) == list(range(90, 100))
    assert to_ray(points.uri).count() == 110
    with pytest.raises(ColumnNotFound, match="it has id, x"):
        to_ray(points, columns=["y"])


def test_from_ray_registers_with_lineage(dm):
    points = _points(dm)
    squares = to_ray(points).map_batches(
        lambda t: t.append_column("square", pc.multiply(t["x"], t["x"])), batch_format="pyarrow"
    )
    report = from_ray(
        squares, dm, "squares", parents=["points"], message="by ray", tags=["made"],
        description="x and its square", metadata={"by": "ray"},
    )  # fmt: skip
    assert (report.rows, report.version, report.name, report.kind) == (100, 1, "squares", "table")
    made = dm["squares"]
    assert made.dataset().to_table()["id"].to_pylist() == list(range(100))
    assert made.dataset().to_table()["square"].to_pylist() == [(i / 2) ** 2 for i in range(100)]
    assert made.parents[0]["name"] == "points"
    assert (made.tags, made.description, made.metadata) == (
        ["made"], "x and its square", {"by": "ray"},
    )  # fmt: skip
    notes = made.dataset().read_transaction(1).transaction_properties
    assert notes["__lance_commit_message"] == "by ray"
    assert notes["lancenb.converter"] == "RayConverter"
    assert json.loads(notes["lancenb.parents"])[0]["name"] == "points"
    assert made.schema.metadata[b"lancenb.kind"] == b"table"
    made.dataset().validate()
    assert len(dm.versions("squares")) == 1  # one commit


def test_blocks_keep_their_order_and_modes_work(dm):
    numbers = ray.data.range(60, override_num_blocks=6)
    from_ray(numbers, dm, "n")
    assert dm["n"].dataset().to_table()["id"].to_pylist() == list(range(60))
    with pytest.raises(AlreadyExists):
        from_ray(numbers, dm, "n")
    report = from_ray(ray.data.range(3), dm, "n", mode="append")
    assert (report.rows, report.version) == (3, 2)
    other = ray.data.from_arrow(pa.table({"word": ["a", "b"]}))
    with pytest.raises(SchemaMismatch):
        from_ray(other, dm, "n", mode="append")
    assert from_ray(other, dm, "n", mode="overwrite").version == 3
    assert dm["n"].dataset().to_table().to_pydict() == {"word": ["a", "b"]}
    assert dm["n"].dataset(2).count_rows() == 63
    assert dm["n"].dataset().data_storage_version == "2.2"


def test_tensors_and_python_objects(dm):
    tensors = ray.data.range(4).map_batches(
        lambda b: {"id": b["id"], "t": np.ones((len(b["id"]), 2, 3), np.float32)}
    )
    from_ray(tensors, dm, "tensors")
    (batch,) = lnb.batches(dm["tensors"], 4)
    assert batch["t"].shape == (4, 2, 3)
    assert batch["t"].dtype == np.float32
    pandas = pytest.importorskip("pandas")
    frames = ray.data.from_pandas(pandas.DataFrame({"o": [{1, 2}, {3}]}))
    with pytest.raises(UnsupportedFormat):
        from_ray(frames, dm, "objects")
    other = [ray.data.range(3), ray.data.range(3).rename_columns({"id": "other"})]
    with pytest.raises(SchemaMismatch, match="a block has the column"):
        from_ray(other[0].union(other[1]), dm, "mixed", schema=pa.schema([("id", pa.int64())]))
    with pytest.raises(EmptyInput):
        from_ray(ray.data.from_arrow(pa.table({})), dm, "nothing")
    assert dm.list().names == ["tensors"]


def test_a_failing_function_leaves_nothing(dm):
    def broken(batch):
        if 50 in batch["id"]:
            raise ValueError("fifty is not to my liking")
        return batch

    data = ray.data.range(100, override_num_blocks=4).map_batches(broken)
    with pytest.raises(ray.exceptions.RayTaskError, match="fifty"):
        from_ray(data, dm, "bad", schema=pa.schema([("id", pa.int64())]))
    assert dm.list().names == []
    assert dm.fsck().ok


# converting ----------------------------------------------------------------------------------
def _noise(number):
    """A picture of 1.5 MB: a task gets pictures by chunks of 4 MB."""
    return png(np.random.default_rng(number).integers(0, 256, (700, 700, 3)).astype(np.uint8))


def _pictures(folder: Path, count=12, make=_noise):
    for number in range(count):
        home = folder / ("ant", "bee", "cat", "dog")[number * 4 // count]
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number:03}.png").write_bytes(make(number))
    (folder / "bee" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_pictures_convert_as_they_do_locally(dm, tmp_path):
    source = _pictures(tmp_path / "in")
    local = dm.convert(source, "local")
    shared = convert(source, "shared", manager=dm, tasks=2, message="two of them")
    _same(dm["local"].dataset(), dm["shared"].dataset())
    facts = {**shared.lineage, "name": "local"}
    assert {**local.lineage} == facts
    shared.lineage = local.lineage
    _same_report(local, shared)
    assert len(shared.skipped) == 2
    assert len(dm["shared"].dataset().get_fragments()) == 2  # both tasks had something to write
    assert dm["shared"].content_hash == dm["local"].content_hash
    assert dm["shared"].kind == "images"


def test_pictures_append_with_new_classes(dm, tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    _pictures(first, 8)
    for number in range(6):
        home = second / ("zebra", "bee", "aphid")[number // 2]
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number}.png").write_bytes(_noise(50 + number))
    for name, run in (("local", dm.convert), ("shared", lambda *a, **k: convert(*a, manager=dm, tasks=2, **k))):  # noqa: E501 # fmt: skip
        run(first, name)
        assert run(second, name, mode="append").version == 2
    _same(dm["local"].dataset(), dm["shared"].dataset())
    names = lnb.LanceTorchDataset(dm["shared"]).class_names
    assert names == ["ant", "bee", "cat", "dog", "aphid", "zebra"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt", "parquet"])
def test_texts_and_tables_convert_as_they_do_locally(tmp_path, suffix):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        rows = [{"n": number * 10 + i, "word": f"w{i}"} for i in range(number + 2)]
        if number == 3:
            rows = [{**row, "extra": 0.5} for row in rows]  # a column that others lack
        path = folder / f"{number}.{suffix}"
        if suffix == "csv":
            lines = [",".join(rows[0]), *(",".join(map(str, r.values())) for r in rows)]
            path.write_text("\n".join(lines) + "\n")
        elif suffix == "jsonl":
            path.write_text("".join(json.dumps(r) + "\n" for r in rows))
        elif suffix == "txt":
            path.write_text("".join(f"{r['n']} {r['word']}\n" for r in rows))
        else:
            pq.write_table(pa.Table.from_pylist(rows), path)
    pattern_ = str(folder / f"*.{suffix}")
    options = {"provenance": True} if suffix in ("csv", "parquet") else {}
    local = lnb.convert(pattern_, tmp_path / "local.lance", **options)
    shared = convert(pattern_, tmp_path / "shared.lance", tasks=3, **options)
    import lance

    _same(lance.dataset(local.uri), lance.dataset(shared.uri))
    _same_report(local, shared)
    assert all(file.get("sha256") for file in shared.lineage["files"])
    one, two = (lance.dataset(r.uri).read_transaction(1).transaction_properties for r in (local, shared))  # noqa: E501 # fmt: skip
    assert one == two
    shared = convert(pattern_, tmp_path / "shared.lance", tasks=2, mode="overwrite", **options)
    assert shared.version == 2
    _same(lance.dataset(local.uri), lance.dataset(shared.uri))


def test_a_surprise_late_in_a_file_is_learned(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        lines = [f"{i},{i}" for i in range(40_000)]
        if number == 2:
            lines[-1] = "7,seven"
        (folder / f"{number}.csv").write_text("a,b\n" + "\n".join(lines) + "\n")
    local = lnb.convert(folder, tmp_path / "local.lance")
    shared = convert(folder, tmp_path / "shared.lance", tasks=2)
    import lance

    _same(lance.dataset(local.uri), lance.dataset(shared.uri))
    assert str(shared.schema.field("b").type) == "string"
    data = tmp_path / "shared.lance" / "data"
    named = {f.path for g in lance.dataset(shared.uri).get_fragments() for f in g.data_files()}
    assert {path.name for path in data.iterdir()} == named  # nothing of the first try remains


def test_an_error_in_one_file_is_typed_and_leaves_nothing(dm, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        lines = [f"{i},{i}" for i in range(30_000)]
        if number == 2:
            lines[-10] = "1,2,3"
        (folder / f"{number}.csv").write_text("a,b\n" + "\n".join(lines) + "\n")
    with pytest.raises(LancenbError) as local:
        lnb.convert(folder, tmp_path / "l.lance")
    with pytest.raises(LancenbError) as shared:
        convert(folder, "broken", manager=dm, tasks=2)
    assert type(shared.value) is type(local.value)
    assert shared.value.message == local.value.message
    assert "2.csv" in shared.value.message
    assert dm.list().names == []
    assert dm.fsck().ok
    with pytest.raises(LancenbError):
        convert(folder, tmp_path / "t.lance", tasks=2)
    assert not (tmp_path / "t.lance" / "_versions").exists()


def test_a_cancel_leaves_nothing(dm, tmp_path):
    source = _pictures(tmp_path / "in")
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        convert(source, "never", manager=dm, cancel=token)
    assert dm.list().names == []


# columns -------------------------------------------------------------------------------------
def test_add_column_is_a_version(dm):
    points = _points(dm, 100)
    _points(dm, 20, mode="append")
    dm.tag("points", "before")
    version = add_column(
        dm["points"], "square", lambda batch: pc.multiply(batch["x"], batch["x"]), columns=["x"],
        batch_size=16,
    )  # fmt: skip
    assert version == dm["points"].version == 3
    rows = dm["points"].dataset().to_table()
    assert rows["square"].to_pylist() == [value**2 for value in rows["x"].to_pylist()]
    assert "square" in dm["points"].columns
    assert "square" not in dm["points"].dataset("before").schema.names
    dm.rollback("points", "before")
    assert "square" not in dm["points"].schema.names
    with pytest.raises(AlreadyExists):
        add_column(points, "x", len)
    with pytest.raises(ColumnNotFound):
        add_column(points, "y", len, columns=["z"])


def test_add_column_of_vectors_after_a_deletion(dm):
    points = _points(dm, 50)
    points.dataset().delete("id % 7 = 3")

    def vectors(batch):
        return np.stack([batch["x"].to_numpy(), batch["id"].to_numpy()], 1).astype(np.float32)

    add_column(dm["points"], "v", vectors, columns=["x", "id"])
    rows = dm["points"].dataset().to_table()
    assert rows.schema.field("v").type == pa.list_(pa.float32(), 2)
    assert [v[1] for v in rows["v"].to_pylist()] == rows["id"].to_pylist()


def _seven(batch):
    return [1] * 7


def test_a_failing_column_changes_nothing(dm):
    _points(dm, 2000)

    def late(batch):
        if 1999 in batch["id"].to_pylist():
            raise RuntimeError("the last one is too much")
        return batch["id"]

    with pytest.raises(InvalidArgument, match="'late' failed: RuntimeError: the last one"):
        add_column(dm["points"], "late", late, batch_size=64)
    with pytest.raises(InvalidArgument, match="all missing"):
        add_column(dm["points"], "none", lambda batch: [None] * batch.num_rows)
    with pytest.raises(InvalidArgument, match="were given 7 values"):
        add_column(dm["points"], "short", _seven, type=pa.int64(), batch_size=64)
    assert dm["points"].version == 1


# in a bucket ---------------------------------------------------------------------------------
@pytest.mark.s3
def test_everything_over_s3_and_no_secret_in_logs(s3_server, tmp_path, capfd):
    secret = "doorsecret-4711-0815"
    store = s3_server.store("tables", secret_key=secret)
    dm = lnb.DataManager(store)
    source = _pictures(tmp_path / "in", 8, lambda number: png(pattern(number % 3, number)))
    convert(source, "pictures", manager=dm, tasks=2)
    assert dm["pictures"].rows == 8
    data = to_ray(dm["pictures"], columns=["label"])
    assert secret not in repr(data)
    from_ray(data, dm, "labels", parents=["pictures"])
    assert dm["labels"].rows == 8
    add_column(dm["labels"], "twice", lambda batch: pc.multiply(batch["label"], 2))
    rows = dm["labels"].dataset().to_table().to_pydict()
    assert rows["twice"] == [2 * label for label in rows["label"]]

    def broken(batch):
        raise ValueError("no")

    with pytest.raises(InvalidArgument, match="ValueError: no") as failure:
        add_column(dm["labels"], "never", broken, type=pa.int64())
    shown = "".join(capfd.readouterr()) + str(failure.value)
    logs = Path(ray._private.worker._global_node.get_logs_dir_path())
    shown += "".join(p.read_text(errors="replace") for p in logs.rglob("*") if p.is_file())
    assert secret not in shown
