"""Metadata typed by hand: one ``key: value`` a line, or JSON; what is wrong is said by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lancenb.errors import InvalidArgument

_HINT = 'one fact a line, such as "lr: 0.1" or "classes: [1, 2]"; or JSON'
_WORDS = {
    bool: "yes or no",
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
}


def parse(text: str) -> dict[str, Any]:
    r"""Return the facts in a text.

    A value that reads as JSON is that, anything else is text.

    Raises:
        InvalidArgument: names the line.

    >>> parse('lr: 0.1\nauthor: Ann\n"tested": true')
    {'lr': 0.1, 'author': 'Ann', 'tested': True}
    """
    if text.lstrip().startswith("{"):
        return _object(text)
    facts: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, mark, value = line.partition(":")
        key = key.strip().strip('"').strip()
        if not mark or not key:
            raise InvalidArgument(f"line {number} of the metadata has no key and value", hint=_HINT)
        if key in facts:
            raise InvalidArgument(f"line {number} of the metadata repeats {key!r}", hint=_HINT)
        facts[key] = _value(value.strip(), number)
    return facts


def _object(text: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise InvalidArgument("a key of the metadata is there twice", hint=_HINT)
        return found

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise InvalidArgument(
            f"line {error.lineno} of the metadata is no JSON: {error.msg}",
            hint=_HINT,
        ) from None


def _value(text: str, number: int) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        if text[:1] in ("[", "{", '"'):  # meant as JSON, and not just words
            raise InvalidArgument(
                f"line {number} of the metadata is no JSON: {error.msg}", hint=_HINT
            ) from None
        return text


def _refuse(name: str) -> Any:
    raise InvalidArgument(f"{name} cannot be kept as JSON", hint="write it as text, in quotes")


def write(facts: Mapping[str, Any]) -> str:
    r"""Return facts as text that :func:`parse` reads back.

    >>> write({"lr": 0.1, "author": "Ann", "id": "7"})
    'lr: 0.1\nauthor: Ann\nid: "7"'
    """
    awkward = any(
        not key
        or ":" in key
        or "\n" in key
        or key != key.strip().strip('"').strip()
        or key.startswith("{")
        for key in facts
    )
    if awkward:
        return json.dumps(dict(facts), ensure_ascii=False, indent=1)
    return "\n".join(f"{key}: {_plain(value)}" for key, value in facts.items())


def _plain(value: Any) -> str:
    """Return a text as it is where it reads back as itself, all else as JSON."""
    if isinstance(value, str) and value and value == value.strip() and len(value.splitlines()) == 1:
        try:
            if _value(value, 0) == value:
                return value
        except InvalidArgument:
            pass
    return json.dumps(value, ensure_ascii=False)


def in_words(facts: Mapping[str, Any]) -> str:
    """Say what was understood.

    >>> in_words({"lr": 0.1, "author": "Ann"})
    'Understood: lr (number), author (text).'
    """
    if not facts:
        return ""
    named = [f"{key} ({_WORDS.get(type(value), 'nothing')})" for key, value in facts.items()]
    more = f" and {len(named) - 8} more" if len(named) > 8 else ""
    return f"Understood: {', '.join(named[:8])}{more}."
