"""Encoded pictures to uint8 tensors, upright and RGB, by the fastest decoder that reads them alike.

Plain JPEGs go to torchvision, or to nvidia-nvimgcodec when only a region is wanted and it is
installed; both give the pixels that Pillow gives. All else (other formats, four colours, 12 bits,
cut off files, unusual orientations) goes to Pillow, and so does whatever the others refuse.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..errors import InvalidArgument, MissingDependency
from ._cells import Cell, cell_of
from ._jpeg import JpegHead, jpeg_head
from ._nvdecode import decode_region, nvimgcodec
from ._pillow import BadPicture, pillow_rgb, too_large

__all__ = ["DECODERS", "BadPicture", "Box", "PictureDecoder", "decode_rgb"]

_RGB = 3  # torchvision's ImageReadMode.RGB
DECODERS = ("auto", "pillow", "torchvision", "nvimgcodec")


class Box(NamedTuple):
    """A region of an upright picture in pixels, and whether it is mirrored afterwards."""

    top: int
    left: int
    height: int
    width: int
    mirrored: bool = False


class PictureDecoder:
    """Decodes pictures to uint8 tensors ``(3, height, width)``.

    Args:
        name: ``"auto"``, or the one decoder to prefer: ``"pillow"``, ``"torchvision"``,
            ``"nvimgcodec"``.

    Raises:
        InvalidArgument: another name.
        MissingDependency: nvidia-nvimgcodec is not installed, or does not work here.
    """

    def __init__(self, name: str = "auto"):
        if name not in DECODERS:
            listed = ", ".join(repr(known) for known in DECODERS)
            raise InvalidArgument(f"decoder is one of {listed}, not {name!r:.60}")
        if name == "nvimgcodec" and nvimgcodec() is None:
            raise MissingDependency(
                "nvidia-nvimgcodec is not installed, or does not work on this machine",
                hint='pip install "lancenb[decode]"',
            )
        self.name = name

    def __call__(self, cell: Cell | None) -> torch.Tensor:
        """Decode a whole picture.

        Raises:
            BadPicture: no bytes, or bytes that are no whole picture.
        """
        if cell is None:
            raise BadPicture("it has no bytes")
        head = self._head(cell)
        found = self._fast(cell, head) if head is not None else None
        if found is None:
            return torch.from_numpy(pillow_rgb(cell.view)).permute(2, 0, 1)
        return found

    def region(
        self, cell: Cell | None, choose: Callable[[int, int], Box]
    ) -> tuple[torch.Tensor, Box]:
        """Decode the region that ``choose(height, width)`` wants of the upright picture.

        Raises:
            BadPicture: no bytes, or bytes that are no whole picture.
        """
        head = self._head(cell) if cell is not None else None
        if cell is not None and head is not None and head.orientation == 1:
            box = choose(*head.upright)
            if self._by_region(box, head):
                found = decode_region(cell, box[:4])
                if found is not None:
                    return found, box
        picture = self(cell)
        box = choose(picture.shape[1], picture.shape[2])
        rows = slice(box.top, box.top + box.height)
        return picture[:, rows, box.left : box.left + box.width], box

    def _head(self, cell: Cell) -> JpegHead | None:
        head = jpeg_head(cell.view) if self.name != "pillow" else None
        return None if head is None or too_large(head.height, head.width) else head

    def _by_region(self, box: Box, head: JpegHead) -> bool:
        if self.name == "torchvision" or nvimgcodec() is None:
            return False
        return self.name == "nvimgcodec" or box.height < head.height or box.width < head.width

    def _fast(self, cell: Cell, head: JpegHead) -> torch.Tensor | None:
        by_region = self.name == "nvimgcodec"
        found = decode_region(cell, None) if by_region else _torchvision(cell)
        return None if found is None else _turned(found, head.orientation)


def decode_rgb(data: Any) -> torch.Tensor:
    """Decode one picture to a uint8 tensor ``(3, height, width)``.

    Args:
        data: encoded bytes, or a dict with ``bytes`` (Hugging Face's struct).

    Raises:
        BadPicture: no bytes, or bytes that are no whole picture.
    """
    return PictureDecoder()(cell_of(data)).contiguous()


@functools.cache
def _jpeg_operator() -> Any | None:
    # its public wrapper warns at every call, and goes away in favour of another package
    try:
        import torchvision.io  # noqa: F401  (registers the operator)

        return torch.ops.image.decode_jpeg.default
    except (ImportError, AttributeError, RuntimeError):
        return None


def _torchvision(cell: Cell) -> torch.Tensor | None:
    decode = _jpeg_operator()
    if decode is None:
        return decode_region(cell, None) if nvimgcodec() is not None else None
    try:
        return decode(cell.tensor, _RGB, False)
    except RuntimeError:  # Pillow finds the words, or reads it after all
        return None


def _turned(picture: torch.Tensor, orientation: int) -> torch.Tensor:
    """Turn a stored picture upright by its EXIF orientation."""
    if orientation >= 5:
        picture = picture.transpose(1, 2)
    mirrored = {2: (2,), 3: (1, 2), 4: (1,), 6: (2,), 7: (1, 2), 8: (1,)}
    sides = mirrored.get(orientation)
    return picture.flip(sides) if sides else picture
