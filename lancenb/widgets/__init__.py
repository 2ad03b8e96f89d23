"""What lancenb shows in a notebook: previews that follow the light or dark theme.

Everything here is display only; nothing below this room imports it.
"""

from __future__ import annotations

from ._display import Preview
from .preview import preview

__all__ = ["Preview", "preview"]
