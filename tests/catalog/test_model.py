"""Random sequences of verbs against a model: same catalogue, same rows, no stray file."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lancenb.catalog import DataManager
from lancenb.errors import LancenbError

from .helpers import rows_of
from .test_kill import loose_files

NAMES = ("a", "b")
VERBS = (
    *("create", "append", "append", "overwrite", "upsert", "delete_rows", "tag", "untag"),
    *("rollback", "rename", "delete", "cleanup", "optimize", "update"),
)
STEPS = st.tuples(st.sampled_from(VERBS), st.sampled_from(NAMES), st.integers(0, 5))


class Model:
    """What the catalogue should hold: per name, versions of ``{id: x}`` rows and tags."""

    def __init__(self) -> None:
        self.tables: dict[str, Any] = {}

    def step(self, verb: str, name: str, n: int) -> bool:
        """Do a step; tells whether the catalogue has to accept it."""
        other = NAMES[1 - NAMES.index(name)]
        table = self.tables.get(name)
        if verb == "create" or (verb == "overwrite" and table is None):
            if table is not None:
                return False
            self.tables[name] = {"versions": {1: [(n, 0.5)]}, "tags": {}, "about": ""}
            return True
        if table is None:
            return False
        versions, tags = table["versions"], table["tags"]
        head = max(versions)
        rows = copy.copy(versions[head])
        if verb in ("append", "overwrite"):
            versions[head + 1] = [*(rows if verb == "append" else []), (n, 0.5)]
        elif verb == "upsert":
            if len([i for i, _ in rows if i == n]) > 1:
                return True  # which of several equal keys is replaced is not our business here
            versions[head + 1] = [*((i, x) for i, x in rows if i != n), (n, 9.0)]
        elif verb == "delete_rows":
            left = [(i, x) for i, x in rows if i != n]
            if left != rows:
                versions[head + 1] = left
        elif verb == "tag":
            if n and n not in versions:
                return False
            tags["t"] = n or head
        elif verb == "untag":
            return tags.pop("t", None) is not None
        elif verb == "rollback":
            if n not in versions or n == head:
                return False
            versions[head + 1] = versions[n]
        elif verb == "rename":
            if other in self.tables:
                return False
            self.tables[other] = self.tables.pop(name)
        elif verb == "delete":
            del self.tables[name]
        elif verb == "cleanup":
            kept = {*sorted(versions)[-(n + 1) :], *tags.values()}
            table["versions"] = {v: r for v, r in versions.items() if v in kept}
        elif verb == "update":
            table["about"] = str(n)
        return True


def act(dm: DataManager, verb: str, name: str, n: int) -> None:
    row = pa.table({"id": [n], "x": [0.5]})
    if verb in ("create", "append", "overwrite"):
        dm.convert(row, name, mode=verb)
    elif verb == "upsert":
        dm.upsert(name, {"id": n, "x": 9.0}, key="id")
    elif verb == "delete_rows":
        hit = dm.delete_rows(name, [("id", "=", n)], dry_run=True)
        assert dm.delete_rows(name, [("id", "=", n)]) == hit
    elif verb == "tag":
        dm.tag(name, "t", n or None)
    elif verb == "untag":
        dm.untag(name, "t")
    elif verb == "rollback":
        dm.rollback(name, n)
    elif verb == "rename":
        dm.rename(name, NAMES[1 - NAMES.index(name)])
    elif verb == "delete":
        size = sum(file.stat().st_size for file in Path(dm[name].uri).rglob("*") if file.is_file())
        plan = dm.delete(name, dry_run=True)
        assert plan.bytes == size
        assert dm.delete(name, confirm=name, force=True).bytes == size
    elif verb == "cleanup":
        plan = dm.cleanup(name, keep=n + 1, dry_run=True)
        done = dm.cleanup(name, keep=n + 1)
        assert (plan.versions, plan.bytes) == (done.versions, done.bytes)
    elif verb == "optimize":
        dm.optimize(name)
    else:
        dm.update(name, description=str(n))


def same(dm: DataManager, model: Model) -> None:
    assert dm.list().names == sorted(model.tables)
    for name, table in model.tables.items():
        assert dm.tags(name) == dm[name].aliases == table["tags"]
        assert dm[name].description == table["about"]
        assert [v.version for v in dm.versions(name)] == sorted(table["versions"])
        for version, rows in table["versions"].items():
            found = [(row["id"], row["x"]) for row in rows_of(dm, name, version)]
            assert sorted(found) == sorted(rows)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=5, max_size=25))
def test_any_sequence_of_verbs(steps: list[tuple[str, str, int]]):
    with tempfile.TemporaryDirectory() as folder:
        dm, model = DataManager(Path(folder, "root")), Model()
        for verb, name, n in steps:
            table = model.tables.get(name)
            if table and verb in ("upsert", "optimize"):
                ids = [i for i, _ in table["versions"][max(table["versions"])]]
                if verb == "upsert" and ids.count(n) > 1:
                    continue
            before = copy.deepcopy(model.tables)
            try:
                act(dm, verb, name, n)
                accepted = True
            except LancenbError:
                accepted = False
            expected = model.step(verb, name, n)
            assert accepted == expected, (verb, name, n, before)
            if verb == "optimize" and accepted:  # how many versions a compaction makes is Lance's
                versions = model.tables[name]["versions"]
                for extra in range(max(versions) + 1, dm[name].version + 1):
                    versions[extra] = versions[max(versions)]
            same(dm, model)
        assert dm.fsck().problems == []
        assert loose_files(Path(dm.store.uri)) == set() if model.tables else True
