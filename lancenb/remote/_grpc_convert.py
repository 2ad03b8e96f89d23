"""JSON data as messages and back, for every operation alike, without a loss.

What does not have the form of its field (a text where a number belongs, a number beyond 64 bits,
an argument that nobody declared) goes into ``extra_json`` as it is: the server, not the engine,
says what is wrong with it, and says it as over every other engine.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any

from lancenb.errors import InvalidArgument, ServerError

from ._grpc_slots import EXTRA, Slot, camel, record_slots, request_slots, response_slots
from ._http_wire import loads
from ._op import Op

_TYPES = {"string": str, "int64": int, "bool": bool}


class _Misfit(ValueError):
    """A value does not have the form of its field."""


def text_of(data: Any) -> str:
    """Return JSON text; characters beyond ASCII are escaped, so that any string passes."""
    return json.dumps(data, separators=(",", ":"))


def message_class(name: str) -> Any:
    """Return a generated message class."""
    from ._pb import lancenb_pb2

    return getattr(lancenb_pb2, name)


# --- JSON data to messages


def _to_scalar(kind: str, data: Any) -> Any:
    if kind == "json":
        return text_of(data)
    if kind == "double":
        if isinstance(data, dict) and list(data) == ["$float"]:
            number = float(data["$float"])
            if repr(number) == data["$float"] and not math.isfinite(number):
                return number
        if type(data) is float and math.isfinite(data):
            return data
    elif kind == "bytes":
        if isinstance(data, str):
            raw = base64.b64decode(data, validate=True)
            if base64.b64encode(raw).decode() == data:
                return raw
    elif type(data) is _TYPES[kind]:
        return data
    raise _Misfit


def _to_item(slot: Slot, data: Any, into: Any) -> None:
    """Fill a record that was just added."""
    slots = record_slots(slot.record)
    if not isinstance(data, dict) or list(data) != [each.name for each in slots]:
        raise _Misfit
    for each in slots:
        _put(each, data[each.name], into)


def _put(slot: Slot, data: Any, message: Any) -> None:
    if data is None and slot.kind != "json":
        if not slot.nullable:
            raise _Misfit
    elif slot.many:
        if not isinstance(data, list):
            raise _Misfit
        field = getattr(message, slot.field)
        if slot.boxed:
            field.SetInParent()
            field = field.items
        for item in data:
            if slot.record is not None:
                _to_item(slot, item, field.add())
            else:
                field.append(_to_scalar(slot.kind, item))
    elif slot.record is not None:
        field = getattr(message, slot.field)
        field.SetInParent()
        _to_item(slot, data, field)
    else:
        setattr(message, slot.field, _to_scalar(slot.kind, data))


def fill(slots: Iterable[Slot], data: dict[str, Any], message: Any, *, null: bool) -> Any:
    """Put JSON data into a message.

    Args:
        slots: the fields.
        data: the values by name.
        message: an empty message.
        null: whether a null may be left out; where leaving out means the default, it may not.
    """
    known = {each.name: each for each in slots}
    extra: dict[str, Any] = {}
    for name, value in data.items():
        slot = known.get(name)
        if slot is None or (value is None and slot.kind != "json" and not null):
            extra[name] = value
            continue
        try:
            _put(slot, value, message)
        except (ValueError, TypeError, OverflowError):
            message.ClearField(slot.field)
            extra[name] = value
    if extra:
        setattr(message, EXTRA, text_of(extra))
    return message


# --- messages to JSON data


def _from_text(text: str, strict: bool) -> Any:
    """Return JSON data; what clients send is read as strictly as over HTTP."""
    return loads(text, len(text)) if strict else json.loads(text)


def _from_scalar(slot: Slot, value: Any, strict: bool) -> Any:
    if slot.kind == "json":
        return _from_text(value, strict)
    if slot.kind == "bytes":
        return base64.b64encode(value).decode()
    if slot.kind == "double" and not math.isfinite(value):
        return {"$float": repr(value)}
    return value


def _take(slot: Slot, message: Any, strict: bool) -> Any:
    value = getattr(message, slot.field)
    if slot.many:
        items = value.items if slot.boxed else value
        if slot.record is not None:
            return [read(record_slots(slot.record), item, null=True) for item in items]
        return [_from_scalar(slot, item, strict) for item in items]
    if slot.record is not None:
        return read(record_slots(slot.record), value, null=True)
    return _from_scalar(slot, value, strict)


def read(slots: Iterable[Slot], message: Any, *, null: bool) -> dict[str, Any]:
    """Return what :func:`fill` put into a message (with ``null`` false, a client did)."""
    data: dict[str, Any] = {}
    for slot in slots:
        if (slot.many and not slot.boxed) or message.HasField(slot.field):
            data[slot.name] = _take(slot, message, not null)
        elif null and slot.nullable:
            data[slot.name] = None
    return data


def _with_extra(data: dict[str, Any], message: Any, *, strict: bool) -> dict[str, Any]:
    if not message.HasField(EXTRA):
        return data
    extra = _from_text(getattr(message, EXTRA), strict)
    if not isinstance(extra, dict):
        raise InvalidArgument(f"{EXTRA} does not hold an object", details={"argument": EXTRA})
    return {**data, **extra}


# --- requests and responses


def request_bytes(op: Op, args: dict[str, Any]) -> bytes:
    """Return the request of an operation."""
    message = message_class(f"{camel(op.name)}Request")()
    return fill(request_slots(op), args, message, null=False).SerializeToString()


def request_args(op: Op, raw: bytes) -> dict[str, Any]:
    """Return the arguments in a request.

    Raises:
        InvalidArgument: it is not such a request.
    """
    from google.protobuf.unknown_fields import UnknownFieldSet

    name = f"{camel(op.name)}Request"
    try:
        message = message_class(name).FromString(raw)
    except Exception:
        raise InvalidArgument(f"what came is not a {name} message") from None
    if len(UnknownFieldSet(message)):
        # Leaving out what is not understood could turn a dry run into a deletion.
        raise InvalidArgument(
            f"the {name} message has fields that this server does not know",
            hint="use a client of the server's version of lancenb",
        )
    return _with_extra(read(request_slots(op), message, null=False), message, strict=True)


def response_bytes(op: Op, value: Any) -> bytes:
    """Return the response of an operation."""
    message = message_class(f"{camel(op.name)}Response")()
    slots = response_slots(op)
    data = {} if value is None and not slots else {"value": value}
    return fill(slots, data, message, null=True).SerializeToString()


def response_value(op: Op, raw: Any) -> Any:
    """Return the result in a response.

    Raises:
        ServerError: it is not such a response.
    """
    name = f"{camel(op.name)}Response"
    try:
        message = message_class(name).FromString(bytes(raw))
        data = read(response_slots(op), message, null=True)
        return _with_extra(data, message, strict=False).get("value")
    except Exception:
        raise ServerError(
            f"what came from the server is not a {name} message",
            hint="use a client of the server's version of lancenb",
        ) from None


def event_bytes(event: dict[str, Any]) -> bytes:
    """Return the message of an event."""
    message = message_class("Event")(event=event.get("event", ""))
    if event.get("seq") is not None:
        message.seq = event["seq"]
    if event.get("data") is not None:
        message.data_json = text_of(event["data"])
    return message.SerializeToString()


def event_from(raw: bytes) -> dict[str, Any]:
    """Return the event of a message."""
    message = message_class("Event").FromString(raw)
    event: dict[str, Any] = {"event": message.event}
    if message.HasField("seq"):
        event = {"seq": message.seq, **event}
    if message.HasField("data_json"):
        event["data"] = json.loads(message.data_json)
    return event
