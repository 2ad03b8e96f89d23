"""A classifier from stored settings: held against the stored tensors before it is allocated."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import CorruptInput, WeightsMismatch
from ._checks import check_settings
from ._networks import adapt_stem, build_network, check_backbone
from ._resuming import check_state
from .classifier import ImageClassifier

_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full)


class _WithoutMemory(TorchFunctionMode):
    """Parameters get their shapes and no memory; what a network computes its sizes with stays.

    A device context for ``"meta"`` would take those along, and a RegNet reads them.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Make new tensors on the device that holds none of their values."""
        given = dict(kwargs or {})
        if func in _MAKERS and given.get("device") is None:
            given["device"] = "meta"
        return func(*args, **given)


def outline(model: Any, num_classes: Any, stem: Any = "imagenet", size: Any = None) -> nn.Module:
    """Make a network that has names and shapes, and takes no memory however large they are.

    Args:
        model: name of the network.
        num_classes: outputs.
        stem: as for a classifier.
        size: side of the pictures, for ``stem="auto"``.

    Raises:
        InvalidArgument: values that cannot work.

    >>> outline("resnet18", 10**10).fc.weight.shape
    torch.Size([10000000000, 512])
    """
    with _WithoutMemory():
        network = build_network(model, num_classes)
        adapt_stem(network, stem, size)
    return network


def from_record(given: Any, state: Mapping[str, torch.Tensor], name: str) -> ImageClassifier:
    """Make the classifier that the record of a stored model describes; its weights are fresh.

    Args:
        given: the recorded settings.
        state: the stored tensors, for names and shapes.
        name: of the stored model.

    Raises:
        CorruptInput: no classifier can be made of these settings.
        WeightsMismatch: the tensors are not of such a network.
    """
    options = checked(given, f"'{name}'")
    with _told(f"'{name}'"):
        plan = _plan(options)
    fresh, _ = check_backbone(plan, state, source=f"the weights of '{name}'")
    if fresh:
        raise WeightsMismatch(f"'{name}' has no fitting head: {', '.join(fresh)}")
    with _told(f"'{name}'"):
        return ImageClassifier(**options)


def from_checkpoint(given: Any, content: Mapping[str, Any], name: Any) -> ImageClassifier:
    """Make the classifier that a checkpoint describes; its weights are fresh.

    Args:
        given: the hyperparameters in the checkpoint.
        content: the checkpoint.
        name: where it was found, for messages.

    Raises:
        CorruptInput: no classifier can be made of these settings, or a tensor has no values.
        WeightsMismatch: the tensors are not of such a network.
    """
    where = f"the checkpoint {name}"
    options, holder = checked(given, where), nn.Module()
    with _told(where):
        holder.add_module("net", _plan(options))
    check_state(holder, content, name)
    with _told(where):
        return ImageClassifier(**options)


def checked(given: Any, where: str) -> dict[str, Any]:
    """Return the settings that a classifier takes of stored ones, with ``pretrained=False``.

    Args:
        given: what is stored.
        where: what stores them, for the message.

    Raises:
        CorruptInput: one of them is of a wrong kind.
    """
    with _told(where):
        if not isinstance(given, Mapping):
            raise TypeError(f"settings are no {type(given).__name__}")
        known = inspect.signature(ImageClassifier).parameters
        options = {k: v for k, v in given.items() if k in known} | {"pretrained": False}
        check_settings(options)
        return options


def _plan(options: Mapping[str, Any]) -> nn.Module:
    defaults = inspect.signature(ImageClassifier).parameters
    names = ("model", "num_classes", "stem", "image_size")
    return outline(*(options.get(name, defaults[name].default) for name in names))


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Say whose settings make no classifier."""
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as bad:
        said = str(bad.args[0] if bad.args else bad).partition("\n")[0][:200]
        raise CorruptInput(
            f"the settings of the classifier in {where} cannot be: {said}",
            hint="take another version, or load its tensors into an ImageClassifier(...) of your"
            " own",
        ) from bad
