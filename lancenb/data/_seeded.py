"""Random numbers that are a function of a row's seed, whatever thread draws them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import InvalidArgument

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def mixed(value: int) -> int:
    """SplitMix64's finaliser (Steele, Lea and Flood, 2014): 64 well mixed bits of a counter."""
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & _MASK
    return value ^ value >> 31


class Draws:
    """Numbers drawn one after the other from one seed.

    >>> Draws(7).uniform(0, 1) == Draws(7).uniform(0, 1)
    True
    """

    def __init__(self, seed: int):
        self._state = seed & _MASK

    def uniform(self, low: float, high: float) -> float:
        """A number in ``[low, high)``."""
        self._state = (self._state + _STEP) & _MASK
        return low + (high - low) * ((mixed(self._state) >> 11) * 2.0**-53)

    def below(self, limit: int) -> int:
        """A whole number in ``[0, limit)``."""
        return min(limit - 1, int(self.uniform(0, limit)))


def draw(seeds: np.ndarray, number: int) -> np.ndarray:
    """The ``number``-th draw (from 1) of :class:`Draws` in ``[0, 1)``, for many seeds at once."""
    step = np.uint64(_STEP * number & _MASK)
    with np.errstate(over="ignore"):
        value = seeds + step
        value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return (value >> np.uint64(11)).astype(np.float64) * 2.0**-53


def seeds_of(indices: Sequence[int]) -> np.ndarray | None:
    """One uint64 seed per row of a batch; None for a plain list, which has no seed.

    A batch with ``seed`` only (of a sampler that knows no rows) mixes it with each row.
    """
    seeds = getattr(indices, "seeds", None)
    if seeds is not None:
        return np.asarray(seeds, dtype=np.uint64)
    seed = getattr(indices, "seed", None)
    if seed is None:
        return None
    base = mixed(int(seed) & _MASK)
    return np.array([mixed((base + _STEP * (int(i) + 1)) & _MASK) for i in indices], np.uint64)


def picked_seed() -> int:
    """A seed from torch's global random numbers, as any random transform would draw."""
    return int(torch.randint(1 << 62, (), device="cpu"))


class SeededRandom(TorchDispatchMode):
    """Inside, torch's random functions of this thread draw from one generator.

    The global random numbers are neither read nor changed, so that random transforms can run in
    threads beside a model that draws its own.

    Args:
        generator: where numbers come from.
    """

    def __init__(self, generator: torch.Generator):
        super().__init__()
        self.generator = generator

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Give every random operation the generator."""
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            func = _with_generator(func)
            kwargs["generator"] = self.generator
        return func(*args, **kwargs)


@functools.cache
def _with_generator(func: Any) -> Any:
    names = [argument.name for argument in func._schema.arguments]
    if "generator" in names:
        return func
    packet = func.overloadpacket
    for overload in packet.overloads():
        found = getattr(packet, overload)
        others = [a.name for a in found._schema.arguments]
        if "generator" in others and [n for n in others if n != "generator"] == names:
            return found
    raise InvalidArgument(
        f"the transform draws random numbers by {func}, which cannot be seeded for each row",
        hint="give the transform an attribute seeded = True and a seed as second argument",
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use this thread alone: pictures are too small to be shared out among threads.

    The number is one of the calling thread; others keep theirs.
    """
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
