"""The namespace as part of a real server: its tokens, histories, audit log, figures and limits."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("lance_namespace")

from lance_namespace import errors as theirs
from lance_namespace_urllib3_client import models as m

from lancenb.remote import Server, serve
from lancenb.remote._tokens import Tokens
from tests.remote.namespace_parts import ipc

POINTS = pa.table({"id": [1, 2, 3]})


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "tokens.json")


@pytest.fixture
def server(tmp_path: Path, tokens: Tokens) -> Iterator[Server]:
    tokens.add("owner", scope="admin")
    with serve(tmp_path / "root", grpc=None, tokens=tokens.path) as running:
        yield running


@pytest.fixture
def rest(server: Server, tokens: Tokens) -> Callable[..., Any]:
    """Return Lance's own client, with a new token of a scope."""
    from lance.namespace import RestNamespace

    def client(scope: str, header: str = "Authorization") -> Any:
        token = tokens.add(f"a {scope}r", scope=scope)[1]
        token = f"Bearer {token}" if header == "Authorization" else token
        return RestNamespace(uri=server.url, **{f"header.{header}": token})

    return client


def test_tokens_of_the_server_are_those_of_the_namespace(
    server: Server, rest: Callable[..., Any], tokens: Tokens
):
    writer, reader = rest("write"), rest("read", "x-api-key")
    writer.create_table(m.CreateTableRequest(id=["points"]), ipc(POINTS))
    assert reader.count_table_rows(m.CountTableRowsRequest(id=["points"])).count == 3
    with pytest.raises(theirs.PermissionDeniedError):
        reader.drop_table(m.DropTableRequest(id=["points"]))
    for facts in tokens.list():
        tokens.revoke(facts.id)
    with pytest.raises(theirs.UnauthenticatedError):
        writer.drop_table(m.DropTableRequest(id=["points"]))
    assert server.manager.list().names == ["points"]


def test_writes_are_in_the_histories_and_in_the_audit_log(server: Server, rest: Callable[..., Any]):
    writer, reader = rest("write"), rest("read")
    writer.create_table(m.CreateTableRequest(id=["points"]), ipc(POINTS))
    writer.insert_into_table(m.InsertIntoTableRequest(id=["points"]), ipc(POINTS))
    with pytest.raises(theirs.PermissionDeniedError):
        reader.insert_into_table(m.InsertIntoTableRequest(id=["points"]), ipc(POINTS))
    versions = server.manager.versions("points")
    assert [v.properties["lancenb.actor"] for v in versions] == ["a writer"] * 2
    log = server._dispatcher.audit
    assert log.flush()
    noted = [
        (row["op"], row["version_before"], row["version_after"], row["outcome"])
        for row in reversed(log.read(name="points").to_pylist())
    ]
    assert noted == [
        ("namespace.create_table", None, 1, "done"),
        ("namespace.insert_into_table", 1, 2, "done"),
        ("namespace.insert_into_table", None, None, "refused"),
    ]


def test_what_the_server_keeps_for_itself_is_no_table(server: Server, rest: Callable[..., Any]):
    writer = rest("write")
    writer.create_table(m.CreateTableRequest(id=["points"]), ipc(POINTS))
    assert server._dispatcher.audit.flush()
    assert writer.list_tables(m.ListTablesRequest(id=[])).tables == ["points"]
    for place in ("registry.lance", "audit.lance", ".server/x.lance", "datasets/../audit.lance"):
        with pytest.raises(theirs.InvalidInputError):
            writer.register_table(m.RegisterTableRequest(id=["mine"], location=place))


def test_conditions_of_strangers_stay_small(rest: Callable[..., Any]):
    writer = rest("write")
    writer.create_table(m.CreateTableRequest(id=["points"]), ipc(POINTS))
    greedy = "repeat('x', 1000000000) = 'y'"
    nothing = m.QueryTableRequestVector(single_vector=[])
    for call, asked in (
        (writer.count_table_rows, m.CountTableRowsRequest(id=["points"], predicate=greedy)),
        (writer.delete_from_table, m.DeleteFromTableRequest(id=["points"], predicate=greedy)),
        (
            writer.query_table,
            m.QueryTableRequest(id=["points"], k=1, vector=nothing, filter=greedy),
        ),
        (
            writer.update_table,
            m.UpdateTableRequest(id=["points"], updates=[["id", "length(repeat('x', 9999999))"]]),
        ),
    ):
        with pytest.raises(theirs.InvalidInputError, match="repeat"):
            call(asked)


def test_requests_are_counted(server: Server, rest: Callable[..., Any], tokens: Tokens):
    reader, key = rest("read"), tokens.add("watcher", scope="read")[1]
    reader.list_tables(m.ListTablesRequest(id=[]))
    with pytest.raises(theirs.TableNotFoundError):
        reader.describe_table(m.DescribeTableRequest(id=["nope"]))
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}"})
    text = connection.getresponse().read().decode()
    connection.close()
    rows = [line for line in text.splitlines() if 'engine="rest"' in line and "_total" in line]
    assert any('code="ok"' in row for row in rows)
    assert any('code="artifact_not_found"' in row for row in rows)
