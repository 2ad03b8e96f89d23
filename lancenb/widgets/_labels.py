"""A field of words shown as chips: type and press Enter, Backspace takes the last one away."""

from __future__ import annotations

from typing import Any

import traitlets as t

from ._assets import css, esm
from ._display import esc
from ._public import public
from ._view import View


class Labels(View):
    """Several words; ``value`` is the list.

    Args:
        description: the label in front of the field.
        key: name of the field in ``panel.run(**inputs)``.
        traits: ``value``, ``options`` (what to suggest), ``placeholder``.

    >>> Labels("Tags", key="tags", value=["demo", "small"])
    Tags: demo, small
    """

    _esm, _css = esm("labels"), css("labels")
    kind = t.Unicode("labels").tag(sync=True)
    description = t.Unicode("").tag(sync=True)
    value = t.List(t.Unicode()).tag(sync=True)
    options = t.List(t.Unicode()).tag(sync=True)
    placeholder = t.Unicode("").tag(sync=True)

    def __init__(self, description: str, *, key: str = "", **traits: Any):
        self.key = key
        super().__init__(**{"description": description, "label": description, **traits})

    @t.validate("value")
    def _tidy(self, proposal: Any) -> list[str]:
        """Drop empty words and repetitions, and mask secrets of addresses."""
        words = (public(word.strip()) for word in proposal["value"])
        return list(dict.fromkeys(word for word in words if word))

    def _static(self) -> tuple[str, str]:
        words = f"{self.description}: {', '.join(self.value)}"
        return f"<p>{esc(words)}</p>", words
