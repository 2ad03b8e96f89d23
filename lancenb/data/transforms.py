"""Picture transforms by size, seeded augmentation of whole batches, channel statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import ColumnNotFound, EmptyInput, InvalidArgument
from ._crops import RandomCropResize
from ._seeded import draw
from ._words import listed

__all__ = [
    "ChannelStats",
    "CropFlip",
    "Pipeline",
    "RandomCropResize",
    "channel_stats",
    "picture_transform",
]

SMALL = 64
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Pipeline:
    """A torchvision pipeline that says whether it draws random numbers.

    Args:
        steps: callables applied in order.
        deterministic: True lets loaders run it ahead of time in threads.
    """

    def __init__(self, steps: list[Callable[[Any], Any]], deterministic: bool):
        self.steps = steps
        self.deterministic = deterministic

    def __call__(self, picture: torch.Tensor) -> torch.Tensor:
        """Transform one picture ``(3, h, w)``."""
        for step in self.steps:
            picture = step(picture)
        return picture

    def __repr__(self) -> str:
        return f"Pipeline({', '.join(type(step).__name__ for step in self.steps)})"


def picture_transform(
    size: tuple[int, int] | None, *, train: bool = False, to: int | None = None
) -> Pipeline | RandomCropResize | None:
    """The usual transform for pictures of a given size (uint8 in, uint8 out).

    Pictures of one size up to 64 pixels are used as they are (None): augment them in whole
    batches with :class:`CropFlip`. All others are brought to ``to`` pixels square:
    :class:`RandomCropResize` for training, resize (by 256/224) and centre crop (torchvision v2)
    for evaluation. Scaling to 0..1 and normalising happen in the model, which keeps its
    statistics.

    Args:
        size: (height, width) shared by all pictures, or None when they differ.
        train: whether to augment.
        to: side of the result in pixels; default: unchanged when small, else 224.

    >>> picture_transform((32, 32)) is None
    True
    >>> picture_transform(None, to=96)(torch.zeros(3, 50, 70, dtype=torch.uint8)).shape
    torch.Size([3, 96, 96])
    """
    if size is not None and (not isinstance(size, (tuple, list)) or len(size) != 2):
        raise InvalidArgument(
            f"size is (height, width) of all pictures or None, not {size!r:.40}",
            hint="picture_transform(None, to=96) brings pictures to 96 pixels",
        )
    if to is not None and to < 1:
        raise InvalidArgument(f"the side of an image is at least 1 pixel, not {to}")
    if size is not None and max(size) <= SMALL and to in (None, size[0]) and size[0] == size[1]:
        return None
    side = to or (max(size) if size is not None and max(size) <= SMALL else 224)
    if train:
        return RandomCropResize(side)
    from torchvision.transforms import v2

    steps = [v2.Resize(round(side * 256 / 224), antialias=True), v2.CenterCrop(side)]
    return Pipeline(steps, deterministic=True)


class CropFlip:
    """Random crop (after zero padding) and mirror of each picture of a batch.

    Args:
        padding: pixels added at each side before cropping to the old size.
        flip: mirror half of the pictures.

    >>> batch = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    >>> CropFlip(2)(batch, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, padding: int = 4, flip: bool = True):
        self.padding = padding
        self.flip = flip

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Transform a batch ``(n, channels, h, w)``, each picture by numbers of its own."""
        count, reach = len(images), 2 * self.padding + 1
        top = left = torch.zeros(count, dtype=torch.int64, device="cpu")
        mirrored = torch.zeros(count, dtype=torch.bool, device="cpu")
        if self.padding:
            top = torch.randint(0, reach, (count,), generator=generator, device="cpu")
            left = torch.randint(0, reach, (count,), generator=generator, device="cpu")
        if self.flip:
            mirrored = torch.rand(count, generator=generator, device="cpu") < 0.5
        return self._moved(images, top.tolist(), left.tolist(), mirrored.tolist())

    def by_row(self, images: torch.Tensor, seeds: np.ndarray) -> torch.Tensor:
        """Transform a batch, each picture by the seed of its row, whatever else is in the batch.

        Args:
            images: ``(n, channels, h, w)``.
            seeds: uint64 ``(n,)``, such as :func:`lancenb.data.order.row_seeds` gives.

        >>> seeds = np.array([3, 4], dtype=np.uint64)
        >>> batch = torch.arange(2 * 3 * 16, dtype=torch.uint8).reshape(2, 3, 4, 4)
        >>> both = CropFlip(1).by_row(batch, seeds)
        >>> torch.equal(both[1:], CropFlip(1).by_row(batch[1:], seeds[1:]))
        True
        """
        seeds = np.asarray(seeds, dtype=np.uint64)
        if len(seeds) != len(images):
            raise InvalidArgument(f"{len(images)} images need as many seeds, not {len(seeds)}")
        reach = 2 * self.padding + 1
        top = (draw(seeds, 1) * reach).astype(np.int64)
        left = (draw(seeds, 2) * reach).astype(np.int64)
        mirrored = (draw(seeds, 3) < 0.5) & self.flip
        return self._moved(images, top.tolist(), left.tolist(), mirrored.tolist())

    def _moved(
        self, images: torch.Tensor, top: list[int], left: list[int], mirrored: list[bool]
    ) -> torch.Tensor:
        height, width = images.shape[2:]
        wide = torch.nn.functional.pad(images, (self.padding,) * 4).numpy()
        out = torch.empty(images.shape, dtype=images.dtype, device="cpu")
        # numpy: a slice of it costs a fifth of a tensor's
        shown = out.numpy()
        for number, (y, x, turned) in enumerate(zip(top, left, mirrored, strict=True)):
            part = wide[number, :, y : y + height, x : x + width]
            shown[number] = part[:, :, ::-1] if turned else part
        return out

    def __repr__(self) -> str:
        return f"CropFlip(padding={self.padding}, flip={self.flip})"


@dataclass(frozen=True)
class ChannelStats:
    """Mean and standard deviation per colour channel, of values scaled to 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pictures: int


def channel_stats(dataset: Any, *, limit: int = 2000) -> ChannelStats:
    """Per-channel mean and standard deviation over the pixels of a data set.

    Args:
        dataset: a :class:`~lancenb.data.LanceTorchDataset` with pictures (its transform is
            not applied), or one of ``(uint8 picture, label)`` as a ``JiTDataModule`` has.
        limit: pictures looked at, evenly spread over the rows.

    Raises:
        EmptyInput: no readable picture.
        ColumnNotFound: a table without pictures.
    """
    count = len(dataset)
    picks = sorted({int(i * count / min(count, limit)) for i in range(min(count, limit))})
    pixels = 0
    seen = 0
    total = torch.zeros(3, dtype=torch.float64, device="cpu")
    squares = torch.zeros(3, dtype=torch.float64, device="cpu")
    for start in range(0, len(picks), 256):
        for picture in _pictures(dataset, picks[start : start + 256]):
            flat = picture.reshape(3, -1).to(torch.float64) / 255
            pixels += flat.shape[1]
            seen += 1
            total += flat.sum(1)
            squares += (flat * flat).sum(1)
    if not pixels:
        raise EmptyInput(f"'{getattr(dataset, 'name', 'the dataset')}' has no readable image")
    mean = total / pixels
    std = (squares / pixels - mean * mean).clamp_min(0).sqrt().clamp_min(1e-3)
    return ChannelStats(_triple(mean), _triple(std), seen)


def _pictures(dataset: Any, places: list[int]) -> list[torch.Tensor]:
    if hasattr(dataset, "plan"):
        if not dataset.plan.image_key:
            raise ColumnNotFound(
                f"'{dataset.name}' has no image column, so there are no colour channels",
                hint=f"its columns are {listed(list(dataset.plan.columns))}",
            )
        return [sample[dataset.plan.image_key] for sample in dataset.fetch(places)]
    return [picture for picture, _ in dataset.__getitems__(places)]


def _triple(values: torch.Tensor) -> tuple[float, float, float]:
    red, green, blue = (round(float(v), 6) for v in values)
    return red, green, blue
