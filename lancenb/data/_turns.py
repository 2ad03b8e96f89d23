"""Tiny pictures are decoded by one thread at a time."""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence

import torch

from ._cells import Cell
from ._decode import BadPicture, PictureDecoder

_PNG = b"\x89PNG\r\n\x1a\n"
_SIDES = 16  # where a PNG has its width and height
# Pillow lets go of Python's lock several times a picture, and takes it again. Two threads that
# decode pictures of a few microseconds wait for each other more than they decode; larger ones
# spend their time without the lock, side by side. JPEGs let go of it once only.
_TINY = 48 * 48
_turn = threading.Lock()


def decoded_in_turn(
    decoder: PictureDecoder, cells: Sequence[Cell | None]
) -> list[torch.Tensor | BadPicture] | None:
    """The tiny pictures of a batch, decoded while no other thread decodes such.

    Args:
        decoder: decodes them; nothing else is called meanwhile.
        cells: the encoded pictures.

    Returns:
        A picture each, or why it cannot be decoded. None when they are not tiny PNGs: nothing is
        decoded then.
    """
    if not all(cell is None or _pixels(cell) <= _TINY for cell in cells):
        return None
    with _turn:
        return [_decoded(decoder, cell) for cell in cells]


def _decoded(decoder: PictureDecoder, cell: Cell | None) -> torch.Tensor | BadPicture:
    try:
        return decoder(cell)
    except BadPicture as error:
        return error


def _pixels(cell: Cell) -> float:
    """What the head of a PNG says; no end of them in anything else."""
    if len(cell.view) < _SIDES + 8 or cell.view[:8] != _PNG:
        return float("inf")
    width, height = struct.unpack_from(">II", cell.view, _SIDES)
    return width * height
