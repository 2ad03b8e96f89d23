"""``activations``: what the channels of a layer say to a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...errors import InvalidArgument
from .._modes import device_of, evaluating
from ._capture import last_convolution, listen
from ._layers import as_network, find_layer
from ._pictures import as_batch, coloured, prepared, shown, stretched
from ._shown import Look, Tile

_DRAWN = 31


@dataclass(repr=False)
class Activations(Look):
    """Maps of one layer for one picture.

    Attributes:
        layer: full name of the layer.
        maps: float32 ``(channels, height, width)``, as the layer gives them.
        picture: the picture, uint8 ``(h, w, 3)``.
    """

    layer: str
    maps: np.ndarray
    picture: np.ndarray

    def strongest(self, count: int = 8) -> np.ndarray:
        """Numbers of the channels with the largest mean magnitude, int64, the strongest first."""
        means = np.abs(self.maps).mean(axis=(1, 2))
        return np.argsort(-means, kind="stable")[:count]

    def _headline(self) -> str:
        return f"Activations of {self.layer}"

    def _facts(self) -> str:
        channels, height, width = self.maps.shape
        text = f"{channels:,} channels of {height} × {width}, each in its own range"
        return text + (f", the {_DRAWN} strongest" if channels > _DRAWN else "")

    def _tiles(self) -> Sequence[Tile]:
        tiles = [Tile(self.picture, "picture", "the picture that the layer looks at")]
        for channel in self.strongest(_DRAWN).tolist():
            values = self.maps[channel]
            row, column = np.unravel_index(int(values.argmax()), values.shape)
            words = (
                f"channel {channel}: from {values.min():.3g} to {values.max():.3g}, highest at row"
                f" {row + 1} of {values.shape[0]}, column {column + 1} of {values.shape[1]}"
            )
            caption = f"{channel}: max {values.max():.2g}"
            tiles.append(Tile(coloured(stretched(values), "viridis"), caption, words))
        return tiles

    _side = 92


def activations(
    model: torch.nn.Module,
    image: Any,
    layer: str | None = None,
    *,
    reshape: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Activations:
    """Run a picture through a network and keep what a layer gives.

    Args:
        model: any network with two-dimensional maps; it is in evaluation mode meanwhile.
        image: a tensor ``(c, h, w)``, uint8 for an :class:`~lancenb.train.ImageClassifier` (which
            normalises it), else as the network was trained; an array ``(h, w, 3)`` of uint8 or a
            Pillow image. It is used at its own size; bring it to the side that the network was
            trained at first, for 64 pixels with
            ``lancenb.data.picture_transform(None, to=64)(tensor)``.
        layer: name of any layer that gives maps ``(1, channels, h, w)``; default: the convolution
            that runs last.
        reshape: brings another output of the layer to that form, such as :func:`token_maps`.

    Raises:
        InvalidArgument: no such layer, one that gives no maps, or more than one picture.

    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> activations(net, torch.rand(3, 16, 16), "1").maps.shape
    (8, 16, 16)
    """
    with torch.inference_mode(False), evaluating(as_network(model)):
        batch = as_batch(image)
        if len(batch) != 1:
            raise InvalidArgument(f"activations are of one picture, not of {len(batch)}")
        inputs = prepared(model, batch.to(device_of(model)))
        name, part = find_layer(
            model, layer if layer is not None else last_convolution(model, inputs)
        )
        output = listen(model, name, part, inputs, gradients=False).output
        maps = maps_of(name, output, reshape)[0].cpu().numpy()
    return Activations(name, maps, shown(batch)[0])


def maps_of(
    name: str, output: torch.Tensor, reshape: Callable[[torch.Tensor], torch.Tensor] | None
) -> torch.Tensor:
    """The output of a layer as float32 maps ``(n, channels, h, w)``.

    Raises:
        InvalidArgument: it has another form, or holds what is no number.
    """
    maps = output.detach() if reshape is None else reshape(output.detach())
    if maps.ndim != 4:
        raise InvalidArgument(
            f"'{name}' gives {tuple(maps.shape)}, which are no maps (n, channels, height, width)",
            hint="name a convolution or a block of them; for tokens there is"
            " reshape=look.token_maps",
        )
    maps = maps.to(torch.float32)
    if not bool(maps.isfinite().all()):
        raise InvalidArgument(f"'{name}' gives values that are no finite numbers")
    return maps
