"""Networks by name: the right head, a stem for small pictures, stored weights."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..errors import InvalidArgument, Offline, WeightsMismatch
from . import _simple

SMALL_PICTURES = 64
STEMS = ("auto", "imagenet", "small", "cifar")


def known_networks() -> list[str]:
    """Names that :func:`build_network` takes: torchvision's classification networks and ours."""
    import torchvision

    return [*torchvision.models.list_models(torchvision.models), _simple.NAME]


def build_network(name: str, num_classes: int, *, pretrained: bool = False) -> nn.Module:
    """Make a classification network with a fresh head.

    Args:
        name: one of :func:`known_networks`, such as ``"resnet18"`` or ``"simple_cnn"``.
        num_classes: outputs, ``>= 1``.
        pretrained: load torchvision's default weights (all but the head); needs the network.

    Raises:
        InvalidArgument: an unknown name.
        Offline: the pretrained weights cannot be fetched.
    """
    import torchvision

    known = known_networks()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=3)
        raise InvalidArgument(
            f"there is no classification network called {name!r}",
            hint=f"did you mean {' or '.join(near)}?" if near else "for example 'resnet18'",
        )
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
        raise InvalidArgument(f"num_classes must be a whole number >= 1, not {num_classes!r}")
    if name == _simple.NAME:
        if pretrained:
            raise InvalidArgument(
                f"nobody has published weights of {name}", hint="pretrained=False"
            )
        return _simple.SimpleCNN(num_classes)
    extra = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    network = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **extra)
    if pretrained:
        try:
            full = torchvision.models.get_model(name, weights="DEFAULT")
        except OSError as error:
            raise Offline(
                f"the pretrained weights of {name} cannot be fetched",
                hint="store them once with dm.convert(...), then fit the stored model by name",
            ) from error
        load_backbone(network, full.state_dict(), source=f"torchvision's {name}")
    return network


def head_prefix(network: nn.Module) -> str:
    """Name of the last linear layer with a trailing dot, such as ``"fc."``."""
    last = ""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear) and not name.lower().startswith("aux"):
            last = name
    if not last:  # squeezenet ends in a 1x1 convolution
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d):
                last = name
    return f"{last}."


def load_backbone(
    network: nn.Module,
    state: Mapping[str, torch.Tensor],
    *,
    source: str = "the stored weights",
    heads: Sequence[str] = (),
) -> list[str]:
    """Load weights; only the head may differ in names or shapes.

    Args:
        network: what to load into, changed in place.
        state: tensors by name; a common prefix ``module.`` or ``net.`` is taken off.
        source: what to call them in messages.
        heads: prefixes that may differ; default: the last layer.

    Returns:
        Names of head tensors that kept their fresh values.

    Raises:
        WeightsMismatch: any other tensor is missing, unexpected or of another shape.
    """
    fresh, kept = check_backbone(network, state, source=source, heads=heads)
    network.load_state_dict(kept, strict=False)
    return fresh


def check_backbone(
    network: nn.Module,
    state: Mapping[str, torch.Tensor],
    *,
    source: str = "the stored weights",
    heads: Sequence[str] = (),
) -> tuple[list[str], dict[str, torch.Tensor]]:
    """Hold weights against a network, which may be one without memory; see :func:`load_backbone`.

    Returns:
        Names of the head tensors that would stay fresh, and the tensors to load.

    Raises:
        WeightsMismatch: any tensor but the head's is missing, unexpected or of another shape.
    """
    allowed = tuple(heads) or (head_prefix(network), "AuxLogits.", "aux1.", "aux2.")
    given = dict(state)
    for prefix in ("module.", "net."):
        if given and all(name.startswith(prefix) for name in given):
            given = {name[len(prefix) :]: value for name, value in given.items()}
    own = network.state_dict()
    optional = {name for name in own if name.endswith("num_batches_tracked")}
    wrong: list[str] = []
    fresh: list[str] = []
    for name, value in own.items():
        if name not in given:
            problem = "" if name in optional else f"{name} is missing"
        elif given[name].shape != value.shape:
            problem = f"{name} is {tuple(given[name].shape)} instead of {tuple(value.shape)}"
        else:
            continue
        if name.startswith(allowed):
            fresh.append(name)
        elif problem:
            wrong.append(problem)
    wrong += [
        f"{name} is not in the model"
        for name in given
        if name not in own and not name.startswith(allowed)
    ]
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise WeightsMismatch(
            f"{source} do not fit the model: {shown}",
            hint=f"only {allowed[0]}* may differ; choose the architecture they were made for",
            details={"wrong": wrong},
        )
    return fresh, {name: given[name] for name in own if name in given and name not in fresh}


def adapt_stem(network: nn.Module, stem: str, image_size: int | None) -> str:
    """Make the stem of a ResNet fit small pictures.

    ``"imagenet"`` leaves the network alone. ``"small"`` drops the first pooling and keeps the
    7x7 convolution, so that stored ImageNet weights load in full. ``"cifar"`` is the stem of the
    CIFAR literature (a new 3x3 convolution of stride 1, no pooling): about 15 times the work of
    ``"imagenet"``, and its first convolution must be trained from scratch. ``"auto"`` is
    ``"small"`` up to 64 pixels, else ``"imagenet"``.

    Args:
        network: changed in place.
        stem: one of ``auto, imagenet, small, cifar``.
        image_size: side of the pictures in pixels, None when unknown.

    Returns:
        The stem that was chosen.

    Raises:
        InvalidArgument: unknown stem, or a stem for a network without one.
    """
    if stem not in STEMS:
        raise InvalidArgument(f"stem is one of {', '.join(STEMS)}, not {stem!r}")
    conv: Any = getattr(network, "conv1", None)
    has_stem = isinstance(conv, nn.Conv2d) and hasattr(network, "maxpool")
    if stem == "auto":
        small = image_size is not None and image_size <= SMALL_PICTURES
        stem = "small" if small and has_stem else "imagenet"
    if stem == "imagenet":
        return stem
    if not has_stem:
        raise InvalidArgument(
            f"stem={stem!r} is for ResNets, not for {type(network).__name__}",
            hint="stem='imagenet' leaves the network as it is",
        )
    network.maxpool = nn.Identity()
    if stem == "cifar":
        network.conv1 = nn.Conv2d(3, conv.out_channels, 3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    return stem
