"""Convert weights, images, text and tables to Lance. The module itself can be called.

``lancenb.convert(source, target)`` looks at the source and chooses one of the four converters,
which can also be used by themselves: ``TensorConverter``, ``PngConverter``, ``TextConverter``,
``ParquetConverter``. :func:`to_datasets` gives a table back to the ``datasets`` library.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ._base import Converter, ConvertReport, Existing, Plan
from ._convert import convert, converter_class, make_converter
from ._sniff import Sniffed, sniff
from .hf import to_datasets

if TYPE_CHECKING:
    from .images import PngConverter
    from .tables import ParquetConverter
    from .text import TextConverter
    from .weights import TensorConverter

__all__ = [
    "ConvertReport",
    "Converter",
    "Existing",
    "ParquetConverter",
    "Plan",
    "PngConverter",
    "Sniffed",
    "TensorConverter",
    "TextConverter",
    "convert",
    "converter_class",
    "make_converter",
    "sniff",
    "to_datasets",
]

_LAZY = {
    "ParquetConverter": "table",
    "PngConverter": "images",
    "TensorConverter": "weights",
    "TextConverter": "text",
}


class _CallableModule(ModuleType):
    """A package that is also its own main verb: ``lancenb.convert(...)``."""

    __call__ = staticmethod(convert)

    def __getattr__(self, name: str) -> Any:
        if name in _LAZY:
            return converter_class(_LAZY[name])
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


sys.modules[__name__].__class__ = _CallableModule
# without this, help and Shift-Tab swallow the first argument
__signature__ = inspect.signature(convert)
