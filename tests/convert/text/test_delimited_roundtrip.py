"""Delimited text: nothing lost on the way, cancel, catalogue."""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.convert.text import TextConverter
from lancenb.convert.text._csv import CsvFamily, CsvOptions
from lancenb.convert.text._csv_stream import Watched
from lancenb.convert.text._csv_types import NULLS
from lancenb.convert.text._learned import Learned, PlanAgain
from lancenb.convert.text._sources import find_pieces


def _table(source: Any, tmp_path: Path, mode: str = "overwrite", **options: Any) -> pa.Table:
    TextConverter(**options).convert(source, tmp_path / "t.lance", mode=mode)
    return lance.dataset(str(tmp_path / "t.lance")).to_table()


def _write(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    (tmp_path / name).write_bytes(text.encode())
    return tmp_path / name


def test_cancel_and_progress(tmp_path: Path) -> None:
    from lancenb.errors import Cancelled
    from lancenb.progress import CancelToken

    rows = [f"{i},{'x' * 40}" for i in range(200_000)]
    path = _write(tmp_path, "id,t\n" + "\n".join(rows) + "\n")
    events: list[Any] = []
    TextConverter().convert(path, tmp_path / "t.lance", progress=events.append)
    assert events[-1].rows == 200_000
    assert events[-1].bytes == pytest.approx(path.stat().st_size, rel=0.01)
    token = CancelToken()
    with pytest.raises(Cancelled):
        TextConverter().convert(
            path, tmp_path / "c.lance", cancel=token, progress=lambda _event: token.cancel()
        )
    assert not (tmp_path / "c.lance").exists()


def test_a_slow_disk_and_a_slow_reader_count_every_byte(tmp_path: Path, monkeypatch: Any) -> None:
    read = Watched.read

    def slow(self: Watched, *args: Any) -> bytes:
        time.sleep(0.05)
        return read(self, *args)

    monkeypatch.setattr(Watched, "read", slow)
    path = _write(tmp_path, "id,t\n" + "\n".join(f"{i},{'x' * 40}" for i in range(400_000)) + "\n")
    pieces, _ = find_pieces(path, lambda _suffix: True)
    family = CsvFamily(pieces, "utf-8", CsvOptions(delimiter=",", header=True), Learned())
    counted = 0
    for _, _, nbytes in family.batches():
        counted += nbytes
        time.sleep(0.1)  # the parser reads ahead in a thread of its own
    assert counted == pytest.approx(path.stat().st_size, rel=0.01)


def test_w24_missing_values_never_become_the_text_nan(tmp_path: Path) -> None:
    table = _table(_write(tmp_path, "key,n\n,1\na,\nnan,NaN\n"), tmp_path)
    assert table.column("key").to_pylist() == ["", "a", "nan"]
    n = table.column("n").to_pylist()
    assert n[:2] == [1.0, None]
    assert n[2] != n[2]
    given = _table(tmp_path / "a.csv", tmp_path, null_values=["NA"])
    assert given.column("key").to_pylist() == [None, "a", "nan"]


def test_late_surprises_through_the_catalogue(tmp_path: Path) -> None:
    import lancenb

    rows = [f"{i},{'x' * 30}" for i in range(80_000)]
    path = _write(tmp_path, "id,t\n" + "\n".join([*rows, "word,x"]) + "\n")
    manager = lancenb.DataManager(tmp_path / "store")
    report = manager.convert(path, "late")
    assert (report.version, report.rows) == (1, 80_001)
    assert [a.name for a in manager.list()] == ["late"]
    assert manager.dataset("late").schema.field("id").type == pa.string()


CELLS = st.text(
    # A short file of control characters is taken for binary data, and refused.
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"),
    max_size=8,
) | st.sampled_from(
    [
        "a\nb",
        "\r\n",
        "\t",
        "1",
        "-2",
        "007",
        "1.5",
        "NA",
        "true",
        "",
        " 3 ",
        "2024-01-02",
        '"',
        "a,b",
        "1E100",
        "9007199254740993",
    ]
)


def _rows(pieces: Any, options: CsvOptions) -> list[dict[str, Any]]:
    """Read as the write path does: what a try teaches is known to the next one."""
    learned = Learned()
    for _ in range(5):
        family = CsvFamily(pieces, "utf-8", options, learned)
        try:
            return [row for _, batch, _ in family.batches() for row in batch.to_pylist()]
        except PlanAgain:
            continue
    raise AssertionError("five tries taught nothing new")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6), st.booleans())
def test_what_csv_writes_is_read_back(rows: list[list[str]], crlf: bool) -> None:
    """Cells come back as written, or as the number, date or truth value they spell."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(
                file, quoting=csv.QUOTE_ALL, lineterminator="\r\n" if crlf else "\n"
            )
            writer.writerows([["a", "b"], *rows])
        pieces, _ = find_pieces(path, lambda _suffix: True)
        options = CsvOptions(delimiter=",", header=True)
        got = _rows(pieces, options)
    assert len(got) == len(rows)
    for row, values in zip(rows, got, strict=True):
        for text, value in zip(row, values.values(), strict=True):
            if isinstance(value, str):
                assert value == text
            elif value is None:
                assert text.strip(" \t") in NULLS
            elif isinstance(value, bool):
                assert text.lower() == str(value).lower()
            elif isinstance(value, int):
                assert int(text) == value
            elif isinstance(value, float):
                assert float(text) == value or value != value
            else:
                assert value.isoformat() == text.strip(" \t").replace(" ", "T")
