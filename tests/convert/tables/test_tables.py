"""Parquet, Arrow, folders, tables in memory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lancenb.convert.tables import ParquetConverter
from lancenb.errors import (
    ColumnNotFound,
    CorruptInput,
    EmptyInput,
    InvalidArgument,
    LancenbError,
    SchemaMismatch,
    TypeConflict,
    UnsupportedFormat,
)


def _table(source: Any, tmp_path: Path, mode: str = "overwrite", **options: Any) -> pa.Table:
    ParquetConverter(**options).convert(source, tmp_path / "t.lance", mode=mode)
    return lance.dataset(str(tmp_path / "t.lance")).to_table()


def _parquet(path: Path, table: pa.Table | dict[str, Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path, **options)
    return path


def test_w25_parquet_streams_row_group_by_row_group(tmp_path: Path) -> None:
    table = pa.table({"a": range(1000), "b": [f"text {i}" for i in range(1000)]})
    path = _parquet(tmp_path / "a.parquet", table, row_group_size=70)
    events: list[Any] = []
    report = ParquetConverter().convert(path, tmp_path / "t.lance", progress=events.append)
    assert lance.dataset(str(tmp_path / "t.lance")).to_table().equals(table)
    assert report.rows == 1000
    assert events[-1].rows == 1000
    assert 0 < report.bytes <= path.stat().st_size


def test_lists_patterns_and_folders_are_one_table(tmp_path: Path) -> None:
    paths = [_parquet(tmp_path / "in" / f"{i}.parquet", {"a": [i]}) for i in range(3)]
    for source in (paths, str(tmp_path / "in" / "*.parquet"), tmp_path / "in"):
        assert _table(source, tmp_path).column("a").to_pylist() == [0, 1, 2]
    (tmp_path / "in" / "notes.txt").write_text("x")
    (tmp_path / "in" / "_SUCCESS").touch()
    report = ParquetConverter().convert(tmp_path / "in", tmp_path / "u.lance")
    assert [Path(name).name for name, _ in report.skipped] == ["notes.txt"]


def test_hive_folders_become_columns(tmp_path: Path) -> None:
    for year, part, value in ((2023, "a b", 1), (2024, "__HIVE_DEFAULT_PARTITION__", 2)):
        name = f"year={year}/part={part.replace(' ', '%20')}/x.parquet"
        _parquet(tmp_path / "in" / name, {"v": [value]})
    table = _table(tmp_path / "in", tmp_path)
    assert table.to_pydict() == {"v": [1, 2], "year": [2023, 2024], "part": ["a b", None]}


def test_real_hive_and_drift(shared_data: Path, tmp_path: Path) -> None:
    table = _table(shared_data / "parquet" / "made_hive", tmp_path)
    assert table.num_rows == 1461
    assert table.group_by("part").aggregate([("date", "count")]).to_pydict() == {
        "part": ["a", "b"],
        "date_count": [500, 961],
    }
    table = _table(shared_data / "parquet" / "made_schema_drift", tmp_path)
    assert table.schema.field("id").type == pa.int64()
    assert table.num_rows == 4
    assert table.column("extra").null_count == 2


def test_w23_columns_widen_or_are_refused_with_both_files(tmp_path: Path) -> None:
    one = _parquet(tmp_path / "1.parquet", {"k": [1], "v": pa.array([1], pa.int8())})
    two = _parquet(tmp_path / "2.parquet", {"k": [2], "v": pa.array([2.5], pa.float32()), "n": [1]})
    table = _table([one, two], tmp_path)
    assert table.to_pydict() == {"k": [1, 2], "v": [1.0, 2.5], "n": [None, 1]}
    three = _parquet(tmp_path / "3.parquet", {"k": [3], "v": ["three"]})
    with pytest.raises(TypeConflict, match=r"column 'v' is .* in .*1\.parquet but string in .*3\."):
        _table([one, three], tmp_path)
    four = _parquet(tmp_path / "4.parquet", {"z": [3]})
    with pytest.raises(SchemaMismatch, match=r"4\.parquet \(z\) and .*1\.parquet \(k, v\)"):
        _table([one, four], tmp_path)


def test_nulls_take_any_type(tmp_path: Path) -> None:
    one = _parquet(tmp_path / "1.parquet", {"k": [1], "v": pa.nulls(1)})
    two = _parquet(tmp_path / "2.parquet", {"k": [2], "v": [["x"]]})
    assert _table([one, two], tmp_path).column("v").to_pylist() == [None, ["x"]]


@pytest.mark.parametrize("packed", [False, True])
def test_arrow_files_and_streams(tmp_path: Path, packed: bool) -> None:
    import gzip

    table = pa.table({"a": range(200_000), "d": pa.array(["x", "y"] * 100_000).dictionary_encode()})
    for name, build in (("a.arrow", pa.ipc.new_file), ("a.stream", pa.ipc.new_stream)):
        sink = io.BytesIO()
        with build(sink, table.schema) as writer:
            writer.write_table(table)
        path = tmp_path / (name + ".gz" * packed)
        path.write_bytes(gzip.compress(sink.getvalue()) if packed else sink.getvalue())
        assert _table(path, tmp_path).to_pydict() == table.to_pydict()


def test_dictionaries_that_differ_from_batch_to_batch(tmp_path: Path) -> None:
    kind = pa.dictionary(pa.int8(), pa.string())
    batches = [
        pa.record_batch({"x": pa.array([f"{i} {j}" for j in range(100)], kind)}) for i in range(9)
    ]
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    wanted = [f"{i} {j}" for i in range(9) for j in range(100)]
    assert _table(reader, tmp_path).column("x").to_pylist() == wanted


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", {"a": [1], "b": [2], "c": [3]})
    assert _table(path, tmp_path, columns=["c", "a"]).to_pydict() == {"c": [3], "a": [1]}
    with pytest.raises(ColumnNotFound, match="'z'"):
        _table(path, tmp_path, columns=["z"])


def test_append_widens_into_the_table_or_refuses(tmp_path: Path) -> None:
    _table(_parquet(tmp_path / "1.parquet", {"a": [1], "s": ["x"]}), tmp_path, mode="create")
    narrow = {"s": pa.array(["y"], pa.large_string()), "a": pa.array([2], pa.int16())}
    table = _table(_parquet(tmp_path / "2.parquet", narrow), tmp_path, mode="append")
    assert table.to_pydict() == {"a": [1, 2], "s": ["x", "y"]}
    with pytest.raises(SchemaMismatch, match="'a'"):
        _table(_parquet(tmp_path / "3.parquet", {"a": [1.5], "s": ["z"]}), tmp_path, mode="append")
    assert lance.dataset(str(tmp_path / "t.lance")).version == 2


def test_w28_provenance_says_which_file_and_row(tmp_path: Path) -> None:
    paths = [
        _parquet(tmp_path / f"{i}.parquet", {"a": [i] * 3}, row_group_size=2) for i in range(2)
    ]
    table = _table(paths, tmp_path, provenance=True)
    assert table.column("_source").to_pylist() == [str(p) for p in paths for _ in range(3)]
    assert table.column("_row").to_pylist() == [0, 1, 2] * 2


def test_damage_is_named(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet", {"a": list(range(10_000))}, compression="none")
    whole = path.read_bytes()
    for cut in (0, 3, 8, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises((CorruptInput, EmptyInput), match=r"a\.parquet"):
            _table(path, tmp_path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(
        CorruptInput, match=r"a\.parquet holds text data, neither Parquet nor Arrow"
    ):
        _table(path, tmp_path)
    assert not (tmp_path / "t.lance").exists()


def test_flipped_bytes_never_crash(tmp_path: Path) -> None:
    import random

    table = pa.table({"a": range(500), "s": ["text é"] * 500, "l": [[1, 2]] * 500})
    whole = _parquet(tmp_path / "w.parquet", table, write_page_checksum=True).read_bytes()
    path = tmp_path / "a.parquet"
    source = random.Random(7)
    for _ in range(40):
        data = bytearray(whole)
        data[source.randrange(4, len(data) - 8)] ^= 1 << source.randrange(8)
        path.write_bytes(data)
        assert _outcome(path, tmp_path) in (500, "a.parquet")


def _outcome(path: Path, tmp_path: Path) -> Any:
    """Convert; the rows, or the name of the file when a typed error names it."""
    try:
        return ParquetConverter().convert(path, tmp_path / "t.lance", mode="overwrite").rows
    except LancenbError as error:
        return path.name if path.name in error.message else error.message


def test_encrypted_parquet_says_so(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "bad" / "parquet" / "encrypt_columns_and_footer.parquet.encrypted"
    with pytest.raises(UnsupportedFormat, match="encrypted"):
        _table(path, tmp_path)


def test_tables_in_memory(tmp_path: Path) -> None:
    import pandas as pd

    table = pa.table({"a": [1, 2], "s": ["x", None]})
    sources = [
        table,
        table.to_batches()[0],
        pa.RecordBatchReader.from_batches(table.schema, table.to_batches()),
        pd.DataFrame({"a": [1, 2], "s": ["x", None]}),
    ]
    for source in sources:
        assert _table(source, tmp_path).to_pydict() == {"a": [1, 2], "s": ["x", None]}
    with pytest.raises(TypeConflict, match=r"pandas DataFrame mixes types"):
        _table(pd.DataFrame({"a": [1, "x"]}), tmp_path)
    with pytest.raises(InvalidArgument, match="int is no table"):
        _table(5, tmp_path)


def test_datasets_keep_features_and_selections(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, load_dataset

    features = Features({"t": Value("string"), "y": ClassLabel(names=["no", "yes"])})
    whole = Dataset.from_dict({"t": list("abcdef"), "y": [0, 1] * 3}, features=features)
    chosen = whole.shuffle(seed=3).select(range(4))
    table = _table(chosen, tmp_path)
    assert table.column("t").to_pylist() == chosen["t"][:]
    assert table.num_rows == 4
    loaded = load_dataset("lance", data_dir=str(tmp_path / "t.lance"), split="train")
    assert loaded.features["y"].names == ["no", "yes"]
    stream = whole.to_iterable_dataset().filter(lambda row: row["y"] == 1)
    assert _table(stream, tmp_path).column("t").to_pylist() == ["b", "d", "f"]
    chosen.save_to_disk(str(tmp_path / "saved"))
    assert _table(tmp_path / "saved", tmp_path).column("t").to_pylist() == chosen["t"][:]
    both = _table(DatasetDict(train=whole, test=chosen), tmp_path)
    assert both["split"].to_pylist() == ["train"] * 6 + ["test"] * 4
    assert both["t"].to_pylist() == [*whole["t"], *chosen["t"]]


def test_a_reader_that_breaks_its_schema_is_a_typed_error(tmp_path: Path) -> None:
    def batches() -> Any:
        yield pa.record_batch({"a": [1]})
        yield pa.record_batch({"a": ["x"]})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), batches())
    with pytest.raises(LancenbError, match="RecordBatchReader"):
        _table(reader, tmp_path)
    assert not (tmp_path / "t.lance").exists()
