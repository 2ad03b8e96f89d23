"""Late-bound doors from lower rooms to higher ones.

An :class:`~lancenb.catalog.Artifact` can show itself, yet the catalogue must not know the widgets.
The store, in turn, must not know downloads, yet opens tables on the Hub. The names below are
looked up only when somebody asks.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_DOORS = {
    "curves": ("lancenb.widgets", "curves"),
    "preview": ("lancenb.widgets", "preview"),
    "hub_table": ("lancenb.download.lance_repo", "open_lance"),
}


def call(door: str, *args: Any, **kwargs: Any) -> Any:
    """Call the function behind ``door`` with the given arguments."""
    module, name = _DOORS[door]
    return getattr(import_module(module), name)(*args, **kwargs)
