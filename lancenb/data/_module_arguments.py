"""What a DataModule is told, refused at once where it cannot work."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ._hash import SEED_BITS, whole
from ._shown import shown


def check_sources(train: Any, val: Any, test: Any) -> None:
    """See that there is something to train on, and that nothing is what no data can be.

    Raises:
        InvalidArgument: otherwise.
    """
    hint = "a name in the catalogue, an artefact, the address of a table, or a data set"
    if train is None:
        raise InvalidArgument("train= says what to train on, and is None", hint=hint)
    for name, data in (("train", train), ("val", val), ("test", test)):
        if isinstance(data, (bool, bytes, int)):
            raise InvalidArgument(f"{name}={shown(data)} is no data", hint=hint)


def validation_of(val: Any, fraction: Any) -> tuple[Any, float | None]:
    """What to validate with, and the share of the training rows that does it: one of them.

    Raises:
        InvalidArgument: both were given, or no share between 0 and 1.
    """
    if isinstance(val, float):
        val, fraction = None, val if fraction is None else fraction
    if val is not None and fraction is not None:
        raise InvalidArgument("give val or val_fraction, not both")
    number = isinstance(fraction, (float, int, np.number)) and not isinstance(fraction, bool)
    if fraction is not None and not (number and 0 < fraction < 1):
        raise InvalidArgument(f"val_fraction lies between 0 and 1, not {shown(fraction)}")
    return val, None if fraction is None else float(fraction)


def check_settings(
    *, seed: Any, image_size: Any, num_workers: Any, threads: Any, uneven: Any, **flags: Any
) -> None:
    """See that settings have values that can work.

    Args:
        seed: 0 to 2^128 - 1.
        image_size: side in pixels, or None.
        num_workers: worker processes.
        threads: reading threads.
        uneven: what becomes of rows that do not divide by the ranks.
        **flags: True or False; ``drop_last`` may be None.

    Raises:
        InvalidArgument: one has not, by its name.
    """
    whole("seed", seed, 0, SEED_BITS)
    whole("num_workers", num_workers, 0)
    whole("threads", threads, 0)
    if image_size is not None:
        whole("image_size", image_size, 1)
    if uneven not in ("pad", "drop", "error"):
        raise InvalidArgument(f"uneven is 'pad', 'drop' or 'error', not {shown(uneven)}")
    for name, value in flags.items():
        free = name == "drop_last" and value is None
        if not free and not (isinstance(value, (bool, int, np.bool_)) and value in (0, 1)):
            raise InvalidArgument(f"{name} is True or False, not {shown(value)}")
