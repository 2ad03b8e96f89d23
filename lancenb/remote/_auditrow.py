"""One line of the audit log, made of a request: short, and without secrets."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from ._tokenfile import Principal
from ._wire import Call

if TYPE_CHECKING:
    import pyarrow as pa

MAX_DETAIL = 2000
_ITEMS = 40
_CHARS = 300
#: Longer than any secret that begins within the part that is kept.
_LOOK = 4000
_TOKEN = re.compile(r"lnb_[A-Za-z0-9_\-]{8,}")
FIELDS = (
    *("time", "request_id", "engine", "peer", "principal", "principal_name", "scope", "op"),
    *("artefact", "version_before", "version_after", "outcome", "key", "detail"),
)


def schema() -> pa.Schema:
    """Return the schema of the table."""
    import pyarrow as pa

    types: dict[str, Any] = dict.fromkeys(FIELDS, pa.string())
    types["time"] = pa.timestamp("us", "UTC")
    types["version_before"] = types["version_after"] = pa.int64()
    return pa.schema([(name, types[name]) for name in FIELDS])


def row(call: Call, principal: Principal | None, artefact: str, outcome: str) -> dict[str, Any]:
    """Return what is noted of a request, all but time and versions."""
    key = call.idempotency_key
    return {
        "request_id": short(call.request_id, 64),
        "engine": short(call.engine, 16),
        "peer": short(call.peer, 100),
        "principal": principal.id if principal else None,
        "principal_name": short(principal.name, 100) if principal else None,
        "scope": principal.scope if principal else None,
        "op": short(call.op, 64),
        "artefact": short(artefact, 200),
        "outcome": short(outcome, 64),
        # Only its hash: who knows a key could have the answer to somebody else's write.
        "key": hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16] if key else None,
        "detail": detail(call.args),
    }


def detail(args: Any) -> str:
    """Return the arguments of a request as JSON of at most 2 kB, without secrets or bulk.

    >>> detail({"name": "net", "options": {"token": "abc"}, "uri": "s3://me:pw@bucket/x"})
    '{"name": "net", "options": {"token": "***"}, "uri": "s3://***@bucket/x"}'
    """
    from lancenb.store import redact_facts

    budget = [_ITEMS]
    try:
        facts = _cut(redact_facts(_some(args, budget, 0)))
        text = json.dumps(facts, ensure_ascii=True, default=str)
    except (ValueError, RecursionError, TypeError):
        return '"unreadable"'
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 3] + "..."


def short(text: Any, most: int) -> str:
    """Return a text without secrets, cut where it is long."""
    from lancenb.store import redact

    clean = _TOKEN.sub("***", redact(str(text)[:_LOOK]))
    return clean.encode("utf-8", "replace").decode()[:most]


def _some(value: Any, budget: list[int], depth: int) -> Any:
    """Return as much of a value as is worth looking at."""
    budget[0] -= 1
    if isinstance(value, dict | list | tuple) and (depth > 5 or budget[0] <= 0):
        return f"... {len(value)} more"
    if isinstance(value, dict):
        return {
            str(key)[:_LOOK]: _some(item, budget, depth + 1)
            for key, item in list(value.items())[:_ITEMS]
        }
    if isinstance(value, list | tuple):
        kept = [_some(item, budget, depth + 1) for item in value[: max(1, min(_ITEMS, budget[0]))]]
        return kept if len(kept) == len(value) else [*kept, f"... {len(value) - len(kept)} more"]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return value[:_LOOK] if isinstance(value, str) else value


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {_cut(key): _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item) for item in value]
    if isinstance(value, str):
        text = _TOKEN.sub("***", value)
        return text if len(text) <= _CHARS else text[:_CHARS] + "..."
    return value
