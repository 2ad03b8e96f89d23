"""Delimited text: dialects, types, conflicts, odd rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest

from lancenb.convert.text import TextConverter
from lancenb.convert.text._csv_stream import leading_zero
from lancenb.convert.text._dialect import find_dialect
from lancenb.errors import CorruptInput, EmptyInput, InvalidArgument, SchemaMismatch, TypeConflict


def _table(source: Any, tmp_path: Path, mode: str = "overwrite", **options: Any) -> pa.Table:
    TextConverter(**options).convert(source, tmp_path / "t.lance", mode=mode)
    return lance.dataset(str(tmp_path / "t.lance")).to_table()


def _write(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    (tmp_path / name).write_bytes(text.encode())
    return tmp_path / name


def _types(table: pa.Table) -> dict[str, str]:
    return {f.name: str(f.type) for f in table.schema}


def test_types_lose_nothing(tmp_path: Path) -> None:
    cells = {
        "int64": ["1", "-5", "9223372036854775807"],
        "double": ["1", "2.5", "-3e4"],
        "bool": ["true", "False", "TRUE"],
        "date32[day]": ["2024-01-02", "1999-12-31", ""],
        "timestamp[s]": ["2024-01-02 10:00", "2024-01-02T10:00:05", "NA"],
        "timestamp[us]": ["2024-01-02 10:00:00.5", "2024-01-02 10:00:05.25", ""],
        "timestamp[us, tz=UTC]": ["2024-01-02T10:00:00Z", "2024-01-02T10:00:00+02:00", ""],
        "string zeros": ["00501", "90210", "1"],
        "string big": ["9223372036854775808", "1", "2"],
        "string plus": ["+4930123", "1", "2"],
        "string date": ["2024-02-30", "2024-01-01", ""],
        "string NA": ["NA", "N/A", "NA"],
        "string pct": ["12%", "1", "2"],
        "string long": ["12345678901234567890.5", "12345678901234567", "0.5"],
    }
    rows = zip(*cells.values(), strict=True)
    text = ";".join(f'"{name}"' for name in cells) + "\n" + "\n".join(map(";".join, rows))
    table = _table(_write(tmp_path, text), tmp_path)
    for name, kind in _types(table).items():
        assert name.startswith(kind), (name, kind)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name.startswith("string"):
            assert column.to_pylist() == cells[name]


def test_missing_values_are_null_in_numbers_and_text_in_text(tmp_path: Path) -> None:
    path = _write(tmp_path, "n,t,e\n1,NA,\nNA,,\n,x,\n")
    table = _table(path, tmp_path)
    assert table.to_pydict() == {"n": [1, None, None], "t": ["NA", "", "x"], "e": [None] * 3}
    table = _table(path, tmp_path, null_values=["NA", "x"])
    assert table.to_pydict()["t"] == [None, None, None]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(tmp_path: Path, delimiter: str) -> None:
    rows = [["name", "note", "n"], ["a", '"x, y; z|w"', "1"], ["b", "c", "2"]]
    path = _write(tmp_path, "\r\n".join(delimiter.join(row) for row in rows))
    assert _table(path, tmp_path).to_pydict() == {
        "name": ["a", "b"],
        "note": ["x, y; z|w", "c"],
        "n": [1, 2],
    }


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("id,name\n1,x\n", True),
        ("1,2,3\n", False),
        ("2B,410,AER\n2C,411,ASF\n", False),
        ("state,2019,2020\nCA,1,2\n", True),
        ("a,b\nc,d\n", True),
        ("x,\\N\n1,2\n", True),
    ],
)
def test_headers_are_found_out(text: str, header: bool) -> None:
    dialect = find_dialect(text)
    assert dialect is not None
    assert dialect.header is header


def test_header_and_columns_can_be_given(tmp_path: Path) -> None:
    path = _write(tmp_path, "a,b\n1,2\n")
    assert _table(path, tmp_path, header=False).to_pydict() == {"c0": ["a", "1"], "c1": ["b", "2"]}
    assert _table(path, tmp_path, columns=["x", "y"], header=True).to_pydict() == {
        "x": [1],
        "y": [2],
    }


def test_quoted_newlines_quotes_and_line_ends(tmp_path: Path) -> None:
    text = 'a,"b\nb"\r\n1,"x\r\ny ""z"""\r\n\r\n2,\'\r\n'
    table = _table(_write(tmp_path, text), tmp_path)
    assert table.to_pydict() == {"a": [1, 2], "b\nb": ['x\r\ny "z"', "'"]}
    table = _table(_write(tmp_path, "a,b\r1,2\r3,4\r"), tmp_path)
    assert table.to_pydict() == {"a": [1, 3], "b": [2, 4]}


def test_w22_equal_rows_stay_as_many_as_they_are(tmp_path: Path) -> None:
    table = _table(_write(tmp_path, "a,b\n" + "1,x\n" * 5), tmp_path, provenance=True)
    assert table.num_rows == 5
    assert table.column("_row").to_pylist() == [0, 1, 2, 3, 4]


def test_repeated_and_missing_names_are_made_unique(tmp_path: Path) -> None:
    table = _table(_write(tmp_path, "id,id,,a.b\n1,2,3,4\n"), tmp_path)
    assert table.to_pydict() == {"id": [1], "id_2": [2], "column_3": [3], "a_b": [4]}


def test_w23_files_that_disagree_are_promoted(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    _write(folder, "k,v,w\n1,1,1\n", "1.csv")
    _write(folder, "k,v,x\n2,two,2.5\n", "2.csv")
    _write(folder, "k,v,w\n3,007,0.5\n", "3.csv")
    table = _table(folder, tmp_path)
    assert _types(table) == {"k": "int64", "v": "string", "w": "double", "x": "double"}
    assert table.to_pydict() == {
        "k": [1, 2, 3],
        "v": ["1", "two", "007"],
        "w": [1.0, None, 0.5],
        "x": [None, 2.5, None],
    }


def test_files_without_a_common_column_are_no_table(tmp_path: Path) -> None:
    files = [_write(tmp_path, "a,b\n1,2\n", "1.csv"), _write(tmp_path, "x,y\n1,2\n", "2.csv")]
    with pytest.raises(SchemaMismatch, match=r"2\.csv \(x, y\) and .*1\.csv \(a, b\)"):
        _table(files, tmp_path)


@pytest.mark.parametrize(
    ("late", "kind"), [("1.5", "double"), ("word", "string"), ("007", "string"), ("", "int64")]
)
def test_a_late_surprise_widens_the_column(tmp_path: Path, late: str, kind: str) -> None:
    rows = [f"{i},{i * 7},text {i}" for i in range(150_000)]
    path = _write(tmp_path, "id,v,t\n" + "\n".join([*rows, f"150000,{late},end"]) + "\n")
    assert path.stat().st_size > 3 << 20
    report = TextConverter().convert(path, tmp_path / "t.lance")
    table = lance.dataset(str(tmp_path / "t.lance")).to_table()
    assert report.version == 1
    assert _types(table) == {"id": "int64", "v": kind, "t": "string"}
    assert table.num_rows == 150_001
    last = table.column("v").to_pylist()[-1]
    assert last == {"double": 1.5, "string": late, "int64": None}[kind]
    assert table.column("v").to_pylist()[10] == ("70" if kind == "string" else 70)
    assert len(list((tmp_path / "t.lance" / "data").iterdir())) == 1


def test_late_surprises_can_be_refused_with_line_and_column(tmp_path: Path) -> None:
    rows = [f'{i},"two\nlines"' for i in range(100_000)]
    path = _write(tmp_path, "v,t\n" + "\n".join([*rows, "word,x", "3,y"]) + "\n")
    with pytest.raises(TypeConflict, match=r"a\.csv, line 200002, column 'v': 'word' is not int64"):
        _table(path, tmp_path, on_conflict="raise")
    assert not (tmp_path / "t.lance").exists()


def test_a_column_empty_at_first_gets_the_type_of_what_comes(tmp_path: Path) -> None:
    rows = [f"{i},,{'x' * 30}" for i in range(60_000)]
    path = _write(tmp_path, "id,v,t\n" + "\n".join([*rows, "60000,7,x"]) + "\n")
    table = _table(path, tmp_path)
    assert _types(table)["v"] == "int64"
    assert table.column("v").to_pylist()[-2:] == [None, 7]


def test_numbers_beside_texts_with_leading_zeros(tmp_path: Path) -> None:
    rows = [f"{i},0{i % 10}:00,{i}.5" for i in range(120_000)]
    path = _write(tmp_path, "id,time,f\n" + "\n".join(rows) + "\n")
    table = _table(path, tmp_path)
    assert _types(table) == {"id": "int64", "time": "string", "f": "double"}
    path = _write(tmp_path, "id,time,f\n" + "\n".join([*rows, "0099,01:00,1"]) + "\n")
    table = _table(path, tmp_path)
    assert _types(table) == {"id": "string", "time": "string", "f": "double"}
    assert table.column("id").to_pylist()[-1] == "0099"


def test_leading_zeros_are_seen_at_block_borders() -> None:
    assert leading_zero(b"\n007", 44)
    assert leading_zero(b'1,"007"', 44)
    assert leading_zero(b"\n-007", 44)
    assert leading_zero(b"\n1,0x1A", 44)
    assert not leading_zero(b"\n2024-01-02,a 01\n", 44)
    assert not leading_zero(b"\n0,0.5,10,1007,x007,0\n", 44)


def test_ragged_rows(tmp_path: Path) -> None:
    path = _write(tmp_path, 'a,b,c\n1,2,3\n"4\n4",5\n6,7,8\n')
    with pytest.raises(CorruptInput, match=r"a\.csv, line 3: 2 cells instead of 3"):
        _table(path, tmp_path)
    report = TextConverter(ragged="skip").convert(path, tmp_path / "s.lance")
    assert report.rows == 2
    assert report.skipped[0][1] == "2 cells instead of 3"
    table = _table(path, tmp_path, ragged="pad")
    assert table.to_pydict() == {"a": ["1", "4\n4", "6"], "b": [2, 5, 7], "c": [3, None, 8]}


def test_an_unclosed_quote_swallows_no_rows(tmp_path: Path) -> None:
    path = _write(tmp_path, 'a,b\n0,x\n1,"never closed\n2,3\n4,5\n')
    with pytest.raises(CorruptInput, match=r"a\.csv, line 3: a quoted cell .* never closed"):
        _table(path, tmp_path)
    assert _table(path, tmp_path, quote="").column("b").to_pylist()[1] == '"never closed'


def test_cells_longer_than_a_block(tmp_path: Path) -> None:
    big = "x" * (3 << 20)
    table = _table(_write(tmp_path, f"a,b\n1,{big}\n2,y\n"), tmp_path)
    assert [len(v) for v in table.column("b").to_pylist()] == [len(big), 1]


def test_types_can_be_given(tmp_path: Path) -> None:
    path = _write(tmp_path, "a,b,c\n1,2,3\n")
    table = _table(path, tmp_path, types={"a": "string", "b": pa.int8()})
    assert _types(table) == {"a": "string", "b": "int8", "c": "int64"}
    with pytest.raises(InvalidArgument, match="'z' that is not there"):
        _table(path, tmp_path, types={"z": "string"})
    with pytest.raises(TypeConflict, match=r"column 'a': '300' is not int8"):
        _table(_write(tmp_path, "a\n300\n"), tmp_path, types={"a": "int8"})


def test_w21_append_keeps_to_the_table(tmp_path: Path) -> None:
    _table(_write(tmp_path, "a,b\n1,x\n"), tmp_path, mode="create")
    table = _table(_write(tmp_path, "b,a\n5,2\n"), tmp_path, mode="append")
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "5"]}
    with pytest.raises(TypeConflict, match=r"line 3, column 'a': 'word' is not int64"):
        _table(_write(tmp_path, "a,b\n1,y\nword,z\n"), tmp_path, mode="append")
    with pytest.raises(SchemaMismatch, match="'c'"):
        _table(_write(tmp_path, "a,c\n1,y\n"), tmp_path, mode="append")
    assert lance.dataset(str(tmp_path / "t.lance")).version == 2


def test_other_things_named_csv_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptInput, match=r"a\.csv is an HTML page"):
        _table(_write(tmp_path, "<!DOCTYPE html><html>login</html>"), tmp_path)
    with pytest.raises(EmptyInput, match=r"a\.csv holds no rows"):
        _table(_write(tmp_path, "\n\n"), tmp_path)
    with pytest.raises(InvalidArgument, match="delimiter"):
        TextConverter(delimiter="::")
