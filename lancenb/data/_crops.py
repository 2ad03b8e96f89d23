"""Random crops of single pictures as functions of a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..errors import InvalidArgument
from ._decode import Box
from ._seeded import Draws, picked_seed

_TRIES = 10


class RandomCropResize:
    """A crop of random area and aspect ratio, resized to a square, and mirrored half of the time.

    The arithmetic is that of torchvision's ``RandomResizedCrop`` (from Szegedy et al., "Going
    deeper with convolutions", 2015): the area is a uniform share of the picture's, the aspect ratio
    log-uniform; after ten crops that do not fit, the largest centred one. The resize is bilinear
    with antialiasing. The numbers come from a seed instead of torch's global random numbers, so
    that loaders can crop in threads, and decode only the region of the crop.

    Args:
        side: side of the result in pixels.
        scale: bounds of the share of the area.
        ratio: bounds of the aspect ratio, width by height.
        flip: mirror half of the pictures.

    Raises:
        InvalidArgument: bounds that cannot be.

    >>> crop = RandomCropResize(8)
    >>> picture = torch.zeros(3, 20, 30, dtype=torch.uint8)
    >>> crop(picture, 5).shape
    torch.Size([3, 8, 8])
    >>> crop.box(20, 30, 5) == crop.box(20, 30, 5)
    True
    """

    seeded = True

    def __init__(
        self,
        side: int = 224,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip: bool = True,
    ):
        if isinstance(side, bool) or not isinstance(side, int) or side < 1:
            raise InvalidArgument(f"the side of an image is at least 1 pixel, not {side!r:.60}")
        for name, bounds, most in (("scale", scale, 1.0), ("ratio", ratio, math.inf)):
            if not _are_bounds(bounds) or bounds[1] > most:
                raise InvalidArgument(f"{name}={bounds!r:.60} are no bounds (low, high) above 0")
        self.side = side
        self.scale = scale
        self.ratio = ratio
        self.flip = flip

    def box(self, height: int, width: int, seed: int | None) -> Box:
        """The region of a picture of this size, in pixels, and whether it is mirrored.

        Args:
            height: of the picture.
            width: of the picture.
            seed: 64 bits; None draws one from torch's global random numbers.
        """
        draws = Draws(picked_seed() if seed is None else seed)
        mirrored = self.flip and draws.uniform(0, 1) < 0.5
        bounds = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(_TRIES):
            area = height * width * draws.uniform(*self.scale)
            aspect = math.exp(draws.uniform(*bounds))
            wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < wide <= width and 0 < high <= height:
                top, left = draws.below(height - high + 1), draws.below(width - wide + 1)
                return Box(top, left, high, wide, mirrored)
        wide, high = width, height
        if width / height < self.ratio[0]:
            high = min(height, max(1, round(width / self.ratio[0])))
        elif width / height > self.ratio[1]:
            wide = min(width, max(1, round(height * self.ratio[1])))
        return Box((height - high) // 2, (width - wide) // 2, high, wide, mirrored)

    def render(self, crop: torch.Tensor, mirrored: bool, out: torch.Tensor) -> None:
        """Resize a region ``(channels, h, w)`` into ``out``, ``(channels, side, side)``."""
        resized = torch.ops.aten._upsample_bilinear2d_aa
        sides = [self.side, self.side]
        seen = crop[None]
        if seen.is_contiguous():
            # of whole planes torch's kernel fails, or writes past the end of channels-last memory
            seen = seen.contiguous(memory_format=torch.channels_last)
        if not mirrored:
            resized.out(seen, sides, False, None, None, out=out[None])
        else:
            whole = resized(seen, sides, False, None, None)
            torch.ops.aten.flip.out(whole, [3], out=out[None])

    def __call__(self, picture: torch.Tensor, seed: int | None = None) -> torch.Tensor:
        """Transform one picture uint8 ``(channels, height, width)``.

        Args:
            picture: what is cropped.
            seed: seed of its row; None draws one from torch's global random numbers.

        Returns:
            uint8 ``(channels, side, side)``.
        """
        box = self.box(picture.shape[-2], picture.shape[-1], seed)
        rows = slice(box.top, box.top + box.height)
        crop = picture[:, rows, box.left : box.left + box.width]
        shape = (self.side, self.side, len(picture))
        out = torch.empty(shape, dtype=picture.dtype, device="cpu").permute(2, 0, 1)
        self.render(crop, box.mirrored, out)
        return out

    def __repr__(self) -> str:
        return f"RandomCropResize({self.side}, scale={self.scale}, flip={self.flip})"


def _are_bounds(bounds: Any) -> bool:
    if not isinstance(bounds, Sequence) or len(bounds) != 2:
        return False
    if not all(isinstance(value, (int, float)) for value in bounds):
        return False
    return 0 < bounds[0] <= bounds[1] < math.inf
