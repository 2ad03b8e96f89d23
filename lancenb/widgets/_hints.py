"""What errors say in a panel: hints speak of Python arguments, a panel of its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ._public import public

# whole phrases, for what a panel does in another way; there is no box for a token
_PHRASES = (
    ("pass kind='weights', 'images', 'text' or 'table'", "choose the kind under Advanced"),
    (
        "pass token= if the file needs a login;",
        "this panel cannot log in there: take a signed address, or lnb.download with a token;",
    ),
    ("log in: pass token=, set HF_TOKEN,", "log in: set HF_TOKEN"),
    ("pass token=, set HF_TOKEN,", "set HF_TOKEN"),
    ("(sha256= checks one that you know)", "(SHA-256 under Advanced checks one that you know)"),
    ("with token= if it needs one", "and HF_TOKEN set if it needs one"),
    ("pass token= instead", "take a signed address, or lnb.download with a token"),
    ("mode='repo' with allow=", "the form hf:dataset:owner/name with Only files"),
    ("mode='repo'", "the form hf:dataset:owner/name"),
    ("mode='arrow'", "the form datasets:owner/name"),
    ("replace=True lets it", "the switch under Advanced lets it"),
)
# name= or name="value" outside of parentheses, which hold calls in Python
_ARGUMENT = re.compile(
    r"""(?P<call>\([^()]*\))|(?P<verb>\b(?:use|pass)\ )?(?<![\w.])(?P<name>[a-z]\w*)=
    (?:(?P<quote>["'])(?P<text>[^"']*)(?P=quote)|(?P<word>True|False)\b|(?=[\s,;.]|$))""",
    re.VERBOSE,
)


def in_panel(hint: str, fields: Mapping[str, Any]) -> str:
    """Return a hint in the words of a panel with these named fields.

    >>> from lancenb.widgets._fields import choice
    >>> fields = {"mode": choice("Mode", ["create", "append"])}
    >>> in_panel('use mode="append" to add rows', fields)
    'choose mode append to add rows'
    >>> in_panel("log in: pass token=, set HF_TOKEN, or run: hf auth login", fields)
    'log in: set HF_TOKEN or run: hf auth login'
    """
    for said, here in _PHRASES:
        hint = hint.replace(said, here)
    return _ARGUMENT.sub(lambda found: _argument(found, fields), hint)


def _argument(found: re.Match[str], fields: Mapping[str, Any]) -> str:
    field, verb = fields.get(found["name"] or ""), found["verb"]
    if field is None:
        return f"in Python, {found[0]}" if verb == "pass " else found[0]
    label = str(field.description)
    if found["word"]:
        return f"{'set ' if verb else ''}“{label}” {'on' if found['word'] == 'True' else 'off'}"
    value = _shown(field, found["text"] or "")
    if " " in label:
        words = f"“{label}: {value}”" if value else f"“{label}”"
    else:
        words = f"{label.lower()} {value}".rstrip()
    return f"{'choose ' if value else 'set '}{words}" if verb else words


def _shown(field: Any, value: str) -> str:
    """Return what a list of choices calls a value, without what is said about it."""
    if not value:
        return ""
    for option in getattr(field, "options", ()):
        if isinstance(option, tuple) and option[1] == value:
            return str(option[0]).partition(":")[0]
    return value


def speak(card: Any, fields: Mapping[str, Any]) -> None:
    """Let the hints of a job card be in the words of the panel around it.

    What a form was given may be unfinished, so errors are masked as a form masks what is typed.
    """
    told: dict[str, str] = {}

    def translate(change: Any) -> None:
        if change["new"] == told.get(change["name"]):
            return
        words = in_panel(change["new"], fields) if change["name"] == "hint" else change["new"]
        said = public(words)
        if said != change["new"]:
            told[change["name"]] = said
            card.set_trait(change["name"], said)

    card.observe(translate, names=("hint", "error", "traceback"))


def forget(card: Any) -> None:
    """Take back an error of the form itself: somebody is correcting it."""
    if card.state == "failed" and not card.name:
        card.clear()
