"""A picture transform divided: what any thread may do, and what draws from torch's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torchvision import transforms as v1
from torchvision.transforms import v2

_FLIPS = (
    v1.RandomHorizontalFlip,
    v1.RandomVerticalFlip,
    v2.RandomHorizontalFlip,
    v2.RandomVerticalFlip,
)
_FIXED = (
    *(v1.CenterCrop, v1.Compose, v1.ConvertImageDtype, v1.Grayscale, v1.Normalize, v1.PILToTensor),
    *(v1.Pad, v1.Resize, v1.ToTensor),
    *(v2.CenterCrop, v2.ConvertImageDtype, v2.Grayscale, v2.Normalize, v2.PILToTensor, v2.Pad),
    *(v2.RGB, v2.Resize, v2.ToDtype, v2.ToImage, v2.ToPureTensor),
)


class Steps:
    """The steps of a transform: first those whose result is a function of (picture, seed).

    Steps that draw no random numbers, and mirroring, need nothing but the seed of their row, so
    that threads run them side by side. From the first other step on (a ``ColorJitter``, a function
    of yours) the random numbers are torch's own; these steps run one row after the other in the
    process that asks for the batch, under the seed of the row, and leave torch's state as it was.

    Args:
        transform: a callable, or a ``Compose`` of torchvision; it is given RGB pictures of Pillow.

    >>> steps = Steps(v1.Compose([v1.RandomHorizontalFlip(), v1.PILToTensor()]))
    >>> len(steps.free), len(steps.bound)
    (2, 0)
    """

    def __init__(self, transform: Callable[[Any], Any]):
        every = list(_flat([transform]))
        first = next((i for i, step in enumerate(every) if not _is_free(step)), len(every))
        self.free = every[:first]
        self.bound = every[first:]

    @property
    def deterministic(self) -> bool:
        """Whether nothing draws from torch's own random numbers."""
        return not self.bound

    def begin(self, picture: Any, seed: int | None) -> Any:
        """Run the steps that any thread may run; without a seed, mirroring draws from torch."""
        for step in self.free:
            picture = _mirrored(step, picture, seed) if type(step) in _FLIPS else step(picture)
        return picture

    def end(self, pictures: list[tuple[Any, int | None]]) -> list[Any]:
        """Run the other steps on (picture, seed of its row), in order."""
        if not self.bound:
            return [picture for picture, _ in pictures]
        found = []
        for picture, seed in pictures:
            if seed is None:
                found.append(self._run(picture))
                continue
            with torch.random.fork_rng(devices=[]):
                # torch.manual_seed would also seed the accelerators, which nothing puts back
                torch.default_generator.manual_seed(seed)
                found.append(self._run(picture))
        return found

    def _run(self, picture: Any) -> Any:
        for step in self.bound:
            picture = step(picture)
        return picture

    def __repr__(self) -> str:
        return f"Steps({', '.join(map(repr, [*self.free, *self.bound]))})"


def _flat(steps: Iterable[Any]) -> Iterable[Any]:
    for step in steps:
        if type(step) in (v1.Compose, v2.Compose):
            yield from _flat(step.transforms)
        else:
            yield step


def _is_free(step: Any) -> bool:
    return type(step) in (*_FIXED, *_FLIPS) or bool(getattr(step, "deterministic", False))


def _mirrored(step: Any, picture: Any, seed: int | None) -> Any:
    if seed is None:
        return step(picture)
    # the type in the seed: a picture turned both ways draws twice
    generator = torch.Generator().manual_seed(seed ^ _FLIPS.index(type(step)) % 2)
    if float(torch.rand(1, generator=generator, device="cpu")) >= step.p:
        return picture
    sideways = "Horizontal" in type(step).__name__
    turn = v2.functional.horizontal_flip if sideways else v2.functional.vertical_flip
    return turn(picture)
