"""Loggers by name: ``csv``, ``tensorboard``, ``wandb``."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, MissingDependency

#: Where loggers write unless told otherwise.
FOLDER = "lancenb-logs"
#: Name of a run that has none.
_NAME = "lancenb"
#: Those that number the runs of one name.
_NUMBERED = ("csv", "tensorboard")
#: Name -> (class of Lightning, packages of which one is needed).
_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "csv": ("CSVLogger", ()),
    "tensorboard": ("TensorBoardLogger", ("tensorboard", "tensorboardX")),
    "wandb": ("WandbLogger", ("wandb",)),
}


def make_logger(kind: str, save_dir: str = FOLDER, name: str = "", **options: Any) -> Any:
    """Make one of Lightning's loggers.

    Args:
        kind: ``"csv"``, ``"tensorboard"`` or ``"wandb"``.
        save_dir: folder, made when something is logged.
        name: of the run; runs of one name are numbered below it.
        **options: further arguments of Lightning's class.

    Raises:
        InvalidArgument: an unknown kind.
        MissingDependency: the package it needs is not installed.

    >>> make_logger("csv").name
    'lancenb'
    """
    if kind not in _KINDS:
        raise InvalidArgument(
            f"there is no logger {kind!r}", hint=f"loggers are {', '.join(_KINDS)}"
        )
    made, packages = _KINDS[kind]
    if packages and not any(find_spec(package) for package in packages):
        raise MissingDependency(
            f"the logger {kind!r} needs {packages[0]}, which is not installed",
            hint=f"pip install 'lancenb[{kind}]'",
        )
    from lightning.pytorch import loggers

    named = {"project" if kind == "wandb" else "name": name or _NAME}
    return getattr(loggers, made)(save_dir=save_dir, **{**named, **options})


def as_loggers(loggers: Any, name: str) -> Any:
    """Bring the ``loggers`` of ``fit`` to what Lightning takes.

    Args:
        loggers: a name, a logger, several of them, or None.
        name: of the run.

    Returns:
        A list, or False for none.
    """
    if loggers is None or isinstance(loggers, bool):
        return [make_logger("csv", name=name)] if loggers else False
    if isinstance(loggers, str) or not isinstance(loggers, Iterable):
        loggers = [loggers]
    given = list(loggers)
    numbered = [each for each in given if isinstance(each, str) and each in _NUMBERED]
    number: dict[str, Any] = {"version": _next_number(name)} if len(numbered) > 1 else {}
    made = [
        make_logger(each, name=name, **(number if each in numbered else {}))
        if isinstance(each, str)
        else each
        for each in given
    ]
    return made or False


def _next_number(name: str) -> int:
    """The number of the next run, so that all its loggers write to one folder."""
    runs = (Path(FOLDER) / (name or _NAME)).glob("version_*")
    numbers = (run.name.removeprefix("version_") for run in runs)
    return max((int(number) for number in numbers if number.isdigit()), default=-1) + 1
