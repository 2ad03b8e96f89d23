"""Where a figure belongs: which panel shows it, in which unit, and for which part of the data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

#: Names that the Lightning callback gives to what it measures itself.
RATE, WAIT, LEARNING_RATE = "rows_per_second", "loader_wait", "lr"

_PART = re.compile(r"^(train|training|val|valid|validation|test|eval)[_/.\-: ]+(?=.)", re.I)
_TAIL = re.compile(r"[_/](step|epoch)$", re.I)
_PARTS = {"training": "train", "valid": "val", "validation": "val", "eval": "val"}
_RATES = re.compile(r"^(lr|learning_rate)($|[-_/ .:\d])", re.I)


@dataclass(frozen=True)
class Place:
    """Where a figure is drawn.

    Attributes:
        panel: key of the panel, the same for all figures that share it.
        title: words above the panel.
        unit: ``""``, ``"rows/s"`` or ``"%"`` (values are shares of 1).
        part: ``"train"``, ``"val"``, ``"test"`` or ``""``; val and test are drawn differently.
        order: losses before metrics, metrics before speed.
    """

    panel: str
    title: str
    unit: str
    part: str
    order: int


@lru_cache(maxsize=4096)
def place(metric: str) -> Place:
    """Say where a figure belongs, by its name.

    >>> place("val_loss").panel, place("train_loss").panel, place("val_loss").part
    ('loss', 'loss', 'val')
    >>> place("lr/group 2").panel
    'lr'
    """
    if metric == RATE:
        return Place(RATE, "throughput", "rows/s", "", 3)
    if metric == WAIT:
        return Place(WAIT, "waiting for data", "%", "", 4)
    if _RATES.match(metric):
        return Place(LEARNING_RATE, "learning rate", "", "", 2)
    plain = _TAIL.sub("", metric)
    found = _PART.match(plain)
    part = "" if found is None else found.group(1).lower()
    base = plain if found is None else plain[found.end() :]
    order = 0 if "loss" in base.lower() else 1
    return Place(base.lower(), base.replace("_", " "), "", _PARTS.get(part, part), order)
