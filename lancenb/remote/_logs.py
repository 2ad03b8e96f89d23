"""One line of JSON per request, for machines to read: no arguments, no headers, no tokens."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

from ._auditrow import short
from ._tokenfile import Principal
from ._wire import Call

LOGGER = "lancenb.server"
_log = logging.getLogger(LOGGER)


class JsonLines(logging.Formatter):
    """Formats every record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        known = getattr(record, "facts", None)
        if isinstance(known, dict):
            facts |= known
        else:
            facts["message"] = short(record.getMessage(), 4000)
        if record.exc_info and record.exc_info[1] is not None:
            facts["exception"] = trace_of(record.exc_info[1])
        return json.dumps(facts, ensure_ascii=True, default=str)


def setup_logs(level: int | str = "INFO", stream: TextIO | None = None) -> logging.Handler:
    """Send the server's log to ``stream`` (standard error by default) as lines of JSON.

    Returns:
        The handler, for ``logging.getLogger(LOGGER).removeHandler``.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonLines())
    _log.addHandler(handler)
    _log.setLevel(level if isinstance(level, int) else level.upper())
    _log.propagate = False  # otherwise every line comes twice where the root logger prints, too
    return handler


def log_call(
    call: Call,
    principal: Principal | None,
    *,
    name: str = "",
    status: int | str = 200,
    code: str = "ok",
    seconds: float = 0.0,
    bytes_in: int = 0,
    bytes_out: int = 0,
    error: BaseException | None = None,
) -> None:
    """Log one request; with ``error`` also where it came from."""
    level = logging.ERROR if error is not None else logging.INFO
    if not _log.isEnabledFor(level):
        return
    facts: dict[str, Any] = {
        "request_id": short(call.request_id, 64),
        "engine": short(call.engine, 16),
        "peer": short(call.peer, 100),
        "principal": principal.id if principal is not None else None,
        "op": short(call.op, 64),
        "name": short(name, 200),
        "status": status,
        "code": code,
        "ms": round(1000 * seconds, 2),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
    }
    if error is not None:
        facts["exception"] = trace_of(error)
    # The text is for whoever set up a log of another form.
    text = "%(engine)s %(op)s %(name)s %(code)s %(ms)s ms"
    _log.log(level, text, facts, extra={"facts": facts})


def trace_of(error: BaseException) -> list[str]:
    """Return the traceback of an error without secrets, its last lines if it is long."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return [short(line, 400) for line in lines[-60:]]
