"""Frameworks that are there or not: imported when asked for, missed with one line of advice."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import MissingDependency


def optional(module: str, title: str, install: str) -> Any:
    """Import a module that lancenb does not depend on.

    Args:
        module: its name.
        title: what people call it.
        install: what ``pip install`` takes.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingDependency(
            f"{title} is not installed", hint=f"pip install '{install}'"
        ) from error
