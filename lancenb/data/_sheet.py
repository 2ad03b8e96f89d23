"""The pictures of one batch, written one after the other into one piece of memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ._cells import Cell
from ._collate import collate
from ._decode import PictureDecoder
from ._pool import BatchPool
from ._seeded import SeededRandom

_SEED_BITS = (1 << 63) - 1


def transformed(
    picture: Any, transform: Callable[..., Any], seed: int | None, generator: torch.Generator | None
) -> Any:
    """Apply a transform to one sample: by its seed, or under random numbers of this seed.

    Args:
        picture: what the transform is called with.
        transform: see :class:`~lancenb.data.LanceTorchDataset`.
        seed: seed of the row; None leaves random numbers to torch's global ones.
        generator: what is seeded for transforms that know no seeds.
    """
    if getattr(transform, "seeded", False):
        return transform(picture, seed) if seed is not None else transform(picture)
    if seed is None or generator is None or getattr(transform, "deterministic", False):
        return transform(picture)
    with SeededRandom(generator.manual_seed(seed & _SEED_BITS)):
        return transform(picture)


class PictureSheet:
    """Decodes, transforms and stacks pictures without a copy in between.

    Args:
        count: pictures at most.
        transform: applied to each, None for none.
        seeds: seed of each picture of the batch.
        decoder: decodes them.
        pool: gives the memory.
        pin: page-locked memory.

    Attributes:
        crops: whether the transform only reads what it is given, and writes here.
    """

    def __init__(
        self,
        count: int,
        transform: Callable[..., Any] | None,
        seeds: np.ndarray | None,
        decoder: PictureDecoder,
        pool: BatchPool,
        pin: bool,
    ):
        self.count = count
        self.transform = transform
        self.seeds = seeds.tolist() if seeds is not None else None
        self.decoder = decoder
        self.pool = pool
        self.pin = pin
        self.numbers: list[int] = []
        self.memory: torch.Tensor | None = None
        self.loose: list[Any] = []
        self._generator = torch.Generator() if self.seeds is not None else None
        self.crops = hasattr(transform, "box") and hasattr(transform, "render")

    def look(self, cell: Cell | None, number: int) -> None:
        """Add an encoded picture.

        Raises:
            BadPicture: it cannot be decoded; nothing is added.
        """
        if self.crops:
            seed = self._seed(number)
            crop, box = self.decoder.region(cell, lambda h, w: self._transform.box(h, w, seed))
            self._render(crop, box.mirrored)
            self.numbers.append(number)
        else:
            self.add(self.decoder(cell), number)

    def add(self, picture: torch.Tensor, number: int) -> None:
        """Add a decoded picture."""
        if self.crops:
            box = self._transform.box(picture.shape[1], picture.shape[2], self._seed(number))
            rows = slice(box.top, box.top + box.height)
            crop = picture[:, rows, box.left : box.left + box.width]
            self._render(crop, box.mirrored)
        elif self.transform is None:
            self._put(picture)
        else:
            seed = self._seed(number)
            self._put(transformed(picture, self.transform, seed, self._generator))
        self.numbers.append(number)

    @property
    def _transform(self) -> Any:
        return self.transform

    def _seed(self, number: int) -> int | None:
        return None if self.seeds is None else self.seeds[number]

    def _render(self, crop: torch.Tensor, mirrored: bool) -> None:
        if self.memory is None:
            side = self._transform.side
            self.memory = self._like((3, side, side), torch.uint8)
        self._transform.render(crop, mirrored, self.memory[len(self.numbers)])

    def _put(self, found: Any) -> None:
        if not isinstance(found, torch.Tensor) or self.loose:
            self.loose.append(found)
            return
        if self.memory is None:
            self.memory = self._like(tuple(found.shape), found.dtype)
        if found.shape != self.memory.shape[1:] or found.dtype != self.memory.dtype:
            self.loose = [*self.memory[: len(self.numbers)], found]
            return
        self.memory[len(self.numbers)] = found

    def _like(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Memory for pictures of one shape; transformed ones lie in channels-last order.

        Decoders and the resize work pixel by pixel, and so do convolutions on most devices.
        """
        if self.transform is not None and len(shape) == 3 and shape[0] == 3:
            _, height, width = shape
            flat = self.pool.empty((self.count, height, width, 3), dtype, pin=self.pin)
            return flat.permute(0, 3, 1, 2)
        return self.pool.empty((self.count, *shape), dtype, pin=self.pin)

    def stacked(self, keep: torch.Tensor | None) -> Any:
        """What was added, as one batch.

        Args:
            keep: which pictures of the batch are wanted, None for all that were added.

        Raises:
            InvalidArgument: pictures of different shapes.
        """
        chosen = range(len(self.numbers))
        if keep is not None:
            chosen = [at for at, number in enumerate(self.numbers) if keep[number]]
        if self.loose:
            return collate([self.loose[at] for at in chosen])
        assert self.memory is not None
        if len(chosen) == len(self.numbers):
            return self.memory[: len(chosen)]
        return self.memory[list(chosen)]
