"""A text box for sources that says how a text was understood and keeps secrets to itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import traitlets as t

from ._assets import css, esm
from ._display import esc
from ._public import public
from ._recognise import Recognised, recognise, suggestions
from ._view import View


class SpecBox(View):
    """A box for a source: a spec, an address, a path, or an object handed over in Python.

    What is typed reaches Python as a question, never as state: passwords and signatures in an
    address are held in memory only, and :attr:`value` has the public form.

    Args:
        description: the visible label.
        key: name of the input in ``run(**inputs)``.
        understand: what a text means; :func:`~lancenb.widgets._recognise.recognise` by default.
        suggest: what else may be meant, as pairs of a text and a word about it.

    Attributes:
        value: the public text. Setting it to a text with secrets keeps them aside; setting it to
            anything but text holds that object.

    >>> box = SpecBox("Source", value="https://me:pw@a.org/x.csv")
    >>> box.value, box.what
    ('https://***@a.org/x.csv', 'https://me:pw@a.org/x.csv')
    """

    _esm, _css = esm("spec"), css("spec")
    kind = t.Unicode("spec").tag(sync=True)
    value = t.Any("").tag(sync=True)
    description = t.Unicode("").tag(sync=True)
    placeholder = t.Unicode("").tag(sync=True)
    said = t.Unicode("").tag(sync=True)
    tone = t.Unicode("").tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)

    def __init__(
        self,
        description: str = "Source",
        *,
        key: str = "",
        value: Any = "",
        understand: Callable[[str], Recognised] = recognise,
        suggest: Callable[[str], Sequence[tuple[str, str]]] = suggestions,
        **traits: Any,
    ):
        self.key, self._understand, self._suggest = key, understand, suggest
        self._what: Any = ""
        self._turns: dict[str, int] = {}
        self._hear: list[Callable[[], Any]] = []
        self._submit: list[Callable[[], Any]] = []
        super().__init__(
            description=description, label=f"{description} and what it means", **traits
        )
        self._tell(self._what)
        self.value = value

    @property
    def what(self) -> Any:
        """What was given, secrets included."""
        return self._what

    @property
    def text(self) -> str:
        """The text that was given, with its secrets; empty when an object was."""
        return self._what if isinstance(self._what, str) else ""

    def hold(self, what: Any, shown: str) -> None:
        """Hold ``what`` and show another text for it."""
        self._what = what
        self.set_trait("value", _Shown(shown))

    def on_text(self, act: Callable[[], Any]) -> None:
        """Call ``act()`` after every change, drafts included."""
        self._hear.append(act)

    def on_submit(self, act: Callable[[], Any]) -> None:
        """Call ``act()`` when Enter is pressed in the box."""
        self._submit.append(act)

    def tell(self, words: str, tone: str = "") -> None:
        """Write the line below the box (plain text)."""
        self.put(said=public(words), tone=tone)

    @t.validate("value")
    def _keep(self, proposal: Any) -> str:
        given = proposal["value"]
        if isinstance(given, _Shown):
            return str(given)
        if given is None:
            given = ""
        if isinstance(given, os.PathLike) and not hasattr(given, "lineage"):
            given = os.fspath(given)
        if not isinstance(given, str):
            self._what = given
            return _name_of(given)
        if given != self.value or not given:
            self._what = given
        return public(given)

    @t.observe("value")
    def _changed(self, _change: Any) -> None:
        if not hasattr(self, "_hear"):
            return
        self._tell(self._what)
        self._heard()

    def _tell(self, what: Any) -> None:
        if isinstance(what, str):
            found = self._understand(what)
            self.put(said=public(found.words), tone=found.tone)
        else:
            self.put(said=f"{_name_of(what)}.", tone="ok")

    def _heard(self) -> None:
        for act in list(self._hear):
            act()

    def _answer_draft(
        self, text: str, commit: bool = False, who: str = "", turn: int = 0
    ) -> dict[str, Any]:
        """Take in what is being written; only a committed text changes the public value.

        A slow kernel is asked again: what ``who`` wrote before its last ``turn`` is old by then.
        """
        late = turn < self._turns.get(who, 0)
        self._turns[who] = max(turn, self._turns.get(who, 0))
        if text != self.value and not late:
            self._what, before = text, self.value
            if commit:
                self.set_trait("value", _Shown(public(text)))
            if self.value == before:  # else the change of the trait has told everybody
                self._tell(text)
                self._heard()
        return {"options": [list(pair) for pair in self._suggest(self.text)]}

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("do") == "submit":
            for act in list(self._submit):
                act()
        else:
            super()._receive(widget, content, buffers)

    def _static(self) -> tuple[str, str]:
        html = f"<p>{esc(self.description)}: <code>{esc(self.value)}</code></p>"
        return html, f"{self.description}: {self.value}"


class _Shown(str):
    """A text that is public already and leaves alone what is held."""

    __slots__ = ()


def _name_of(thing: Any) -> str:
    """Return a short public name of an object: a download says what it is."""
    summary = getattr(thing, "summary", None)
    if callable(summary) and hasattr(thing, "lineage"):
        source = str(thing.lineage.get("source") or thing.path)
        return public(f"{source} ({summary()})")
    if isinstance(thing, (list, tuple)):
        return f"a list of {len(thing):,}"
    return f"a {type(thing).__module__.split('.')[0]} {type(thing).__name__}"
