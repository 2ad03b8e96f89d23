"""Images to Lance: original bytes, labels that stay stable, and what the header says.

>>> from lancenb.convert.images import PngConverter, class_names
>>> PngConverter.kind
'images'
"""

from __future__ import annotations

from ._converter import PngConverter
from ._schema import class_names

__all__ = ["PngConverter", "class_names"]
