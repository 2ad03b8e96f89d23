"""Ray and lance-ray: found, started quietly, and stopped again by whoever started them."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

from ..data._optional import optional
from ..store import lance_module
from ..store._raw import wrapped_error

_EXTRA = "lancenb[ray]"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def lance_ray_module() -> Any:
    """Import lance-ray.

    Raises:
        MissingDependency: it is not installed.
    """
    lance_module()  # sets the level of Lance's log, which worker processes inherit
    optional("ray", "Ray", _EXTRA)
    return optional("lance_ray", "lance-ray", _EXTRA)


def start() -> tuple[Any, bool]:
    """Return Ray, running, and whether it was started here.

    ``RAY_ADDRESS`` names a cluster to join, as Ray has it; otherwise a local one is started.

    Raises:
        MissingDependency: Ray is not installed.
    """
    lance_module()
    ray = optional("ray", "Ray", _EXTRA)
    if ray.is_initialized():
        return ray, False
    here: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lance says that it does not survive forks; none stays
        ray.init(logging_level="warning", log_to_driver=False, **here)
    return ray, True


@contextlib.contextmanager
def running() -> Iterator[Any]:
    """Give Ray for a block; one that was not running before does not run after it."""
    ray, mine = start()
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Raise what a task raised, instead of Ray's account of it.

    Ray Data keeps of an exception in a user's function only its text; that is left as Ray has it,
    unless it is the text of an error of lancenb.
    """
    ray = optional("ray", "Ray", _EXTRA)
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        known = wrapped_error(_COLOURS.sub("", str(error)))
        if known is not None:
            raise known from None
        cause = error.cause
        if isinstance(cause, ray.exceptions.RayError) or not isinstance(cause, Exception):
            raise
        raise cause from None
