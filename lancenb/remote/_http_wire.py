"""How a call looks in HTTP: addresses, query, headers, JSON; the same for server and client."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlencode

from lancenb.errors import InvalidArgument

from ._op import ARROW_IN, BYTES_IN, Op
from ._typed import argument, choices, wire_type
from ._wire import ARROW, PROBLEM, error_dict, http_status

BASE = "/lnb/v1"
JSON = "application/json"
TAR = "application/x-tar"
SSE = "text/event-stream"
HEAD_VALUE = "Lancenb-Value"
NEXT_PAGE = "Lancenb-Next"
TIMEOUT = "Lancenb-Timeout"
#: The event with which a stream of events ends when the server failed in the middle of it.
FAILED = "lancenb-error"
#: Entries of a page when the client does not say, and at most.
PAGE, MOST = 1000, 10_000


def media_type(op: Op) -> str:
    """Return the type of the body that an operation takes."""
    return {ARROW_IN: ARROW, BYTES_IN: TAR}.get(op.shape, JSON)


def paged(op: Op) -> bool:
    """Whether an answer comes in pages."""
    return getattr(wire_type(op.result), "__name__", "") == "ArtifactList"


def is_text(hint: Any) -> bool:
    """Whether an argument is plain text, so that it stands in an address as it is."""
    return {choice for choice in choices(hint) if choice is not type(None)} == {str}


def segments(path: str) -> tuple[str, ...]:
    """Return the parts of a path below :data:`BASE`."""
    return tuple(path.lstrip("/").split("/"))


def unquoted(text: bytes | str) -> str:
    """Return a part of an address as text.

    Raises:
        InvalidArgument: it is not UTF-8.
    """
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise InvalidArgument("the address is not UTF-8") from None


def from_address(hint: Any, text: str, name: str) -> Any:
    """Return the JSON value of an argument that came in the address."""
    if is_text(hint):
        return text
    try:
        return loads(text)
    except InvalidArgument:
        if str in choices(hint):
            return text  # version=prod reads better than version=%22prod%22
        raise InvalidArgument(
            f"{name}={text!r:.60} is no JSON", details={"argument": name}
        ) from None


def target(op: Op, args: Mapping[str, Any], more: Mapping[str, str] | None = None) -> str:
    """Return the address of a call: its path, and what goes into the query."""
    path = op.path
    for name in op.path_params:
        text = argument(op.hints[name], args.get(name, ""), name)
        # A dot segment would be resolved on the way.
        part = quote(text, safe="", errors="surrogatepass").replace(".", "%2E")
        path = path.replace("{" + name + "}", part)
    query: dict[str, Any] = dict(more or {})
    if op.in_query:
        for name, value in rest(op, args).items():
            if value is None and name in op.params and op.params[name].default is None:
                continue
            text = name in op.params and is_text(op.hints[name])
            if text:
                argument(op.hints[name], value, name)
            query[name] = value if text else dumps(value).decode()
    encoded = urlencode(query, errors="surrogatepass")
    return BASE + path + ("?" + encoded if encoded else "")


def rest(op: Op, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are not part of the path."""
    return {name: value for name, value in args.items() if name not in op.path_params}


def dumps(data: Any) -> bytes:
    """Return JSON data as bytes."""
    return json.dumps(data, separators=(",", ":")).encode()


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.20} is too large")
    return number


def loads(raw: bytes | str, limit: int = 1 << 20) -> Any:
    """Return JSON data, strictly: no NaN, no infinities, no half characters, not too deep.

    Raises:
        InvalidArgument: it is no such JSON.
        RequestTooLarge: it is longer than ``limit``.
    """
    from ._limits import parse_json

    parse_json(raw, limit)
    try:
        return json.loads(raw, parse_constant=_no_constant, parse_float=_finite)
    except ValueError as error:
        raise InvalidArgument(f"the JSON cannot be read: {error!s:.120}") from None


def problem(error: BaseException, status: int | None = None) -> tuple[int, bytes, dict[str, str]]:
    """Return status, body and headers of the answer that tells an error."""
    facts = error_dict(error)
    status = status or http_status(error)
    body = {
        "type": f"urn:lancenb:error:{facts['code']}",
        "title": facts["code"].replace("_", " "),
        "status": status,
        "detail": facts["message"],
        **facts,
    }
    headers = {"content-type": PROBLEM}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 429:
        after = facts["details"].get("retry_after", 1)
        headers["retry-after"] = str(max(1, math.ceil(float(after))))
    return status, dumps(body), headers
