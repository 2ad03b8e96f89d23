"""Arguments and results of declared types as JSON, and back; results are data classes."""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa

from lancenb.catalog._weightsdiff import TensorChange
from lancenb.catalog.artifact import Artifact, Artifacts
from lancenb.catalog.results import Version, Versions
from lancenb.errors import InvalidArgument

from ._codec import dump_any, load_any
from ._models import ArtifactFacts, ArtifactList

_AS_IS = (str, bool, int)
_PLAIN = (str, int, float, bool, type(None))
_NAMES = {"TensorChange": TensorChange, "pa": pa}


@cache
def fields_of(cls: type) -> dict[str, Any]:
    """Return the fields of a data class and their types."""
    hints = typing.get_type_hints(cls, localns=_NAMES)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


@cache
def wire_type(hint: Any) -> Any:
    """Return the type that stands for ``hint`` on the wire."""
    return {Artifact: ArtifactFacts, Artifacts: ArtifactList, Versions: list[Version]}.get(
        hint, hint
    )


def _is_record(hint: Any) -> bool:
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def choices(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _one(hint: Any, value: Any) -> Any:
    """Return the member of a union that a value is of: a plain one, or the one that needs care."""
    if type(value) in choices(hint):
        return Any if isinstance(value, float) else type(value)
    careful = [choice for choice in choices(hint) if choice not in _PLAIN]
    return careful[0] if careful else Any


def _plainly(value: Any) -> bool:
    """Whether a value is JSON data whatever its type was declared as; odd text is wrapped."""
    return value is None or type(value) in (bool, int) or (type(value) is str and value.isascii())


def dump(hint: Any, value: Any) -> Any:
    """Return a value of a declared type as JSON data."""
    if hint in _AS_IS or _plainly(value):
        return value
    if isinstance(value, Artifact):
        value = ArtifactFacts.of(value)
    elif isinstance(value, Artifacts):
        value = ArtifactList([ArtifactFacts.of(each) for each in value], value.note)
    elif isinstance(value, pa.Schema):
        return base64.b64encode(value.serialize().to_pybytes()).decode()
    if _is_record(type(value)):
        kinds = fields_of(type(value))
        return {name: dump(kind, getattr(value, name)) for name, kind in kinds.items()}
    hint = wire_type(hint)
    if len(choices(hint)) > 1:
        return dump(_one(hint, value), value)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return list(value) if inner[0] in _AS_IS else [dump(inner[0], each) for each in value]
    if origin is tuple:
        kinds = inner if inner[-1] is not Ellipsis else (inner[0],) * len(value)
        return [dump(kind, each) for kind, each in zip(kinds, value, strict=True)]
    if origin is dict and inner[1] is not Any:
        return {str(key): dump(inner[1], each) for key, each in value.items()}
    if hint is datetime:
        return value.isoformat()
    if hint is timedelta and isinstance(value, timedelta):
        return value.total_seconds()
    return dump_any(value)


def load(hint: Any, data: Any) -> Any:
    """Return what :func:`dump` wrote for that type (facts, where it was an artefact)."""
    if data is None or hint in (str, bool, int):
        return data
    if hint is pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(data)))
    if hint is Versions:
        return Versions(load(list[Version], data))
    hint = wire_type(hint)
    if _is_record(hint):
        kinds = fields_of(hint)
        return hint(**{name: load(kinds[name], data[name]) for name in kinds if name in data})
    if len(choices(hint)) > 1:
        return load(_one(hint, data), data)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return [load(inner[0], each) for each in data]
    if origin is tuple:
        kinds = inner if inner[-1] is not Ellipsis else (inner[0],) * len(data)
        return tuple(load(kind, each) for kind, each in zip(kinds, data, strict=True))
    if origin is dict and inner[1] is not Any:
        return {key: load(inner[1], each) for key, each in data.items()}
    if hint is datetime:
        return datetime.fromisoformat(data)
    if hint is timedelta:
        return timedelta(seconds=data)
    return load_any(data)


def fits(hint: Any, data: Any) -> bool:
    """Whether JSON data has the form of an argument of that type."""
    for choice in choices(hint):
        origin, inner = typing.get_origin(choice), typing.get_args(choice)
        if choice is Any or (choice is type(None) and data is None):
            return True
        if choice is int and isinstance(data, int) and not isinstance(data, bool):
            return abs(data) < 1 << 63
        if choice is float and isinstance(data, (int, float)) and not isinstance(data, bool):
            return True
        if choice in (str, bool) and isinstance(data, choice):
            return True
        if choice is timedelta and isinstance(data, (int, float)) and not isinstance(data, bool):
            return 0 <= data <= 1e11
        if origin is list and isinstance(data, list):
            return all(fits(inner[0], each) for each in data)
        if origin is dict and isinstance(data, dict):
            return all(fits(inner[1], each) for each in data.values())
    return False


def argument(hint: Any, data: Any, name: str) -> Any:
    """Return an argument from JSON data.

    Raises:
        InvalidArgument: it is not of its type.
    """
    if not fits(hint, data):
        raise InvalidArgument(
            f"{name}={data!r:.60} is not {describe(hint)}", details={"argument": name}
        )
    return load(hint, data)


def describe(hint: Any) -> str:
    """Return a type in words."""
    words = {
        str: "text", int: "a whole number", float: "a number", bool: "true or false",
        type(None): "null", timedelta: "a number of seconds",
    }  # fmt: skip

    def word(choice: Any) -> str:
        origin = typing.get_origin(choice)
        return words.get(choice) or {list: "a list", dict: "an object"}.get(origin, "a value")

    return " or ".join(word(choice) for choice in choices(hint))
