"""Names under which files are recorded that lie somewhere else while they are read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from lancenb.errors import LancenbError

_NAMES: ContextVar[Mapping[str, str] | None] = ContextVar("lancenb_names", default=None)


@contextlib.contextmanager
def shown_as(names: Mapping[str, str]) -> Iterator[None]:
    """Record paths that begin with a key under what stands for it, in facts and in errors.

    Args:
        names: where files lie, and the paths their owner knows them by.
    """
    token = _NAMES.set(names)
    try:
        yield
    except LancenbError as error:
        error.message, error.hint = shown(error.message), shown(error.hint)
        error.args = (error.message,)
        raise
    finally:
        _NAMES.reset(token)


def shown(value: Any) -> Any:
    """Return text, or JSON data with text in it, with the names that apply here.

    >>> with shown_as({"spool/7": "photos"}):
    ...     shown({"files": [{"path": "spool/7/a.csv"}]})
    {'files': [{'path': 'photos/a.csv'}]}
    """
    names = _NAMES.get()
    if not names:
        return value
    if isinstance(value, str):
        for place, name in names.items():
            value = value.replace(place, name)
        return value
    if isinstance(value, Mapping):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(shown(item) for item in value)
    return value
