"""Widgets whose constructor refuses its arguments leave nothing behind."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import ipywidgets as w

_here = threading.local()
_earlier = w.Widget._widget_construction_callback


def _note(widget: w.Widget) -> None:
    made = getattr(_here, "made", None)
    if made is not None:
        made.append(widget)
    if _earlier is not None:
        _earlier(widget)


w.Widget.on_widget_constructed(_note)


class Tidy(type(w.Widget)):
    """The class of widgets that close all they made when ``__init__`` raises.

    ipywidgets keeps every widget, and its comm, until it is closed.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        outer = getattr(_here, "made", None)
        made = _here.made = []
        kind: Any = cls
        widget = kind.__new__(cls, *args, **kwargs)
        try:
            widget.__init__(*args, **kwargs)
        except BaseException:
            _here.made = None
            _close(widget, made)
            raise
        finally:
            _here.made = outer
        if outer is not None:
            outer.extend(made)
        return widget


def _close(widget: Any, made: list[w.Widget]) -> None:
    """Close a half-made widget and what it is made of, as far as it came."""
    with suppress(Exception):  # it may lack anything
        widget.close()
    for each in made:
        with suppress(Exception):
            w.Widget.close(each)
    vars(widget)["close"] = _nothing  # ipywidgets closes once more when it is collected


def _nothing() -> None:
    """Do nothing: there is nothing left to close."""
