"""The HTTP engine as any HTTP client sees it: addresses, headers, errors, pages, documents."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb import errors as e
from lancenb.remote._http_wire import BASE
from lancenb.remote._ops import OPS

from .http_parts import ARROW, Answer, Call, Site, canned_site, real_site, stream_of

ROWS = pa.table({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5]})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    manager = DataManager(tmp_path_factory.mktemp("root"))
    for name in ("points", "second", "third", "fourth", "fifth"):
        manager.convert(ROWS, name)
    with real_site(manager) as made:
        yield made


def test_every_operation_has_its_route(site: Site):
    for op in OPS.values():
        path = op.path
        for name in op.path_params:
            path = path.replace("{" + name + "}", "zz")
        _, headers, _ = site.ask("TRACE", BASE + path)
        assert op.method in headers["allow"].split(", ")


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a b", "é", "%", "a%2Fb", "x" * 200, ""])
def test_a_name_stays_whole_in_the_address(site: Site, name: str):
    """What no name can be is refused as a name, not lost on the way as another address."""
    with pytest.raises(e.InvalidName) as far:
        site.manager().get(name)
    with pytest.raises(e.InvalidName) as near:
        site.dispatcher.house.manager.get(name)
    assert far.value.to_dict() == near.value.to_dict()


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("GET", "/nothing/here", None, {}, 404, "not_found"),
        ("GET", BASE + "/nothing", None, {}, 404, "not_found"),
        ("GET", BASE + "/artifacts/none", None, {}, 404, "artifact_not_found"),
        ("DELETE", BASE + "/artifacts/points", None, {}, 405, "invalid_argument"),
        ("POST", "/healthz", None, {}, 405, "invalid_argument"),
        ("GET", BASE + "/artifacts", None, {"Authorization": ""}, 401, "unauthorized"),
        ("GET", BASE + "/artifacts?kinds=table", None, {}, 400, "unknown_option"),
        ("GET", BASE + "/artifacts?kind=a&kind=b", None, {}, 400, "invalid_argument"),
        ("GET", BASE + "/artifacts?kind=%ff", None, {}, 400, "invalid_argument"),
        ("GET", BASE + "/artifacts/%ff", None, {}, 400, "invalid_argument"),
        ("POST", BASE + "/search?text=x", {}, {}, 400, "invalid_argument"),
        ("POST", BASE + "/search", [1], {}, 400, "invalid_argument"),
        ("POST", BASE + "/search", {"text": 5}, {}, 400, "invalid_argument"),
        ("POST", BASE + "/search", {"texts": "x"}, {}, 400, "unknown_option"),
        ("POST", BASE + "/artifacts/points/rollback", {}, {}, 400, "invalid_argument"),
        ("POST", BASE + "/artifacts/points/rollback", {"name": "x", "version": 1}, {}, 400,
         "invalid_argument"),
        ("GET", BASE + "/jobs/none/events?after=x", None, {}, 400, "invalid_argument"),
        ("GET", BASE + "/artifacts", None, {"Lancenb-Timeout": "soon"}, 400, "invalid_argument"),
    ],
)  # fmt: skip
def test_all_errors_are_problems(
    site: Site, method: str, path: str, body: Any, headers: dict[str, str], status: int, code: str
):
    facts = site.problem(method, path, body, **headers)
    assert (facts["status"], facts["code"]) == (status, code)
    assert set(facts) == {
        "type", "title", "status", "detail", "code", "message", "hint", "details",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"text": NaN}', "application/json", 400),
        (b'{"where": 1e999}', "application/json", 400),
        (b'{"text": "\\ud800"}', "application/json", 400),
        (b'{"where": ' + b"[" * 5000 + b"]" * 5000 + b"}", "application/json", 400),
        (b'{"text": "x"}', "text/plain", 415),
        (b'{"text": "x"}', "", 415),
        (b'{"text": "' + b"x" * (1 << 20) + b'"}', "application/json", 413),
    ],
)
def test_what_is_no_json_is_refused(site: Site, body: bytes, kind: str, status: int):
    facts = site.problem("POST", BASE + "/search", body, Content_Type=kind)
    assert facts["status"] == status


def test_a_table_under_the_wrong_type_is_refused(site: Site):
    path = BASE + "/artifacts/wrong/rows?mode=create"
    facts = site.problem("POST", path, stream_of(ROWS), Content_Type="application/octet-stream")
    assert (facts["status"], facts["code"]) == (415, "unsupported_format")
    assert "wrong" not in [each.name for each in site.manager().list()]


def test_headers_of_errors_that_say_what_to_do(site: Site):
    status, headers, _ = site.ask("GET", BASE + "/artifacts", Authorization="Bearer nonsense")
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    status, headers, _ = site.ask("DELETE", BASE + "/artifacts/points")
    assert (status, headers["allow"]) == (405, "GET, PATCH")

    def busy(call: Call) -> Answer:
        raise e.Busy("too much", details={"retry_after": 6.2})

    with canned_site(busy) as other:
        status, headers, _ = other.ask("GET", BASE + "/about")
        assert (status, headers["retry-after"]) == (429, "7")


def test_the_request_id_comes_back(site: Site):
    for path in (BASE + "/about", "/healthz", "/nothing", BASE + "/artifacts/none"):
        assert site.ask("GET", path, X_Request_Id="abc-123")[1]["x-request-id"] == "abc-123"
        made = site.ask("GET", path, X_Request_Id="no good!")[1]["x-request-id"]
        assert len(made) == 16


def test_nothing_of_an_unforeseen_failure_is_told():
    def fail(call: Call) -> Answer:
        raise RuntimeError("secret of the house")

    with canned_site(fail) as site:
        status, _, data = site.ask("GET", BASE + "/about", X_Request_Id="abc")
        assert status == 500
        assert b"secret" not in data
        assert b"abc" in data
        assert json.loads(data)["code"] == "server_error"


def test_foreign_hosts_and_pages_are_refused(site: Site):
    for path in (BASE + "/about", "/openapi.json", "/metrics"):
        assert site.problem("GET", path, Host="evil.example")["status"] == 403
        assert site.problem("GET", path, Origin="https://evil.example")["status"] == 403
    assert site.ask("GET", "/healthz", Host="10.1.2.3")[0] == 200
    own = site.ask("GET", BASE + "/about", Origin=site.url)
    assert own[0] == 200
    assert not [name for name in own[1] if name.startswith("access-control")]


def test_etags_guard_entries(site: Site):
    path = BASE + "/artifacts/second"
    status, headers, data = site.ask("GET", path)
    etag = headers["etag"]
    assert status == 200
    assert site.ask("GET", path, If_None_Match=etag)[0] == 304
    assert site.ask("GET", path, If_None_Match='"other"')[2] == data
    assert site.problem("GET", path, If_Match='"other"')["code"] == "precondition_failed"
    status, headers, _ = site.ask("PATCH", path, {"description": "new"}, If_Match=etag)
    assert status == 200
    assert headers["etag"] != etag
    facts = site.problem("PATCH", path, {"description": "newer"}, If_Match=etag)
    assert (facts["status"], facts["code"]) == (412, "precondition_failed")
    assert site.manager().get("second").description == "new"
    assert site.ask("GET", path, If_None_Match=etag)[0] == 200


def test_a_key_makes_a_write_happen_once(site: Site):
    path = BASE + "/artifacts/third/upsert?key=id&message="
    rows = stream_of(pa.table({"id": [9], "x": [1.0]}))
    answers = [
        site.ask("POST", path, rows, Content_Type=ARROW, Idempotency_Key="k1") for _ in range(3)
    ]
    assert {answer[0] for answer in answers} == {200}
    assert len({answer[2] for answer in answers}) == 1
    assert len(site.manager().versions("third")) == 2


def test_arguments_in_the_address(site: Site):
    """Text stands as it is, everything else as JSON; a tag need not be quoted."""
    rows = stream_of(ROWS)
    kind = {"Content_Type": ARROW}
    path = BASE + '/artifacts/asked/rows?mode=create&description=5&tags=["a","b"]&metadata={"n":1}'
    assert site.ask("POST", path, rows, **kind)[0] == 200
    made = site.manager().get("asked")
    assert (made.description, sorted(made.tags), made.metadata["n"]) == ("5", ["a", "b"], 1)
    for key in ("id", '"id"', '["id"]'):
        assert site.ask("POST", BASE + f"/artifacts/asked/upsert?key={key}", rows, **kind)[0] == 200
    facts = site.problem("POST", BASE + "/artifacts/asked/upsert?key=id&create=1", rows, **kind)
    assert facts["details"] == {"argument": "create"}


def test_a_read_streams_arrow(site: Site):
    status, headers, data = site.ask("POST", BASE + "/artifacts/points/read", {"limit": 2})
    assert (status, headers["content-type"]) == (200, ARROW)
    assert json.loads(base64.b64decode(headers["lancenb-value"])) is None
    assert pa.ipc.open_stream(data).read_all().num_rows == 2
    facts = site.problem("POST", BASE + "/artifacts/points/read", {"where": "nonsense ="})
    assert facts["code"] == "invalid_filter"


def test_lists_come_in_pages(site: Site):
    everything = [each.name for each in site.manager().list(kind="table")]
    seen: list[str] = []
    path = "?kind=table&limit=2"
    while True:
        status, headers, data = site.ask("GET", BASE + "/artifacts" + path)
        assert status == 200
        names = [item["name"] for item in json.loads(data)["items"]]
        assert 1 <= len(names) <= 2
        seen += names
        if "lancenb-next" not in headers:
            break
        link = headers["link"]
        assert link.endswith('>; rel="next"')
        assert headers["lancenb-next"] in link.replace("%3D", "=")
        path = link[1:].partition(">")[0].partition("/artifacts")[2]
        assert path.startswith("?kind=table&")
    assert seen == everything
    assert len(seen) > 2
    status, headers, data = site.ask("POST", BASE + "/search?limit=1", {"kind": "table"})
    assert (status, len(json.loads(data)["items"])) == (200, 1)
    assert headers["lancenb-next"]
    for wrong in ("limit=0", "limit=x", "limit=10001", "limit=-1", "page_token=x", "page_token="):
        assert site.problem("GET", BASE + "/artifacts?" + wrong)["status"] == 400


def test_a_page_goes_on_after_its_last_name(site: Site):
    """What is registered between two pages makes nothing appear twice, and nothing vanish."""
    first = site.ask("GET", BASE + "/artifacts?limit=3")
    names = [item["name"] for item in json.loads(first[2])["items"]]
    site.manager().convert(ROWS, "aaaa")
    rest = site.ask("GET", BASE + f"/artifacts?page_token={first[1]['lancenb-next']}")
    names += [item["name"] for item in json.loads(rest[2])["items"]]
    assert ["aaaa", *names] == [each.name for each in site.manager().list()]


def test_the_client_asks_for_all_pages(monkeypatch: pytest.MonkeyPatch, site: Site):
    from lancenb.remote import _http_pages

    everything = [each.name for each in site.dispatcher.house.manager.list()]
    monkeypatch.setattr(_http_pages, "PAGE", 2)
    found = site.manager().list()
    assert [each.name for each in found] == everything
    assert [each.name for each in site.manager().search(kind="table")] != []
    assert len(site.manager().search()) == len(everything)


def test_health_readiness_metrics(site: Site):
    assert json.loads(site.ask("GET", "/healthz", Authorization="")[2]) == {"status": "ok"}
    assert json.loads(site.ask("GET", "/readyz", Authorization="")[2]) == {"status": "ready"}
    assert site.problem("GET", "/metrics", Authorization="")["status"] == 401
    status, _, text = site.ask("GET", "/metrics")
    assert (status, b"lancenb" in text) == (200, True)


def test_readiness_is_about_the_registry():
    def unreachable() -> None:
        raise e.StoreUnreachable("no answer")

    with canned_site(lambda call: Answer()) as site:
        site.dispatcher.house.manager.list = unreachable
        status, _, data = site.ask("GET", "/readyz")
        assert (status, json.loads(data)["code"]) == (503, "store_unreachable")
        assert site.ask("GET", "/healthz")[0] == 200
    with canned_site(lambda call: Answer()) as site:
        site.dispatcher.house.closing = True
        assert site.ask("GET", "/readyz")[0] == 503


def test_documentation_pages():
    with canned_site(lambda call: Answer(), docs=True) as site:
        status, _, page = site.ask("GET", "/docs", Authorization="")
        assert status == 200
        assert b"://" not in page
        assert b"/lnb/v1/artifacts/{name}/read" in page
        assert json.loads(site.ask("GET", "/openapi.json", Authorization="")[2])["openapi"]
    with canned_site(lambda call: Answer()) as site:
        for path in ("/docs", "/redoc"):
            assert site.ask("GET", path)[0] == 404
