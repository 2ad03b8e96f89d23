"""Seeded splits of a data set."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidArgument
from .dataset import LanceTorchDataset
from .order import epoch_order


def split(
    dataset: LanceTorchDataset, fraction: float, *, seed: int = 0
) -> tuple[LanceTorchDataset, LanceTorchDataset]:
    """Split a data set into (rest, part) at random; together they hold each row exactly once.

    The part takes ``fraction`` of each class where labels are known, so that small parts stay
    balanced.

    Args:
        dataset: what to split.
        fraction: share of the second part, between 0 and 1, both excluded.
        seed: the same seed gives the same split.

    Raises:
        InvalidArgument: a fraction that leaves one side empty.
    """
    if not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise InvalidArgument(f"a fraction lies between 0 and 1, not {fraction!r}")
    order = epoch_order(len(dataset), seed=seed)
    if dataset.labels_reader is not None:
        labels = dataset.labels()[order]
        groups = [order[labels == label] for label in np.unique(labels)]
    else:
        groups = [order]
    taken: list[np.ndarray] = []
    owed = 0.0
    for group in groups:  # carry the rounding error on, so that the total is right
        owed += fraction * len(group)
        count = min(len(group), int(owed + 0.5))
        owed -= count
        taken.append(group[:count])
    part = np.sort(np.concatenate(taken)) if taken else np.empty(0, dtype=np.int64)
    rest = np.setdiff1d(np.arange(len(dataset), dtype=np.int64), part)
    if not len(part) or not len(rest):
        raise InvalidArgument(
            f"{fraction} of {len(dataset)} rows leaves one side empty",
            hint="take another fraction or more rows",
        )
    return dataset.subset(rest), dataset.subset(part)
