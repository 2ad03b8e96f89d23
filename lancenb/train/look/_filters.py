"""``filters``: the kernels of a convolution as small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ._layers import as_network, the_convolution
from ._pictures import balanced, coloured
from ._shown import Look, Tile

#: Kernels drawn; the inputs of each, in a square of so many beside and below each other.
_DRAWN, _SIDE = 64, 3
#: Enlargement of kernels that share a picture, so that the lines between them are thin.
_ZOOM = 6


@dataclass(repr=False)
class Filters(Look):
    """Kernels of one convolution.

    Attributes:
        layer: full name of the layer.
        weights: float32 ``(filters, inputs, kernel height, kernel width)``; ``inputs`` are the
            input channels of one group.
    """

    layer: str
    weights: np.ndarray

    _side = 64

    @property
    def norms(self) -> np.ndarray:
        """Length (L2) of each filter, float32 ``(filters,)``; next to 0 is a filter that died."""
        return np.sqrt((self.weights**2).sum(axis=(1, 2, 3)))

    def pictures(self) -> np.ndarray:
        """Each filter as a picture about its own zero, uint8 ``(filters, h, w, 3)``.

        Three inputs are taken as red, green and blue (grey is zero). Otherwise the first nine
        inputs stand, enlarged, in a square with grey lines between: red above zero, blue below,
        white at zero.
        """
        if self.weights.shape[1] == 3:
            scaled = balanced(self.weights).transpose(0, 2, 3, 1)
            return (scaled * 255).round().astype(np.uint8)
        return _squares(coloured(balanced(self.weights[:, : _SIDE**2]), "RdBu_r"))

    def _headline(self) -> str:
        return f"Filters of {self.layer}"

    def _facts(self) -> str:
        count, inputs, height, width = self.weights.shape
        text = f"{count:,} of {inputs:,} × {height} × {width}"
        if inputs == 3:
            text += ", red, green and blue of each; grey is zero"
        else:
            part = f"the first {_SIDE**2} inputs of each" if inputs > _SIDE**2 else "each input"
            text += f", {part} about zero: red above, blue below"
        return text + (f"; the first {_DRAWN}" if count > _DRAWN else "")

    def _tiles(self) -> Sequence[Tile]:
        norms = self.norms
        return [
            Tile(pixels, f"{at}", f"filter {at}, length {norms[at]:.3g}")
            for at, pixels in enumerate(self.pictures()[:_DRAWN])
        ]


def _squares(pixels: np.ndarray) -> np.ndarray:
    """Pictures ``(filters, inputs, h, w, 3)``, those of one filter laid into a square."""
    pixels = pixels.repeat(_ZOOM, axis=2).repeat(_ZOOM, axis=3)
    count, inputs, height, width, _ = pixels.shape
    across = min(_SIDE, inputs)
    down = -(-inputs // across)
    size = (count, down * (height + 1) - 1, across * (width + 1) - 1, 3)
    laid = np.full(size, 128, np.uint8)
    for at in range(inputs):
        top, left = (at // across) * (height + 1), (at % across) * (width + 1)
        laid[:, top : top + height, left : left + width] = pixels[:, at]
    return laid


def filters(model: torch.nn.Module, layer: str | None = None) -> Filters:
    """The kernels of a convolution.

    Args:
        model: any network with a ``Conv2d``.
        layer: its name; default: the first one, whose filters see the colours themselves.

    Raises:
        InvalidArgument: no network, no such layer, or no convolution; near names are in the hint.

    >>> filters(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5))).pictures().shape
    (8, 5, 5, 3)
    """
    name, part = the_convolution(as_network(model), layer)
    return Filters(name, part.weight.detach().to(torch.float32).cpu().numpy().copy())
