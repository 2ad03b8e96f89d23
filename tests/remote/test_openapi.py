"""The OpenAPI document: valid, complete, and true, as schemathesis finds out by trying."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from lancenb import DataManager
from lancenb.remote._http_openapi import document
from lancenb.remote._http_wire import BASE
from lancenb.remote._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS
from lancenb.remote._ops import OPS

from .http_parts import TOKEN, Site, real_site


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return json.loads(json.dumps(document()))


def test_every_operation_is_described(described: dict[str, Any]):
    assert described["openapi"].startswith("3.1")
    for op in OPS.values():
        shown = described["paths"][BASE + op.path][op.method.lower()]
        assert shown["operationId"] == op.name
        assert (shown["x-scope"], shown["x-shape"]) == (op.scope, op.shape)
        assert shown["summary"]
        named = {each["name"] for each in shown["parameters"]}
        body = shown.get("requestBody", {"content": {}})["content"]
        for content in body.values():
            named |= set(content["schema"].get("properties", ()))
        assert set(op.params) <= named
        media = {
            ARROW_OUT: "application/vnd.apache.arrow.stream", EVENTS: "text/event-stream",
        }.get(op.shape, "application/json")  # fmt: skip
        assert list(shown["responses"]["200"]["content"]) == [media]
        if op.shape in (ARROW_IN, BYTES_IN):
            assert "application/json" not in body
        for status, answer in shown["responses"].items():
            if status != "200":
                assert list(answer["content"]) == ["application/problem+json"]
        told = " ".join(each["description"] for each in shown["responses"].values())
        for error in op.errors:
            assert error.code in told
        assert {"400", "401", "403", "429"} <= set(shown["responses"])


def test_references_lead_somewhere(described: dict[str, Any]):
    text = json.dumps(described)
    known = described["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in known
    for schema in known.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_examples_fit(described: dict[str, Any]):
    for op in OPS.values():
        shown = described["paths"][BASE + op.path][op.method.lower()]
        for content in shown.get("requestBody", {"content": {}})["content"].values():
            if "example" in content:
                jsonschema.validate(content["example"], content["schema"])
        for each in shown["parameters"]:
            if "example" in each:
                schema = each.get("schema") or each["content"]["application/json"]["schema"]
                jsonschema.validate(each["example"], schema)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    manager = DataManager(tmp_path_factory.mktemp("root"))
    rows = pa.table({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5]})
    for name in ("points", "resnet18", "old-set", "net"):
        manager.convert(rows, name)
        manager.upsert(name, {"id": 2, "x": 9.0}, key="id")
    with real_site(manager) as made:
        yield made


def test_results_are_as_described(site: Site, described: dict[str, Any]):
    """Examples are tried as they stand; what comes back has the form that was promised."""
    tried = 0
    for op in OPS.values():
        if op.shape in (ARROW_IN, BYTES_IN, ARROW_OUT, EVENTS) or not op.example:
            continue
        path, args = BASE + op.path, dict(op.example)
        for name in op.path_params:
            path = path.replace("{" + name + "}", str(args.pop(name)))
        if op.in_query:
            status, _, data = site.ask(op.method, path)
        else:
            status, _, data = site.ask(op.method, path, args)
        shown = described["paths"][BASE + op.path][op.method.lower()]["responses"]
        (content,) = shown[str(status)]["content"].values()
        schema = {**content["schema"], "components": described["components"]}
        jsonschema.validate(json.loads(data), schema)
        tried += status == 200
    assert tried > 12


HOOKS = """
import io, tarfile
import pyarrow as pa, schemathesis

@schemathesis.serializer("application/vnd.apache.arrow.stream")
def arrow(ctx, value):
    if not isinstance(value, (str, bytes)):
        return repr(value).encode()
    sink = pa.BufferOutputStream()
    rows = pa.table({"id": [1, 2], "x": [0.5, 1.5]})
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()

@schemathesis.serializer("application/x-tar")
def tar(ctx, value):
    if not isinstance(value, (str, bytes)):
        return repr(value).encode()
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        member = tarfile.TarInfo("0/a.csv")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"a\\n1\\n"))
    return sink.getvalue()
"""
#: A schema cannot say what is in a catalogue: that a version is the head already, or a column text.
#: Such requests are of the right form and still refused, as 400 or 422.
CONFIG = """
hooks = "hooks.py"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "412", "422", "428", "429"]
"""


def fuzz(site: Site, folder: Path, *options: str) -> str:
    """Run schemathesis with all its checks against a server; it has to find nothing."""
    settings = folder / "schemathesis.toml"
    settings.write_text(CONFIG)
    (folder / "hooks.py").write_text(HOOKS)
    # Streams of what is written do not end by themselves.
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run",
            site.url + "/openapi.json", "--checks", "all", "--no-color", "--continue-on-failure",
            "--generation-deterministic", "--request-timeout", "120",
            "--exclude-operation-id", "watch", "--header", f"Authorization: Bearer {TOKEN}",
            *options,
        ],
        cwd=folder, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-30000:] + done.stderr[-2000:]
    assert "Tested: " in done.stdout
    return done.stdout


def test_schemathesis_finds_nothing(site: Site, tmp_path: Path):
    """All checks on examples and on the edges of every schema."""
    fuzz(site, tmp_path, "--phases", "examples,coverage")


def test_schemathesis_finds_nothing_in_sequences(site: Site, tmp_path: Path):
    """All checks on chains of calls, each with what an answer before it said."""
    fuzz(site, tmp_path, "--phases", "stateful", "--max-examples", "3")


@pytest.mark.slow
def test_schemathesis_finds_nothing_in_long(site: Site, tmp_path: Path):
    fuzz(site, tmp_path, "--phases", "fuzzing,stateful", "--max-examples", "60")
