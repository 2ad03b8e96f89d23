"""The facts stored with a version: as text, valid, and without credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._plan import Plan
from ._words import default_message, form_of

MESSAGE_KEY = "__lance_commit_message"
PREFIX = "lancenb."


def version_properties(
    plan: Plan, mode: str, converter: str, facts: Mapping[str, Any], message: str
) -> dict[str, str]:
    """Return what is stored with the version that a plan becomes."""
    from lancenb import __version__
    from lancenb.store import redact_facts

    made = {"kind": plan.kind, "mode": mode, "converter": converter, "version": __version__}
    out = {PREFIX + key: value for key, value in made.items() if value}
    for key, value in redact_facts(dict(facts)).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        out[key if key.startswith(PREFIX) else PREFIX + key] = text
    out[MESSAGE_KEY] = storable(message) or default_message(mode, plan.kind, form_of(facts))
    return out


def storable(value: Any, name: str = "") -> Any:
    """Return a fact as JSON data: credentials masked, the rest valid Unicode."""
    from lancenb.store import redact

    if isinstance(value, Mapping):
        return {_unicode(str(k)): storable(v, str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [storable(item, name) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if name and redact(f"{name}=x") != f"{name}=x":  # what is called a secret is one
        return "***"
    return value if isinstance(value, (int, float)) else redact(_unicode(str(value)))


def _unicode(text: str) -> str:
    """Write the bytes of file names that are not UTF-8 as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
