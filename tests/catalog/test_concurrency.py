"""Several processes on one root, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from lancenb.catalog import DataManager
from lancenb.errors import Conflict

from .helpers import points, rows_of, run_all


def append(root: str, who: int, times: int) -> int:
    dm = DataManager(root, actor=f"p{who}")
    for i in range(times):
        dm.convert(points(1000 * (who + 1) + i, 1), "pts", mode="append")
    return who


def expected(processes: int, times: int) -> list[int]:
    return sorted(
        [*range(5), *(1000 * (p + 1) + i for p in range(processes) for i in range(times))]
    )


def race(root: Path, processes: int, times: int) -> None:
    dm = DataManager(root)
    dm.convert(points(), "pts")
    registry = dm.registry.read().version
    run_all(append, [(str(root), who, times) for who in range(processes)])
    assert [row["id"] for row in rows_of(dm, "pts")] == expected(processes, times)
    assert dm["pts"].version == 1 + processes * times
    assert dm.registry.read().version == registry  # appends do not queue for the registry
    assert dm.fsck().problems == []


def test_appends_from_several_processes(tmp_path: Path):
    race(tmp_path / "root", processes=3, times=5)


@pytest.mark.slow
def test_8_processes_append_25_times_each(tmp_path: Path):
    race(tmp_path / "root", processes=8, times=25)


def mixed(root: str, who: int) -> int:
    dm = DataManager(root, actor=f"p{who}")
    done = 0
    for i in range(4):
        try:
            if who == 0:
                dm.tag("pts", "latest")
            elif who == 1:
                dm.update("pts", metadata={f"k{i}": i})
            elif who == 2:
                dm.upsert("pts", {"id": i, "x": -1.0}, key="id")
            else:
                dm.convert(points(1000 + i, 1), "pts", mode="append")
            done += 1
        except Conflict:
            pass
    return done


def test_different_work_at_the_same_time(tmp_path: Path):
    dm = DataManager(tmp_path / "root")
    dm.convert(points(), "pts")
    assert run_all(mixed, [(str(tmp_path / "root"), who) for who in range(4)]) == [4, 4, 4, 4]
    rows = rows_of(dm, "pts")
    assert [row["id"] for row in rows] == [0, 1, 2, 3, 4, 1000, 1001, 1002, 1003]
    assert [row["x"] for row in rows[:4]] == [-1.0] * 4
    assert dm["pts"].metadata == {f"k{i}": i for i in range(4)}
    assert dm["pts"].aliases == dm.tags("pts")
    assert dm.fsck().problems == []
