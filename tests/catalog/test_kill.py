"""kill -9 at random moments: old versions stay, a retry works, fsck names and cleans the rest."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb.catalog import DataManager
from lancenb.store import lance_module

from .helpers import SPAWN, points, rows_of

ACTIONS = ("create", "overwrite", "append", "register", "upsert", "delete")
BATCHES, ROWS = 12, 40
EXTRA = [row for i in range(BATCHES) for row in points(1000 + i * ROWS, ROWS).to_pylist()]


def slow_rows() -> pa.RecordBatchReader:
    """Rows that take a moment, so that a kill hits the middle of the write."""

    def batches() -> Iterator[pa.RecordBatch]:
        for i in range(BATCHES):
            time.sleep(0.004)
            yield from points(1000 + i * ROWS, ROWS).to_batches()

    return pa.RecordBatchReader.from_batches(points().schema, batches())


def act(dm: DataManager, action: str) -> None:
    if action == "create":
        dm.convert(slow_rows(), "new")
    elif action in ("overwrite", "append"):
        dm.convert(slow_rows(), "pts", mode=action)
    elif action == "delete":
        dm.delete("old", confirm="old")
    elif action == "upsert":
        dm.upsert("pts", pa.Table.from_pylist(EXTRA), key="id")
    else:
        for i in range(8):
            if f"t{i}" not in dm:
                dm.register(f"t{i}", f"tables/t{i}.lance")


def victim(root: str, action: str) -> None:
    dm = DataManager(root)
    dm.fsck()
    Path(root, "ready").touch()
    while not Path(root, "go").exists():
        time.sleep(0.002)
    act(dm, action)
    Path(root, "done").touch()
    time.sleep(600)


def prepare(root: Path, action: str) -> Any:
    dm = DataManager(root)
    dm.convert(points(), "pts")
    if action == "register":
        for i in range(8):
            lance_module().write_dataset(points(i, 1), str(root / f"tables/t{i}.lance"))
    if action == "delete":
        for i in range(30):
            dm.convert(points(i, 1), "old", mode="append" if i else "create")
    process = SPAWN.Process(target=victim, args=(str(root), action), daemon=True)
    process.start()
    return process


def strike(root: Path, process: Any, delay: float) -> bool:
    """Let the victim begin, kill it after ``delay`` seconds; tells whether it had finished."""
    deadline = time.monotonic() + 240
    while not (root / "ready").exists():
        assert process.is_alive(), "the victim died by itself"
        assert time.monotonic() < deadline, "the victim never got ready"
        time.sleep(0.01)
    (root / "go").touch()
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    done = (root / "done").exists()
    for name in ("ready", "go", "done"):
        (root / name).unlink(missing_ok=True)
    return done


def loose_files(root: Path) -> set[str]:
    """Files below the root that no version of a registered table refers to (looked up anew)."""
    dm = DataManager(root)
    kept = set()
    for uri in [dm.registry.uri, *(artifact.uri for artifact in dm)]:
        tracked = lance_module().dataset(uri).tracked_files().read_all()["path"].to_pylist()
        kept |= {f"{uri}/{path}" for path in tracked}
    found = {str(path) for path in root.rglob("*") if path.is_file()}
    kinds = ("/tables/", "/_versions/", "/_refs/")
    mine = {path for path in found if any(kind in path for kind in kinds)}
    return found - kept - mine


def check(root: Path, action: str, done: bool) -> bool:
    """Everything that must hold after a kill; tells whether there was debris."""
    before = points().to_pylist()
    dm = DataManager(root)
    assert rows_of(dm, "pts", 1) == before
    head = rows_of(dm, "pts")
    whole = {"overwrite": EXTRA, "append": before + EXTRA, "upsert": before + EXTRA}
    assert head == before or head == whole.get(action), "half of a write is visible"
    if done:
        assert "new" in dm if action == "create" else True
    debris = loose_files(root)
    report = dm.fsck()
    named = {path for problem in report.problems for path in problem.paths}
    for path in debris:
        rel = os.path.relpath(path, root)
        assert any(rel == n or rel.startswith(f"{n}/") for n in named), f"{rel} is not named"
    assert dm.fsck(repair=True).ok
    assert dm.fsck().problems == []
    assert loose_files(root) == set()
    if not (action == "create" and "new" in dm) and not (action == "delete" and "old" not in dm):
        act(dm, action)
    assert rows_of(dm, "pts", 1) == before
    if action == "create":
        assert rows_of(dm, "new") == EXTRA
    elif action == "delete":
        assert "old" not in dm
    elif action == "register":
        assert set(dm.list().names) == {"pts", *(f"t{i}" for i in range(8))}
    else:
        assert [row for row in rows_of(dm, "pts") if row["id"] >= 1000][: len(EXTRA)]
    assert dm.fsck().problems == []
    assert loose_files(root) == set()
    folders = list((root / "datasets").iterdir())
    assert len(folders) == (2 if action == "create" else 1)
    return bool(debris)


def rounds(tmp_path: Path, plan: list[tuple[str, float]], at_once: int) -> Counter[str]:
    """Strike each action at its share of a window that follows how fast this machine is."""
    seen: Counter[str] = Counter()
    window: dict[str, float] = dict.fromkeys(ACTIONS, 0.1)
    for start in range(0, len(plan), at_once):
        group = plan[start : start + at_once]
        roots = [tmp_path / f"{start + i}" for i in range(len(group))]
        running = [prepare(root, action) for root, (action, _) in zip(roots, group, strict=True)]
        for root, process, (action, share) in zip(roots, running, group, strict=True):
            done = strike(root, process, share * window[action])
            debris = check(root, action, done)
            # earlier when it had finished, later when it had written nothing yet
            window[action] *= 0.7 if done else 1.0 if debris else 1.6
            seen["done" if done else "killed"] += 1
            seen["debris"] += debris
    return seen


def test_a_few_kills(tmp_path: Path):
    plan = [("create", 0.4), ("create", 0.9), ("overwrite", 0.3), ("append", 0.5)]
    plan += [("register", 0.6), ("upsert", 0.2), ("delete", 0.04)]
    rounds(tmp_path, plan, at_once=4)


@pytest.mark.slow
def test_50_kills(tmp_path: Path):
    chance = random.Random(os.environ.get("LANCENB_KILL_SEED", "7"))
    plan = [(ACTIONS[i % 6], chance.random()) for i in range(50)]
    seen = rounds(tmp_path, plan, at_once=5)
    assert seen["killed"] >= 15, seen  # otherwise the moments are badly chosen
    assert seen["debris"] >= 5, seen
