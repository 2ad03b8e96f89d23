"""Examining tables, hashing again, and what versions say they wrote."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import torch

import lancenb as lnb
from lancenb.errors import InvalidArgument, NotFound


def test_versions_say_what_they_wrote(tmp_path: Path) -> None:
    dm = lnb.DataManager(tmp_path)
    dm.upsert("p", [{"id": n, "x": 0.5} for n in range(10)], key="id", create=True)
    dm.upsert("p", [{"id": 3, "x": 1.0}, {"id": 77, "x": 2.0}], key="id")
    dm.delete_rows("p", [("id", "<", 3)])
    dm.rollback("p", 1)
    dm.convert(pa.table({"id": [1], "x": [1.0]}), "p", mode="overwrite")
    listed = dm.versions("p")
    rows = [(v.rows_added, v.rows_removed) for v in listed]
    assert rows == [(10, 0), (2, 1), (0, 3), (None, None), (1, 10)]
    assert listed[0].bytes_added == listed[0].bytes
    assert listed[1].bytes_added == listed[1].bytes - listed[0].bytes
    assert (listed[4].bytes_added, listed[4].bytes_removed) == (listed[4].bytes, listed[3].bytes)


def test_joining_fragments_adds_no_rows(tmp_path: Path) -> None:
    dm = lnb.DataManager(tmp_path)
    for mode in ("overwrite", "append", "append"):
        dm.convert(pa.table({"x": [1, 2]}), "p", mode=mode)
    assert dm.optimize("p").fragments_after == 1
    joined = dm.versions("p")[-1]
    assert (joined.rows_added, joined.rows_removed) == (0, 0)
    assert joined.bytes_added == joined.bytes > 0
    assert joined.bytes_removed == dm.versions("p")[2].bytes


def test_examine_finds_the_same_content(tmp_path: Path) -> None:
    dm = lnb.DataManager(tmp_path)
    for name in ("one", "two"):
        dm.save_weights(name, {"w": torch.ones(4), "b": torch.zeros(2)})
    found = dm.examine(dm["two"])
    assert (found.registered, found.same, found.rows) == ("two", (("one", 1),), 2)
    dm.convert(pa.table({"x": [1]}), "plain")
    assert (dm.examine(dm["plain"]).content_hash, dm.examine(dm["plain"]).same) == (None, ())
    with pytest.raises(NotFound):
        dm.examine("nothing.lance")
    assert dm.list().names == ["one", "plain", "two"]


def test_verify_reads_tensors_that_share_memory_once(tmp_path: Path) -> None:
    dm = lnb.DataManager(tmp_path)
    tied = torch.ones(70_000)
    dm.save_weights("net", {"a": tied, "b": tied, "c": torch.zeros(3)})
    events: list[int] = []
    found = dm.verify("net", progress=lambda event: events.append(event.rows))
    assert found.ok
    assert found.bytes == 4 * 70_003
    assert events[-1] == found.rows == 2
    assert found.registered == found.computed


def test_parents_can_be_edited(tmp_path: Path) -> None:
    dm = lnb.DataManager(tmp_path)
    for name in ("a", "b"):
        dm.convert(pa.table({"x": [1]}), name)
    assert dm.update("b", parents=["a"]).parents[0]["version"] == 1
    assert dm.update("b", description="x").parents
    assert dm.update("b", parents=[]).parents == []
    with pytest.raises(InvalidArgument, match="from itself"):
        dm.update("b", parents=["b"])
