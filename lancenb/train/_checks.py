"""What ``fit`` is told, checked before anything is read, made or trained."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, StoreNotWritable

_MOST = 2**63


def check_numbers(lr: Any, seed: Any, image_size: Any, **counts: int | None) -> None:
    """Refuse numbers that cannot work.

    Args:
        lr: learning rate or None.
        seed: 0 to 2^63 - 1.
        image_size: side in pixels or None.
        **counts: whole numbers from 1 on; ``steps`` may be None.

    Raises:
        InvalidArgument: with the name of the argument.
    """
    for label, value in {**counts, "image_size": image_size}.items():
        if label in ("steps", "image_size") and value is None:
            continue
        if not _is_whole(value) or value < 1:
            raise InvalidArgument(f"{label} must be a whole number >= 1, not {value!r}")
    if not _is_whole(seed) or not 0 <= seed < _MOST:
        raise InvalidArgument(f"seed must be a whole number >= 0 and below 2^63, not {seed!r}")
    if lr is not None and not is_rate(lr):
        raise InvalidArgument(f"lr must be a number above 0, not {lr!r}")


def is_rate(value: Any) -> bool:
    """Whether a value is a finite number above 0.

    >>> is_rate(0.1), is_rate(0), is_rate("0.1"), is_rate(float("nan"))
    (True, False, False, False)
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


#: Settings of a classifier that are numbers from 0 on, and how far they go.
_NUMBERS = {
    "momentum": math.inf, "weight_decay": math.inf, "warmup": 1.0, "label_smoothing": 1.0,
}  # fmt: skip


def check_settings(given: Mapping[str, Any]) -> None:
    """Refuse settings of a classifier that are of a wrong kind, before anything is made of them.

    Args:
        given: some or all of the arguments of an ``ImageClassifier``; the names of network, stem,
            optimizer and schedule are the affair of those who know them.

    Raises:
        InvalidArgument: with the name of the setting.
    """
    for name, most in _NUMBERS.items():
        value = given.get(name, 0)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= most or not math.isfinite(value):
            limit = "" if math.isinf(most) else f" and up to {most:g}"
            raise InvalidArgument(f"{name} must be a number from 0 on{limit}, not {value!r:.60}")
    if not is_rate(given.get("lr", 1)):
        raise InvalidArgument(f"the learning rate must be above 0, not {given['lr']!r:.60}")
    side, classes = given.get("image_size"), given.get("num_classes", 1)
    if side is not None and (not _is_whole(side) or side < 1):
        raise InvalidArgument(f"image_size must be a whole number >= 1, not {side!r:.60}")
    if not _is_whole(classes) or classes < 1:
        raise InvalidArgument(f"num_classes must be a whole number >= 1, not {classes!r:.60}")
    if not _are_three(given.get("mean", (0, 0, 0))) or not _are_three(
        given.get("std", (1, 1, 1)), 0
    ):
        raise InvalidArgument("mean and std hold three numbers each, std above 0")
    names = given.get("class_names")
    listed = isinstance(names, Collection) and not isinstance(names, (str, bytes, Mapping))
    if names is not None and not listed:
        raise InvalidArgument(
            f"class_names is a list of names in the order of their ids, not {names!r:.60}"
        )
    if names is not None and "num_classes" in given and len(names) != classes:
        raise InvalidArgument(f"{len(names)} class names for {classes} classes")


def _are_three(values: Any, above: float = -math.inf) -> bool:
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError):
        return False
    return len(numbers) == 3 and all(above < n < math.inf for n in numbers)


def check_kinds(callbacks: Any, loggers: Any) -> list[Any]:
    """Return the callbacks as a list; refuse what is no callback or logger of Lightning.

    Raises:
        InvalidArgument: with its type.
    """
    from lightning import Callback
    from lightning.pytorch.loggers import Logger

    listed = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    found = [] if callbacks is None else listed
    for each in found:
        if not isinstance(each, Callback):
            raise InvalidArgument(f"callbacks takes callbacks of Lightning, not {each!r:.60}")
    for each in loggers or []:
        if not isinstance(each, Logger):
            raise InvalidArgument(
                f"loggers takes names and loggers of Lightning, not {each!r:.60}",
                hint="loggers='csv', or a list of several",
            )
        if each.save_dir and "://" not in str(each.save_dir):
            check_folder(str(each.save_dir), "the logger's folder")
    return found


def check_folder(folder: str, what: str) -> None:
    """Refuse a folder that cannot be made or written to; a new one is made only when used.

    Args:
        folder: local path.
        what: for the message.

    Raises:
        StoreNotWritable: with the reason of the system.
    """
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise StoreNotWritable(
            f"{what} {folder} cannot be written to: {error.strerror or error}",
            hint="choose another folder",
        ) from error


def check_record(facts: Mapping[str, Any]) -> None:
    """Refuse a record that could not be stored after the training.

    Raises:
        InvalidArgument: with the part that has no form in JSON.
    """
    for key, value in facts.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgument(
                f"the {key} of this training cannot be stored: {error}",
                hint="text, finite numbers, truth values, lists and dictionaries of them",
            ) from error
