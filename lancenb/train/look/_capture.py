"""One pass through a network while one of its layers is listened to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ...errors import InvalidArgument
from ._layers import convolutions, is_patch_cutter, no_convolutions


@dataclass
class Heard:
    """What a pass gave.

    Attributes:
        scores: ``(n, classes)``, or None when the network gives something else.
        output: what the layer gave; the scores can be differentiated by it when gradients were
            asked for.
    """

    scores: torch.Tensor | None
    output: torch.Tensor


def listen(
    model: nn.Module, name: str, part: nn.Module, batch: torch.Tensor, *, gradients: bool
) -> Heard:
    """Run a batch, keep what one layer gives; the hook is gone afterwards.

    With ``gradients`` the layer's output goes on as the beginning of a graph of its own: frozen
    weights do not matter, nothing before the layer is differentiated, and no weight gets a
    gradient.

    Raises:
        InvalidArgument: the layer takes no part, several times, or gives no tensor.
    """
    heard: list[torch.Tensor] = []

    def hook(_part: nn.Module, _inputs: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor):
            raise InvalidArgument(f"'{name}' gives a {type(output).__name__}, not one tensor")
        if gradients and not output.is_floating_point():
            raise InvalidArgument(f"'{name}' gives {output.dtype}, which has no gradient")
        kept = output.detach().clone()
        heard.append(kept.requires_grad_(gradients))
        # a copy goes on: the next layer may work in place
        return kept.clone() if gradients else None

    handle = part.register_forward_hook(hook)
    try:
        with torch.set_grad_enabled(gradients):
            out = run(model, batch)
    finally:
        handle.remove()
    if len(heard) != 1:
        times = f"runs {len(heard)} times" if heard else "takes no part"
        raise InvalidArgument(
            f"'{name}' {times} in one pass of the network",
            hint="choose a layer that runs once, such as the convolution before it",
        )
    return Heard(_scores(out), heard[0])


def run(model: nn.Module, batch: torch.Tensor) -> Any:
    """The answer of a network, with a word on bytes given to a network that wants numbers.

    Raises:
        InvalidArgument: the network does not take uint8.
    """
    try:
        return model(batch)
    except RuntimeError as error:
        if batch.is_floating_point() or "type" not in str(error):
            raise
        raise InvalidArgument(
            f"{type(model).__name__} does not take pictures of {batch.dtype}",
            hint="scale and normalise the picture as in the training: image.float() / 255 ...",
        ) from error


def scores_of(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Scores ``(n, classes)`` of a batch, without gradients."""
    with torch.no_grad():
        return wanted(_scores(run(model, batch)), model)


def wanted(scores: torch.Tensor | None, model: nn.Module) -> torch.Tensor:
    """Refuse a network that gives no scores.

    Raises:
        InvalidArgument: it is none.
    """
    if scores is None:
        raise InvalidArgument(
            f"{type(model).__name__} does not give one row of class scores per picture",
            hint="give the part of the model that classifies",
        )
    return scores


def _scores(out: Any) -> torch.Tensor | None:
    out = getattr(out, "logits", out)
    if isinstance(out, tuple | list) and out:
        out = out[0]
    if isinstance(out, torch.Tensor) and out.ndim == 2 and out.is_floating_point():
        return out
    return None


def last_convolution(model: nn.Module, batch: torch.Tensor) -> str:
    """The convolution that runs last in a pass and still gives a map of more than one place.

    Raises:
        InvalidArgument: there is none, or only the one that cuts a picture into patches.
    """
    known = convolutions(model)
    if not known:
        raise no_convolutions(model)
    order: list[tuple[str, bool]] = []

    def hear(name: str) -> Callable[..., None]:
        def hook(_part: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            order.append((name, output.shape[-1] * output.shape[-2] > 1))

        return hook

    handles = [part.register_forward_hook(hear(name)) for name, part in known.items()]
    try:
        with torch.no_grad():
            run(model, batch[:1])
    finally:
        for handle in handles:
            handle.remove()
    names = [name for name, has_places in order if has_places]
    if not names:
        raise InvalidArgument(
            f"no Conv2d layer of {type(model).__name__} gives a map for this picture",
            hint="give a larger picture, or name a layer",
        )
    if len(set(names)) == 1 and is_patch_cutter(known[names[0]]):
        raise InvalidArgument(
            f"the only Conv2d of {type(model).__name__}, '{names[0]}', cuts the picture into"
            " patches: it is no feature map",
            hint="name a layer of the last block that gives tokens, with reshape=look.token_maps:"
            " for torchvision's vit_b_16 layer='encoder.layers.encoder_layer_11.ln_1'",
        )
    return names[-1]
