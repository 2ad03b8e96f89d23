"""The real clients in a process of their own, whose environment leads to the local Hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

_MOST = 300  # seconds for one call


@dataclass(frozen=True)
class Failure:
    """An exception of a client: they seldom survive the way between processes."""

    kinds: tuple[str, ...]
    status: int | None
    text: str


class Client:
    """Calls functions of the test modules in a process that begins with ``env``."""

    def __init__(self, env: dict[str, str]):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self._env = {**kept, "TOKENIZERS_PARALLELISM": "false", **env}
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        with patch.dict(os.environ, self._env, clear=True):
            self._pool.submit(int).result(_MOST)  # the process starts now

    def __call__(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return what ``function`` returns there, or raise what it raises."""
        return self._pool.submit(function, *args, **options).result(_MOST)

    def failure(self, function: Callable[..., Any], *args: Any, **options: Any) -> Failure:
        """Return what ``function`` raises there."""
        return self._pool.submit(_fail, function, args, options).result(_MOST)

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


def _fail(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Failure:
    try:
        done = function(*args, **options)
    except Exception as error:
        kinds = tuple(kind.__name__ for kind in type(error).__mro__)
        response = getattr(error, "response", None)
        return Failure(kinds, getattr(response, "status_code", None), str(error))
    raise AssertionError(f"no exception, but {done!r}")
