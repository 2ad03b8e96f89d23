"""A box of ours in a notebook: it has a place, a static form, and leaves nothing when it closes."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from . import _cells
from ._display import CONTROL, esc
from ._tidy import Tidy


class Shown:
    """What a box prints and leaves in a saved notebook: its static form, beside the live one."""

    _static: Any
    comm: Any

    def __repr__(self) -> str:
        return self._static()[1].translate(CONTROL)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        html, text = self._static()
        static = {"text/plain": text.translate(CONTROL), "text/html": html}
        if self.comm is None:
            return static
        live: Any = super()
        return {**(live._repr_mimebundle_(**kwargs) or {}), **static}


class Frame(Shown, w.VBox, metaclass=Tidy):
    """A card of widgets that lives in one place: its notebook cell, or the name it was given.

    A subclass builds its ``children``, then calls :meth:`_settle`, and overrides :meth:`_static`
    and, where work may be going on, :meth:`_take_over`.
    """

    _place: _cells.Place | None = None
    _closed = False

    def __init__(self, **traits: Any):
        super().__init__(**traits)
        self.add_class("lnb")
        self.add_class("lnb-panel")

    def _settle(self, key: str | None) -> None:
        """Move in; who lived there before is closed, and hands over what it was doing."""
        self._place = _cells.place(type(self), key)
        earlier = _cells.enter(self._place, self)
        if earlier is not None:
            self._take_over(earlier)

    def _take_over(self, earlier: Any) -> None:
        """Close the earlier frame of the same place."""
        earlier.close()

    def close(self) -> None:
        """Close the frame with everything in it; running work goes on, cancel it first."""
        if self._closed:
            return
        self._closed = True
        _cells.leave(self._place, self)
        for child in self.children:
            _cells.close_tree(child)
        layout = self.layout
        super().close()
        # ipywidgets shadows the method with None; a closed frame still shows what it was.
        vars(self).pop("_repr_mimebundle_", None)
        layout.close()

    def _static(self) -> tuple[str, str]:
        """Return the static form as HTML and as text."""
        name = type(self).__name__
        return f"<p>{esc(name)}</p>", name
