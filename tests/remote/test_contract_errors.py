"""What goes wrong goes wrong alike: class, code, message and hint, by every engine."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from lancenb.errors import LancenbError

from ._samples import picture_folder, points, state

Bad = Callable[[Any], Any]


def prepare(dm: Any, folder: Path) -> None:
    """Fill a catalogue, and a folder with sources that cannot be converted."""
    dm.convert(points(), "points", tags=["small"])
    dm.upsert("points", {"id": 1, "x": 9.0}, key="id")
    dm.tag("points", "prod", 1)
    dm.convert(points(), "child", parents=["points"])
    dm.save_weights("net", state())
    dm.convert(picture_folder(folder / "pics", "cat", "dog"), "pics")
    files = {
        "empty.csv": b"", "bad.parquet": b"PAR1 no PAR1", "bad.pth": b"\x80\x04.",
        "bad.safetensors": b"\xff" * 40, "what.xyz": b"\x00\x01\x02" * 40,
        "bad.json": b'{"a": [1, 2', "bad.png": b"\x89PNG\r\n\x1a\n" + b"\x00" * 30,
        "fine.csv": b"id,x\n1,2\n", "other.csv": b"p,q\n1,2\n",
        "calls.pth": b"cos\nsystem\n(S'true'\ntR.",
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "nothing").mkdir()
    with zipfile.ZipFile(folder / "slip.zip", "w") as archive:
        archive.writestr("../../out.png", b"\x89PNG\r\n\x1a\n")


def calls(folder: Path) -> Iterator[tuple[str, Bad]]:
    """Yield calls that cannot work."""
    given: dict[str, Bad] = {
        "unknown artefact": lambda dm: dm.get("pionts"),
        "unknown artefact, item": lambda dm: dm["pionts"],
        "unknown artefact, rows": lambda dm: dm.search_rows("nothing"),
        "unknown artefact, stream": lambda dm: dm.read("nothing"),
        "unknown artefact, versions": lambda dm: dm.versions("point"),
        "unknown artefact, tags": lambda dm: dm.tags("point"),
        "unknown artefact, tag history": lambda dm: dm.tag_history("point"),
        "unknown artefact, lineage": lambda dm: dm.lineage("point"),
        "unknown artefact, diff": lambda dm: dm.diff("point", 1),
        "unknown artefact, rollback": lambda dm: dm.rollback("point", 1),
        "unknown artefact, upsert": lambda dm: dm.upsert("point", {"id": 1}, key="id"),
        "unknown artefact, append": lambda dm: dm.convert(points(), "point", mode="append"),
        "unknown artefact, delete": lambda dm: dm.delete("point", confirm="point"),
        "unknown artefact, weights": lambda dm: dm.load_weights("nte"),
        "unknown artefact, verify": lambda dm: dm.verify("nte"),
        "unknown artefact, optimize": lambda dm: dm.optimize("nte"),
        "unknown artefact, cleanup": lambda dm: dm.cleanup("nte", keep=1),
        "unknown artefact, update": lambda dm: dm.update("nte", description="x"),
        "unknown artefact, preview": lambda dm: dm.preview("nte"),
        "name of nothing": lambda dm: dm.get(""),
        "name is a number": lambda dm: dm.get(5),
        "name with a path": lambda dm: dm.get("../points"),
        "name with a slash": lambda dm: dm.convert(points(), "a/b"),
        "name too long": lambda dm: dm.convert(points(), "n" * 300),
        "name with a quote": lambda dm: dm.search_rows("x' or '1'='1"),
        "rename to a bad name": lambda dm: dm.rename("child", "a b/c"),
        "rename to a taken name": lambda dm: dm.rename("child", "points"),
        "rename to a number": lambda dm: dm.rename("child", 5),
        "taken name": lambda dm: dm.convert(points(), "points"),
        "taken name, weights": lambda dm: dm.save_weights("net", state(), mode="create"),
        "bad mode": lambda dm: dm.convert(points(), "new", mode="replace"),
        "bad mode, weights": lambda dm: dm.save_weights("net", state(), mode="append"),
        "mode is a number": lambda dm: dm.convert(points(), "new", mode=5),
        "bad kind": lambda dm: dm.convert(points(), "new", kind="tabel"),
        "kind of a list": lambda dm: dm.list(kind="tabel"),
        "another kind": lambda dm: dm.convert(points(), "pics", mode="overwrite"),
        "weights of a table": lambda dm: dm.load_weights("points"),
        "weights into a table": lambda dm: dm.save_weights("points", state()),
        "weights of what": lambda dm: dm.save_weights("new", 5),
        "weights the wrong way round": lambda dm: dm.save_weights(torch.nn.Linear(1, 1), "new"),
        "weights that are not there": lambda dm: dm.save_weights("new", "no/such.pth"),
        "weights, strict": lambda dm: dm.load_weights("net", strict="very"),
        "weights, other model": lambda dm: dm.load_weights("net", torch.nn.Linear(2, 2)),
        "weights, only nothing": lambda dm: dm.load_weights("net", only=["no.such*"]),
        "missing column": lambda dm: dm.search_rows("points", columns=["idd"]),
        "missing column, filter": lambda dm: dm.search_rows("points", [("idd", ">", 1)]),
        "missing column, sql": lambda dm: dm.search_rows("points", "nam = 'x'"),
        "missing column, order": lambda dm: dm.search_rows("points", order_by="y"),
        "missing column, row": lambda dm: dm.get_row("points", "idd", 1),
        "missing column, history": lambda dm: dm.row_history("points", "idd", 1),
        "missing column, delete": lambda dm: dm.delete_rows("points", [("idd", "=", 1)]),
        "missing column, diff": lambda dm: dm.diff("points", 1, 2, key="idd"),
        "column twice": lambda dm: dm.search_rows("points", columns=["id", "id"]),
        "column is a number": lambda dm: dm.search_rows("points", columns=[5]),
        "columns are a number": lambda dm: dm.search_rows("points", columns=5),
        "bad filter": lambda dm: dm.search_rows("points", "id >"),
        "bad filter, parenthesis": lambda dm: dm.search_rows("points", "(id > 1"),
        "bad filter, second statement": lambda dm: dm.search_rows("points", "id > 1; drop table x"),
        "bad filter, empty": lambda dm: dm.search_rows("points", "  "),
        "bad filter, operator": lambda dm: dm.search_rows("points", [("id", "~", 1)]),
        "bad filter, shape": lambda dm: dm.search_rows("points", [("id", "=")]),
        "bad filter, type": lambda dm: dm.search_rows("points", [("id", "=", "x")]),
        "bad filter, object": lambda dm: dm.search_rows("points", [("id", "=", 1j)]),
        "bad filter, number": lambda dm: dm.search_rows("points", 5),
        "bad filter, dict": lambda dm: dm.search_rows("points", {"id": 1}),
        "bad filter, half a letter": lambda dm: dm.search_rows("points", [("name", "=", "\ud800")]),
        "bad filter, in": lambda dm: dm.search_rows("points", [("id", "in", 3)]),
        "bad filter, catalogue": lambda dm: dm.search(where="name ="),
        "bad column, catalogue": lambda dm: dm.search(where="nam = 'x'"),
        "no filter to delete by": lambda dm: dm.delete_rows("points", None),
        "order": lambda dm: dm.search_rows("points", order_by="id upwards"),
        "order is a number": lambda dm: dm.search_rows("points", order_by=5),
        "limit": lambda dm: dm.search_rows("points", limit=-1),
        "limit is text": lambda dm: dm.search_rows("points", limit="3"),
        "limit is half": lambda dm: dm.search_rows("points", limit=1.5),
        "limit is true": lambda dm: dm.search_rows("points", limit=True),
        "offset is text": lambda dm: dm.search_rows("points", offset="3"),
        "batch of nothing": lambda dm: dm.read("points", batch_rows=0),
        "batch is text": lambda dm: dm.read("points", batch_rows="many"),
        "limit of a search": lambda dm: dm.search(limit=-1),
        "limit of a search is text": lambda dm: dm.search(limit="x"),
        "several rows": lambda dm: dm.get_row("pics", "label", 1),
        "version not there": lambda dm: dm.search_rows("points", version=99),
        "version zero": lambda dm: dm.rollback("points", 0),
        "version is half": lambda dm: dm.search_rows("points", version=1.5),
        "version is true": lambda dm: dm.diff("points", True),
        "tag not there": lambda dm: dm.search_rows("points", version="prdo"),
        "tag not there, rollback": lambda dm: dm.rollback("points", "prdo"),
        "rollback to the head": lambda dm: dm.rollback("child", 1),
        "rollback, message": lambda dm: dm.rollback("points", 1, message=5),
        "nothing to undo": lambda dm: dm.forward("child"),
        "tag a missing version": lambda dm: dm.tag("points", "new", 77),
        "tag with a bad name": lambda dm: dm.tag("points", "a b", 1),
        "tag is a number": lambda dm: dm.tag("points", "5"),
        "tag is no text": lambda dm: dm.tag("points", 5),
        "tag that is there": lambda dm: dm.tag("points", "prod", 2, move=False),
        "untag what is not": lambda dm: dm.untag("points", "prdo"),
        "unconfirmed": lambda dm: dm.delete("child"),
        "wrongly confirmed": lambda dm: dm.delete("child", confirm="chlid"),
        "confirmed with true": lambda dm: dm.delete("child", confirm=True),
        "protected by a tag": lambda dm: dm.delete("points", confirm="points"),
        "diff with itself": lambda dm: dm.diff("points", 9),
        "diff, samples": lambda dm: dm.diff("points", 1, samples=-1),
        "diff, samples are text": lambda dm: dm.diff("points", 1, samples="x"),
        "diff, key of weights": lambda dm: dm.diff("net", 1, key="name"),
        "cleanup, keep": lambda dm: dm.cleanup("points", keep=0),
        "cleanup, keep is text": lambda dm: dm.cleanup("points", keep="x"),
        "cleanup, age": lambda dm: dm.cleanup("points", older_than=5),
        "append of other columns": lambda dm: dm.convert(
            pa.table({"other": [1]}), "points", mode="append"
        ),
        "append of other types": lambda dm: dm.convert(
            pa.table({"id": ["a"], "x": [1.0], "name": ["b"]}), "points", mode="append"
        ),
        "upsert without the key": lambda dm: dm.upsert("points", {"x": 1.0}, key="id"),
        "upsert of a new column": lambda dm: dm.upsert("points", {"id": 1, "y": 1}, key="id"),
        "upsert of text": lambda dm: dm.upsert("points", {"id": "a"}, key="id"),
        "upsert, key twice": lambda dm: dm.upsert("points", {"id": [1, 1]}, key="id"),
        "upsert, key null": lambda dm: dm.upsert("points", {"id": [None]}, key="id"),
        "upsert, no key": lambda dm: dm.upsert("points", {"id": 1}, key=[]),
        "upsert, no rows": lambda dm: dm.upsert("points", 5, key="id"),
        "upsert of ragged columns": lambda dm: dm.upsert("points", {"id": [1], "x": []}, key="id"),
        "upsert of pictures": lambda dm: dm.upsert("net", {"name": "x"}, key="name"),
        "upsert, message": lambda dm: dm.upsert("points", {"id": 1}, key="id", message=5),
        "source of what": lambda dm: dm.convert(5, "new"),
        "source is nothing": lambda dm: dm.convert(None, "new"),
        "source not there": lambda dm: dm.convert("no/such/file.csv", "new"),
        "sources not there": lambda dm: dm.convert(["no/such/file.csv"], "new"),
        "no sources": lambda dm: dm.convert([], "new"),
        "unknown option": lambda dm: dm.convert(points(), "new", hasch=True),
        "unknown option, file": lambda dm: dm.convert(folder / "fine.csv", "new", seperator=";"),
        "unknown option, weights": lambda dm: dm.save_weights("new", state(), hasch=True),
        "unknown data set": lambda dm: dm.convert("synthetic:nothing", "new"),
        "label of nothing": lambda dm: dm.convert(folder / "pics", "new", label="colour"),
        "parents not there": lambda dm: dm.convert(points(), "new", parents=["pionts"]),
        "parents are a number": lambda dm: dm.convert(points(), "new", parents=5),
        "metadata are a list": lambda dm: dm.convert(points(), "new", metadata=[1]),
        "metadata hold things": lambda dm: dm.convert(points(), "new", metadata={"a": object}),
        "labels are a number": lambda dm: dm.convert(points(), "new", tags=5),
        "labels hold numbers": lambda dm: dm.convert(points(), "new", tags=[5]),
        "description": lambda dm: dm.convert(points(), "new", description=5),
        "message": lambda dm: dm.convert(points(), "new", message=b"x"),
        "lineage": lambda dm: dm.convert(points(), "new", lineage=5),
        "update, parents": lambda dm: dm.update("points", parents=["points"]),
        "update, metadata": lambda dm: dm.update("points", metadata=5),
        "update, labels": lambda dm: dm.update("points", tags=["a", 5]),
        "register nothing": lambda dm: dm.register("new", f"{dm['points'].uri}-not"),
        "register a taken name": lambda dm: dm.register("points", dm["points"].uri),
        "register a bad kind": lambda dm: dm.register("new", dm["points"].uri, kind="tabel"),
        "verify a version": lambda dm: dm.verify("net", 9),
    }
    yield from given.items()
    yield from of_python(folder)
    for name in sorted(path.name for path in folder.iterdir() if path.name[:4] != "fine"):
        if name not in ("pics", "s", "other.csv"):
            yield f"source {name}", lambda dm, name=name: dm.convert(folder / name, "new")
    yield "append of other file", lambda dm: dm.convert(folder / "other.csv", "points",
                                                        mode="append")  # fmt: skip


def of_python(folder: Path) -> Iterator[tuple[str, Bad]]:
    """Yield calls that Python itself refuses."""
    given: dict[str, Bad] = {
        "nothing to get": lambda dm: dm.get(),
        "too much to get": lambda dm: dm.get("points", 1),
        "unknown keyword": lambda dm: dm.rollback("points", 1, mesage="x"),
        "no key": lambda dm: dm.upsert("points", {"id": 1}),
        "no version": lambda dm: dm.rollback("points"),
        "keyword by place": lambda dm: dm.delete("points", True),
        "no source": lambda dm: dm.convert(),
        "no name": lambda dm: dm.convert(points()),
        "unknown keyword, rows": lambda dm: dm.search_rows("points", wehre="x"),
        "unknown keyword, stream": lambda dm: dm.read("points", wehre="x"),
        "unknown keyword, weights": lambda dm: dm.load_weights("net", stict="x"),
        "twice": lambda dm: dm.get("points", name="points"),
    }
    yield from given.items()


def outcome(dm: Any, bad: Bad) -> tuple[Any, ...]:
    """Return what a call ends with, for comparison."""
    try:
        value = bad(dm)
        if isinstance(value, pa.RecordBatchReader):
            value = value.read_all()
        return ("value", str(value))
    except LancenbError as error:
        return (type(error).__name__, error.code, error.message, error.hint)
    except (TypeError, ValueError, AttributeError, OSError) as error:
        return (type(error).__name__, str(error).replace("RemoteManager", "DataManager"))


@pytest.fixture(scope="module")
def filled(roots: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Fill the root of a store once; returns the folder with the sources."""
    made: dict[str, Path] = {}

    def fill(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("sources")
            prepare(roots(kind).twin(), made[kind])
        return made[kind]

    return fill


def compare(dm: Any, twin: Any, folder: Path, every: int) -> None:
    """Make the calls by an engine and without; on S3 each takes long enough to make only some."""
    before = [(each.name, each.version) for each in twin.list()]
    table = list(calls(folder))
    assert len(table) > 150
    different = {}
    for label, bad in table[::every]:
        here, there = outcome(twin, bad), outcome(dm, bad)
        if here != there or here[0] == "value":
            different[label] = (here, there)
    assert not different
    assert [(each.name, each.version) for each in twin.list()] == before


def test_every_mistake_is_told_alike(case, dm, twin, filled):
    compare(dm, twin, filled(case[1]), every=8 if case[1] == "s3" else 1)


@pytest.mark.soak
def test_every_mistake_is_told_alike_on_s3(roots, filled, engine):
    served = roots("s3")
    compare(served.reach(engine), served.twin(), filled("s3"), every=1)
