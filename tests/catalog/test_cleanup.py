"""Old versions are removed by an order of our own: what goes is what Lance would remove."""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from lancenb.catalog import DataManager
from lancenb.catalog._forget import _only_of, forget_versions
from lancenb.errors import LancenbError
from lancenb.store import lance_module

from .helpers import points


def change(dm: DataManager, rng: random.Random, step: int) -> None:
    """Make one more version, as lancenb does or somebody who uses Lance alone."""
    table = lance_module().dataset(dm["pts"].uri)
    versions = [version.version for version in dm.versions("pts")]
    verbs: dict[str, Any] = {
        "append": lambda: dm.convert(points(100 * step), "pts", mode="append"),
        "overwrite": lambda: dm.convert(points(100 * step), "pts", mode="overwrite"),
        "upsert": lambda: dm.upsert("pts", {"id": 100 * step, "x": 9.0}, key="id"),
        "delete": lambda: table.delete(f"id % 5 = {rng.randrange(5)}"),
        "update": lambda: table.update({"x": "x + 1"}, where=f"id % 3 = {rng.randrange(3)}"),
        "index": lambda: table.create_scalar_index("id", "BTREE", replace=True),
        "column": lambda: table.add_columns({f"c{step}": "x * 2"}),
        "optimize": lambda: dm.optimize("pts"),
        "rollback": lambda: dm.rollback("pts", rng.choice(versions)),
        "tag": lambda: dm.tag("pts", f"t{step}", rng.choice(versions)),
    }
    verbs[rng.choice(sorted(verbs))]()


def files(folder: str | Path) -> set[str]:
    top = Path(folder)
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", range(8))
def test_what_goes_is_what_lance_would_remove(tmp_path: Path, seed: int):
    rng, lance = random.Random(seed), lance_module()
    dm = DataManager(tmp_path / "root")
    dm.convert(points(), "pts")
    for step in range(1, 12):
        with contextlib.suppress(LancenbError):  # a rollback to the head, rows of other columns
            change(dm, rng, step)
    uri, entry = dm["pts"].uri, dm._entry("pts")
    tagged = {facts["version"] for facts in lance.dataset(uri).tags.list().values()}
    *old, _head = [version.version for version in dm.versions("pts")]
    going = [number for number in old if number not in tagged and rng.random() < 0.7]
    rows = {n: lance.dataset(uri, version=n).to_table() for n in (*old, _head) if n not in going}
    twin = shutil.copytree(uri, tmp_path / "twin")
    removed = lance.dataset(str(twin)).cleanup_old_versions(
        versions=going, error_if_tagged_old_versions=False
    )
    assert going
    assert forget_versions(dm.store, uri, entry.id, "ada", going) == removed.bytes_removed
    assert files(uri) == files(twin)
    assert {version.version for version in dm.versions("pts")} == set(rows)
    for number, was in rows.items():
        assert lance.dataset(uri, version=number).to_table().equals(was)


def test_a_lease_names_only_files_that_no_other_version_needs():
    """It is written again and again while it lasts, and a large table has many files."""
    assert _only_of({1: {"a", "b"}, 2: {"b", "c"}, 3: {"b", "d"}}, {1, 2}) == {"a", "c"}
