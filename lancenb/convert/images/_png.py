"""PNG: size and mode from IHDR; proof that the picture is whole from CRCs and the data's length.

Only what is sure is answered here; anything unusual is left to the decoder (``None``).
Layout after the PNG specification (W3C), sections 5, 10 and 11.
"""

from __future__ import annotations

import zlib

from ._info import Header

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# (bit depth, colour type) -> (the decoder's name for the mode, samples per pixel)
_MODES = {
    (1, 0): ("1", 1),
    (2, 0): ("L", 1),
    (4, 0): ("L", 1),
    (8, 0): ("L", 1),
    (16, 0): ("I;16", 1),
    (8, 2): ("RGB", 3),
    (16, 2): ("RGB", 3),
    (1, 3): ("P", 1),
    (2, 3): ("P", 1),
    (4, 3): ("P", 1),
    (8, 3): ("P", 1),
    (8, 4): ("LA", 2),
    (16, 4): ("RGBA", 2),
    (8, 6): ("RGBA", 4),
    (16, 6): ("RGBA", 4),
}
_STEP = 1 << 16
_BLOCK = 1 << 20


def read_png(data: memoryview) -> Header | None:
    """Read the header of a PNG; ``None`` leaves the answer to the decoder.

    Args:
        data: the whole file, starting with the PNG signature.
    """
    if len(data) < 33 or bytes(data[8:16]) != b"\0\0\0\rIHDR":
        return None
    if zlib.crc32(data[12:29]) != int.from_bytes(data[29:33], "big"):
        return None
    width = int.from_bytes(data[16:20], "big")
    height = int.from_bytes(data[20:24], "big")
    known = _MODES.get((data[24], data[25]))
    if known is None or not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
        return None
    return Header(width, height, known[0], "PNG")


def is_whole(data: memoryview, header: Header) -> bool:
    """Prove that a PNG can be decoded: every chunk's CRC, length and row filters of the pixels.

    Args:
        data: the whole file.
        header: what :func:`read_png` found; its size is already known to be sane.

    Returns:
        False also means "not proven": animated and interlaced pictures are left to the decoder.
    """
    depth, colour, packing, filtering, interlace = data[24:29]
    if packing or filtering or interlace:
        return False
    pieces = _pixel_chunks(data, palette=colour == 3)
    if pieces is None:
        return False
    stride = 1 + (header.width * depth * _MODES[depth, colour][1] + 7) // 8
    return _inflates(pieces, header.height * stride, stride)


def _pixel_chunks(data: memoryview, *, palette: bool) -> list[memoryview] | None:
    """Return the IDAT payloads, or ``None`` if any chunk is damaged, missing or unusual."""
    at, size = 33, len(data)
    pieces: list[memoryview] = []
    consecutive = False
    while at + 12 <= size:
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        if end > size:
            return None
        name = bytes(data[at + 4 : at + 8])
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return None
        if name == b"IDAT":
            if palette or (pieces and not consecutive):
                return None  # no PLTE came before, or the pixels are scattered
            pieces.append(data[at + 8 : end - 4])
        elif name == b"IEND":
            return pieces or None
        elif name == b"PLTE":
            palette = False
        elif name in (b"acTL", b"fcTL", b"fdAT") or not name[0] & 0x20:
            return None
        consecutive = name == b"IDAT"
        at = end
    return None


def _inflates(pieces: list[memoryview], expected: int, stride: int) -> bool:
    """Whether the zlib stream is whole, long enough and has only valid row filters."""
    if len(pieces) == 1 and len(pieces[0]) <= _STEP and expected <= _BLOCK:
        return _inflates_small(pieces[0], expected, stride)
    stream = zlib.decompressobj()
    done = 0
    try:
        for piece in pieces:
            for start in range(0, len(piece), _STEP):
                feed: bytes | memoryview = piece[start : start + _STEP]
                while len(feed) and not stream.eof:
                    block = stream.decompress(feed, _BLOCK)
                    feed = stream.unconsumed_tail
                    if done < expected:
                        filters = block[-done % stride : expected - done : stride]
                        if filters and max(filters) > 4:
                            return False
                    done += len(block)
                    if done > expected + _BLOCK:
                        return False
    except zlib.error:
        return False
    return stream.eof and done >= expected


def _inflates_small(piece: memoryview, expected: int, stride: int) -> bool:
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(piece, expected + 1)
    except zlib.error:
        return False
    return stream.eof and len(raw) >= expected and max(raw[0:expected:stride]) <= 4
