"""``grad_cam``: which parts of a picture speak for a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ...errors import InvalidArgument
from .._modes import device_of, evaluating
from ._activations import maps_of
from ._cam_weights import gradcam, gradcam_plus_plus, scorecam
from ._capture import last_convolution, listen, wanted
from ._layers import as_network, find_layer
from ._pictures import as_batch, coloured, prepared, shown
from ._shown import Look, Tile

METHODS = ("gradcam", "gradcam++", "scorecam")
_NAMES = {"gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++", "scorecam": "Score-CAM"}
#: Pictures smaller than this are enlarged to show a smooth map over sharp pixels.
_LARGE = 224

Reshape = Callable[[torch.Tensor], torch.Tensor]


@dataclass(repr=False)
class ClassMaps(Look):
    """Where a network looks for a class.

    Attributes:
        layer: full name of the layer.
        method: ``"gradcam"``, ``"gradcam++"`` or ``"scorecam"``.
        maps: float32 ``(n, h, w)`` at the size of the pictures, from 0 to 1 in each (all 0 where
            nothing speaks for the class).
        coarse: float32 ``(n, fh, fw)``, the sum of the weighted maps of the layer, not scaled,
            never below 0.
        weights: float32 ``(n, channels)``, the weight of each channel.
        targets: int64 ``(n,)``, the class each map is of.
        probabilities: float32 ``(n,)``, softmax of the scores at that class.
        pictures: uint8 ``(n, h, w, 3)``.
        class_names: names in id order, when the model knows them.
    """

    layer: str
    method: str
    maps: np.ndarray
    coarse: np.ndarray
    weights: np.ndarray
    targets: np.ndarray
    probabilities: np.ndarray
    pictures: np.ndarray
    class_names: list[str] = field(default_factory=list)

    _side = 168
    _across = 4

    @property
    def map(self) -> np.ndarray:
        """The map of the first picture, float32 ``(h, w)``."""
        return self.maps[0]

    def overlay(self, strength: float = 0.7) -> np.ndarray:
        """The maps over the pictures: bright and warm where the class is seen.

        Args:
            strength: share of the colour at the highest point, 0 to 1.

        Returns:
            uint8 ``(n, h, w, 3)``.
        """
        return np.stack([_laid(*pair, strength) for pair in zip(self.pictures, self.maps,
                                                                 strict=True)])  # fmt: skip

    def name(self, at: int = 0) -> str:
        """Name of the class that a map is of."""
        target = int(self.targets[at])
        return self.class_names[target] if target < len(self.class_names) else f"class {target}"

    def _headline(self) -> str:
        return f"{_NAMES[self.method]} of {self.layer}"

    def _facts(self) -> str:
        height, width = self.coarse.shape[1:]
        said = ", ".join(f"{self.name(i)} {p:.1%}" for i, p in enumerate(self.probabilities[:8]))
        more = " …" if len(self.maps) > 8 else ""
        return f"{said}{more}; maps of {height} × {width}"

    def _tiles(self) -> Sequence[Tile]:
        tiles = []
        for at, (picture, values) in enumerate(zip(self.pictures, self.maps, strict=True)):
            said = f"{self.name(at)} {self.probabilities[at]:.1%}"
            if len(self.maps) == 1:
                tiles.append(Tile(_enlarged(picture), "picture", "the picture"))
            laid = _laid(_enlarged(picture), _smooth(values, self.coarse[at]), 0.7)
            tiles.append(Tile(laid, said, f"{self._headline()} for {said}: {_where(values)}"))
        return tiles


def grad_cam(
    model: torch.nn.Module,
    image: Any,
    layer: str | None = None,
    target: Any = None,
    method: str = "gradcam",
    *,
    reshape: Reshape | None = None,
    batch_size: int = 32,
) -> ClassMaps:
    """Class activation maps: which parts of a picture speak for a class.

    The maps of a convolution are weighted and added, what is below zero is cut off, and the sum is
    enlarged (bilinear) to the picture. The weight of a channel is, by method:

    - ``"gradcam"``: the mean of the score's gradient by the channel (Selvaraju et al., Grad-CAM,
      ICCV 2017, arXiv:1610.02391);
    - ``"gradcam++"``: a weighted sum of the gradient's positive part, better for several objects
      (Chattopadhay et al., Grad-CAM++, WACV 2018, arXiv:1710.11063);
    - ``"scorecam"``: without gradients: the softmax over the channels of the scores of the picture
      dimmed by each channel's map; one pass per channel (Wang et al., Score-CAM, CVPR Workshops
      2020, arXiv:1910.01279).

    Args:
        model: a classifier with two-dimensional maps in it: logits ``(n, classes)``. It is in
            evaluation mode meanwhile and keeps modes, gradients, hooks.
        image: a tensor ``(c, h, w)`` or ``(n, c, h, w)``, uint8 for an
            :class:`~lancenb.train.ImageClassifier` (which normalises it), else as the network was
            trained; an array ``(h, w, 3)`` of uint8 or a Pillow image. It is used at its own size;
            bring it to the side that the network was trained at first, for 64 pixels with
            ``lancenb.data.picture_transform(None, to=64)(tensor)``.
        layer: name of the layer, such as ``"layer4"`` or ``"layer4.1.conv2"``; default: the
            ``Conv2d`` that runs last. Where branches run beside each other (ResNet, Inception),
            the block that joins them tells more: ``"layer4"``, ``"Mixed_7c"``.
        target: the class, by number or by name; or one per picture; default: the one predicted.
        method: see above.
        reshape: brings the output of a layer to maps ``(n, channels, h, w)``, such as
            :func:`token_maps` for a vision transformer.
        batch_size: pictures per pass of Score-CAM.

    Raises:
        InvalidArgument: an unknown layer (near names are in the hint), one without maps, a network
            without convolutions, an unknown class or method.

    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(),
    ...     torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2))
    >>> found = grad_cam(net, torch.rand(3, 16, 16), target=1)
    >>> found.map.shape, found.coarse.shape, found.layer
    ((16, 16), (1, 16, 16), '0')
    """
    if method not in METHODS:
        raise InvalidArgument(f"method is one of {', '.join(METHODS)}, not {method!r}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InvalidArgument(f"batch_size must be a whole number >= 1, not {batch_size!r}")
    names = [str(name) for name in getattr(as_network(model), "class_names", None) or []]
    with torch.inference_mode(False), evaluating(model):
        batch = as_batch(image)
        inputs = prepared(model, batch.to(device_of(model)))
        name, part = find_layer(
            model, layer if layer is not None else last_convolution(model, inputs)
        )
        heard = listen(model, name, part, inputs, gradients=method != "scorecam")
        scores = wanted(heard.scores, model)
        targets = _targets(target, scores.detach(), names)
        maps = maps_of(name, heard.output, reshape)
        if method == "scorecam":
            weights = scorecam(model, inputs, maps, targets, batch_size)
        else:
            slopes = _slopes(name, scores, targets, heard.output, reshape)
            weights = (gradcam if method == "gradcam" else gradcam_plus_plus)(maps, slopes)
        coarse = torch.einsum("nk,nkhw->nhw", weights, maps).relu()
        chances = scores.detach().float().softmax(dim=1).gather(1, targets[:, None])[:, 0]
        return ClassMaps(
            layer=name,
            method=method,
            maps=_scaled(coarse, (batch.shape[2], batch.shape[3])).cpu().numpy(),
            coarse=coarse.cpu().numpy(),
            weights=weights.cpu().numpy(),
            targets=targets.cpu().numpy(),
            probabilities=chances.cpu().numpy(),
            pictures=shown(batch),
            class_names=names,
        )


def _slopes(
    name: str,
    scores: torch.Tensor,
    targets: torch.Tensor,
    output: torch.Tensor,
    reshape: Reshape | None,
) -> torch.Tensor:
    """Gradient of each picture's score by the maps, ``(n, channels, h, w)`` float32."""
    slopes = None
    if scores.requires_grad:
        score = scores.gather(1, targets[:, None]).sum()
        (slopes,) = torch.autograd.grad(score, output, allow_unused=True)
    if slopes is None:
        raise InvalidArgument(
            f"the score has no gradient by '{name}'",
            hint="method='scorecam' needs none; or choose a layer on the way to the score",
        )
    return maps_of(name, slopes, reshape)


def _targets(target: Any, scores: torch.Tensor, names: list[str]) -> torch.Tensor:
    """The class of each picture, int64 ``(n,)``."""
    count, classes = scores.shape
    if target is None:
        return scores.argmax(dim=1)
    listed = list(target) if _several(target) else [target] * count
    if len(listed) != count:
        raise InvalidArgument(f"{len(listed)} targets for {count} pictures")
    found = []
    for item in listed:
        if isinstance(item, str):
            if item not in names:
                known = f"there is {', '.join(names[:12])}" if names else "give its number"
                raise InvalidArgument(f"the model knows no class {item!r}", hint=known)
            found.append(names.index(item))
            continue
        whole = hasattr(item, "__index__") and not isinstance(item, bool)
        number = int(item) if whole else -1
        if not 0 <= number < classes:
            raise InvalidArgument(f"target={item!r} is none of the {classes} classes")
        found.append(number)
    return torch.tensor(found, dtype=torch.int64, device=scores.device)


def _several(target: Any) -> bool:
    return isinstance(target, list | tuple) or getattr(target, "ndim", 0) == 1


def _scaled(coarse: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Enlarged to the pictures, the highest point of each at 1."""
    maps = torch.nn.functional.interpolate(coarse[:, None], size, mode="bilinear")[:, 0]
    most = maps.amax(dim=(1, 2), keepdim=True)
    return torch.where(most > 0, maps / most.clamp_min(torch.finfo(maps.dtype).tiny), 0.0)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    times = max(1, -(-_LARGE // max(picture.shape[:2])))
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _smooth(values: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """The map at the size of the enlarged picture, from the coarse one."""
    times = max(1, -(-_LARGE // max(values.shape)))
    if times == 1:
        return values
    size = (values.shape[0] * times, values.shape[1] * times)
    return _scaled(torch.from_numpy(coarse)[None], size)[0].numpy()


def _laid(picture: np.ndarray, values: np.ndarray, strength: float) -> np.ndarray:
    heat = coloured(0.15 + 0.85 * values, "inferno").astype(np.float32)
    share = (strength * values)[..., None]
    return ((1 - share) * picture * (0.55 + 0.45 * values[..., None]) + share * heat).astype(
        np.uint8
    )


def _where(values: np.ndarray) -> str:
    if not values.any():
        return "nothing in the picture speaks for it"
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return (
        f"highest at row {row + 1} of {values.shape[0]}, column {column + 1} of {values.shape[1]}"
    )
