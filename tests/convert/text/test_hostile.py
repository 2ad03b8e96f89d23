"""Values that parsers take but should not, and that appear late."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import lance
import pytest

import lancenb as lnb
from lancenb.errors import CorruptInput

ROWS = 60_000


def rows_of(path: Path) -> list[dict[str, Any]]:
    uri = lnb.convert(path, path.with_suffix(".lance")).uri
    return lance.dataset(uri).to_table().to_pylist()


@pytest.mark.parametrize("row", ["null", '{"a": 1} null'])
def test_a_late_null_row_does_not_end_the_process(tmp_path: Path, row: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1, "b": null}\n' * ROWS + row + "\n")
    code = (
        "import sys, lancenb\n"
        "try: print(lancenb.convert(sys.argv[1], sys.argv[2]).rows)\n"
        "except lancenb.LancenbError as error: print(error.code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "x.lance")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.strip() == (str(ROWS + 1) if row == "null" else "corrupt_input")


@pytest.mark.parametrize("late", ["NaN", "-Infinity", "1e400"])
@pytest.mark.parametrize("count", [0, ROWS])
def test_numbers_json_does_not_have_are_refused_wherever_they_stand(
    tmp_path: Path, late: str, count: int
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1.5}\n' * count + f'{{"a": {late}}}\n')
    with pytest.raises(CorruptInput, match=f"line {count + 1}"):
        lnb.convert(path, tmp_path / "x.lance")


@pytest.mark.parametrize("row", ['{"\\ud800": 1}', '{"x": {"\\ud800": 1}}'])
@pytest.mark.parametrize("count", [0, ROWS])
def test_half_a_surrogate_in_a_key_is_refused(tmp_path: Path, row: str, count: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1.5}\n' * count + row + "\n")
    with pytest.raises(CorruptInput, match="surrogate"):
        lnb.convert(path, tmp_path / "x.lance")


def test_names_with_nul_stay_different(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a\\u0000b": 1, "a\\u0000c": 2, "s": {"x\\u0000": 3}}\n')
    assert rows_of(path) == [{"a_b": 1, "a_c": 2, "s": {"x_": 3}}]


@pytest.mark.parametrize("cell", ["0x1A", "-007", " 007"])
def test_late_cells_an_integer_column_would_change_stay_text(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "12,3.5\n" * 200_000 + f"{cell},1.5\n")
    assert rows_of(path)[-1] == {"a": cell, "b": 1.5}


@pytest.mark.parametrize("cell", ["9007199254740993", "12345678901234567890", "1e400"])
@pytest.mark.parametrize("count", [1, 200_000])
def test_cells_a_float_column_would_change_stay_text(tmp_path: Path, cell: str, count: int) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "12,3.5\n" * count + f"12,{cell}\n")
    assert rows_of(path)[-1] == {"a": 12, "b": cell}


def test_a_late_large_float_stays_a_number(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\n" + "3.5\n" * 300_000 + "1e300\ninf\n")
    assert [row["a"] for row in rows_of(path)[-2:]] == [1e300, float("inf")]


def test_a_header_longer_than_the_first_look(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    names = [f"measurement_number_{i:05d}" for i in range(11_000)]
    path.write_text(",".join(names) + "\n" + ",".join("1" * len(names)) + "\n")
    plan = lnb.convert.TextConverter().plan(path)
    assert plan.schema.names == names
