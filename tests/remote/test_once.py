"""A write with a key is done once: however often, from wherever, and whatever died between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.errors import ArtifactNotFound, Conflict, InvalidArgument, ServerError
from lancenb.remote._arrow import pieces
from lancenb.remote._client import RemoteManager
from lancenb.remote._ops import OPS
from lancenb.remote._sending import tar_pieces
from lancenb.remote._serve import serve

from ._engines import TOKEN, looped
from ._samples import points


def append(dm: RemoteManager, key: str, name: str = "p", start: int = 100, count: int = 3) -> Any:
    """Append rows under a key."""
    rows = points(start, count)
    return dm._ask(OPS["write"], {"name": name, "mode": "append"}, key=key,
                   body=lambda: pieces(rows.schema, rows.to_batches()))  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one table."""
    DataManager(tmp_path / "root").convert(points(), "p")
    return tmp_path / "root"


def seen(root: Path, name: str = "p") -> list[int]:
    """The ids of a table, as nobody's cache knows them."""
    return DataManager(root).search_rows(name)["id"].to_pylist()


WRITES: dict[str, tuple[dict[str, Any], Callable[[DataManager], Any]]] = {
    "tag": ({"name": "p", "tag": "prod", "version": 1}, lambda dm: len(dm.tag_history("p"))),
    "update": ({"name": "p", "description": "new"}, lambda dm: len(dm["p"].history)),
    "rename": ({"name": "p", "new": "q"}, lambda dm: len(dm["q"].history)),
    "delete": ({"name": "p", "confirm": "p"}, lambda dm: len(dm)),
    "delete_rows": ({"name": "p", "where": [["id", ">", 2]]}, lambda dm: dm["p"].version),
    "rollback": ({"name": "p", "version": 1}, lambda dm: dm["p"].version),
    "optimize": ({"name": "p"}, lambda dm: dm["p"].version),
    "cleanup": ({"name": "p", "keep": 1}, lambda dm: len(dm.versions("p"))),
    "convert": ({"name": "drawn", "source": "synthetic:text"}, lambda dm: dm["drawn"].version),
}


@pytest.mark.parametrize("op", WRITES)
def test_the_same_key_gives_the_same_answer_and_no_second_write(root, engine, op):
    DataManager(root).convert(points(5, 2), "p", mode="append")
    args, state = WRITES[op]
    with serve(root, token=TOKEN) as server, server.connect(engine) as dm:
        first = dm._ask(OPS[op], args, key="k-1")
        after = state(DataManager(root))
        again = dm._ask(OPS[op], args, key="k-1")
        assert str(again) == str(first)
        assert state(DataManager(root)) == after


def test_rows_arrive_once_and_another_request_is_refused(root, engine):
    with serve(root, token=TOKEN) as server, server.connect(engine) as dm:
        first = append(dm, "k-1")
        assert append(dm, "k-1") == first
        assert seen(root) == [0, 1, 2, 3, 4, 100, 101, 102]
        with pytest.raises(Conflict) as caught:
            dm._ask(OPS["tag"], {"name": "p", "tag": "x"}, key="k-1")
        assert caught.value.hint
        with pytest.raises(Conflict):
            dm._ask(OPS["write"], {"name": "p", "mode": "overwrite"}, key="k-1",
                    body=lambda: pieces(points().schema, points().to_batches()))  # fmt: skip
        for bad in ("", "x" * 201, "a\tb", "\u00e9"):
            with pytest.raises(InvalidArgument):
                append(dm, bad)
        with pytest.raises(ArtifactNotFound):
            append(dm, "k-2", name="later")
        DataManager(root).convert(points(), "later")
        assert append(dm, "k-2", name="later").rows == 3  # what failed may be tried again
        assert DataManager(root)["p"].version == 2


def test_duplicates_at_the_same_time_are_done_once(root, engine):
    with serve(root, token=TOKEN) as server:
        answers: list[Any] = []
        clients = [server.connect(engine) for _ in range(6)]

        def work(dm: Any) -> None:
            try:
                answers.append(append(dm, "k-1"))
            except Exception as error:
                answers.append(error)

        threads = [threading.Thread(target=work, args=(dm,)) for dm in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len({str(answer) for answer in answers}) == 1
        assert answers[0].version == 2
        for dm in clients:
            dm.close()
    assert DataManager(root)["p"].version == 2


def test_a_key_outlives_the_server_and_belongs_to_its_token(root, engine, tmp_path):
    with serve(root, token=TOKEN) as server, server.connect(engine) as dm:
        first = append(dm, "k-1")
    with serve(root, token=TOKEN) as server, server.connect(engine) as dm:
        assert append(dm, "k-1") == first
    with serve(root, token=f"other-{TOKEN}") as server, server.connect(engine) as dm:
        assert append(dm, "k-1").version == 3
    kept = [path for path in (root / ".server" / "once").rglob("*") if path.is_file()]
    assert len(kept) == 2
    assert not any("k-1" in path.name or TOKEN in path.read_text() for path in kept)
    assert all((path.stat().st_mode & 0o077) == 0 for path in (root / ".server",))


def lost_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server die, so to speak, between the commit and the note of the answer."""
    from lancenb.remote._journal import Journal

    def dead(self: Any, mark: str, data: Any) -> None:
        raise ServerError("gone")

    monkeypatch.setattr(Journal, "_write", dead)


@pytest.mark.parametrize("op", [op for op in WRITES if op not in ("optimize", "cleanup")])
def test_an_answer_that_was_lost_is_found_in_the_commit(root, monkeypatch, op):
    DataManager(root).convert(points(5, 2), "p", mode="append")
    args, state = WRITES[op]
    with monkeypatch.context() as patch:
        lost_answer(patch)
        with pytest.raises(ServerError):
            looped(root)._ask(OPS[op], args, key="k-1")
    after = state(DataManager(root))
    again = looped(root)._ask(OPS[op], args, key="k-1")
    assert state(DataManager(root)) == after
    if op == "delete_rows":
        assert again == 4
    if op == "rollback":
        assert tuple(again) == (1, 2, 3)


@pytest.mark.parametrize("verb", ["append", "overwrite", "create", "upsert"])
def test_rows_whose_answer_was_lost_are_not_written_again(root, monkeypatch, verb):
    name = "fresh" if verb == "create" else "p"
    op = "upsert" if verb == "upsert" else "write"
    args: dict[str, Any] = {"name": name, "key": "id"} if op == "upsert" else {
        "name": name, "mode": verb,
    }  # fmt: skip
    rows = pa.table({"id": [4, 5, 6], "x": [9.0, 9.0, 9.0], "name": ["a", "b", "c"]})

    def write() -> Any:
        return looped(root)._ask(
            OPS[op], args, key="k", body=lambda: pieces(rows.schema, rows.to_batches())
        )

    with monkeypatch.context() as patch:
        lost_answer(patch)
        with pytest.raises(ServerError):
            write()
    before = [v.version for v in DataManager(root).versions(name)]
    report = write()
    assert [v.version for v in DataManager(root).versions(name)] == before
    assert report.version == before[-1]
    if verb == "upsert":
        assert (report.inserted, report.updated) == (2, 1)
    else:
        assert report.rows == 3


def test_uploads_whose_answer_was_lost_are_not_converted_again(root, monkeypatch, tmp_path):
    (tmp_path / "a.csv").write_text("id,x,name\n7,1.5,z\n")
    dm = looped(root)

    def bring() -> str:
        path = tmp_path / "a.csv"
        made = dm._ask(OPS["upload"], {"label": "a"}, body=lambda: tar_pieces([path]))
        return f"upload:{made.upload}"

    args = {"name": "p", "mode": "append", "source": bring()}
    first = dm._ask(OPS["convert"], args, key="k-1")
    assert dm._ask(OPS["convert"], args, key="k-1") == first  # the upload itself is used up
    args["source"] = bring()
    with monkeypatch.context() as patch:
        lost_answer(patch)
        with pytest.raises(ServerError):
            dm._ask(OPS["convert"], args, key="k-2")
    assert looped(root)._ask(OPS["convert"], args, key="k-2").version == 3
    assert seen(root).count(7) == 2


def test_the_client_makes_a_key_of_its_own_for_every_write(root):
    dm = looped(root)
    dm.tag("p", "a")
    dm.upsert("p", {"id": 1, "x": 2.0}, key="id")
    dm.upsert("p", {"id": 1, "x": 2.0}, key="id")
    dm.get("p")
    keys = [key for _, _, key in dm._transport.calls]
    assert [key is not None for key in keys] == [True, True, True, False]
    assert len(set(keys)) == 4
    assert json.dumps(dm._transport.calls[0][1])
