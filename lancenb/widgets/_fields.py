"""Fields of forms: labelled ipywidgets controls, the code line, notes, facts, two-step buttons."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ipywidgets as w
import traitlets as t

from ._assets import css, esm
from ._display import esc
from ._public import PublicArea, PublicText, public
from ._view import View

_ARMED_SECONDS = 8.0  # that a first click counts


def text(label: str, *, key: str = "", value: str = "", placeholder: str = "") -> w.Text:
    """Return a one-line text field."""
    return _named(PublicText(description=label, value=value, placeholder=placeholder), key)


def area(
    label: str, *, key: str = "", value: str = "", placeholder: str = "", rows: int = 3
) -> PublicArea:
    """Return a text field of several lines; secrets in it stay in Python, see ``.raw``."""
    # sent when the field is left: what is half written looks like a secret for a moment
    made = PublicArea(
        description=label, value=value, placeholder=placeholder, rows=rows, continuous_update=False
    )
    return _named(made, key)


def choice(label: str, options: Iterable[Any], *, key: str = "", value: Any = None) -> w.Dropdown:
    """Return a drop-down list; ``options`` are values or ``(text, value)`` pairs."""
    listed = list(options)
    made = w.Dropdown(description=label, options=listed)
    if value is not None:
        made.value = value
    return _named(made, key)


def switch(label: str, *, key: str = "", value: bool = False) -> w.Checkbox:
    """Return a check box; its label stands behind it."""
    return _named(w.Checkbox(description=label, value=value, indent=True), key)


def number(
    label: str, *, key: str = "", value: int = 0, low: int = 0, high: int = 10**9
) -> w.BoundedIntText:
    """Return a field for a whole number."""
    return _named(w.BoundedIntText(description=label, value=value, min=low, max=high), key)


class Tags(PublicText):
    """A text field of words separated by commas.

    >>> tags("Tags", value="a, b,,a").words
    ['a', 'b']
    """

    @property
    def words(self) -> list[str]:
        """The words, without empty ones and repetitions."""
        return list(dict.fromkeys(word for part in self.value.split(",") if (word := part.strip())))

    @words.setter
    def words(self, words: Iterable[str]) -> None:
        self.value = ", ".join(words)


def tags(
    label: str, *, key: str = "", value: str = "", placeholder: str = "comma, separated"
) -> Tags:
    """Return a field for several words; ``.words`` is the list."""
    return _named(Tags(description=label, value=value, placeholder=placeholder), key)


def _named(field: Any, key: str) -> Any:
    """Give a field the width of its panel and the name it has in ``run(**inputs)``."""
    field.key = key
    field.layout.width = "100%"
    field.style.description_width = "112px"
    field.add_class("lnb-field")
    return field


def button(label: str, act: Callable[[], Any] | None = None, *, primary: bool = False) -> w.Button:
    """Return a push button; ``act()`` is called on a click."""
    made = w.Button(description=label, layout=w.Layout(width="auto"))
    made.add_class("lnb-primary" if primary else "lnb-secondary")
    if act is not None:
        made.on_click(lambda _: act())
    return made


def note(words: str = "", *, tone: str = "info") -> w.HTML:
    """Return a line of text (see :func:`tell`); ``tone``: ``info``, ``good``, ``warn``, ``bad``."""
    made = w.HTML()
    made.add_class("lnb-note")
    tell(made, words, tone=tone)
    return made


def tell(field: w.HTML, words: str, *, tone: str = "info") -> None:
    """Write plain text into a note; an empty note takes no room."""
    mark = {"good": "✓ ", "warn": "! ", "bad": "✕ "}.get(tone, "")
    safe = (
        f'<div class="lnb-note-text lnb-{tone}">{mark}{esc(public(words))}</div>' if words else ""
    )
    if field.value != safe:
        field.value = safe


def facts(title: str, pairs: Sequence[tuple[str, Any]], *, chips: Iterable[str] = ()) -> w.HTML:
    """Return a small result: title, chips and named values, all plain text, empty ones left out."""
    return html(facts_html(title, pairs, chips))


def facts_html(title: str, pairs: Sequence[tuple[str, Any]], chips: Iterable[str] = ()) -> str:
    """Return :func:`facts` as escaped HTML."""
    labels = "".join(f'<span class="lnb-chip">{esc(chip)}</span>' for chip in chips if chip)
    head = f'<div class="lnb-head"><span class="lnb-title">{esc(title)}</span>{labels}</div>'
    rows = "".join(
        f"<div><dt>{esc(name)}</dt><dd>{esc(public(value))}</dd></div>"
        for name, value in pairs
        if value not in (None, "", [], ())
    )
    return head + (f'<dl class="lnb-stats">{rows}</dl>' if rows else "")


def html(markup: str) -> w.HTML:
    """Return markup made by this package (all data in it escaped) as a widget."""
    made = w.HTML(markup)
    made.add_class("lnb-html")
    return made


def row(*children: w.Widget) -> w.HBox:
    """Return widgets beside each other, wrapping where room is short."""
    made = w.HBox(children)
    made.add_class("lnb-buttons")
    return made


class Fold(View):
    """A line that opens and closes what stands behind it in its box; see :func:`fold`."""

    _esm, _css = esm("bits"), css()
    kind = t.Unicode("fold").tag(sync=True)
    opened = t.Bool(False).tag(sync=True)

    def _static(self) -> tuple[str, str]:
        return "", f"<Fold {self.label!r}>"


def fold(title: str, children: Iterable[w.Widget], *, opened: bool = False) -> w.VBox:
    """Return a box whose children show only while it is open; ``box.children[0].opened`` tells.

    The page itself opens it, so that it answers while the kernel is busy.
    """
    body = w.VBox(list(children))
    body.add_class("lnb-fold-body")
    made = w.VBox([Fold(label=title, opened=opened), body])
    made.add_class("lnb-fold-box")
    return made


class Code(View):
    """The Python line that does the same, with a Copy button."""

    _esm, _css = esm("bits"), css()
    kind = t.Unicode("code").tag(sync=True)
    label = t.Unicode("the same in Python").tag(sync=True)
    code = t.Unicode("").tag(sync=True)

    def _static(self) -> tuple[str, str]:
        return f"<pre><code>{esc(self.code)}</code></pre>", self.code


class Confirm(View):
    """A button that asks once more in place before it acts.

    Args:
        text: what the button says at rest.
        question: what it says once armed; it names the object ("Delete 'mnist', 3 versions?").
        act: called without arguments by the second click within eight seconds.

    >>> done = []
    >>> button = Confirm("Delete", "Delete 'mnist'?", lambda: done.append(1))
    >>> button.click(), button.armed, button.click(), done
    (None, True, None, [1])
    """

    _esm, _css = esm("bits"), css()
    kind = t.Unicode("confirm").tag(sync=True)
    text = t.Unicode("").tag(sync=True)
    question = t.Unicode("").tag(sync=True)
    armed = t.Bool(False).tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)
    patience = t.Float().tag(sync=True)

    def __init__(self, text: str, question: str, act: Callable[[], Any], **traits: Any):
        self._act = act
        self._until = 0.0
        super().__init__(
            text=text, question=question, label=text, patience=_ARMED_SECONDS, **traits
        )

    def click(self) -> None:
        """Do what a click does: arm first, act when armed."""
        with self._guard:
            act = self.armed and time.monotonic() < self._until
            self._until = time.monotonic() + self.patience
            self.put(armed=not act)
        if act:
            self._act()

    def disarm(self) -> None:
        """Take the first click back."""
        self.put(armed=False)

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        do = content.get("do") if isinstance(content, dict) else None
        if do == "click" and not self.disabled:
            # A click on a button that looked unarmed only arms, whatever another tab did.
            if not content.get("armed"):
                self.disarm()
            self.click()
        elif do == "disarm":
            self.disarm()
        else:
            super()._receive(widget, content, buffers)

    def _static(self) -> tuple[str, str]:
        return f"<p>{esc(self.text)}</p>", f"<Confirm {self.text!r}>"
