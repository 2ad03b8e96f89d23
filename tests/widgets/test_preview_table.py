"""Rows and figures per column."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lancenb
from lancenb.errors import ColumnNotFound, InvalidArgument, NotFound
from lancenb.store import lance_module
from lancenb.widgets import preview


def write(folder: Path, columns: dict[str, Any], name: str = "things.lance") -> str:
    uri = str(folder / name)
    lance_module().write_dataset(pa.table(columns), uri)
    return uri


@pytest.fixture
def things(tmp_path: Path) -> str:
    n = 40
    return write(
        tmp_path,
        {
            "id": list(range(n)),
            "name": [f"<b>{i % 4}</b>" for i in range(n)],
            "x": [None if i % 2 else i / 2 for i in range(n)],
            "flag": [i % 4 == 0 for i in range(n)],
            "when": [dt.datetime(2024, 1, 1) + dt.timedelta(days=i) for i in range(n)],
            "raw": [b"abc"] * n,
            "list": [[i, i] for i in range(n)],
            "nested": [{"a": i, "b": "</td>"} for i in range(n)],
            "text": ["word " * 100] * n,
        },
    )


def column(data: dict[str, Any], name: str) -> dict[str, Any]:
    return next(c for c in data["columns"] if c["column"] == name)


def test_rows_and_figures(things: str):
    shown = preview(things)
    assert shown.data["rows"] == 40
    assert shown.data["shown"] == 10
    ids = column(shown.data, "id")
    assert (ids["min"], ids["max"], ids["mean"], ids["distinct"]) == ("0", "39", "19.5", "40")
    assert sum(ids["bins"]) == 40
    x = column(shown.data, "x")
    assert (x["nulls"], x["min"], x["max"]) == (0.5, "0", "19")
    assert column(shown.data, "flag")["mean"] == "25 % true"
    assert column(shown.data, "name")["top"] == "<b>0</b> (10 times)"
    assert column(shown.data, "when")["max"].startswith("2024-02-09")
    assert "3 B of bytes" in shown.html
    assert "rows" in shown.text
    assert max(map(len, shown.text.splitlines())) <= 100


def test_nothing_from_the_data_becomes_markup(things: str):
    html = preview(things).html
    assert "<b>" not in html
    assert "&lt;b&gt;0&lt;/b&gt;" in html
    assert html.count("<td") == html.count("</td>")


def test_choosing(things: str):
    shown = preview(things, columns=["x", "id"], where=[("id", ">=", 30)], rows=4, page=2)
    assert shown.data["rows"] == 10
    assert [c["column"] for c in shown.data["columns"]] == ["x", "id"]
    assert "Rows 5-8 of 10." in shown.text
    assert "No row matches." in preview(things, where="id > 99").text
    with pytest.raises(ColumnNotFound, match="colour"):
        preview(things, columns=["colour"])
    with pytest.raises(InvalidArgument, match="label= is for images"):
        preview(things, label=3)
    with pytest.raises(NotFound):
        preview(Path(things).parent / "nowhere.lance")


def test_mistakes_are_typed_errors_with_a_hint(things: str, tmp_path: Path):
    for given in ({"page": "2"}, {"page": 0}, {"page": True}, {"rows": "3"}, {"tensor": "w"}):
        with pytest.raises(InvalidArgument) as caught:
            preview(things, **given)  # pyright: ignore[reportArgumentType]
        assert caught.value.hint
    with pytest.raises(InvalidArgument, match="many tables") as caught:
        preview(lancenb.DataManager(tmp_path / "store"))
    assert "dm.list()" in caught.value.hint


def test_awkward_tables(tmp_path: Path):
    assert "The table is empty." in preview(write(tmp_path, {"a": pa.array([], "int64")}, "e")).text
    wide = preview(write(tmp_path, {f"c{i}": [i] for i in range(80)}, "w"))
    assert "50 columns not shown" in wide.text
    odd = {
        "nan": pa.array([float("nan"), float("inf"), None]),
        "all_null": pa.nulls(3, pa.string()),
        "big": pa.array([2**63 - 1, -(2**63), 0]),
        "huge": pa.array([1e308, -1e308, 0.0]),
        "dict": pa.array(["a", "b", "a"]).dictionary_encode(),
        "day": pa.array([dt.date(2020, 1, 1)] * 3),
        "vector": pa.array([[0.0, 1.0]] * 3, pa.list_(pa.float32(), 2)),
    }
    shown = preview(write(tmp_path, odd, "o"))
    assert column(shown.data, "all_null")["nulls"] == 1.0
    assert column(shown.data, "big")["max"] == "9.223e+18"
    assert column(shown.data, "dict")["top"] == "a (2 times)"


def test_figures_come_from_a_bounded_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lancenb.widgets._table.STAT_ROWS", 100)
    shown = preview(write(tmp_path, {"n": list(range(1000))}))
    assert shown.data["sampled"] == 100
    assert column(shown.data, "n")["max"] == "99"
    assert "from the first 100 rows" in shown.text
