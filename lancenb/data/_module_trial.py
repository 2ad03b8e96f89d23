"""What a transform of the user's own does to one row: the size it gives, and whether it draws."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import CorruptInput
from .dataset import LanceTorchDataset


class Trial(NamedTuple):
    """What came out of a transform.

    Attributes:
        size: (height, width) of the picture, None without one.
        random: whether random numbers of torch, numpy or Python were drawn.
    """

    size: tuple[int, ...] | None
    random: bool


def tried(data: Any) -> Trial | None:
    """Call the transform of a data set for its first row; no random state is changed by it.

    Returns:
        None without a transform, or when that row cannot be read.
    """
    if not isinstance(data, LanceTorchDataset) or data.transform is None or not len(data):
        return None
    lone = data.subset([0])  # with accounts of its own: nothing is counted or kept in the data set
    try:
        samples = lone.fetch([0])
    except CorruptInput:  # said when the row is asked for
        return None
    if not samples:
        return None
    with _watched() as drawn:
        (made,) = lone.finish(samples, seed=0)
    transform = data.transform
    fixed = getattr(transform, "deterministic", False)
    drawing = getattr(transform, "seeded", False) or (not fixed and any(drawn))
    return Trial(_size(lone, made), drawing)


def _size(data: LanceTorchDataset, made: Any) -> tuple[int, ...] | None:
    if not data.plan.image_key:
        return None
    pair, named = data.plan.form == "pair", data.plan.form == "dict"
    picture = made[0] if pair else made[data.plan.image_key] if named else made
    shape = getattr(picture, "shape", ())
    return tuple(shape[-2:]) if len(shape) > 2 else None


class _Noticing(TorchDispatchMode):
    """Notes whether torch is asked for random numbers, also of a generator."""

    def __init__(self, drawn: list[bool]):
        super().__init__()
        self.drawn = drawn

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.drawn.append(torch.Tag.nondeterministic_seeded in func.tags)
        return func(*args, **(kwargs or {}))


@contextmanager
def _watched() -> Iterator[list[bool]]:
    """Give a list that says in the end who drew; Python's and numpy's states are put back."""
    drawn: list[bool] = []
    plain: Any = random.getstate()
    arrays: Any = np.random.get_state()
    try:
        with _Noticing(drawn):
            yield drawn
        now: Any = np.random.get_state()
        drawn.append(random.getstate() != plain)
        drawn.append(now[2] != arrays[2] or bool((now[1] != arrays[1]).any()))
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)
