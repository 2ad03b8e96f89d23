"""JSON schema of declared types, by the rules with which arguments are checked and results written.

What :func:`~lancenb.remote._typed.fits` takes is what :func:`argument_schema` describes, and what
:func:`~lancenb.remote._typed.dump` writes is what :func:`result_schema` describes.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from ._op import Op
from ._typed import choices, fields_of, wire_type

#: What ``fits`` takes for a span of time, in seconds.
_SECONDS = {"type": "number", "minimum": 0, "maximum": 1e11}
_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 1 - (1 << 63), "maximum": (1 << 63) - 1},
    float: {"type": "number"},
    type(None): {"type": "null"},
}
#: JSON has no NaN and no infinities; results write them as an object.
_FLOAT = {
    "anyOf": [
        {"type": "number"},
        {
            "type": "object",
            "properties": {"$float": {"enum": ["nan", "inf", "-inf"]}},
            "required": ["$float"],
            "additionalProperties": False,
        },
    ]
}


def argument_schema(hint: Any) -> dict[str, Any]:
    """Return the schema of an argument of a type."""
    return _any_of([_argument(choice) for choice in choices(hint)])


def _argument(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if hint is timedelta:
        return {**_SECONDS, "description": "seconds"}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return {"type": "array", "items": argument_schema(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": argument_schema(inner[1])}
    return {}


def arguments_schema(op: Op, names: typing.Iterable[str]) -> dict[str, Any]:
    """Return the schema of the JSON object with these arguments of an operation."""
    properties: dict[str, Any] = {}
    required = []
    for name in names:
        param = op.params[name]
        properties[name] = argument_schema(op.hints[name])
        if param.default is inspect.Parameter.empty:
            required.append(name)
        elif (default := _shown(param.default)) is not None:
            properties[name] = {**properties[name], "default": default}
    schema: dict[str, Any] = {
        "type": "object", "properties": properties, "additionalProperties": False,
    }  # fmt: skip
    return {**schema, "required": required} if required else schema


def _shown(default: Any) -> Any:
    if isinstance(default, timedelta):
        return default.total_seconds()
    if isinstance(default, tuple):
        return list(default)
    try:
        json.dumps(default)
    except TypeError:
        return None
    return default


def result_schema(hint: Any, defs: dict[str, Any], ref: str = "#/$defs/") -> dict[str, Any]:
    """Return the schema of a result of a type.

    Args:
        hint: the type.
        defs: gets the schemas of the records it is made of.
        ref: where those will be found.
    """
    if hint is None:
        return {"type": "null"}
    hint = wire_type(hint)
    members = choices(hint)
    if len(members) > 1:
        return _any_of([result_schema(member, defs, ref) for member in members])
    if hint is float:
        return dict(_FLOAT)
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record(hint, defs, ref)
    if hint is datetime:
        return {"type": "string", "format": "date-time"}
    if hint is timedelta:
        return {"type": "number", "description": "seconds"}
    if hint is pa.Schema:
        return {
            "type": "string", "contentEncoding": "base64",
            "contentMediaType": "application/vnd.apache.arrow.stream",
            "description": "a serialised Arrow schema",
        }  # fmt: skip
    return _container(hint, defs, ref)


def _container(hint: Any, defs: dict[str, Any], ref: str) -> dict[str, Any]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is list or (origin is tuple and inner[-1] is Ellipsis):
        return {"type": "array", "items": result_schema(inner[0], defs, ref)}
    if origin is tuple:
        # Not prefixItems, which tools that check documents still trip over.
        items = [result_schema(each, defs, ref) for each in inner]
        kinds = _any_of([item for i, item in enumerate(items) if item not in items[:i]])
        return {"type": "array", "items": kinds, "minItems": len(items), "maxItems": len(items)}
    if origin is dict:
        values = result_schema(inner[1], defs, ref)
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    return {}


def _record(cls: type, defs: dict[str, Any], ref: str) -> dict[str, Any]:
    name = cls.__name__
    if name not in defs:
        defs[name] = {}  # a record may hold records of its own kind
        fields = fields_of(cls)
        about = (inspect.getdoc(cls) or "").split("\n", 1)[0]
        defs[name] = {
            "type": "object",
            "description": about,
            "properties": {key: result_schema(kind, defs, ref) for key, kind in fields.items()},
            "required": list(fields),
            "additionalProperties": False,
        }
    return {"$ref": ref + name}


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    if len(schemas) == 1:
        return schemas[0]
    if {} in schemas:
        return {}
    plain = [schema["type"] for schema in schemas if list(schema) == ["type"]]
    if len(plain) == len(schemas):
        return {"type": plain}
    return {"anyOf": schemas}
