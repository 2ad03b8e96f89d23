"""Late-bound doors from lower rooms to higher ones.

An :class:`~lancenb.catalog.Artifact` can show itself, yet the catalogue must not know the widgets.
The names below are looked up only when somebody asks for a picture.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_DOORS = {
    "preview": ("lancenb.widgets", "preview"),
}


def call(door: str, *args: Any, **kwargs: Any) -> Any:
    """Call the function behind ``door`` with the given arguments."""
    module, name = _DOORS[door]
    return getattr(import_module(module), name)(*args, **kwargs)
