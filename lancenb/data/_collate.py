"""Samples to a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import InvalidArgument
from ._tokens import TokenSample, pad_rows

_NUMBERS = (bool, int, float)
_PICTURES = (
    "give the dataset a transform that brings images to one size, from lancenb.data:"
    " RandomCropResize(224) to train, picture_transform(None) to score; rows of other numbers need"
    " a collate_fn of yours"
)
_LISTS = (
    "lists of varying length need a transform of the data set that cuts or fills them up to one"
    " length, or a collate_fn of yours (torch.nn.utils.rnn.pad_sequence pads); columns=[...] leaves"
    " them out"
)


def collate(samples: list[Any], key: str = "") -> Any:
    """Stack tensors and numbers of equal shape; fill up token ids; keep text and others as lists.

    Args:
        samples: tensors, tuples or dictionaries, all alike. None counts as text does: it stays in
            a list, and cannot stand among numbers or tensors.
        key: what they are of each row, for messages.

    Raises:
        InvalidArgument: tensors of different shapes (pictures that need a resize, lists of
            varying length), or a None where other samples have a number or a tensor.

    >>> collate([{"x": torch.ones(2), "t": "a"}, {"x": torch.zeros(2), "t": "b"}])["t"]
    ['a', 'b']
    """
    return _collated(samples, f" for {key!r}" if key else "")


def _collated(samples: list[Any], part: str) -> Any:
    """A batch of one part of the samples, which errors name."""
    first = next((sample for sample in samples if sample is not None), None)
    _check_alike(first, samples, part)
    if isinstance(first, TokenSample):
        return {
            key: pad_rows([s[key] for s in samples], first.pads[key])
            if key in first.pads
            else _collated([s[key] for s in samples], f" for {key!r}")
            for key in first
        }
    if isinstance(first, torch.Tensor):
        shapes = {tuple(s.shape) for s in samples}
        if len(shapes) > 1:
            raise _of_shapes(shapes, part)
        return torch.stack(samples)
    if isinstance(first, _NUMBERS):
        return torch.tensor(samples, device="cpu")
    if isinstance(first, dict):
        return {key: _collated([s[key] for s in samples], f" for {key!r}") for key in first}
    if isinstance(first, tuple):
        return tuple(
            _collated(list(each), f" in part {number}")
            for number, each in enumerate(zip(*samples, strict=True), 1)
        )
    return list(samples)


def _check_alike(first: Any, samples: list[Any], part: str) -> None:
    kind: Any = next((k for k in (torch.Tensor, dict, tuple) if isinstance(first, k)), None)
    if isinstance(first, _NUMBERS):
        kind = (*_NUMBERS, np.generic)
    if kind is None:
        return
    for number, other in enumerate(samples):
        if other is None:
            raise InvalidArgument(
                f"sample {number} of a batch has None{part} where others have"
                f" {type(first).__name__}",
                hint="leave such rows out with a filter, fill them (nulls='fill' of a data set),"
                " or give a collate_fn of yours",
            )
        if not isinstance(other, kind):
            raise _unlike(type(first).__name__, type(other).__name__)
    if kind is dict:
        keys = {tuple(sorted(map(str, sample))) for sample in samples}
        if len(keys) > 1:
            one, another = sorted(keys)[:2]
            raise _unlike(f"the keys {', '.join(one)}", f"the keys {', '.join(another)}")
    elif kind is tuple:
        lengths = sorted({len(sample) for sample in samples})
        if len(lengths) > 1:
            raise _unlike(f"{lengths[0]} parts", f"{lengths[1]} parts")


def _of_shapes(shapes: set[tuple[int, ...]], part: str) -> InvalidArgument:
    listed = ", ".join(str(shape) for shape in sorted(shapes)[:3])
    return InvalidArgument(
        f"samples of one batch have different shapes{part}: {listed}",
        hint=_LISTS if all(len(shape) == 1 for shape in shapes) else _PICTURES,
    )


def _unlike(one: str, other: str) -> InvalidArgument:
    return InvalidArgument(
        f"samples of one batch are not alike: {one} and {other}",
        hint="choose the same columns of all data sets, or give a collate_fn of yours",
    )
