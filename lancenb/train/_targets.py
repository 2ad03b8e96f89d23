"""What a configuration may make, and what of it is stored with a run.

A configuration is text from anywhere, and ``_target_`` names what is called. Hydra calls whatever
can be imported; here only what trainings are made of is: see :func:`check_targets`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..errors import InvalidArgument
from ..store import redact_facts

_PACKAGES = ("lancenb", "lightning", "torch", "torchmetrics", "torchvision")
_FUNCTIONS = (
    "lancenb.train.make_logger",
    "lancenb.train._loggers.make_logger",
    "lancenb.train.folders.folder_data",
)
#: Shorter values of the environment are no secrets, and would be found everywhere.
_SHORT = 4


def check_targets(key: str, content: Any) -> None:
    """Refuse to make anything but the parts of a training, at any depth.

    Parts are classes of lancenb, lightning, torch, torchvision and torchmetrics: modules,
    DataModules, trainers, callbacks, loggers, strategies, plugins and profilers; and the functions
    that the files of :mod:`lancenb.train.conf` name.

    Args:
        key: for the message.
        content: plain dictionaries and lists, with all interpolations resolved.

    Raises:
        InvalidArgument: another target; it has not been imported when it is of another package.
    """
    for place, target in _targets(key, content):
        if target not in _FUNCTIONS and not _is_part(target):
            raise InvalidArgument(
                f"{place}={target!r:.80} is none of the parts that a configuration may make",
                hint="classes of lancenb, lightning and torch; make other ones in Python and give"
                " them to lnb.fit(...)",
            )


def _targets(place: str, content: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name == "_target_":
                yield f"{place}._target_", value
            else:
                yield from _targets(f"{place}.{name}", value)
    elif isinstance(content, (list, tuple)):
        for number, value in enumerate(content):
            yield from _targets(f"{place}[{number}]", value)


def _is_part(target: Any) -> bool:
    if not isinstance(target, str) or target.partition(".")[0] not in _PACKAGES:
        return False
    import lightning as L
    import torch
    from hydra.utils import get_object
    from lightning.fabric.plugins import CheckpointIO, ClusterEnvironment
    from lightning.pytorch.accelerators import Accelerator
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.plugins import LayerSync, Precision
    from lightning.pytorch.profilers import Profiler
    from lightning.pytorch.strategies import Strategy

    from ._keeping import Checkpoints

    kinds = (
        torch.nn.Module, L.LightningDataModule, L.Trainer, L.Callback, Checkpoints, Logger,
        Strategy, Accelerator, Precision, LayerSync, CheckpointIO, ClusterEnvironment, Profiler,
    )  # fmt: skip
    try:
        found = get_object(target)
    except Exception:  # whatever importing it says: it cannot be made
        return False
    # the home counts, not the name: torch.os.system is not torch's
    return isinstance(found, type) and issubclass(found, kinds) and _is_ours(found.__module__)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in _PACKAGES


def stored_form(config: Any, ties: Collection[str] = ()) -> dict[str, Any]:
    """Return a configuration as it is stored with a run: resolved, and without secrets.

    What comes from the environment (``${oc.env:NAME}``) stays such a reference, also where another
    value repeats it; credentials in addresses and under names like ``token`` are left out.

    Args:
        config: an ``omegaconf.DictConfig``.
        ties: references that stay as they are, such as ``"${seed}"``.
    """
    from omegaconf import OmegaConf

    raw = OmegaConf.to_container(config, resolve=False)
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    hidden = set(_from_environment(raw, resolved))
    return redact_facts(_without(raw, resolved, hidden, ties))


def _from_environment(raw: Any, resolved: Any) -> Iterator[str]:
    if isinstance(resolved, dict) and isinstance(raw, dict):
        for key, value in resolved.items():
            yield from _from_environment(raw.get(key), value)
    elif isinstance(resolved, list) and isinstance(raw, list):
        for one, value in zip(raw, resolved, strict=True):
            yield from _from_environment(one, value)
    elif isinstance(raw, str) and "oc.env" in raw and len(str(resolved)) >= _SHORT:
        yield str(resolved)


def _without(raw: Any, resolved: Any, hidden: set[str], ties: Collection[str]) -> Any:
    if isinstance(resolved, dict) and isinstance(raw, dict):
        return {key: _without(raw.get(key), value, hidden, ties) for key, value in resolved.items()}
    if isinstance(resolved, list) and isinstance(raw, list):
        return [_without(a, b, hidden, ties) for a, b in zip(raw, resolved, strict=True)]
    if isinstance(raw, str) and raw in ties:
        return raw
    text = isinstance(raw, str) and "${" in raw
    told = " ".join(_leaves(resolved)) if text else ""
    return raw if any(value in told for value in hidden) else resolved


def _leaves(content: Any) -> Iterator[str]:
    """Values of a configuration as they are: the text of a dictionary would quote them."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield str(key)
            yield from _leaves(value)
    elif isinstance(content, (list, tuple)):
        for value in content:
            yield from _leaves(value)
    else:
        yield str(content)
