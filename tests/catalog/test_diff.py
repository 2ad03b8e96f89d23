"""Differences between versions, of tables and of weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.catalog import DataManager
from lancenb.catalog._rowhash import hash_rows
from lancenb.catalog.diff import _surplus
from lancenb.errors import ColumnNotFound, InvalidArgument, VersionNotFound

from .helpers import points


@pytest.fixture
def dm(tmp_path: Path) -> DataManager:
    dm = DataManager(tmp_path / "root")
    dm.convert(points(0, 20), "pts")
    return dm


def test_rows_by_key(dm: DataManager):
    dm.upsert("pts", [{"id": 3, "x": -1.0}, {"id": 50, "x": 1.0}], key="id")
    dm.delete_rows("pts", [("id", "in", [7, 8])])
    diff = dm.diff("pts", 1, key="id")
    assert (diff.v1, diff.v2) == (1, 3)
    assert (diff.added, diff.removed, diff.changed) == (1, 2, 1)
    assert (diff.rows1, diff.rows2, diff.same) == (20, 19, False)
    before, after = diff.samples["changed"][0]
    assert (before["id"], before["x"], after["id"], after["x"]) == (3, 1.5, 3, -1.0)
    assert [row["id"] for row in diff.samples["removed"]] == [7, 8]
    assert [row["id"] for row in diff.samples["added"]] == [50]
    text = repr(diff)
    assert "1 added, 2 removed, 1 changed" in text
    assert "+ id=50" in text
    back = dm.diff("pts", 3, 1, key=["id"])
    assert (back.added, back.removed, back.changed) == (2, 1, 1)
    assert dm["pts"].diff(1, key="id").changed == 1


def test_rows_by_content(dm: DataManager):
    dm.upsert("pts", [{"id": 3, "x": -1.0}], key="id")
    diff = dm.diff("pts", 1)
    assert (diff.added, diff.removed, diff.changed) == (1, 1, 0)
    dm.convert(points(0, 2), "pts", mode="append")  # copies of rows that are there
    assert dm.diff("pts", 2).added == 2
    assert dm.diff("pts", 3, 2).removed == 2


def test_same_content_in_other_files_is_the_same(dm: DataManager):
    dm.convert(points(0, 20).take(list(range(19, -1, -1))), "pts", mode="overwrite")
    assert dm.diff("pts", 1).same
    assert "same content" in repr(dm.diff("pts", 1))
    dm.convert(points(20, 5), "pts", mode="append")
    dm.optimize("pts")
    assert dm.diff("pts", 3).same


def test_an_append_reads_only_what_is_new(dm: DataManager, monkeypatch: pytest.MonkeyPatch):
    from lancenb.catalog import diff as module

    read: list[int] = []
    scan = module.scan_hashes

    def count(dataset: Any, fragments: Any, *rest: Any) -> Any:
        read.append(sum(fragment.count_rows() for fragment in fragments))
        return scan(dataset, fragments, *rest)

    monkeypatch.setattr(module, "scan_hashes", count)
    dm.convert(points(20, 3), "pts", mode="append")
    assert dm.diff("pts", 1, key="id").added == 3
    assert read == [0, 3]


def test_columns(dm: DataManager):
    table = points(0, 20).drop_columns(["name"]).append_column("new", pa.array(range(20)))
    table = table.set_column(1, "x", table["x"].cast(pa.float32()))
    dm.convert(table, "pts", mode="overwrite")
    diff = dm.diff("pts", 1, key="id")
    assert (diff.columns_added, diff.columns_removed) == (["new"], ["name"])
    assert diff.columns_changed == {"x": ("double", "float")}
    assert not diff.same
    assert "column 'name' removed" in repr(diff)


def test_mistakes(dm: DataManager):
    dm.convert(points(0, 2), "pts", mode="append")
    dm.convert(points(0, 2), "pts", mode="append")
    with pytest.raises(InvalidArgument, match="not unique"):
        dm.diff("pts", 1, key="id")
    with pytest.raises(ColumnNotFound):
        dm.diff("pts", 1, 2, key="idd")
    with pytest.raises(VersionNotFound):
        dm.diff("pts", 1, 99)


_cell = st.none() | st.integers(-5, 5)
_row = st.tuples(_cell, st.none() | st.sampled_from(["", "a", "b", "é"]), st.none() | st.floats())


@given(st.lists(_row, max_size=12), st.lists(_row, max_size=12))
@settings(max_examples=150, deadline=None)
def test_row_hashes_agree_with_python(left: list[Any], right: list[Any]):
    schema = pa.schema({"a": pa.int16(), "b": pa.string(), "c": pa.float64()})

    def batch(rows: list[Any]) -> pa.RecordBatch:
        columns = list(zip(*rows, strict=True)) or [[], [], []]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def canonical(rows: list[Any]) -> list[Any]:
        bits = [(a, b, None if c is None else np.float64(c).tobytes()) for a, b, c in rows]
        return bits

    mine = [left[i] for i in _surplus(hash_rows(batch(left)), hash_rows(batch(right)))]
    theirs = canonical(right)
    expected = []
    for row, bits in zip(left, canonical(left), strict=True):
        if bits in theirs:
            theirs.remove(bits)
        else:
            expected.append(row)
    assert sorted(map(repr, canonical(mine))) == sorted(map(repr, canonical(expected)))


def test_row_hashes_of_slices_and_every_type():
    table = pa.table(
        {
            "list": [[1], [2, None], None, []],
            "struct": [{"a": 1}, None, {"a": None}, {"a": 2}],
            "flag": [True, None, False, True],
            "raw": [b"", b"a", None, b"b"],
            "i8": pa.array([1, None, -1, 0], pa.int8()),
            "text": ["", None, "a", "b"],
            "none": pa.nulls(4),
        }
    )
    whole = hash_rows(table.to_batches()[0])
    assert len(set(whole)) == 4
    for start in range(4):
        part = hash_rows(table.slice(start).to_batches()[0])
        assert list(part) == list(whole[start:])


class TestWeights:
    @pytest.fixture
    def weights(self, tmp_path: Path) -> DataManager:
        torch = pytest.importorskip("torch")
        dm = DataManager(tmp_path / "root")
        state = {
            "a": torch.tensor([3.0, 4.0]),
            "b": torch.ones(2, 2, dtype=torch.bfloat16),
            "c": torch.zeros(3),
            "d": torch.arange(4),
            "e": torch.tensor(2.0),
        }
        dm.save_weights("net", state)
        state = dict(state)
        state["a"] = torch.tensor([6.0, 8.0])
        state["c"] = torch.tensor([0.0, 0.0, 2.0])
        state["d"] = torch.arange(6)
        state["f"] = torch.ones(1)
        del state["e"]
        dm.save_weights("net", state)
        return dm

    def test_tensors(self, weights: DataManager):
        diff = weights.diff("net", 1, 2)
        assert (diff.kind, diff.added, diff.removed, diff.changed) == ("weights", 1, 1, 3)
        changes = {change.name: change for change in diff.tensors}
        assert set(changes) == {"a", "c", "d", "e", "f"}
        a = changes["a"]
        assert (a.what, a.norm, a.relative) == ("changed", 5.0, 1.0)
        assert a.cosine == pytest.approx(1.0)
        c = changes["c"]
        assert (c.norm, c.relative, c.cosine) == (2.0, math.inf, None)
        assert (changes["d"].what, changes["d"].norm) == ("reshaped", None)
        assert (changes["e"].what, changes["f"].what) == ("removed", "added")
        assert "‖difference‖" in repr(diff)
        assert "--jp-" in diff._repr_html_()

    def test_same(self, weights: DataManager):
        weights.rollback("net", 1)
        assert weights.diff("net", 1).same
        assert not weights.diff("net", 2).same
        with pytest.raises(InvalidArgument):
            weights.diff("net", 1, key="name")

    def test_load_and_kinds(self, weights: DataManager):
        import torch

        loaded = weights.load_weights("net", version=1).state_dict
        assert torch.equal(loaded["a"], torch.tensor([3.0, 4.0]))
        assert weights["net"].kind == "weights"
        assert weights["net"].content_hash
        first = weights["net"].content_hash
        weights.rollback("net", 1)
        assert weights["net"].content_hash != first
        weights.convert(points(), "pts")
        with pytest.raises(InvalidArgument, match="not weights"):
            weights.load_weights("pts")
        with pytest.raises(InvalidArgument, match="not weights"):
            weights.save_weights("pts", {"a": torch.ones(1)})
        with pytest.raises(InvalidArgument):
            weights.upsert("net", {"name": "a"}, key="name")
        assert weights.optimize("net").note
        assert all(v.bytes > 0 for v in weights.versions("net"))
        table = weights.search_rows("net", [("dtype", "=", "bfloat16")], version=2)
        assert table["name"].to_pylist() == ["b"]
        assert "data" not in table.column_names
