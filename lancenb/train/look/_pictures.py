"""Pictures on their way in (anything that holds one) and out (colours, PNG)."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import torch

from ...errors import InvalidArgument
from ..classifier import ImageClassifier


def as_batch(image: Any) -> torch.Tensor:
    """A batch ``(n, c, h, w)`` of one or several pictures, in the dtype given.

    Args:
        image: a tensor ``(c, h, w)`` or ``(n, c, h, w)``, an array ``(h, w)`` or ``(h, w, c)``
            of uint8, or a Pillow image.

    Raises:
        InvalidArgument: nothing of these.
    """
    if not isinstance(image, torch.Tensor):
        image = _from_array(image)
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or not image.numel():
        raise InvalidArgument(
            f"a picture has the shape (channels, height, width), not {tuple(image.shape)}"
        )
    # what was made under inference_mode cannot take part in a gradient, a copy can
    return image.clone() if image.is_inference() else image.detach()


def _from_array(image: Any) -> torch.Tensor:
    if isinstance(image, list | tuple):
        raise InvalidArgument(
            f"a {type(image).__name__} is no picture",
            hint="several pictures are one tensor (n, c, h, w): torch.stack([...])",
        )
    if hasattr(image, "convert") and hasattr(image, "size"):
        image = np.asarray(image.convert("RGB"))
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3):
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        return torch.from_numpy(image.copy()).permute(2, 0, 1)
    kind = f"an array {image.shape} of {image.dtype}" if isinstance(image, np.ndarray) else image
    raise InvalidArgument(
        f"{kind!s:.80} is no picture",
        hint="a tensor (c, h, w), an array (h, w, 3) of uint8, or a Pillow image",
    )


def prepared(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """What the network itself sees: a classifier of ours scales and normalises bytes."""
    if batch.is_floating_point() or not isinstance(model, ImageClassifier):
        return batch
    return (batch.to(model.std.dtype) / 255 - model.mean) / model.std


def shown(batch: torch.Tensor) -> np.ndarray:
    """Pictures to look at, uint8 ``(n, h, w, 3)``; floats are stretched to their range, each."""
    values = batch.detach().cpu()
    if values.dtype != torch.uint8:
        values = values.to(torch.float32).nan_to_num(0.0, 0.0, 0.0)
        low = values.amin(dim=(1, 2, 3), keepdim=True)
        high = values.amax(dim=(1, 2, 3), keepdim=True)
        values = ((values - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8)
    if values.shape[1] != 3:
        values = values.float().mean(dim=1, keepdim=True).round().to(torch.uint8)
        values = values.expand(-1, 3, -1, -1)
    return values.permute(0, 2, 3, 1).contiguous().numpy()


def coloured(values: np.ndarray, colours: str) -> np.ndarray:
    """Numbers from 0 to 1 in a colour map of matplotlib, uint8 with a last axis of 3."""
    from matplotlib import colormaps

    return (colormaps[colours](np.clip(values, 0, 1))[..., :3] * 255).round().astype(np.uint8)


def stretched(values: np.ndarray) -> np.ndarray:
    """Each map of ``(..., h, w)`` from its own lowest (0) to its own highest number (1)."""
    low = values.min(axis=(-2, -1), keepdims=True)
    high = values.max(axis=(-2, -1), keepdims=True)
    return (values - low) / np.maximum(high - low, 1e-12)


def balanced(values: np.ndarray) -> np.ndarray:
    """Each kernel of ``(n, ...)`` about its zero: 0.5 is zero, 0 or 1 its largest number."""
    most = np.abs(values).reshape(len(values), -1).max(axis=1)
    return 0.5 + values / (2 * np.maximum(most, 1e-12)).reshape(-1, *[1] * (values.ndim - 1))


def address(pixels: np.ndarray, side: int = 0) -> str:
    """uint8 pixels ``(h, w, 3)`` as a ``data:`` address of a PNG.

    A picture that fits twice or more into ``side`` pixels is enlarged, each pixel to a square:
    pages that take styles away, as a notebook from elsewhere does, would blur it.
    """
    from PIL import Image

    zoom = max(1, side // max(pixels.shape[:2]))
    pixels = pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
