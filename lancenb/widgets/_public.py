"""Fields that never hold a secret: what a browser sends is widget state, and that can be saved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import ipywidgets as w
import traitlets as t

from lancenb.store import redact

# user:password that was not finished with its @
_UNFINISHED = re.compile(r"(://[^/\s@:]*):(?!\d{0,5}(?:/|$))[^/\s@]*")

_WORD = re.compile(r"[^\s\"'<>]+")


def public(text: str) -> str:
    """Return what of a source may be shown and saved.

    >>> public("https://me:pw@a.org/x.csv?sig=1"), public("s3://key:sec")
    ('https://***@a.org/x.csv?***', 's3://key:***')
    """
    return _UNFINISHED.sub(r"\1:***", redact(text))


class PublicText(w.Text):
    """A line of text for names and the like; a secret pasted into it is masked at once.

    What needs the secret is a :class:`~lancenb.widgets._spec_box.SpecBox`.

    >>> PublicText(value="https://me:pw@a.org/x.csv").value
    'https://***@a.org/x.csv'
    """

    @t.validate("value")
    def _without_secrets(self, proposal: Any) -> str:
        return public(proposal["value"])


class PublicArea(w.Textarea):
    """Several lines of text of which the browser and the notebook see the public form.

    Attributes:
        raw: what was given; masked words that an edit leaves in place stay what they were.

    >>> area = PublicArea(value="from https://me:pw@a.org/x")
    >>> area.value = area.value + " again"
    >>> area.value, area.raw
    ('from https://***@a.org/x again', 'from https://me:pw@a.org/x again')
    """

    raw = ""
    _hidden: Mapping[str, str] = MappingProxyType({})

    @t.validate("value")
    def _without_secrets(self, proposal: Any) -> str:
        given = _WORD.sub(lambda found: self._hidden.get(found[0], found[0]), proposal["value"])
        self.raw = given
        self._hidden = {public(word): word for word in _WORD.findall(given) if public(word) != word}
        return public(given)


class PublicCombobox(PublicText, w.Combobox):
    """The same with suggestions.

    >>> PublicCombobox(value="s3://key:secret@bucket/x").value
    's3://***@bucket/x'
    """
