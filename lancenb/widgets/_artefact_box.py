"""A text field that knows the names of the catalogue."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from lancenb.errors import LancenbError

from ._fields import _named
from ._public import PublicCombobox


def artefact_box(
    label: str, *, key: str = "", placeholder: str = "type or choose a name"
) -> w.Combobox:
    """Return a text field that suggests names; give it some with :func:`suggest`."""
    made = PublicCombobox(description=label, placeholder=placeholder, ensure_option=False)
    return _named(made, key)


def suggest(box: Any, manager: Any, *, without: str = "") -> None:
    """Offer the names of the catalogue; one that cannot be read offers none."""
    try:
        names = [artefact.name for artefact in manager.list()]
    except (LancenbError, OSError):
        names = []
    options = tuple(name for name in names if name != without)
    if tuple(box.options) != options:
        box.options = options
