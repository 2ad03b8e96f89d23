"""How declared arguments and results become fields of messages; the proto and the conversion ask.

Plain values become plain fields, data classes become messages, lists of either become repeated
fields. Unions, objects, pairs and values of any type travel as JSON text in a field ``x_json``.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from ._op import ARROW_OUT, EVENTS, JOB, Op

PACKAGE = "lancenb.v1"
SERVICE = f"{PACKAGE}.Catalog"

#: Field that carries what does not have the form of its own field.
EXTRA = "extra_json"

_SCALARS = {str: "string", int: "int64", bool: "bool", float: "double"}
_SCALARS |= {datetime: "string", timedelta: "double"}


@dataclass(frozen=True)
class Slot:
    """One value of a message.

    Attributes:
        name: its name in the JSON data.
        field: the name of its field.
        kind: a scalar type of proto3, ``"json"``, or ``"record"``.
        record: the data class of a record.
        many: a list of those.
        boxed: the list is in a message of its own, so that none differs from empty.
        nullable: a field that is absent means null.
    """

    name: str
    field: str
    kind: str
    record: Any = None
    many: bool = False
    boxed: bool = False
    nullable: bool = False

    @property
    def type(self) -> str:
        """The type of the field (of its items, where it is a list)."""
        if self.record is not None:
            return str(self.record.__name__)
        return "string" if self.kind == "json" else self.kind

    @property
    def box(self) -> str:
        """The name of the message around a list."""
        return self.type[:1].upper() + self.type[1:] + "s"


def _member(hint: Any) -> tuple[str, Any]:
    """Return kind and record of a type that is one value; no kind for anything else."""
    import pyarrow as pa

    from ._typed import wire_type

    if hint is pa.Schema:
        return "bytes", None
    hint = wire_type(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return "record", hint
    return _SCALARS.get(hint, ""), None


def slot(name: str, hint: Any, *, boxed: bool = False) -> Slot:
    """Return the slot of a value of a declared type."""
    from ._typed import choices, wire_type

    members = [each for each in choices(wire_type(hint)) if each is not type(None)]
    nullable = len(members) < len(choices(wire_type(hint)))
    if len(members) == 1:
        one = wire_type(members[0])
        kind, record = _member(one)
        if kind:
            return Slot(name, name, kind, record, nullable=nullable)
        origin, inner = typing.get_origin(one), typing.get_args(one)
        if origin is list or (origin is tuple and inner[1:] == (...,)):
            kind, record = _member(inner[0])
            if kind and kind != "bytes":
                boxed = boxed or nullable
                return Slot(name, name, kind, record, True, boxed, nullable)
    return Slot(name, f"{name}_json", "json")


def request_slots(op: Op) -> tuple[Slot, ...]:
    """Return the slots of an operation's request, one for each argument."""
    return _arguments(op.signature)


@cache
def _arguments(signature: Any) -> tuple[Slot, ...]:
    hints = typing.get_type_hints(signature)
    names = inspect.signature(signature).parameters
    return tuple(slot(name, hints[name], boxed=True) for name in names)


def response_slots(op: Op) -> tuple[Slot, ...]:
    """Return the slot of an operation's result; none where there is no result."""
    return _result(op.signature, op.shape == JOB)


@cache
def _result(signature: Any, job: bool) -> tuple[Slot, ...]:
    from ._models import JobFacts

    hint = JobFacts if job else typing.get_type_hints(signature).get("return")
    return () if hint in (None, type(None)) else (slot("value", hint),)


@cache
def record_slots(record: Any) -> tuple[Slot, ...]:
    """Return the slots of a data class."""
    from ._typed import fields_of

    return tuple(slot(name, hint) for name, hint in fields_of(record).items())


def records(ops: Iterable[Op]) -> list[Any]:
    """Return the data classes that the results of operations are made of, innermost first."""
    found: list[Any] = []

    def visit(slots: tuple[Slot, ...]) -> None:
        for each in slots:
            if each.record is not None and each.record not in found:
                visit(record_slots(each.record))
                found.append(each.record)

    for op in ops:
        if op.shape != EVENTS:
            visit(response_slots(op))
    names = [record.__name__ for record in found]
    if len(set(names)) != len(names):
        raise AssertionError("two data classes of one name cannot both be messages")
    return found


def camel(name: str) -> str:
    """Return the name of an operation as gRPC writes it: ``get_row`` is ``GetRow``."""
    return "".join(part.capitalize() for part in name.split("_"))


def method(op: Op) -> str:
    """Return the path of an operation's method."""
    return f"/{SERVICE}/{camel(op.name)}"


def answered_in_pieces(op: Op) -> bool:
    """Whether the answer is a stream of messages."""
    return op.shape in (ARROW_OUT, EVENTS)
