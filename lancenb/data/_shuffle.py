"""How an epoch is shuffled: over all rows, or block by block, and how good that is."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidArgument
from ._hash import BLOCKS, generator, whole

BLOCK = 32
BUFFER = 8192


def shuffle_mode(shuffle: object) -> bool | str:
    """False, ``"global"`` or ``"block"``.

    Raises:
        InvalidArgument: another value.
    """
    if isinstance(shuffle, (bool, np.bool_)):
        return "global" if shuffle else False
    if shuffle in ("global", "block"):
        return str(shuffle)
    raise InvalidArgument(f"shuffle is True, False, 'global' or 'block', not {shuffle!r:.60}")


def window_rows(block: int, buffer: int) -> int:
    """Rows that are shuffled together in block mode: half of the buffer.

    A reader holds the window in use and the next one, so at most ``buffer`` rows.

    Raises:
        InvalidArgument: a buffer that does not hold two blocks.
    """
    whole("block", block, 1)
    if whole("buffer", buffer, 1) < 2 * block:
        raise InvalidArgument(
            f"a buffer of {buffer} rows does not hold two blocks of {block}",
            hint=f"buffer={max(BUFFER, 2 * block)}",
        )
    return buffer // 2


def block_order(rows: int, seed: int, epoch: int, block: int, buffer: int) -> np.ndarray:
    """Blocks of neighbouring rows in random order, then shuffled inside windows of the result."""
    window = window_rows(block, buffer)
    random = generator(seed, epoch, BLOCKS)
    starts = random.permutation(-(-rows // block)) * block
    order = (starts[:, None] + np.arange(block)).reshape(-1)
    order = order[order < rows].astype(np.int64, copy=False)
    for begin in range(0, rows, window):
        random.shuffle(order[begin : begin + window])
    return order


def shuffle_quality(order: np.ndarray, batch_size: int) -> float:
    """How close batches of an order come to those of a true shuffle, from 0 to 1.

    The ratio of two standard errors of the batch mean, taken of the stored place of the rows, as
    if the label grew along the table (a sorted table is the hard case):
    ``sqrt(variance of a true shuffle / variance measured)``, at most 1. The variance of a true
    shuffle of N rows is ``(N**2 - 1) / 12 / b * (N - b) / (N - 1)`` for batches of b rows (the
    mean of a sample without replacement). Stored order gives about ``1 / sqrt(b)``. Over few
    batches the figure is rough, as a variance of few numbers is.

    Args:
        order: row numbers in the order of an epoch.
        batch_size: rows per (global) batch.

    Returns:
        The ratio; 1.0 when there are fewer than two whole batches.

    Raises:
        InvalidArgument: a batch of no row.

    >>> round(shuffle_quality(np.arange(10_000), 100), 1)
    0.1
    """
    whole("batch_size", batch_size, 1)
    places = np.asarray(order, dtype=np.float64)
    rows, whole_batches = len(places), len(places) // batch_size
    if whole_batches < 2:
        return 1.0
    means = places[: whole_batches * batch_size].reshape(whole_batches, batch_size).mean(1)
    measured = float(np.square(means - places.mean()).mean())
    ideal = (rows**2 - 1) / 12 / batch_size * (rows - batch_size) / (rows - 1)
    return 1.0 if measured <= ideal else float(np.sqrt(ideal / measured))
