"""Which notebook cell a panel belongs to, and the one panel that lives there."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import ipywidgets as w

Place = tuple[type, str]

_lock = threading.Lock()
_living: weakref.WeakValueDictionary[Place, Any] = weakref.WeakValueDictionary()
_turn: tuple[str, dict[type, int]] = ("", {})


def place(kind: type, key: str | None) -> Place | None:
    """Return where a panel of this class lives: its key, or the running cell and its turn in it."""
    if key is not None:
        return (kind, f"key {key}") if key else None
    message, cell = _cell()
    if not cell:
        return None
    global _turn
    with _lock:
        if _turn[0] != message:
            _turn = (message, {})
        turn = _turn[1].get(kind, 0)
        _turn[1][kind] = turn + 1
    return (kind, f"cell {cell} {turn}")


def _cell() -> tuple[str, str]:
    """Return the ids of the running execution and of its cell; empty outside of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    kernel = getattr(shell, "kernel", None)
    try:
        parent = kernel.get_parent() if kernel is not None else {}
    except Exception:
        parent = {}
    if not isinstance(parent, Mapping):
        return "", ""
    header, metadata = parent.get("header") or {}, parent.get("metadata") or {}
    if header.get("msg_type") != "execute_request":
        return "", ""
    return str(header.get("msg_id", "")), str(metadata.get("cellId", ""))


def enter(where: Place | None, panel: Any) -> Any:
    """Note ``panel`` as the one that lives there; return the one that did."""
    if where is None:
        return None
    with _lock:
        earlier = _living.get(where)
        _living[where] = panel
    return earlier


def leave(where: Place | None, panel: Any) -> None:
    """Forget ``panel``, unless another one lives there already."""
    with _lock:
        if where is not None and _living.get(where) is panel:
            del _living[where]


def close_tree(widget: w.Widget) -> None:
    """Close a widget with its children, layouts and styles, so that no comm is left."""
    for each in list(_tree(widget)):
        each.close()


def _tree(widget: w.Widget) -> Iterator[w.Widget]:
    for child in getattr(widget, "children", ()):
        yield from _tree(child)
    parts = [getattr(widget, name, None) for name in ("layout", "style")]
    yield widget
    yield from (part for part in parts if isinstance(part, w.Widget))
