"""The head of a JPEG: its size and which way is up, without decoding it."""

from __future__ import annotations

import struct
from typing import NamedTuple

_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive Huffman
_OTHER_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_EXIF = b"Exif\x00\x00"
_XMP = b"http://ns.adobe.com/xap/1.0/"


class JpegHead(NamedTuple):
    """Stored height and width in pixels, and the EXIF orientation (1..8)."""

    height: int
    width: int
    orientation: int

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) after turning the picture upright."""
        turned = self.orientation > 4
        return (self.width, self.height) if turned else (self.height, self.width)


def jpeg_head(data: memoryview) -> JpegHead | None:
    """Read the head of a plain JPEG: whole, 8 bits, grey or three colours.

    Args:
        data: the encoded bytes.

    Returns:
        None for everything else (no JPEG, cut off, four colours, an orientation written in an
        unusual way): Pillow decides about those.
    """
    if len(data) < 4 or data[:3] != b"\xff\xd8\xff" or data[-2:] != b"\xff\xd9":
        return None
    try:
        return _walk(data)
    except (IndexError, struct.error):
        return None


def _walk(data: memoryview) -> JpegHead | None:
    at = 2
    orientation = 0
    exif_seen = in_xmp = False
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        size = data[at + 2] << 8 | data[at + 3]
        body = at + 4
        if marker in _FRAMES:
            if not orientation and in_xmp:
                return None
            return _frame(data, body, orientation or 1)
        if marker in _OTHER_FRAMES or marker == 0xDA or size < 2:
            return None
        if marker == 0xE1 and data[body : body + 6] == _EXIF:
            if exif_seen:
                return None
            exif_seen = True
            found = _exif_orientation(bytes(data[body + 6 : at + 2 + size]))
            if found is None:
                return None
            orientation = found
        elif marker == 0xE1 and data[body : body + len(_XMP)] == _XMP:
            in_xmp = in_xmp or b"rientation" in bytes(data[body : at + 2 + size])
        at += 2 + size
    return None


def _frame(data: memoryview, body: int, orientation: int) -> JpegHead | None:
    bits, height, width, colours = struct.unpack_from(">BHHB", data, body)
    if bits != 8 or colours not in (1, 3) or not height or not width:
        return None
    return JpegHead(height, width, orientation)


def _exif_orientation(tiff: bytes) -> int | None:
    """The orientation of an EXIF block, 0 when it has none, None when it is written oddly."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(tiff[:4])
    if order is None:
        return None
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for number in range(entries):
        tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * number)
        if tag == 0x0112:
            return value if kind == 3 and count == 1 and 1 <= value <= 8 else None
    return 0
