"""JPEG: size and mode from the frame header, and whether the file ends where it should.

Only what is sure is answered here; anything unusual is left to the decoder (``None``).
Layout after ITU-T T.81, annex B.
"""

from __future__ import annotations

from ._info import Header

_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_PLAIN_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: all Huffman coded
_NO_LENGTH = frozenset((0x01, 0xD8, 0xD9, *range(0xD0, 0xD8)))


def read_jpeg(data: memoryview) -> tuple[Header | None, bool]:
    """Read the header of a JPEG and check that its scans are closed by an end marker.

    Args:
        data: the whole file, starting with ``FF D8 FF``.

    Returns:
        The header, ``None`` where only a decoder can tell (multi-picture files, rare coding
        processes), and whether the structure is complete from the first to the last marker.
    """
    size = len(data)
    at = 2
    frame: Header | None = None
    plain = True
    while at + 4 <= size:
        if data[at] != 0xFF:
            return None, False
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _NO_LENGTH or marker == 0x00:
            return None, False
        length = (data[at + 2] << 8) | data[at + 3]
        end = at + 2 + length
        if length < 2 or end > size:
            return None, False
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if frame is not None or marker not in _PLAIN_FRAMES or length < 8:
                return None, False
            frame = _frame(data, at + 4, length)
            if frame is None:
                return None, False
        elif marker == 0xE2 and data[at + 4 : at + 8] == b"MPF\0":
            plain = False
        elif marker == 0xDA:
            if frame is None:
                return None, False
            return (frame if plain else None), _ends(data, end)
        at = end
    return None, False


def _frame(data: memoryview, at: int, length: int) -> Header | None:
    precision = data[at]
    height = (data[at + 1] << 8) | data[at + 2]
    width = (data[at + 3] << 8) | data[at + 4]
    count = data[at + 5]
    mode = _MODES.get(count)
    if precision != 8 or mode is None or not width or not height or length != 8 + 3 * count:
        return None
    return Header(width, height, mode, "JPEG")


def _ends(data: memoryview, scan: int) -> bool:
    # FF D9 cannot occur inside entropy-coded data (FF is followed by 00 or a restart marker), so
    # one behind the scan header is the end of the picture; what follows it is of no interest.
    if data[-2:] == b"\xff\xd9":
        return len(data) - 2 > scan
    return bytes(data[scan:]).rfind(b"\xff\xd9") > 0
