"""Writes ``lancenb.proto`` from the table of operations.

The numbers of fields are a promise to programs out there, so they are kept in a file beside the
generated code, by message and declaration: a field keeps its number for good, a new one (also one
of another type) gets the next free number of its message, and that of a removed one stays reserved.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from ._grpc_slots import (
    EXTRA,
    PACKAGE,
    Slot,
    camel,
    record_slots,
    records,
    request_slots,
    response_slots,
)
from ._op import ARROW_IN, ARROW_OUT, BYTES_IN, EVENTS, JOB, Op

Numbers = dict[str, dict[str, int]]

#: Numbers of what streams are framed with; they never change (the engine writes them itself).
HEAD, PIECE, END = 1, 2, 3

_HEADER = f"""\
// The catalogue of lancenb over gRPC. Generated from the table of operations by
//   python -m lancenb.remote._grpc_make
// Do not edit.
//
// Metadata of a call: `authorization: Bearer TOKEN` (or `x-api-key`), and where wanted
// `lancenb-request-id`, `lancenb-idempotency-key` (a write with a key is done once), and
// `lancenb-if-match` (the `lancenb-etag` that came with an earlier answer).
//
// An error has, besides its status, the trailing metadata `lancenb-error-bin`: a JSON object with
// `code`, `message`, `hint` and `details`, the same over every engine.
//
// Fields named `x_json` hold JSON text. In it, what JSON lacks is an object with one key that
// begins with `$`, such as {{"$bytes": "AAE="}} or {{"$datetime": "2024-01-31T12:00:00+00:00"}}.
// Times are ISO 8601 text, spans of time are seconds, schemas are Arrow IPC schema messages.
// `{EXTRA}` holds, as an object by name, values that do not have the form of their field; leave
// it out.

syntax = "proto3";

package {PACKAGE};
"""

_EVENT = """\
// One event. Events without `seq` only say that the connection is alive.
message Event {
  optional int64 seq = 1;
  string event = 2;
  optional string data_json = 3;
}
"""


def _comment(text: str, indent: str = "") -> str:
    lines = textwrap.wrap(" ".join(text.split()), 96 - len(indent))
    return "".join(f"{indent}// {line}\n" for line in lines)


def _about(op: Op) -> str:
    """Return what the documentation says of an operation."""
    text = f"{op.doc} Scope: {op.scope}."
    if op.shape == JOB:
        text += " The work goes on in the server: follow it with JobEvents."
    if op.shape in (ARROW_IN, BYTES_IN):
        what = "an Arrow IPC stream" if op.shape == ARROW_IN else "a tar stream"
        text += (
            f" The request first, then {what} in pieces of about 1 MiB, then `end`; a stream that"
            " stops without `end` changes nothing."
        )
    if op.errors:
        text += " Errors: " + ", ".join(sorted({error.code for error in op.errors})) + "."
    return text


def _rpc(op: Op) -> str:
    name = camel(op.name)
    asked = f"stream {name}Piece" if op.shape in (ARROW_IN, BYTES_IN) else f"{name}Request"
    answered = f"{name}Response"
    if op.shape == ARROW_OUT:
        answered = f"stream {name}Piece"
    elif op.shape == EVENTS:
        answered = "stream Event"
    return f"{_comment(_about(op), '  ')}  rpc {name}({asked}) returns ({answered});\n"


def _field(slot: Slot) -> str:
    if slot.many:
        return (
            f"optional {slot.box} {slot.field}"
            if slot.boxed
            else f"repeated {slot.type} {slot.field}"
        )
    return f"optional {slot.type} {slot.field}"


def _message(name: str, fields: list[str], numbers: Numbers) -> str:
    known = numbers.setdefault(name, {})
    body = ""
    for field in fields:
        number = known.setdefault(field, max(known.values(), default=0) + 1)
        body += f"  {field} = {number};\n"
    gone = [known[field] for field in known if field not in fields]
    body += "".join(f"  reserved {number};\n" for number in sorted(gone))
    return f"message {name} {{\n{body}}}\n" if body else f"message {name} {{}}\n"


def _framed(op: Op) -> str:
    """Return the message that a stream of an operation is made of."""
    name = camel(op.name)
    if op.shape == ARROW_OUT:
        inner = f"    {name}Response head = {HEAD};\n    bytes arrow = {PIECE};\n"
    else:
        inner = f"    {name}Request request = {HEAD};\n    bytes piece = {PIECE};\n"
        inner += f"    bool end = {END};\n"
    return f"message {name}Piece {{\n  oneof content {{\n{inner}  }}\n}}\n"


def _boxes(slots: Iterable[Slot]) -> dict[str, str]:
    return {slot.box: slot.type for slot in slots if slot.boxed}


def write(ops: Iterable[Op], numbers: Numbers) -> str:
    """Return the text of the proto; ``numbers`` gets the numbers of new fields.

    Args:
        ops: the table of operations.
        numbers: the numbers of all fields there ever were, by message and field.
    """
    ops = list(ops)
    extra = f"optional string {EXTRA}"
    service = "\n".join(_rpc(op) for op in ops)
    parts = [f"service Catalog {{\n{service}}}\n", _EVENT]
    boxes: dict[str, str] = {}
    for op in ops:
        asked = request_slots(op)
        boxes |= _boxes((*asked, *response_slots(op)))
        parts.append(_message(f"{camel(op.name)}Request", [*map(_field, asked), extra], numbers))
        if op.shape != EVENTS:
            answered = [*map(_field, response_slots(op)), extra]
            parts.append(_message(f"{camel(op.name)}Response", answered, numbers))
        if op.shape in (ARROW_OUT, ARROW_IN, BYTES_IN):
            parts.append(_framed(op))
    for record in records(ops):
        slots = record_slots(record)
        boxes |= _boxes(slots)
        about = (record.__doc__ or "").strip().split("\n\n")[0]
        parts.append(_comment(about) + _message(record.__name__, list(map(_field, slots)), numbers))
    for name, kind in sorted(boxes.items()):
        parts.append(_message(name, [f"repeated {kind} items"], numbers))
    return "\n".join([_HEADER, *parts])
