"""Augmentation of whole batches, wherever their pictures are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import InvalidArgument

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def augmented(batch: Any, augment: Any, seeds: np.ndarray | None, seed: int | None) -> Any:
    """A batch with its pictures augmented: by the seeds of the rows where ``augment`` can.

    Args:
        batch: pictures ``(n, channels, h, w)``, a tuple that begins with them, or a dict that has
            them.
        augment: ``augment(pictures, generator)``, with ``by_row(pictures, seeds)`` or without.
        seeds: one per picture, None without any.
        seed: of the whole batch; None takes a fresh one.

    Raises:
        InvalidArgument: there are no pictures.
    """
    if isinstance(batch, dict):
        four = (k for k, v in batch.items() if isinstance(v, torch.Tensor) and v.ndim == 4)
        key = next(four, None)
        if key is None:
            raise _without_pictures(f"its keys are {', '.join(map(str, batch))}")
        return {**batch, key: _moved(batch[key], augment, seeds, seed)}
    images = batch[0] if isinstance(batch, tuple) else batch
    if not isinstance(images, torch.Tensor):
        raise _without_pictures(f"it is a {type(images).__name__}")
    moved = _moved(images, augment, seeds, seed)
    return (moved, *batch[1:]) if isinstance(batch, tuple) else moved


def _without_pictures(seen: str) -> InvalidArgument:
    return InvalidArgument(
        f"augment needs a batch of pictures (n, channels, height, width), and {seen}",
        hint="leave augment= out, or give the data set a transform",
    )


def _moved(images: torch.Tensor, augment: Any, seeds: np.ndarray | None, seed: int | None) -> Any:
    if seeds is not None and hasattr(augment, "by_row") and len(seeds) == len(images):
        return augment.by_row(images, seeds)
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return augment(images, generator)
