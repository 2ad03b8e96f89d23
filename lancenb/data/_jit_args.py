"""Arguments of ``JiTDataModule`` from what a command line was parsed to."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidArgument, UnknownOption

_NAMES = (
    *("data_path", "img_size", "batch_size", "num_workers", "pin_memory"),
    *("num_replicas", "rank", "seed", "on_error", "threads", "version", "store"),
)
_KNOWN = (*_NAMES, "pin_mem", "world_size")
#: Everyday words: other things of a script come near them, such as restore, score and conversion.
_EVERYDAY = ("threads", "version", "store")
#: How alike two names are, and how many letters longer one may be, that are taken for one.
_ALIKE, _LONGER = 0.8, 3


def arguments_of(args: Any) -> dict[str, Any]:
    """The arguments that a namespace, mapping or object names.

    ``world_size`` stands for ``num_replicas`` where there is a ``rank``.

    Raises:
        InvalidArgument: no namespace, or ``pin_mem`` and ``pin_memory`` that contradict.
        UnknownOption: keys of a dict that are misspelt.

    >>> import argparse
    >>> arguments_of(argparse.Namespace(img_size=512, pin_mem=False, lr=0.1))
    {'img_size': 512, 'pin_memory': False}
    """
    named = _named(args)
    found = {name: named[name] for name in _NAMES if name in named}
    pinned = named.get("pin_mem", found.get("pin_memory"))
    if pinned is not None and found.setdefault("pin_memory", pinned) != pinned:
        raise InvalidArgument("pin_mem and pin_memory contradict each other", hint="give one")
    if found.get("rank") is not None and found.get("num_replicas") is None:
        found["num_replicas"] = named.get("world_size")
    return found


def _named(args: Any) -> Mapping[str, Any]:
    if isinstance(args, Mapping):
        named = {str(name): args[name] for name in args}
        _check_spelling(named)
        return named
    if args is None or isinstance(args, str | bytes | int | float | list | tuple):
        raise InvalidArgument(
            f"arguments come as a namespace or a dict, not as {type(args).__name__}",
            hint="for example parser.parse_args()",
        )
    return {name: getattr(args, name) for name in _KNOWN if hasattr(args, name)}


def _check_spelling(named: Mapping[str, Any]) -> None:
    """Refuse keys that come near a name which is not given: its default would be taken silently.

    Keys of other things, which a dict of all arguments of a script has, come near none of them.

    Raises:
        UnknownOption: with all of them, and what was probably meant.
    """
    same = {"pin_mem", "pin_memory"}
    given = named.keys() | (same if named.keys() & same else set())
    free = [name for name in _KNOWN if name not in given and name not in _EVERYDAY]
    meant = {}
    for key in named:
        plain = key.strip().lower().replace("-", "_").replace(" ", "_")
        near = difflib.get_close_matches(plain, free, 3, _ALIKE) if key not in _KNOWN else []
        near = [name for name in near if abs(len(name) - len(plain)) <= _LONGER]
        # many words come near a short name: speed is no seed
        near = [name for name in near if name == plain or len(name) > 4]
        if near:
            meant[key] = near[0]
    if meant:
        raise UnknownOption(
            f"there is no argument {' or '.join(map(repr, meant))}",
            hint="did you mean " + " and ".join(meant.values()) + "?",
        )
