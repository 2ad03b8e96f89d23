"""Values handed to ``run(**inputs)`` in the forms people write them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import ipywidgets as w

from lancenb.errors import InvalidArgument
from lancenb.store import redact

from ._fields import Tags


def as_field_values(fields: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs as the fields take them: lists of words as text, ``None`` as empty.

    Raises:
        InvalidArgument: a choice does not have this value; the hint names those it has.

    >>> from lancenb.widgets._fields import tags, text
    >>> fields = {"only": tags("Only"), "split": text("Split")}
    >>> as_field_values(fields, {"only": ["a", "b"], "split": None})
    {'only': 'a, b', 'split': ''}
    """
    made = dict(inputs)
    for name, value in made.items():
        field = fields.get(name)
        if isinstance(field, Tags) and not isinstance(value, str):
            made[name] = ", ".join(value or ())
        elif isinstance(field, w.Dropdown):
            made[name] = check_choice(name, value, field)
        elif value is None and isinstance(getattr(field, "value", None), str):
            made[name] = ""
        elif value is None and type(getattr(field, "value", None)) is int:
            made[name] = 0
    return made


def check_choice(name: str, value: Any, field: w.Dropdown) -> Any:
    """Return the value if the field offers it, else raise what it does offer."""
    allowed = [each[1] if isinstance(each, tuple) else each for each in field.options]
    if value in allowed:
        return value
    if value is None and "" in allowed:
        return ""
    listed = [each for each in allowed if each not in ("", None)]
    words = get_close_matches(str(value), [str(each) for each in listed], n=1)
    near = f"did you mean {words[0]!r}? " if words else ""
    raise InvalidArgument(
        f"{name}={redact(repr(value))[:80]} is not known",
        hint=f"{near}one of {', '.join(map(repr, listed))}",
    )


def insist_manager(manager: Any, verb: str, panel: str) -> None:
    """Raise :class:`~lancenb.errors.InvalidArgument` unless a panel can work with it."""
    if manager is None or callable(getattr(manager, verb, None)):
        return
    given = redact(repr(manager))[:80]
    root = given if isinstance(manager, (str, os.PathLike)) else "root"
    raise InvalidArgument(
        f"{given} is no store to work with", hint=f"{panel}(lnb.DataManager({root}), ...)"
    )
