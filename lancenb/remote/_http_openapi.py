"""The OpenAPI 3.1 document of the HTTP engine, written from the table of operations."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

import lancenb
from lancenb import errors as e
from lancenb.errors import LancenbError

from ._http_wire import (
    BASE,
    HEAD_VALUE,
    JSON,
    MOST,
    NEXT_PAGE,
    PAGE,
    SSE,
    is_text,
    media_type,
    paged,
    rest,
)
from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, JOB, Op
from ._ops import OPS
from ._schema import argument_schema, arguments_schema, result_schema
from ._typed import choices
from ._wire import ARROW, PROBLEM, http_status

_REF = "#/components/schemas/"
#: What every operation can answer.
_ALWAYS = (
    e.InvalidArgument, e.UnknownOption, e.Unauthorized, e.Forbidden, e.NotFound, e.TimedOut,
    e.RequestTooLarge, e.UnsupportedFormat, e.Busy, e.ServerError, e.StoreError, e.StoreUnreachable,
)  # fmt: skip
_PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457), in one sentence and with advice.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "the kind of error, for programs"},
        "message": {"type": "string"},
        "hint": {"type": "string"},
        "details": {"type": "object"},
    },
    "required": ["type", "title", "status", "detail", "code", "message", "hint", "details"],
}
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "its number, to go on after"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": JSON},
    },
    "required": ["event", "data"],
}
_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for op in OPS.values():
        paths.setdefault(BASE + op.path, {})[op.method.lower()] = _operation(op, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lancenb", "version": lancenb.__version__,
            "description": "A catalogue of versioned Lance tables.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": {**paths, **_others()},
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def _operation(op: Op, schemas: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "operationId": op.name,
        "summary": op.doc.split("\n", 1)[0],
        "tags": [op.path.split("/")[1]],
        "x-scope": op.scope,
        "x-shape": op.shape,
        "parameters": _parameters(op),
        "responses": {"200": _success(op, schemas), **_failures(op)},
    }
    body = _body(op)
    return {**shown, "requestBody": body} if body else shown


def _parameters(op: Op) -> list[dict[str, Any]]:
    example = dict(op.example)
    found = []
    for name in op.path_params:
        shown = {"name": name, "in": "path", "required": True}
        found.append(shown | {"schema": {"type": "string"}} | _example(example, name))
    if op.in_query:
        listed = arguments_schema(op, rest(op, op.params))
        for name, schema in listed["properties"].items():
            shown = {"name": name, "in": "query", "required": name in listed.get("required", ())}
            shown |= _in_query(op.hints[name], schema)
            place = shown["content"][JSON] if "content" in shown else shown
            place |= _example(example, name)
            found.append(shown)
    if paged(op):
        size = {"type": "integer", "minimum": 1, "maximum": MOST, "default": PAGE}
        found.append({"name": "limit", "in": "query", "schema": size})
        found.append({"name": "page_token", "in": "query", "schema": {"type": "string"}})
    text: dict[str, Any] = {"type": "string"}
    if op.shape == EVENTS and "after" in op.params:
        number = {"type": "integer"}
        found.append({"name": "Last-Event-ID", "in": "header", "schema": number})
    if op.writes:
        key = {"type": "string", "pattern": "^[!-~]([ -~]{0,198}[!-~])?$"}
        found.append({"name": "Idempotency-Key", "in": "header", "schema": key})
        if op.targets:
            found.append({"name": "If-Match", "in": "header", "schema": text})
    return found


def _example(example: dict[str, Any], name: str) -> dict[str, Any]:
    return {"example": example[name]} if name in example else {}


def _in_query(hint: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe an argument in the query: text as it is, everything else as JSON."""
    members = [choice for choice in choices(hint) if choice is not type(None)]
    if is_text(hint):
        default = {"default": schema["default"]} if schema.get("default") is not None else {}
        return {"schema": {"type": "string", **default}}
    if len(members) == 1 and members[0] in (int, bool, float):
        return {"schema": {**argument_schema(members[0]), **_default(schema)}}
    return {"content": {JSON: {"schema": schema}}}


def _default(schema: dict[str, Any]) -> dict[str, Any]:
    return {"default": schema["default"]} if schema.get("default") is not None else {}


def _body(op: Op) -> dict[str, Any] | None:
    if op.shape in (ARROW_IN, BYTES_IN):
        return {"required": True, "content": {media_type(op): {"schema": _BINARY}}}
    names = list(rest(op, op.params))
    if op.in_query or not names:
        return None
    schema = arguments_schema(op, names)
    shown = {"schema": schema} | _example({"e": rest(op, dict(op.example))}, "e")
    if op.example:
        shown["example"] = shown.pop("example")
    else:
        shown.pop("example", None)
    return {"required": bool(schema.get("required")), "content": {JSON: shown}}


def _success(op: Op, schemas: dict[str, Any]) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"schema": {"type": "string"}}}
    if op.shape == ARROW_OUT:
        headers[HEAD_VALUE] = {
            "description": "what is known before the stream: base64 of JSON, joined where repeated",
            "schema": {"type": "string"},
        }
        return {"description": "an Arrow IPC stream", "headers": headers,
                "content": {ARROW: {"schema": _BINARY}}}  # fmt: skip
    if op.shape == EVENTS:
        return {"description": "numbered events", "headers": headers,
                "content": {SSE: {"schema": _EVENT}}}  # fmt: skip
    hint, said = op.result, "the result"
    if op.shape == JOB:
        from ._models import JobFacts

        hint, said = JobFacts, "the job; its events bring the result"
        result_schema(op.result, schemas, _REF)
    if getattr(hint, "__name__", "") == "Artifact":
        headers["ETag"] = {"schema": {"type": "string"}}
    if paged(op):
        headers[NEXT_PAGE] = {
            "description": "page_token of the next page", "schema": {"type": "string"},
        }  # fmt: skip
        headers["Link"] = {"schema": {"type": "string"}}
    schema = result_schema(hint, schemas, _REF)
    shown = {"description": said, "headers": headers, "content": {JSON: {"schema": schema}}}
    links = _links(op)
    return {**shown, "links": links} if links else shown


def _links(op: Op) -> dict[str, Any]:
    """Say where the answer leads: to what is asked about the first of a list, or about a job."""
    if paged(op):
        where, given = "$response.body#/items/0/name", "name"
    elif op.shape == JOB:
        where, given = "$response.body#/job", "job"
    else:
        return {}
    return {
        each.name: {"operationId": each.name, "parameters": {given: where}}
        for each in OPS.values()
        if each.path_params == (given,) and (each.method == "GET" or given == "job")
    }


def _failures(op: Op) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    more: Iterable[type[LancenbError]] = ()
    if op.writes:
        more = (e.Conflict, e.PreconditionFailed)
    for cls in dict.fromkeys((*op.errors, *_ALWAYS, *more)):
        by_status.setdefault(_status(cls), []).append(cls.code)
    return {str(status): _problem(codes) for status, codes in sorted(by_status.items())}


def _status(cls: type[LancenbError]) -> int:
    return http_status(cls(""))


def _problem(codes: list[str]) -> dict[str, Any]:
    schema = {"$ref": _REF + "Problem"}
    shown: dict[str, Any] = {
        "description": ", ".join(codes), "content": {PROBLEM: {"schema": schema}},
    }  # fmt: skip
    if codes[0] == "busy":
        shown["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    if codes[0] == "unauthorized":
        shown["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return shown


def _others() -> dict[str, Any]:
    """Describe what is no operation."""
    state = {
        "type": "object", "required": ["status"],
        "properties": {"status": {"type": "string"}, "code": {"type": "string"}},
    }  # fmt: skip
    good = {"description": "yes", "content": {JSON: {"schema": state}}}
    return {
        "/healthz": {"get": {
            "operationId": "healthz", "summary": "Whether the server runs.", "security": [],
            "tags": ["server"], "responses": {"200": good},
        }},
        "/readyz": {"get": {
            "operationId": "readyz", "summary": "Whether the catalogue can be read.",
            "security": [], "tags": ["server"],
            "responses": {"200": good, "503": {**good, "description": "no"}},
        }},
        "/metrics": {"get": {
            "operationId": "metrics", "summary": "What was counted, for Prometheus.",
            "tags": ["server"], "x-scope": "read",
            "responses": {
                "200": {"description": "counters",
                        "content": {"text/plain": {"schema": {"type": "string"}}}},
                "401": _problem(["unauthorized"]), "403": _problem(["forbidden"]),
            },
        }},
    }  # fmt: skip


def listing() -> str:
    """Return a page that lists the operations, without any file from elsewhere."""
    rows = "".join(
        f"<tr><td><code>{op.method} {html.escape(BASE + op.path)}</code></td>"
        f"<td>{html.escape(op.doc)}</td><td>{op.scope}</td></tr>"
        for op in OPS.values()
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>lancenb</title>"
        "<body style='font-family:sans-serif'><h1>lancenb</h1>"
        "<p><a href='/openapi.json'>openapi.json</a> describes arguments and results.</p>"
        "<table><tr><th>Address<th>What it does<th>Scope</tr>"
        f"{rows}</table></body></html>"
    )
