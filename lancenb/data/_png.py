"""Whether a PNG is a plain one, without decoding it."""

from __future__ import annotations

import struct
from typing import Any

_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_AFTER_HEAD = 33
_GREY, _RGB = 0, 2
_SILENT = {b"IDAT", b"IEND", b"cHRM", b"gAMA", b"pHYs", b"sRGB", b"tIME"}
#: Keywords of texts that are no metadata of a camera (which may turn the picture).
_TEXTS = {b"Author", b"Comment", b"Copyright", b"Creation Time", b"Description", b"Software"}
_TEXTS |= {b"Source", b"Title", b"date:create", b"date:modify", b"date:timestamp"}


def is_plain_png(data: Any) -> bool:
    """Whether these bytes are a PNG of 8 bits, grey or RGB, that says nothing beside its pixels.

    It has no palette, no transparency, no colour profile, one frame, and nothing that could turn
    it. Whether it is whole is for the decoder to find out.

    Args:
        data: the encoded bytes.
    """
    if len(data) < _AFTER_HEAD or data[:16] != _BEGIN:
        return False
    if data[24] != 8 or data[25] not in (_GREY, _RGB):
        return False
    at = _AFTER_HEAD
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if kind == b"tEXt":
            if bytes(data[body : body + 16]).partition(b"\x00")[0] not in _TEXTS:
                return False
        elif kind not in _SILENT:
            return False
        at = body + size + 4
    return True
