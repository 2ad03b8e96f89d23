"""State that pages send: what does not fit is refused whole, and secrets do not travel back."""

from __future__ import annotations

import threading
from typing import Any

import traitlets as t

from ..errors import InvalidArgument
from ..store import redact
from ._view import View


class FromPage(View):
    """A view whose traits are checked when a page sets them, and when Python does.

    What a page sent and does not fit is taken back, and the page is told what holds: an error
    raised there would reach nobody. Python gets the error.
    """

    def __init__(self, **traits: Any):
        self._pages: set[int] = set()
        super().__init__(**traits)

    @property
    def by_page(self) -> bool:
        """Whether the assignment under way comes from a page."""
        return threading.get_ident() in self._pages

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what a page sent, or nothing of it."""
        me = threading.get_ident()
        self._pages.add(me)
        try:
            super().set_state(sync_data)
        except t.TraitError:
            self.send_state([name for name in sync_data if name in self.keys])
        finally:
            self._pages.discard(me)

    def refusal(self, message: str, hint: str = "") -> Exception:
        """Return what a validator raises: for a page the error that undoes its whole message."""
        return t.TraitError(message) if self.by_page else InvalidArgument(message, hint=hint)


def masked(name: str) -> dict[str, Any]:
    """Return metadata of a text trait whose secrets stay in Python.

    A page that sends back the masked text means the text it stands for.

    >>> class Box(FromPage):
    ...     words = t.Unicode("").tag(sync=True, **masked("words"))
    >>> box = Box(words="s3://key:secret@bucket/x")
    >>> box.get_state("words"), box.words
    ({'words': 's3://***@bucket/x'}, 's3://key:secret@bucket/x')
    >>> box.close()
    """

    def from_json(value: Any, widget: Any) -> Any:
        own = getattr(widget, name)
        return own if value == redact(own) else value

    return {"to_json": lambda value, _widget: redact(value), "from_json": from_json}
