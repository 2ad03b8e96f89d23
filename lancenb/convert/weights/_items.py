"""Tensors that can be read when their turn comes, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.errors import UnsupportedFormat

from ._dtypes import dtype_name, torch_dtype

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(slots=True)
class TensorItem:
    """One tensor of a source.

    Attributes:
        name: name in the state dict; levels of nesting are joined by dots.
        dtype: torch's name of the element type, such as ``"bfloat16"``.
        shape: sizes, ``()`` for a scalar.
        nbytes: size of the payload in bytes.
        read: gives the payload as ``uint8[nbytes]``, contiguous, little-endian; without a copy
            where the source allows it.
        alias_of: name of an earlier tensor with the very same memory, if any.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    read: Callable[[], np.ndarray]
    alias_of: str | None = None

    def tensor(self) -> torch.Tensor:
        """Return the tensor; it may share memory with the source."""
        import torch

        dtype = torch_dtype(self.dtype)
        if self.nbytes == 0:
            return torch.empty(self.shape, dtype=dtype)
        return as_tensor(torch.from_numpy(self.read()), self.dtype, self.shape)


@dataclass
class TensorSource:
    """What :func:`read_tensors` found.

    Attributes:
        items: the tensors, in state dict order.
        extras: everything else that fits JSON (epoch, metrics, arguments, configuration).
        left_out: ``(where, type)`` of what does not fit JSON and is not a tensor.
        notes: facts on the form of the source: ``format``, ``wrapper``, ``prefix``,
            ``unknown_classes``, ``checksums``.
        files: the files read.
        regions: file mappings behind the items, as ``(address, length)``.
    """

    items: list[TensorItem]
    extras: dict[str, Any] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    regions: list[tuple[int, int]] = field(default_factory=list)
    keep: list[Any] = field(default_factory=list, repr=False)

    @property
    def names(self) -> list[str]:
        """Names of the tensors, in state dict order."""
        return [item.name for item in self.items]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, memory shared between several counted once."""
        return sum(item.nbytes for item in self.items if item.alias_of is None)

    def close(self) -> None:
        """Let go of mapped files; tensors taken out before stay valid."""
        self.regions.clear()
        self.keep.clear()

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield names and tensors."""
        for item in self.items:
            yield item.name, item.tensor()

    def __len__(self) -> int:
        return len(self.items)


def as_tensor(payload: torch.Tensor, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """View ``uint8[n]`` as a tensor of another type; copies only when it is not aligned."""
    kind = torch_dtype(dtype)
    if payload.data_ptr() % kind.itemsize or payload.storage_offset() % kind.itemsize:
        payload = payload.clone()
    return payload.view(kind).reshape(shape)


def on_device(state: dict[str, torch.Tensor], device: Any) -> dict[str, torch.Tensor]:
    """Move tensors to a device; those that share their memory share it there, too."""
    import torch

    if str(device) == "cpu":
        return state
    moved: dict[tuple[int, int], torch.Tensor] = {}
    out = {}
    for name, tensor in state.items():
        if tensor.numel() == 0 or not tensor.is_contiguous():
            out[name] = tensor.to(device)
            continue
        flat = tensor.detach().reshape(-1).view(torch.uint8)
        place = flat.data_ptr(), flat.numel()
        if place not in moved:
            moved[place] = flat.to(device)
        out[name] = as_tensor(moved[place], dtype_name(tensor.dtype), tuple(tensor.shape))
    return out


def raw_bytes(tensor: torch.Tensor) -> np.ndarray:
    """Return the elements of a strided tensor as ``uint8[nbytes]``; copies only when it must.

    >>> import torch
    >>> raw_bytes(torch.tensor([1, 256], dtype=torch.int16)).tolist()
    [1, 0, 0, 1]
    """
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg().cpu()
    if plain.element_size() == 1:
        # Types below a byte (int4 ...) have no copy of their own; their bytes have.
        plain = plain.view(torch.uint8)
    return plain.contiguous().reshape(-1).view(torch.uint8).numpy()


def tensor_items(pairs: list[tuple[str, Any]], where: str) -> list[TensorItem]:
    """Describe tensors in memory (or in a mapped file) without copying them.

    Args:
        pairs: names and tensors, in state dict order.
        where: the source, named in errors.

    Raises:
        UnsupportedFormat: a tensor whose elements are not plain memory (sparse, quantised,
            meta, nested, a wrapper class); named in the message.
    """
    seen: dict[Any, str] = {}
    items = []
    for name, tensor in pairs:
        _check_plain(name, tensor, where)
        nbytes = tensor.numel() * tensor.element_size()
        items.append(
            TensorItem(
                name=name,
                dtype=dtype_name(tensor.dtype),
                shape=tuple(tensor.shape),
                nbytes=nbytes,
                read=_reader(tensor),
                alias_of=_alias(seen, name, tensor, nbytes),
            )
        )
    return items


def _reader(tensor: torch.Tensor) -> Callable[[], np.ndarray]:
    return lambda: raw_bytes(tensor)


def _alias(seen: dict[Any, str], name: str, tensor: torch.Tensor, nbytes: int) -> str | None:
    if nbytes == 0:
        return None
    views = tensor.is_conj(), tensor.is_neg(), str(tensor.device)
    if tensor.is_contiguous():
        key: Any = (tensor.data_ptr(), nbytes, views)
    else:
        key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), views)
    first = seen.setdefault(key, name)
    return None if first == name else first


def _check_plain(name: str, tensor: torch.Tensor, where: str) -> None:
    import torch
    from torch.nn.parameter import is_lazy
    from torch.utils._python_dispatch import is_traceable_wrapper_subclass

    reason = ""
    if is_lazy(tensor):
        reason = "has no shape yet (a lazy parameter that was never used)"
    elif tensor.is_nested:
        reason = "is a nested tensor"
    elif tensor.is_quantized:
        reason = f"is quantised ({dtype_name(tensor.dtype)})"
    elif is_traceable_wrapper_subclass(tensor):
        reason = f"is a {type(tensor).__name__}, a wrapper around other tensors"
    elif tensor.layout != torch.strided:
        reason = f"is sparse ({str(tensor.layout).removeprefix('torch.')})"
    elif tensor.is_meta:
        reason = "is on the meta device and has no data"
    if reason:
        raise UnsupportedFormat(
            f"tensor {name!r} of {where} {reason} and cannot be stored bit for bit",
            hint="turn it into a plain dense tensor first (to_dense(), dequantize(), to('cpu'))",
        )
