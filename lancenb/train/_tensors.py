"""Tensors of a file that anybody may have written: whether there is memory behind what they say."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch


def lack(value: Any) -> str | None:
    """Say what a value lacks of a plain tensor with as many values as its shape says.

    A file of a few bytes can hold a tensor of any shape, whose places are all the same one, or
    none: what takes memory or is computed with comes after this.

    Args:
        value: as it was read.

    Returns:
        Words that go on after "it is"; ``None`` for a plain tensor, which may be a view or share
        its memory.

    >>> lack(torch.zeros(2, 3).T), lack(torch.zeros(1).expand(10**9))
    (None, 'a tensor of 1000000000 values in memory for 1')
    """
    if not isinstance(value, torch.Tensor):
        return "no tensor"
    if value.device.type != "cpu":
        return f"a tensor without values in memory, on the device {value.device}"
    if value.is_nested or value.layout != torch.strided:
        return "a nested tensor" if value.is_nested else f"a tensor of layout {value.layout}"
    if value.is_quantized or not _is_number(value.dtype):
        return f"a tensor of {value.dtype}"
    there = value.untyped_storage().nbytes() // value.itemsize
    if there < value.numel():
        return f"a tensor of {value.numel()} values in memory for {there}"
    return None


@lru_cache(maxsize=64)
def _is_number(dtype: torch.dtype) -> bool:
    """Whether values are real and can be copied; torch has types that are names of bits alone."""
    if dtype.is_complex:  # a copy drops the imaginary part
        return False
    try:
        torch.empty(1).copy_(torch.empty(1, dtype=dtype))
    except RuntimeError:
        return False
    return True


def share_memory(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether a change of one value changes another one too, of the same tensor or of another.

    Args:
        tensors: plain ones, see :func:`lack`; views of one memory side by side share none.

    >>> both = torch.zeros(4)
    >>> share_memory([both[:2], both[2:]]), share_memory([both, both[3]])
    (False, True)
    """
    spans = []
    for each in tensors:
        pairs = [(n, step) for n, step in zip(each.shape, each.stride(), strict=True) if n > 1]
        length = 1 + sum((n - 1) * step for n, step in pairs)
        if any(step == 0 for _, step in pairs) or length < each.numel():
            return True
        if each.numel():
            spans.append((each.data_ptr(), each.data_ptr() + length * each.itemsize))
    return any(end > start for (_, end), (start, _) in pairwise(sorted(spans)))
