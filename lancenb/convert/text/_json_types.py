"""Types of JSON values: what a column of them becomes, and how values get there.

A value is null, bool, int (64 bits), big (a longer integer), float, string, list or struct.
Where values of one column differ:

* int and float give float64; nulls fit everywhere;
* lists and structs are joined item by item and key by key; a missing key is null;
* other scalars side by side (``1``, ``"x"``, ``true``) give text, each value as written;
* integers beyond 64 bits give text, their digits;
* anything else (a list here, a number there), objects without keys, nested objects with more
  than 256 different keys and whatever lies more than 32 levels deep give JSON text.

Such text columns say so in the field metadata ``lancenb.encoding``: ``text``, ``integer`` or
``json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

ENCODING = b"lancenb.encoding"
_SCALARS = frozenset(("bool", "int", "big", "float", "string", "text"))
_NUMBERS = frozenset(("int", "big", "float"))
_ENCODED = {"text": b"text", "big": b"integer", "json": b"json"}
_WIDEST = 256
_DEEPEST = 32

# "null", "bool", "int", "big", "float", "string", "text", "json", ("list", T), ("struct", {k: T})
Shape = Any
JSON_NULL: Shape = "null"


def shape_of(value: Any, depth: int = 0) -> Shape:
    """Return the type of one parsed JSON value.

    >>> shape_of({"a": [1, 2.5]})
    ('struct', {'a': ('list', 'float')})
    """
    if value is None:
        return "null"
    kind = type(value)
    if kind is str:
        return "string"
    if kind is bool:
        return "bool"
    if kind is int:
        return "int" if -(2**63) <= value < 2**63 else "big"
    if kind is float:
        return "float"
    if depth >= _DEEPEST:
        return "json"
    if kind is list:
        return ("list", join_all(shape_of(item, depth + 1) for item in value))
    return ("struct", {key: shape_of(item, depth + 1) for key, item in value.items()})


def join_all(shapes: Iterable[Shape]) -> Shape:
    """Return the type that takes values of all the given types."""
    result: Shape = "null"
    for shape in shapes:
        result = join(result, shape)
    return result


def join(a: Shape, b: Shape) -> Shape:
    """Return the type that takes values of both.

    >>> join("int", "float"), join("int", "string"), join("int", ("list", "int"))
    ('float', 'text', 'json')
    """
    if a == b or b == "null":
        return a
    if a == "null":
        return b
    if isinstance(a, tuple) and isinstance(b, tuple) and a[0] == b[0]:
        if a[0] == "list":
            return ("list", join(a[1], b[1]))
        merged = dict(a[1])
        for key, shape in b[1].items():
            merged[key] = join(merged[key], shape) if key in merged else shape
        return ("struct", merged)
    if isinstance(a, tuple) or isinstance(b, tuple):
        return "json"
    if a in _NUMBERS and b in _NUMBERS:
        return "float" if "float" in (a, b) else "big"
    return "text" if {a, b} <= _SCALARS else "json"


def settle(shape: Shape, depth: int = 0) -> Shape:
    """Return the type as stored: unknowns are text, structs that are really maps JSON text."""
    if shape == "null":
        return "string"
    if not isinstance(shape, tuple):
        return shape
    if shape[0] == "list":
        return ("list", settle(shape[1], depth + 1))
    if depth > 0 and not 0 < len(shape[1]) <= _WIDEST:
        return "json"
    return ("struct", {key: settle(item, depth + 1) for key, item in shape[1].items()})


def is_plain(shape: Shape) -> bool:
    """Whether Arrow's own JSON parser gives this type without further work."""
    if isinstance(shape, tuple):
        inner = [shape[1]] if shape[0] == "list" else list(shape[1].values())
        return all(map(is_plain, inner))
    return shape not in _ENCODED


def arrow_type(shape: Shape) -> pa.DataType:
    """Return the Arrow type of a settled type."""
    import pyarrow as pa

    if isinstance(shape, tuple):
        if shape[0] == "list":
            return pa.list_(arrow_field("item", shape[1]))
        return pa.struct([arrow_field(key, item) for key, item in shape[1].items()])
    return {
        "bool": pa.bool_(),
        "int": pa.int64(),
        "float": pa.float64(),
    }.get(shape, pa.string())


def arrow_field(name: str, shape: Shape) -> pa.Field:
    """Return the Arrow field of a settled type; encoded text says so in its metadata."""
    import pyarrow as pa

    note = _ENCODED.get(shape) if not isinstance(shape, tuple) else None
    return pa.field(name, arrow_type(shape), metadata={ENCODING: note} if note else None)


def shape_of_field(field: pa.Field) -> Shape:
    """Return the type of JSON values that can be cast to a column of an existing table."""
    import pyarrow.types as t

    kind: Any = field.type
    note = (field.metadata or {}).get(ENCODING, b"")
    for shape, encoding in _ENCODED.items():
        if note == encoding:
            return shape
    if t.is_boolean(kind):
        return "bool"
    if t.is_integer(kind):
        return "int"
    if t.is_floating(kind):
        return "float"
    if t.is_list(kind):
        return ("list", shape_of_field(kind.value_field))
    if t.is_struct(kind):
        return ("struct", {f.name: shape_of_field(f) for f in kind})
    return "string"


def encode(value: Any, shape: Shape) -> Any:
    """Bring a parsed value into a settled type that it fits.

    >>> encode({"a": 1, "b": [True, "x"]}, ("struct", {"a": "float", "b": ("list", "text")}))
    {'a': 1.0, 'b': ['true', 'x']}
    """
    if value is None:
        return None
    if shape == "json":
        return dumps(value)
    if shape in ("text", "big"):
        return value if isinstance(value, str) else dumps(value)
    if shape == "float":
        return float(value)
    if isinstance(shape, tuple):
        if shape[0] == "list":
            return [encode(item, shape[1]) for item in value]
        return {key: encode(value.get(key), item) for key, item in shape[1].items()}
    return value


def dumps(value: Any) -> str:
    """Return compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
