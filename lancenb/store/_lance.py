"""The one door to Lance: quiet, and loaded only when a table is really needed."""

from __future__ import annotations

import importlib
import os
from typing import Any


def lance_module() -> Any:
    """Import and return the ``lance`` module.

    Lance writes its Rust log to stderr, where a notebook shows "WARN ... No existing dataset" on
    every first write. The log level has to be set before the first import, so this function sets
    ``LANCE_LOG=error`` unless the variable is set already. Nothing else in the environment is
    touched: credentials travel in storage options only.

    Returns:
        The module (typed ``Any``: pylance ships partial annotations).

    Raises:
        MissingDependency: when pylance is not installed.

    >>> lance_module().__name__
    'lance'
    """
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        return importlib.import_module("lance")
    except ModuleNotFoundError as error:
        if error.name != "lance":
            raise
        from lancenb.errors import MissingDependency

        raise MissingDependency(
            "the Lance library is not installed", hint="pip install 'pylance>=14,<15'"
        ) from error
