"""A configuration as it was given to ``run``: words that nobody would read are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument
from .configs import FOLDER, check_key, groups

if TYPE_CHECKING:
    from omegaconf import DictConfig

#: What the files of the groups take from above: a record keeps it so, and can be overridden there.
TIES = ("${batch_size}", "${seed}", "${name}")


def as_config(config: Any, of: str = "config") -> DictConfig:
    """Return what ``compose`` gave, or the record of a run, as a configuration.

    Args:
        config: the configuration, or a mapping like it.
        of: ``"config"`` (training) or ``"eval"``.

    Raises:
        InvalidArgument: it is neither, has keys that nobody reads, or says two learning rates.
    """
    from omegaconf import DictConfig, OmegaConf

    if not isinstance(config, (DictConfig, Mapping)):
        words = list(config) if isinstance(config, (list, tuple)) else [config]
        raise InvalidArgument(
            f"a configuration is what compose gives, or the record of a run, not {config!r:.60}",
            hint=f"run(compose({words!r:.80}))"
            if of == "config"
            else f"run_evaluation(compose({words!r:.80}, of='eval'))",
        )
    found = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    _check_keys(found, of)
    if of == "config":
        _check_rate(found)
    return found


def _check_keys(config: Any, of: str) -> None:
    """Refuse keys that nobody reads."""
    known = groups(of)
    for key in map(str, config):
        if "." in key:
            first, _, rest = key.partition(".")
            raise InvalidArgument(
                f"{key!r} is no key of a configuration that is there already",
                hint=f"config[{first!r}][{rest!r}] = ..., or compose(['{key}=...'])",
            )
        if key not in known and not _is_referred_to(config, key):
            check_key(key, [*_top_keys(of), *_leaves_of(config, known)], known)


def _is_referred_to(config: Any, key: str) -> bool:
    """Whether another value takes that of a key, as ``${key}`` or ``${key.part}``."""
    from omegaconf import OmegaConf

    raw = str(OmegaConf.to_container(config, resolve=False))
    return re.search(rf"\$\{{{re.escape(key)}[}}.\[]", raw) is not None


def _top_keys(of: str) -> list[str]:
    """Keys that belong to no group."""
    import yaml

    found = yaml.safe_load((FOLDER / f"{of}.yaml").read_text(encoding="utf-8"))
    return [key for key in found if key != "defaults"]


def _leaves_of(config: Any, known: Mapping[str, Any]) -> list[str]:
    """Keys one below the groups, for a hint."""
    from omegaconf import DictConfig

    nodes = {group: config.get(group) for group in known}
    return [f"{g}.{key}" for g, node in nodes.items() if isinstance(node, DictConfig)
            for key in node]  # fmt: skip


def _check_rate(config: Any) -> None:
    """Refuse a rate beside another one of the model, which alone would be taken."""
    from omegaconf import OmegaConf

    top, own = config.get("lr"), OmegaConf.select(config, "model.lr")
    if top is not None and own is not None and top != own:
        raise InvalidArgument(
            f"lr={top!r} and model.lr={own!r} contradict each other",
            hint="config['model']['lr'] is the one of the training; change both, or leave lr None",
        )
