"""Samples to a batch."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import InvalidArgument


def collate(samples: list[Any]) -> Any:
    """Stack tensors and numbers of equal shape; keep text and other objects as lists.

    Args:
        samples: tensors, tuples or dictionaries, all alike.

    Raises:
        InvalidArgument: tensors of different shapes (pictures that need a resize).

    >>> collate([{"x": torch.ones(2), "t": "a"}, {"x": torch.zeros(2), "t": "b"}])["t"]
    ['a', 'b']
    """
    first = samples[0]
    if isinstance(first, torch.Tensor):
        shapes = {tuple(s.shape) for s in samples}
        if len(shapes) > 1:
            listed = ", ".join(str(shape) for shape in sorted(shapes)[:3])
            raise InvalidArgument(
                f"samples of one batch have different shapes: {listed}",
                hint="give the dataset a transform that brings images to one size,"
                " such as lancenb.data.picture_transform(None)",
            )
        return torch.stack(samples)
    if isinstance(first, bool | int | float):
        return torch.tensor(samples)
    if isinstance(first, dict):
        return {key: collate([s[key] for s in samples]) for key in first}
    if isinstance(first, tuple):
        return tuple(collate(list(part)) for part in zip(*samples, strict=True))
    return list(samples)
