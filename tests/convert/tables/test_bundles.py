"""Archives of tables and texts, streamed without extraction."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lancenb
from lancenb.convert.archive import Limits
from lancenb.convert.tables import ParquetConverter
from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    InvalidArgument,
    NotFound,
    SchemaMismatch,
    UnsafeInput,
)


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path


def _parquet(table: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink)
    return sink.getvalue()


def _table(source: Any, tmp_path: Path, mode: str = "overwrite", **options: Any) -> pa.Table:
    ParquetConverter(**options).convert(source, tmp_path / "t.lance", mode=mode)
    return lance.dataset(str(tmp_path / "t.lance")).to_table()


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"1.csv": b"a,b\n1,x\n", "d/2.tsv": b"a\tb\n2\ty\n"}, {"a": [1, 2], "b": ["x", "y"]}),
        ({"1.jsonl": b'{"a": 1}\n', "2.json": b'[{"a": 2}]'}, {"a": [1, 2]}),
        ({"1.txt": b"one\ntwo\n", "2.txt": b"three"}, {"text": ["one", "two", "three"]}),
        ({"1.parquet": _parquet({"a": [1]}), "2.parquet": _parquet({"a": [2]})}, {"a": [1, 2]}),
    ],
    ids=["csv", "json", "txt", "parquet"],
)
def test_w26_members_of_one_format_are_one_table(
    tmp_path: Path, files: dict[str, bytes], wanted: dict[str, Any]
) -> None:
    before = sorted(p.name for p in tmp_path.iterdir())
    assert _table(_zip(tmp_path / "a.zip", files), tmp_path).to_pydict() == wanted
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    assert _table(tmp_path / "a.tar.gz", tmp_path).to_pydict() == wanted
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [*before, "a.tar.gz", "a.zip", "t.lance"]
    )


def test_w27_a_mixture_is_a_table_of_files_unless_members_are_chosen(tmp_path: Path) -> None:
    files = {"a.csv": b"a\n1\n", "b.json": b"[]", "c.bin": b"\x00\x01", ".DS_Store": b"x"}
    path = _zip(tmp_path / "a.zip", files)
    table = _table(path, tmp_path)
    assert table.column("path").to_pylist() == ["a.csv", "b.json", "c.bin"]
    assert table.column("data").to_pylist() == [files[n] for n in ("a.csv", "b.json", "c.bin")]
    assert table.column("size").to_pylist() == [4, 2, 2]
    assert _table(path, tmp_path, members="*.csv").to_pydict() == {"a": [1]}
    with pytest.raises(NotFound, match=r"no member of .*a\.zip matches '\*\.xml'"):
        _table(path, tmp_path, members="*.xml")


def test_a_readme_beside_data_is_left_out(tmp_path: Path) -> None:
    files = {"README.md": b"hello", "LICENSE": b"free", "a.csv": b"a\n1\n"}
    report = ParquetConverter().convert(_zip(tmp_path / "a.zip", files), tmp_path / "t.lance")
    assert report.rows == 1
    assert [name.split("!")[1] for name, _ in report.skipped] == ["README.md", "LICENSE"]


def test_members_that_are_no_one_table_are_listed(tmp_path: Path) -> None:
    files = {"a.csv": b"a,b\n1,2\n", "b.csv": b"x,y\n1,2\n"}
    with pytest.raises(SchemaMismatch, match=r"a\.zip!b\.csv \(x, y\)"):
        _table(_zip(tmp_path / "a.zip", files), tmp_path)


def test_text_options_reach_members(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.csv": "n;t\n1;é\n".encode("cp437")})
    assert _table(path, tmp_path, text_options={"encoding": "cp437"}).to_pydict() == {
        "n": [1],
        "t": ["é"],
    }
    with pytest.raises(InvalidArgument, match=r"text_options: .*'colour'"):
        ParquetConverter(text_options={"colour": 1})


def test_provenance_names_archive_and_member(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"d/a.csv": b"a\n1\n2\n"})
    table = _table(path, tmp_path, provenance=True)
    assert table.column("_source").to_pylist() == [f"{path}!d/a.csv"] * 2
    assert table.column("_row").to_pylist() == [0, 1]


def test_append_from_an_archive(tmp_path: Path) -> None:
    _table(_zip(tmp_path / "a.zip", {"a.csv": b"a\n1\n"}), tmp_path, mode="create")
    table = _table(_zip(tmp_path / "b.zip", {"b.csv": b"a\n2\n"}), tmp_path, mode="append")
    assert table.to_pydict() == {"a": [1, 2]}


def test_late_surprises_in_members_are_promoted(tmp_path: Path) -> None:
    text = "a,t\n" + "".join(f"{i},{'x' * 30}\n" for i in range(60_000)) + "word,x\n"
    path = _zip(tmp_path / "a.zip", {"a.csv": text.encode()})
    limits = Limits(max_ratio=1e6)
    assert _table(path, tmp_path, limits=limits).column("a").to_pylist()[-1] == "word"


def test_traps_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, bytes], type[Exception], str]] = [
        ({"ok.csv": b"a\n1\n", "../x.csv": b"a\n1\n"}, UnsafeInput, "climbs out"),
        ({"a.csv": b"0" * 20_000_000}, UnsafeInput, "bomb"),
        ({"a.csv": b"a\n1\n", "in.zip": b"PK"}, UnsafeInput, r"a\.zip!in\.zip"),
        ({"d/": b""}, EmptyInput, r"a\.zip holds no files"),
        ({"a.parquet": b"PAR1 nonsense PAR1"}, CorruptInput, r"a\.zip!a\.parquet"),
        ({"a.json": b"[1,"}, CorruptInput, r"a\.zip!a\.json"),
    ]
    for files, error, words in cases:
        with pytest.raises(error, match=words):
            lancenb.convert(_zip(tmp_path / "a.zip", files), tmp_path / "t.lance")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"]


def test_a_big_parquet_member_needs_no_memory_of_its_size(tmp_path: Path) -> None:
    import os

    data = _parquet({"b": [os.urandom(1 << 20) for _ in range(70)]})
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as made:
        made.writestr("a.parquet", data)
    assert _table(tmp_path / "a.zip", tmp_path).num_rows == 70
