"""Configurations of trainings: groups of YAML files, composed by Hydra with your overrides.

The same words work in a shell (``lancenb train model=resnet18 trainer.max_epochs=5``) and here:

>>> config = compose(["model=simple_cnn", "data=synthetic", "trainer.max_epochs=5", "lr=1e-3"])
>>> config.trainer.max_epochs, config.model.lr
(5, 0.001)

Composing touches nothing: not the working folder, not the logging, not Hydra's global state.
"""

from __future__ import annotations

import copy
import difflib
import re
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ._config_words import all_of, keys_of_argument, no_choice, no_override

FOLDER = Path(__file__).parent / "conf"
_OVERRIDE = re.compile(r"(\+{0,2}|~)([A-Za-z_][\w./]*)(=(.*))?", re.DOTALL)
_LOCK = threading.Lock()


def groups(of: str = "config") -> dict[str, list[str]]:
    """Return the groups and what there is to choose in each.

    Args:
        of: ``"config"`` (training) or ``"eval"``.

    >>> groups()["logger"]
    ['csv', 'none', 'tensorboard', 'wandb']
    """
    names = ("data",) if of == "eval" else ("model", "data", "trainer", "callbacks", "logger")
    return {name: sorted(path.stem for path in (FOLDER / name).glob("*.yaml")) for name in names}


def compose(overrides: Sequence[str] = (), *, of: str = "config") -> Any:
    """Compose a configuration.

    Args:
        overrides: ``group=choice``, ``key=value``; ``+key=value`` adds an argument that the files
            do not name, such as ``+trainer.fast_dev_run=true``.
        of: ``"config"`` for a training, ``"eval"`` for an evaluation.

    Returns:
        An ``omegaconf.DictConfig``; change it as you like before :func:`lancenb.train.run`.

    Raises:
        InvalidArgument: unknown groups, choices or keys (all of them at once), a word where a
            number belongs, or a key that has to be given; the hint has what comes near.
    """
    from omegaconf import OmegaConf

    if isinstance(overrides, str):
        overrides = [overrides]
    known = groups(of)
    plain = _checked(overrides, known, of)
    config = _hydra(of, list(overrides))
    _check_types(plain, config)
    _check_resolves(config)
    missing = sorted(OmegaConf.missing_keys(config))
    if of == "eval" and not missing and config.checkpoint is None:
        missing = ["checkpoint"]
    if missing:
        raise InvalidArgument(f"{missing[0]} has to be given", hint=f"{missing[0]}=...")
    if of == "config" and config.lr is not None:
        if isinstance(config.lr, bool) or not isinstance(config.lr, (int, float)):
            raise InvalidArgument(f"lr is a number, not {config.lr!r}", hint="lr=1e-3")
        config.model.lr = config.lr
    return config


def describe(of: str = "config", words: Sequence[str] = ()) -> str:
    """Return the groups, their choices and all keys with their defaults, as text for a help.

    Args:
        of: ``"config"`` (training) or ``"eval"``.
        words: what was given so far; the keys are those of the choices among them.
    """
    import yaml

    found = groups(of)
    lines = ["groups (group=choice):"]
    for name, choices in found.items():
        lines += textwrap.wrap(
            ", ".join(choices), 78, initial_indent=f"  {name:<10} ", subsequent_indent=" " * 13
        )
    if "model" in found:
        lines.append("  model.model=NAME takes any classification network of torchvision")
    lines.append("keys (key=value):")
    top = yaml.safe_load((FOLDER / f"{of}.yaml").read_text(encoding="utf-8"))
    chosen = {k: v for entry in top.pop("defaults") if isinstance(entry, dict)
              for k, v in entry.items()}  # fmt: skip
    given = (word.partition("=")[::2] for word in words)
    chosen |= {name: choice for name, choice in given if choice in found.get(name, ())}
    lines += [f"  {key}={_shown(value)}" for key, value in top.items()]
    for name, choice in chosen.items():
        content = yaml.safe_load((FOLDER / name / f"{choice}.yaml").read_text(encoding="utf-8"))
        scored = FOLDER / "scored" / f"{choice}.yaml"
        if of == "eval" and name == "data" and scored.is_file():
            content |= yaml.safe_load(scored.read_text(encoding="utf-8"))
        shown = [(k, v) for k, v in _leaves(content or {}).items() if "_target_" not in k]
        lines += [f"  of {name}={choice}:"] * bool(shown)
        lines += [f"    {name}.{key}={_shown(value)}" for key, value in shown if key[0] != "_"]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value) or "''"


def _checked(overrides: Sequence[str], known: Mapping[str, list[str]], of: str) -> Any:
    """The configuration of the choices alone; all words that nobody would read are refused."""
    from omegaconf import OmegaConf

    wrong: dict[int, InvalidArgument] = {}
    parsed: dict[int, tuple[str, str]] = {}
    for number, text in enumerate(overrides):
        try:
            parsed[number] = _parsed(text, known, of)
        except InvalidArgument as error:
            wrong[number] = error
    plain = _hydra(of, [text for text, key in parsed.values() if key in known])
    keys = list(_leaves(OmegaConf.to_container(plain)))
    # the keys of a choice that does not exist are not known
    unsure = {str(overrides[number]).lstrip("+~").partition("=")[0] for number in wrong}
    for number, (text, key) in parsed.items():
        try:
            if text.startswith("+"):
                _check_addition(key, keys, known)
            elif key not in known and key.partition(".")[0] not in unsure & known.keys():
                check_key(key, keys, known)
        except InvalidArgument as error:
            wrong[number] = error
    if wrong:
        raise all_of([(str(overrides[number]), wrong[number]) for number in sorted(wrong)])
    return plain


def _parsed(text: str, known: Mapping[str, list[str]], of: str) -> tuple[str, str]:
    """An override as (text, key), checked as far as it can be without Hydra."""
    match = _OVERRIDE.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match[3] is None and match[1] != "~"):
        raise InvalidArgument(f"{text!r} is no override", hint=no_override(text, known, of))
    key, value = match[2], match[4] or ""
    if key in known and value not in known[key]:
        near, left_out = _near(value, known[key], 0.5), match[1] == "~"
        raise InvalidArgument(
            f"{key} cannot be left out" if left_out else f"there is no {key} {value!r}",
            hint=no_choice(key, value, near, known[key], left_out=left_out, of=of),
        )
    return text, key


def check_key(key: str, keys: Sequence[str], known: Mapping[str, list[str]]) -> None:
    """Refuse a key that no file has.

    Args:
        key: as it was given.
        keys: all there are, dotted.
        known: groups and their choices.

    Raises:
        InvalidArgument: with what was probably meant.
    """
    if key in keys or any(each.startswith(f"{key}.") for each in keys):
        return
    every = list(dict.fromkeys([*known, *keys]))
    near = keys_of_argument(key, every) or _near(key, every, 0.6)
    near = near or [each for each in every if each.rpartition(".")[2] == key.rpartition(".")[2]][:3]
    raise InvalidArgument(
        f"there is no key {key!r}",
        hint=f"did you mean {' or '.join(near)}?"
        if near
        else "lancenb train --help lists all; +trainer.KEY=... adds an argument of the trainer",
    )


def _check_addition(key: str, keys: Sequence[str], known: Mapping[str, list[str]]) -> None:
    """Refuse an added key that nobody would read: only what groups make takes arguments."""
    if key.partition(".")[0] in known or key in keys:
        return
    near = keys_of_argument(key, [*known, *keys])
    near = near or [each for each in keys if each.rpartition(".")[2] == key][:3]
    raise InvalidArgument(
        f"+{key} adds nothing: only {', '.join(known)} take further arguments",
        hint=f"did you mean {' or '.join(near)}?" if near else f"+{next(iter(known))}.{key}=...",
    )


def _near(word: str, choices: Sequence[str], cutoff: float) -> list[str]:
    """Up to three choices that come near a word; one alone where it is much nearer than others."""
    found = difflib.get_close_matches(word, choices, n=3, cutoff=cutoff)
    ratios = [difflib.SequenceMatcher(None, each, word).ratio() for each in found]
    return [each for each, ratio in zip(found, ratios, strict=True) if ratio > ratios[0] - 0.2]


def _check_types(plain: Any, config: Any) -> None:
    """Refuse words where the files have numbers or truth values."""
    from omegaconf import OmegaConf

    before = _leaves(OmegaConf.to_container(plain))
    for key, value in _leaves(OmegaConf.to_container(config)).items():
        old = before.get(key)
        if value is None or (isinstance(value, str) and value.startswith("${")):
            continue
        if isinstance(old, bool) and not isinstance(value, bool) and key != "resume":
            raise InvalidArgument(f"{key} is true or false, not {value!r}")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if isinstance(old, (int, float)) and not isinstance(old, bool) and not number:
            if key.endswith((".devices", ".val_fraction")) or isinstance(value, list):
                continue  # these take more than numbers
            if key.rpartition(".")[2] == "batch_size" and value == "auto":
                continue
            raise InvalidArgument(f"{key} is a number, not {value!r}", hint=f"{key}={old}")
        whole = isinstance(old, int) and not isinstance(old, bool) and ".limit_" not in key
        if whole and isinstance(value, float) and not key.endswith(".devices"):
            raise InvalidArgument(f"{key} is a whole number, not {value!r}", hint=f"{key}={old}")


def _check_resolves(config: Any) -> None:
    """Refuse references that lead nowhere, or in a circle."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise InvalidArgument(
            f"{error.full_key} cannot be resolved: {str(error).strip().splitlines()[0]}",
            hint="${key} takes the value of another key, ${oc.env:NAME} of the environment",
        ) from error


def _leaves(content: Any, at: str = "") -> dict[str, Any]:
    """All values of nested dictionaries by dotted key."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        path = f"{at}{key}"
        if isinstance(value, dict) and value:
            found |= _leaves(value, f"{path}.")
        else:
            found[path] = value
    return found


def _hydra(name: str, overrides: list[str]) -> Any:
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    with _LOCK, _untouched():
        try:
            with hydra.initialize_config_dir(str(FOLDER), version_base="1.3"):
                return hydra.compose(name, overrides)
        except (HydraException, OmegaConfBaseException) as error:
            first = str(error).strip().splitlines()[0]
            raise InvalidArgument(
                f"the overrides cannot be composed: {first}",
                hint="quote values with commas or braces: 'name=\"a,b\"'",
            ) from error


@contextmanager
def _untouched() -> Iterator[None]:
    """Give Hydra a state of its own, and everybody else's back."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.singleton import Singleton
    from omegaconf.basecontainer import BaseContainer

    instances, resolvers = dict(Singleton._instances), copy.copy(BaseContainer._resolvers)
    Singleton._instances.pop(GlobalHydra, None)
    try:
        yield
    finally:
        Singleton._instances.clear()
        Singleton._instances.update(instances)
        BaseContainer._resolvers.clear()
        BaseContainer._resolvers.update(resolvers)
