"""The namespace by hand: odd requests, damaged bodies, slow and broken connections, its errors."""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import socket
import struct
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("uvicorn")

from lancenb import DataManager, errors
from lancenb.remote._limits import Limits
from lancenb.remote._rest_routes import OPERATIONS
from lancenb.remote._rest_schema import json_schema
from lancenb.remote._rest_wire import Code, code_of, error_body
from tests.remote.http_parts import until
from tests.remote.namespace_parts import ARROW, READ, WRITE, Served, ipc, serving

POINTS = pa.table({"id": [1, 2, 3], "s": ["a", "b", "c"]})
BODY = ipc(POINTS)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(DataManager(tmp_path / "root", actor="tester")) as one:
        yield one


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with one table, for requests that must not change it."""
    with serving(DataManager(tmp_path_factory.mktemp("points") / "root")) as one:
        one.manager.convert(POINTS, "points")
        yield one


def refused(answer: tuple[int, Any], status: int, code: int) -> str:
    """Check an error answer and return its text."""
    assert answer[0] == status, answer
    assert answer[1]["code"] == code
    assert set(answer[1]) <= {"error", "code", "detail", "instance"}
    text = answer[1]["error"] + answer[1].get("detail", "")
    assert ".rs" not in text
    assert "Traceback" not in text
    return text


# --- who may


def test_every_route_wants_a_token(served: Served):
    for op in OPERATIONS:
        path = re.sub(r"\{\w+\}", "x", op.path)
        refused(served.send(path, b"{}", token=None, method=op.method), 401, 16)
        refused(served.send(path, b"{}", token="guessed", method=op.method), 401, 16)
        if op.scope == "write":
            refused(served.send(path, b"{}", token=READ, method=op.method), 403, 15)
    refused(served.send("/v1/anything", token=None), 401, 16)
    assert served.audited == []
    assert len(served.manager) == 0


def test_a_key_in_its_own_header_will_do(points: Served):
    assert points.send("/v1/table", token=None, method="GET", x_api_key=READ)[0] == 200


def test_writes_are_those_that_change_something(served: Served):
    reading = {op.name for op in OPERATIONS if op.scope == "read"}
    assert {"query_table", "describe_table", "list_tables"} <= reading
    assert not any(re.search("create|insert|drop|delete|rename|restore|regis", n) for n in reading)


# --- names


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "%2e%2e",
        "%2e%2e%2fregistry",
        "a%2fb",
        "..%5cx",
        "a%00b",
        "%C3%A9",
        "a%20b",
        "-a",
        "%ff",
        "a%0a",
    ],
)
def test_names_that_no_table_can_have(points: Served, name: str):
    refused(points.send(f"/v1/table/{name}/create", BODY, Content_Type=ARROW), 400, 13)
    refused(points.send(f"/v1/table/{name}/describe", {}), 400, 13)
    refused(points.send(f"/v1/table/{name}/declare", {}), 400, 13)
    assert points.manager.list().names == ["points"]
    assert points.manager.fsck().problems == []


def test_identifiers_and_delimiters(points: Served):
    assert points.send("/v1/table/points/describe", {"id": ["points"]})[0] == 200
    refused(points.send("/v1/table/points/describe", {"id": ["other"]}), 400, 13)
    refused(points.send("/v1/table/points/describe", {"id": "points"}), 400, 13)
    refused(points.send("/v1/table/a$points/describe", {}), 404, 1)
    refused(points.send("/v1/table/a.points/describe?delimiter=.", {}), 404, 1)
    refused(points.send("/v1/table/a.points/describe", {}), 404, 4)
    refused(points.send("/v1/table/$/describe", {}), 400, 13)
    refused(points.send("/v1/table/points/describe?delimiter=", {}), 400, 13)
    assert points.send("/v1/namespace/%24/exists", {}) == (200, None)
    assert points.send("/v1/namespace/::/exists?delimiter=::", {}) == (200, None)
    refused(points.send("/v1/namespace/team/exists", {}), 404, 1)


def test_what_is_no_operation(points: Served):
    for method, path in (
        ("GET", "/v1/table/points/describe"),
        ("DELETE", "/v1/table/points"),
        ("POST", "/v1/table/points/fly"),
        ("POST", "/v1/"),
    ):
        refused(points.send(path, method=method), 406, 0)


# --- JSON bodies


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"[]", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"k": NaN}', b'{"id": [1]}'),
        *(b'"x"', b'{"k": 1, "filter": "s = \'\\ud800\'"}'),
    ],
)
def test_bodies_that_are_no_json_object(points: Served, body: bytes):
    refused(points.send("/v1/table/points/query", body), 400, 13)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("query", {"k": -1}),
        ("query", {"k": "many"}),
        ("query", {"k": 1e3}),
        ("query", {"k": True}),
        ("query", {"k": 1, "filter": 7}),
        ("query", {"k": 1, "columns": 7}),
        ("query", {"k": 1, "columns": {"column_names": ["id", "id"]}}),
        ("query", {"k": 1, "columns": {"column_names": ["id"], "column_aliases": {"a": "id"}}}),
        ("query", {"k": 1, "vector": "near"}),
        ("query", {"k": 1, "vector": {"single_vector": [True]}}),
        ("query", {"k": 1, "vector": {"single_vector": [1.0]}}),
        ("query", {"k": 1, "full_text_query": "words"}),
        ("query", {"k": 1, "offset": -1}),
        ("query", {"k": 1, "with_row_id": "maybe"}),
        ("count_rows", {"predicate": "("}),
        ("count_rows", {"predicate": ""}),
        ("delete", {}),
        ("delete", {"predicate": ""}),
        ("delete", {"predicate": "true; true"}),
        ("update", {}),
        ("update", {"updates": [["s"]]}),
        ("update", {"updates": {"s": "1"}}),
        ("tags/create", {"tag": "x"}),
        ("tags/create", {"version": 1}),
        ("tags/create", {"tag": 7, "version": 1}),
        ("restore", {}),
        ("restore", {"version": "newest"}),
        ("rename", {}),
        ("rename", {"new_table_name": "../x"}),
        ("register", {}),
        ("describe", {"version": 1, "tag": "x"}),
        ("explain_plan", {}),
        ("schema_metadata/update", {"a": 1}),
    ],
)
def test_arguments_that_make_no_sense(points: Served, path: str, body: dict[str, Any]):
    refused(points.send(f"/v1/table/points/{path}", body), 400, 13)
    assert points.manager["points"].version == 1
    assert points.manager["points"].rows == 3


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=1e3"])
def test_pages_that_make_no_sense(points: Served, query: str):
    refused(points.send(f"/v1/namespace/$/table/list?{query}", method="GET"), 400, 13)


# --- Arrow bodies


def test_bodies_of_another_type(points: Served):
    for given in ("application/json", "application/vnd.apache.arrow.file", "text/plain"):
        refused(points.send("/v1/table/new/create", BODY, Content_Type=given), 415, 13)
    refused(points.send("/v1/table/new/create", BODY), 415, 13)
    assert "new" not in points.manager


def broken_offsets() -> bytes:
    """Return a stream whose text column points far outside its data."""
    sound = ipc(pa.table({"s": ["aaaaaaaa", "bbbbbbbb"]}))
    offsets = struct.pack("<3i", 0, 8, 16)
    assert sound.count(offsets) == 1
    return sound.replace(offsets, struct.pack("<3i", 0, 8, 1 << 30))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"no arrow", id="text"),
        pytest.param(BODY[: len(BODY) // 3], id="a third"),
        pytest.param(BODY[: len(BODY) // 2], id="half"),
        pytest.param(BODY[:-40], id="most"),
        pytest.param(BODY[:-8], id="no end"),
        pytest.param(BODY[:100] + b"\xff" * 60 + BODY[160:], id="damaged"),
        pytest.param(broken_offsets(), id="offsets"),
    ],
)
def test_damaged_rows_change_nothing(points: Served, body: bytes):
    where = {"Content_Type": ARROW}
    refused(points.send("/v1/table/new/create", body, **where), 400, 13)
    for path in ("insert", "insert?mode=overwrite", "create?mode=overwrite"):
        refused(points.send(f"/v1/table/points/{path}", body, **where), 400, 13)
    merge = "merge_insert?on=id&when_matched_update_all=true&when_not_matched_insert_all=true"
    refused(points.send(f"/v1/table/points/{merge}", body, **where), 400, 13)
    assert points.manager.list().names == ["points"]
    assert points.manager["points"].version == 1
    assert points.manager.fsck().problems == []


def test_a_short_body_cannot_claim_memory(points: Served):
    before = rss()
    claimed = struct.pack("<Ii", 0xFFFFFFFF, (1 << 31) - 1)
    for body in (claimed, claimed + b"x" * 100):
        refused(points.send("/v1/table/new/create", body, Content_Type=ARROW), 400, 13)
    assert rss() - before < 500 << 20


def rss() -> int:
    """Return the most memory this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def test_columns_that_cannot_be_stored(points: Served):
    odd = pa.table({"u": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])})
    refused(points.send("/v1/table/new/create", ipc(odd), Content_Type=ARROW), 400, 20)
    assert "new" not in points.manager


def test_rows_that_do_not_fit(served: Served):
    served.manager.convert(POINTS, "points")
    other = ipc(pa.table({"id": ["one"]}))
    refused(served.send("/v1/table/points/insert", other, Content_Type=ARROW), 400, 20)
    merge = "merge_insert?on=nope&when_matched_update_all=true&when_not_matched_insert_all=true"
    refused(served.send(f"/v1/table/points/{merge}", BODY, Content_Type=ARROW), 404, 12)
    twice = ipc(pa.concat_tables([POINTS, POINTS]))
    merge = merge.replace("nope", "id")
    refused(served.send(f"/v1/table/points/{merge}", twice, Content_Type=ARROW), 400, 13)
    refused(served.send("/v1/table/points/merge_insert", BODY, Content_Type=ARROW), 400, 13)
    assert served.manager["points"].version == 1


def test_images_and_weights_are_not_appended_to(served: Served):
    torch = pytest.importorskip("torch")
    served.manager.save_weights("net", {"w": torch.zeros(2)})
    refused(served.send("/v1/table/net/insert", BODY, Content_Type=ARROW), 400, 20)
    refused(served.send("/v1/table/net/create?mode=overwrite", BODY, Content_Type=ARROW), 400, 20)
    refused(served.send("/v1/table/net/update", {"updates": [["name", "'x'"]]}), 400, 20)
    assert served.manager["net"].version == 1


def test_bodies_that_are_too_long(tmp_path: Path):
    bounds = Limits(max_json=1000, max_body=2000)
    with serving(DataManager(tmp_path / "root"), limits=bounds) as served:
        served.manager.convert(POINTS, "points")
        long = json.dumps({"k": 1, "filter": "id > 1 " + " " * 2000})
        refused(served.send("/v1/table/points/query", long), 413, 13)
        rows = ipc(pa.table({"id": np.arange(1000), "s": ["x"] * 1000}))
        refused(served.send("/v1/table/points/insert", rows, Content_Type=ARROW), 413, 13)
        assert served.manager["points"].version == 1
        assert served.manager.fsck().problems == []


def raw_request(served: Served, path: str, length: int, *headers: str) -> socket.socket:
    host, port = served.uri.removeprefix("http://").split(":")
    link = socket.create_connection((host, int(port)), timeout=120)
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {WRITE}", *headers]
    lines += [f"Content-Type: {ARROW}", f"Content-Length: {length}", "", ""]
    link.sendall("\r\n".join(lines).encode())
    return link


def test_a_connection_that_breaks_off_changes_nothing(served: Served):
    served.manager.convert(POINTS, "points")
    rows = ipc(pa.table({"id": np.arange(200_000), "s": ["x"] * 200_000}))
    # Cut where the schema ends, within a batch, and where only the end marker is missing.
    for cut in (300, len(rows) // 2, len(rows) - 8):
        for path in ("/v1/table/points/insert", f"/v1/table/new{cut}/create"):
            with contextlib.closing(raw_request(served, path, len(rows))) as link:
                link.sendall(rows[:cut])
    assert until(lambda: len(served.audited) == 6)
    assert {fact[-1] for fact in served.audited} == {"corrupt_input"}
    assert served.manager["points"].version == 1
    assert served.manager.list().names == ["points"]
    assert served.manager.fsck().problems == []


def test_a_sender_that_stalls_is_let_go(tmp_path: Path):
    with serving(DataManager(tmp_path / "root"), limits=Limits(idle_seconds=0.3)) as served:
        for kind, path in ((ARROW, "/v1/table/new/create"), ("json", "/v1/table/new/describe")):
            with contextlib.closing(raw_request(served, path, 10_000)) as link:
                link.sendall(BODY[:50])
                answer = link.recv(4096)
            assert b" 503 " in answer.split(b"\r\n")[0], kind
        assert len(served.manager) == 0


def test_chunked_rows(served: Served):
    import http.client

    connection = http.client.HTTPConnection(served.uri.removeprefix("http://"), timeout=120)
    pieces = (BODY[start : start + 97] for start in range(0, len(BODY), 97))
    headers = {"Authorization": f"Bearer {WRITE}", "Content-Type": ARROW}
    with contextlib.closing(connection):
        connection.request("POST", "/v1/table/points/create", pieces, headers, encode_chunked=True)
        assert connection.getresponse().status == 200
    assert served.manager.dataset("points").to_table().equals(POINTS)


# --- answers


def test_no_answer_tells_how_to_open_the_storage(tmp_path: Path, s3_store: Any):
    manager = DataManager(s3_store)
    secret = s3_store.storage_options["aws_secret_access_key"]
    with serving(manager) as served:
        answers = [
            served.send("/v1/table/points/create", BODY, Content_Type=ARROW),
            served.send("/v1/table/points/describe?load_detailed_metadata=true", {}),
            served.send("/v1/table/points/describe", {"vend_credentials": True}),
            served.send("/v1/table/later/declare", {"vend_credentials": True}),
            served.send("/v1/table/points/version/list", {}),
            served.send("/v1/table/points/stats", {}),
            served.send("/v1/table/points/drop"),
        ]
    assert [status for status, _ in answers] == [200] * 7
    text = json.dumps(answers)
    assert secret not in text
    assert "storage_options" not in text
    assert answers[1][1]["location"].startswith("s3://")


def test_rows_on_s3(s3_store: Any):
    with serving(DataManager(s3_store)) as served:
        served.send("/v1/table/points/create", BODY, Content_Type=ARROW)
        served.send("/v1/table/points/insert", BODY, Content_Type=ARROW)
        assert served.send("/v1/table/points/count_rows", {"predicate": "id > 1"}) == (200, 4)
        served.send("/v1/table/points/restore", {"version": 1})
        assert served.manager["points"].rows == 3


def test_where_the_catalogue_lies_is_in_no_error(points: Served):
    root = points.manager.store.uri
    for path, body in (
        ("nope/describe", {}),
        ("points/describe", {"version": 9}),
        ("points/query", {"k": 1, "filter": "nope = 1"}),
        ("x/register", {"location": "datasets/none.lance"}),
    ):
        status, error = points.send(f"/v1/table/{path}", body)
        assert status in (400, 404)
        assert root not in json.dumps(error)


def test_a_damaged_table_is_no_server_error(served: Served):
    served.manager.convert(POINTS, "points")
    import shutil

    shutil.rmtree(served.manager["points"].uri)
    refused(served.send("/v1/table/points/query", {"k": 1}), 404, 4)
    assert served.send("/v1/table/points/describe", {})[0] == 200


def test_every_error_has_a_number():
    for name, cls in vars(errors).items():
        if isinstance(cls, type) and issubclass(cls, errors.LancenbError):
            code, status = code_of(cls("what happened"))
            unexpected = {"LancenbError", "ServerError", "ServerUnreachable"}
            assert (code is Code.INTERNAL) == (name in unexpected), name
            assert (status == 500) == (name in unexpected), name


def test_what_nobody_foresaw_tells_nothing():
    body = error_body(KeyError("secret in here"), "/data", "r1")
    assert body["code"] == 18
    assert "secret" not in json.dumps(body)
    assert "r1" in body["detail"]


def test_a_request_keeps_its_name(points: Served):
    status, error = points.send("/v1/table/nope/describe", {}, x_request_id="mine-1")
    assert (status, error["instance"]) == (404, "mine-1")
    assert points.send("/v1/table/nope/describe", {}, x_request_id="a b")[1]["instance"] != "a b"


def test_types_as_the_specification_writes_them():
    schema = pa.schema(
        [
            ("a", pa.float16()),
            ("b", pa.large_string()),
            ("c", pa.timestamp("ms", "UTC")),
            ("d", pa.decimal128(10, 2)),
            ("e", pa.binary(4)),
            ("f", pa.map_(pa.string(), pa.int8())),
            ("g", pa.dictionary(pa.int8(), pa.string())),
            pa.field("h", pa.struct([("x", pa.list_(pa.bool_()))]), metadata={"k": "v"}),
        ]
    )
    found = {field["name"]: field for field in json_schema(schema)["fields"]}
    simple = {name: found[name]["type"]["type"] for name in "abcg"}
    assert simple == {"a": "float16", "b": "large_utf8", "c": "timestamp", "g": "utf8"}
    assert found["d"]["type"] == {"type": "decimal128", "length": 10002}
    assert found["e"]["type"] == {"type": "fixed_size_binary", "length": 4}
    assert found["f"]["type"]["fields"][0]["name"] == "entries"
    assert found["h"]["metadata"] == {"k": "v"}
    inner = found["h"]["type"]["fields"][0]["type"]
    assert inner["fields"][0]["type"] == {"type": "bool"}


def test_answers_are_made_piece_by_piece():
    from lancenb.remote._rest_body import arrow_file

    batch = pa.record_batch({"x": np.arange(1 << 17)})
    tracemalloc.start()
    try:
        largest = max(len(piece) for piece in arrow_file(batch.schema, [batch] * 100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert largest < 4 * batch.nbytes
    assert peak < 16 * batch.nbytes
    back = pa.ipc.open_file(io.BytesIO(b"".join(arrow_file(batch.schema, [batch] * 3))))
    assert back.read_all().num_rows == 3 << 17


# --- room


@dataclass(frozen=True)
class Somebody:
    id: str = "one"


def test_streams_hold_their_place_to_the_end(tmp_path: Path):
    from lancenb.remote._limits import Gate

    gate = Gate(Limits(max_streams=1, max_streams_each=1, queue_seconds=0.2))
    told: list[Any] = []
    manager = DataManager(tmp_path / "root")
    rows = pa.table({"x": np.arange(4_000_000)})
    manager.convert(rows, "big")
    options = {"gate": gate, "done": lambda *facts: told.append((facts[0], *facts[2:5]))}
    with serving(manager, admit=lambda request, scope: Somebody(), **options) as served:
        with contextlib.closing(raw_request(served, "/v1/table/big/query", 2)) as link:
            link.sendall(b"{}")
            assert link.recv(100).startswith(b"HTTP/1.1 200")
            assert gate.running("stream") == 1
            refused(served.send("/v1/table/big/query", {"k": 1}), 429, 21)
            assert served.send("/v1/table/big/exists", {})[0] == 200
        assert until(lambda: not gate.running())
        assert served.send("/v1/table/big/count_rows", {}) == (200, 4_000_000)
    assert told[0] == ("query_table", Somebody(), 200, None)
    assert [fact[0] for fact in told] == ["query_table"] * 2 + ["table_exists", "count_rows"]
    assert (told[1][2], told[1][3].code) == (429, "busy")
