"""Layers of a network by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from ...errors import InvalidArgument

_LISTED = 6


def as_network(model: Any) -> nn.Module:
    """The network itself; a name is no network.

    Raises:
        InvalidArgument: something else than a ``torch.nn.Module``.
    """
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, str):
        raise InvalidArgument(
            f"{model!r} is a name, the network itself is wanted",
            hint=f'load_classifier("{model}", manager=dm)',
        )
    raise InvalidArgument(
        f"a {type(model).__name__} is no network",
        hint="a torch.nn.Module, such as load_classifier('net', manager=dm)",
    )


def convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """All two-dimensional convolutions by name, in the order in which they were registered."""
    return {name: part for name, part in model.named_modules() if isinstance(part, nn.Conv2d)}


def find_layer(model: nn.Module, layer: str) -> tuple[str, nn.Module]:
    """The full name of a layer, and the layer.

    Args:
        model: the network.
        layer: its name, the name within the network that a classifier wraps, or the end of a name
            when there is one such layer.

    Raises:
        InvalidArgument: no such layer, or several.
    """
    if not isinstance(layer, str) or not layer:
        raise InvalidArgument(
            f"a layer goes by its name, not {layer!r:.60}",
            hint=f"for instance layer={_example(model)!r}",
        )
    parts = dict(model.named_modules())
    wrapped = [f"{child}.{layer}" for child, _ in model.named_children()]
    inner = [name for name in wrapped if name in parts]
    ends = [name for name in parts if name.endswith(f".{layer}")]
    for found in ([layer] if layer in parts else [], inner, ends):
        if len(found) == 1:
            return found[0], parts[found[0]]
        if found:
            raise InvalidArgument(
                f"{layer!r} names {len(found)} layers: {_listed(found)}",
                hint=f"give the whole name, for instance layer={found[0]!r}",
            )
    near = get_close_matches(layer, [name for name in parts if name], _LISTED, cutoff=0.5)
    if near:
        hint = f"near it: {_listed(near)}"
    else:
        hint = f"there is {_listed(list(convolutions(model)) or [n for n in parts if n])}"
    raise InvalidArgument(f"the network has no layer {layer!r}", hint=hint)


def the_convolution(model: nn.Module, layer: str | None) -> tuple[str, nn.Conv2d]:
    """A convolution by name, or the first one.

    Raises:
        InvalidArgument: no such layer, another kind of layer, or no convolution at all.
    """
    known = convolutions(model)
    if layer is None:
        if not known:
            raise no_convolutions(model)
        return next(iter(known.items()))
    name, part = find_layer(model, layer)
    if isinstance(part, nn.Conv2d):
        return name, part
    inside = [n for n in known if n.startswith(f"{name}.")]
    if inside:
        hint = f"inside it: {_listed(inside)}"
    else:
        hint = f"convolutions: {_listed(list(known))}" if known else "it has no convolutions"
    raise InvalidArgument(
        f"'{name}' is a {type(part).__name__}, only a Conv2d has filters", hint=hint
    )


def no_convolutions(model: nn.Module) -> InvalidArgument:
    """The error of a network without convolutions."""
    return InvalidArgument(
        f"{type(model).__name__} has no Conv2d layer",
        hint="name a layer that gives maps (layer='...'), or one that gives tokens with"
        " reshape=look.token_maps",
    )


def is_patch_cutter(part: nn.Conv2d) -> bool:
    """Whether a convolution only cuts the picture into patches, as vision transformers do."""
    sides = tuple(int(side) for side in part.kernel_size)
    return sides == tuple(int(step) for step in part.stride) and min(sides) > 1


def token_maps(tokens: torch.Tensor) -> torch.Tensor:
    """Tokens of a vision transformer as maps, for ``reshape=`` of :func:`grad_cam`.

    Args:
        tokens: ``(n, tokens, channels)``: a square of patches in rows, before it class and
            register tokens, which are left out.

    Returns:
        ``(n, channels, side, side)``.

    >>> token_maps(torch.zeros(2, 1 + 14 * 14, 768)).shape
    torch.Size([2, 768, 14, 14])
    """
    if tokens.ndim != 3 or tokens.shape[1] < 1:
        raise InvalidArgument(f"tokens have three dimensions, not {tuple(tokens.shape)}")
    side = int(tokens.shape[1] ** 0.5)
    patches = tokens[:, tokens.shape[1] - side * side :]
    return patches.transpose(1, 2).unflatten(2, (side, side))


def _example(model: nn.Module) -> str:
    known = list(convolutions(model)) or [name for name, _ in model.named_modules() if name]
    return known[-1] if known else "features.0"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
