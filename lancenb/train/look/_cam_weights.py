"""The weight of each channel in a class activation map, by method."""

from __future__ import annotations

import torch
from torch import nn

from ._capture import scores_of


def gradcam(maps: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Mean gradient of each channel, ``(n, channels)`` (Selvaraju et al. 2017, equation 1).

    Args:
        maps: ``(n, channels, h, w)``; only their number matters here.
        slopes: gradient of the score by the maps, of the same shape.
    """
    return slopes.mean(dim=(2, 3)).reshape(len(maps), -1)


def gradcam_plus_plus(maps: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Sum of the positive gradients, each with its alpha (Chattopadhay et al. 2018, 5 and 19).

    With the exponential of the score, as in the paper, all derivatives are powers of the first one
    times that exponential. It cancels in alpha; in the weights it is one positive factor for the
    whole map, left out here: it would overflow, and the map is scaled anyway.

    Args:
        maps: ``(n, channels, h, w)``.
        slopes: gradient of the score by the maps, of the same shape.
    """
    square = slopes**2
    whole = 2 * square + maps.sum(dim=(2, 3), keepdim=True) * slopes**3
    alpha = torch.where(whole != 0, square / torch.where(whole != 0, whole, 1.0), 0.0)
    return (alpha * slopes.relu()).sum(dim=(2, 3))


def scorecam(
    model: nn.Module,
    inputs: torch.Tensor,
    maps: torch.Tensor,
    targets: torch.Tensor,
    batch_size: int,
) -> torch.Tensor:
    """Softmax of the scores of the pictures dimmed by each channel (Wang et al. 2020, algorithm 1).

    Each channel's map is enlarged to the picture and brought to 0..1; a channel that is the same
    everywhere says nothing about places and dims everything. The score of an empty picture, which
    the definition subtracts, is the same for all channels and cancels in the softmax.

    Args:
        model: the classifier.
        inputs: pictures as the network sees them, ``(n, c, h, w)``.
        maps: ``(n, channels, h, w)``.
        targets: class of each picture, int64 ``(n,)``.
        batch_size: pictures per pass.

    Returns:
        float32 ``(n, channels)``, each row adds up to 1.
    """
    rows = [
        _scores_of_one(model, picture, channels, int(target), batch_size)
        for picture, channels, target in zip(inputs, maps, targets.tolist(), strict=True)
    ]
    return torch.stack(rows).softmax(dim=1)


def _scores_of_one(
    model: nn.Module, picture: torch.Tensor, channels: torch.Tensor, target: int, batch_size: int
) -> torch.Tensor:
    """The score of one picture under the mask of each channel, float32 ``(channels,)``."""
    scores = []
    for part in channels.split(batch_size):
        masks = nn.functional.interpolate(
            part[:, None], (picture.shape[1], picture.shape[2]), mode="bilinear"
        )
        low, high = masks.amin(dim=(2, 3), keepdim=True), masks.amax(dim=(2, 3), keepdim=True)
        masks = torch.where(high > low, (masks - low) / (high - low).clamp_min(1e-12), 0.0)
        dimmed = picture[None] * masks
        if not picture.is_floating_point():
            dimmed = dimmed.round()
        scores.append(scores_of(model, dimmed.to(picture.dtype))[:, target].float())
    return torch.cat(scores)
