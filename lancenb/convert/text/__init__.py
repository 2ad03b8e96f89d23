"""Plain text, delimited text and JSON to Lance; see :class:`TextConverter`."""

from ._converter import TextConverter

__all__ = ["TextConverter"]
