"""Small tools shared by the tests of the weights room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lancenb.convert.weights import load_tensors


def raw(tensor: torch.Tensor) -> bytes:
    plain = tensor.detach().resolve_conj().resolve_neg()
    if plain.element_size() == 1:
        plain = plain.view(torch.uint8)
    return plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_same(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    assert list(expected) == list(found)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        assert raw(found[name]) == raw(tensor), name


def assert_table(expected: dict[str, torch.Tensor], uri: Any) -> None:
    """The table gives these tensors, mapped and read through Lance alike."""
    assert_same(expected, load_tensors(uri))
    assert_same(expected, load_tensors(uri, mmap=False))


def disk_bytes(folder: Any) -> int:
    return sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())
