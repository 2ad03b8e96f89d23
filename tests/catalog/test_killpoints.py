"""kill -9 at chosen points: after the data commit, inside delete, rename, rollback and repair."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb.catalog import DataManager, _forget
from lancenb.convert import convert
from lancenb.store import Store

from .helpers import SPAWN, points, rows_of
from .test_kill import loose_files

SLOW = pytest.mark.slow
OTHER = pa.table({"id": [7], "other": ["x"]})


def _die(*_args: Any, **_options: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _half_a_tree(store: Store, target: Any) -> None:
    top = Path(store.join(target))
    for path in sorted(top.rglob("*.manifest")):
        path.unlink()
    _die()


def _die_at_removal(number: int) -> None:
    """Let the process be killed before it removes the so-and-so-many-th file of an old version."""
    remove, calls = _forget.remove_file, []

    def count(*args: Any) -> int:
        calls.append(args)
        return _die() if len(calls) == number else remove(*args)  # type: ignore[return-value]

    _forget.remove_file = count


def _act(dm: DataManager, action: str) -> None:
    if action == "create":
        dm.convert(OTHER, "new")
    elif action == "overwrite":
        dm.convert(OTHER, "pts", mode="overwrite")
    elif action == "delete":
        dm.delete("pts", confirm="pts")
    elif action == "rename":
        dm.rename("pts", "moved")
    elif action == "rollback":
        dm.rollback("pts", 1)
    elif action == "tag":
        dm.tag("pts", "prod")
    elif action == "cleanup":
        dm.cleanup("pts", keep=1)
    else:
        dm.fsck(repair=True)


def _victim(root: str, action: str, point: str) -> None:
    dm: Any = DataManager(root)
    if point == "tree":
        Store.delete_tree = _half_a_tree  # type: ignore[method-assign]
    elif point == "registry":
        dm.registry._commit = _die
    elif point == "committed":
        commit = dm.registry._commit
        dm.registry._commit = lambda *args: (commit(*args), _die())
    elif point == "erase":
        dm._erase = _die
    elif point.startswith("removal"):
        _die_at_removal(int(point.split()[1]))
    else:
        setattr(dm, point, _die)
    _act(dm, action)


def kill(root: Path, action: str, point: str) -> None:
    process = SPAWN.Process(target=_victim, args=(str(root), action, point))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL, "the point was not reached"


def whole(root: Path) -> DataManager:
    dm = DataManager(root)
    dm.fsck(repair=True)
    assert dm.fsck().problems == []
    for artifact in dm:
        for version in artifact.versions():
            artifact.dataset(version.version).to_table()
        assert artifact.columns == artifact.schema.names
        assert artifact.aliases == dm.tags(artifact.name)
    return dm


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "root"
    dm = DataManager(root)
    dm.convert(points(), "pts")
    dm.convert(OTHER, "pts", mode="overwrite")
    return root


def gone(dm: DataManager) -> bool:
    return "pts" not in dm and not list(Path(dm.store.uri, "datasets").iterdir())


POINTS: list[tuple[str, str, Callable[[DataManager], bool]]] = [
    ("create", "_publish", lambda dm: dm.list().names == ["pts"]),
    ("overwrite", "_refresh", lambda dm: dm["pts"].version == 3),
    ("delete", "erase", gone),
    ("delete", "tree", gone),
    ("delete", "committed", gone),
    ("rename", "registry", lambda dm: dm.list().names == ["pts"]),
    ("rename", "committed", lambda dm: dm.list().names == ["moved"]),
    ("rollback", "registry", lambda dm: rows_of(dm, "pts") == points().to_pylist()),
    ("tag", "_note_tags", lambda dm: dm["pts"].aliases == {"prod": 2}),
]


QUICK = ("overwrite-_refresh", "delete-tree")  # a process each takes seconds to start


@pytest.mark.parametrize(
    ("action", "point", "holds"),
    [
        pytest.param(*p, id=f"{p[0]}-{p[1]}", marks=[] if f"{p[0]}-{p[1]}" in QUICK else SLOW)
        for p in POINTS
    ],
)
def test_killed_at(
    template: Path, tmp_path: Path, action: str, point: str, holds: Callable[[DataManager], bool]
):
    root = tmp_path / "root"
    shutil.copytree(template, root)
    kill(root, action, point)
    dm = whole(root)
    assert holds(dm)
    if action == "create":
        dm.convert(OTHER, "new")


@pytest.mark.slow
@pytest.mark.parametrize("point", ["tree", "registry"])
def test_killed_while_repairing(template: Path, tmp_path: Path, point: str):
    root = tmp_path / "root"
    shutil.copytree(template, root)
    kill(root, "delete", "erase")
    kill(root, "fsck", point)
    assert gone(whole(root))


@pytest.mark.parametrize(
    ("removal", "versions"),
    [
        pytest.param(1, [1, 2, 3], id="before", marks=SLOW),
        pytest.param(2, [2, 3], id="between-versions"),
        pytest.param(3, [3], id="manifests", marks=SLOW),
        pytest.param(6, [3], id="files", marks=SLOW),
    ],
)
def test_killed_in_a_cleanup(template: Path, tmp_path: Path, removal: int, versions: list[int]):
    """Each old version is whole or gone, and what is left of one that is gone goes at once."""
    root = tmp_path / "root"
    shutil.copytree(template, root)
    DataManager(root).convert(points(8), "pts", mode="overwrite")
    kill(root, "cleanup", f"removal {removal}")
    dm = DataManager(root)
    assert [v.version for v in dm.versions("pts")] == versions
    for version in versions:
        assert dm.dataset("pts", version).to_table().num_rows
    whole(root)
    assert loose_files(root) == set()
    dm.cleanup("pts", keep=1)
    assert [v.version for v in dm.versions("pts")] == [3]
    assert rows_of(dm, "pts") == points(8).to_pylist()
    assert dm.fsck().problems == []
    assert loose_files(root) == set()


def test_rollback_over_a_change_of_columns_and_kind(tmp_path: Path):
    dm = DataManager(tmp_path / "root")
    dm.convert(points(), "pts")
    (tmp_path / "a.txt").write_text("x\n")
    convert(tmp_path / "a.txt", dm["pts"].uri, mode="overwrite", kind="text")  # past the catalogue
    dm.rollback("pts", 1)
    assert (dm["pts"].kind, dm["pts"].columns) == ("table", points().column_names)
    assert dm.search(where="'x' IN columns").names == ["pts"]
    dm.forward("pts")
    assert dm["pts"].kind == "text"
    assert dm.fsck().problems == []
