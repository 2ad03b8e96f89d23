"""The base of every widget that has a front end of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any

import anywidget
import traitlets as t

from lancenb.store import redact

from . import _routes
from ._assets import css
from ._display import CONTROL, esc
from ._tidy import Tidy

_routes.mend()


class View(anywidget.AnyWidget, metaclass=Tidy):
    """A widget with a front end of its own and a true static form.

    A subclass sets ``_esm = esm("<part>")``, ``_css = css("<part>")`` and a default for ``kind``.
    Traits hold the truth. A front end that needs more than traits asks for it with
    ``ask("rows", {offset, limit})`` (see ``core.js``); the method ``_answer_rows(offset, limit)``
    returns a dictionary, or a dictionary and a list of buffers. What it raises reaches the front
    end as a sentence and a hint.
    """

    _css: Any = css()
    _context = copy_context()

    kind = t.Unicode("").tag(sync=True)
    label = t.Unicode("").tag(sync=True)

    def __init__(self, **traits: Any):
        self._guard = threading.RLock()
        self._context = copy_context()
        super().__init__(**traits)
        self.on_msg(self._receive)

    def put(self, **traits: Any) -> None:
        """Set several traits in one message; safe from any thread."""
        with self._guard, self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)

    def _send(self, msg: Any, buffers: Any = None) -> None:
        """Send from any thread: ipykernel 7.0 wants the context of a cell, see ``_threads``."""
        try:
            try:
                super()._send(msg, buffers)
            except LookupError:
                self._context.copy().run(super()._send, msg, buffers)
        except AttributeError:
            if self.comm is not None:  # else another thread closed it on the way
                raise

    def _receive(self, _widget: object, content: Any, buffers: Any) -> None:
        """Answer a question of the front end; never raises."""
        if not isinstance(content, Mapping) or "ask" not in content:
            return
        number = content.get("id")
        try:
            method = getattr(self, f"_answer_{content['ask']}")
            found = method(**content.get("args", {}))
        except Exception as error:
            hint = redact(getattr(error, "hint", "") or "")
            self.send({"id": number, "error": sentence(error), "hint": hint})
            return
        body, blobs = found if isinstance(found, tuple) else (found, [])
        self.send({"id": number, "body": body}, buffers=list(blobs))

    def _static(self) -> tuple[str, str]:
        """Return the static form as HTML and as text."""
        name = f"{type(self).__name__}({self.label!r})"
        return f"<p>{esc(name)}</p>", name

    def __repr__(self) -> str:
        return self._static()[1].translate(CONTROL)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        html, text = self._static()
        static = {"text/plain": text.translate(CONTROL), "text/html": html}
        live = super()._repr_mimebundle_(**kwargs) if self.comm is not None else None
        if live is None:
            return static, {}
        return {**live[0], **static}, live[1]

    def close(self) -> None:
        """Close the widget, its layout and their comms; the static form stays."""
        # A thread may close what a cell made: see ``_send``.
        self._context.copy().run(self._close)

    def _close(self) -> None:
        layout = self.layout
        super().close()
        # ipywidgets shadows the method with None on close; a closed view still shows what it was.
        vars(self).pop("_repr_mimebundle_", None)
        if layout is not None:
            layout.close()


def sentence(error: BaseException) -> str:
    """Return an error as one line without secrets.

    >>> sentence(ValueError("no such file"))
    'no such file'
    """
    from lancenb.errors import LancenbError

    words = error.message if isinstance(error, LancenbError) else str(error)
    first = next((line for line in words.splitlines() if line.strip()), "")
    if not isinstance(error, LancenbError) and not isinstance(error, ValueError | OSError):
        first = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return redact(first or type(error).__name__)
