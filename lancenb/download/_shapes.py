"""Ten shapes drawn with integers only, so that pixels are equal on every machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._classes import CLASSES
from ._dice import Dice

_UNIT = 4096  # half the image's width
_SHIFT = 10
_ONE = 1 << _SHIFT  # 1.0 for sines and cosines
_TURN = 256  # angle steps of a full turn
_FINE = 2  # subpixels per pixel and direction; `draw` adds up 2 x 2
_COS = np.array([round(math.cos(2 * math.pi * k / _TURN) * _ONE) for k in range(_TURN)], np.int32)
_SIN = np.array([round(math.sin(2 * math.pi * k / _TURN) * _ONE) for k in range(_TURN)], np.int32)
_PENTAGON = [
    (round(math.sin(2 * math.pi * k / 5) * _ONE), round(-math.cos(2 * math.pi * k / 5) * _ONE))
    for k in range(5)
]

Ints = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


def _inside(label: int, x: Ints, y: Ints, r: Ints) -> Mask:
    """Whether points belong to the shape of radius ``r`` around the origin (y points down)."""
    ax, ay = np.abs(x), np.abs(y)
    name = CLASSES[label]
    if name == "circle":
        return x * x + y * y <= r * r * 81 // 100
    if name == "ring":
        square = x * x + y * y
        return (square <= r * r * 90 // 100) & (square >= r * r * 30 // 100)
    if name == "moon":
        shifted = x - r * 45 // 100
        return (x * x + y * y <= r * r * 90 // 100) & (
            shifted * shifted + y * y >= r * r * 62 // 100
        )
    if name == "square":
        return np.maximum(ax, ay) <= r * 78 // 100
    if name == "diamond":
        return 5 * ax + 3 * ay <= 3 * r
    if name == "triangle":
        return (1774 * ax - _ONE * y <= _ONE * r) & (2 * y <= r)
    if name == "cross":
        bar, length = r * 30 // 100, r * 95 // 100
        return ((ax <= bar) & (ay <= length)) | ((ay <= bar) & (ax <= length))
    if name == "star":
        votes = np.zeros(x.shape, np.int8)
        for nx, ny in _PENTAGON:  # sides of the inner pentagon; a tip is beyond one of them
            votes += -(nx * x + ny * y) // _ONE <= r * 309 // 1000
        return votes >= 4
    side = r * 92 // 100
    column, row = (x + side) * 5 // (2 * side + 1), (y + side) * 5 // (2 * side + 1)
    within = np.maximum(ax, ay) <= side
    if name == "stripes":
        return within & (row % 2 == 0)
    return within & ((row + column) % 2 == 0)


def _rgb(hue: Ints, value: Ints, pale: Ints) -> Ints:
    """Turn hue (0..1535), value (0..255) and paleness (0..255) into ``[n, 3]`` colours."""
    sector, rest = hue // 256, hue % 256
    full, none = np.full_like(hue, 255), np.zeros_like(hue)
    up, down = rest, 255 - rest
    table = [
        (full, up, none), (down, full, none), (none, full, up),
        (none, down, full), (up, none, full), (full, none, down),
    ]  # fmt: skip
    pure = np.stack(
        [np.choose(sector, [row[channel] for row in table]) for channel in range(3)], axis=1
    )
    mixed = pure + (255 - pure) * pale[:, None] // 255
    return mixed * value[:, None] // 255


def labels(seed: int, split: int, start: int, stop: int) -> Ints:
    """Return the class of each row: every block of ten rows has each class once."""
    blocks = Dice(seed, split + 100, start // 10, (max(stop, start + 1) - 1) // 10 + 1)
    turn = blocks.below(0, 10)
    rows = np.arange(start, stop, dtype=np.int64)
    return (rows * 7 + turn[rows // 10 - start // 10]) % 10


def draw(
    seed: int, split: int, start: int, stop: int, size: int
) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], Ints]:
    """Draw the rows ``start .. stop-1``: pixels ``[n, size, size, 3]`` uint8, labels ``[n]``."""
    count = stop - start
    dice, kinds = Dice(seed, split, start, stop), labels(seed, split, start, stop)
    radius = dice.between(0, 1900, 3300)
    reach = np.maximum(1, (_UNIT - radius) * 9 // 10)
    cx = dice.below(1, 1 << 30) % (2 * reach + 1) - reach
    cy = dice.below(2, 1 << 30) % (2 * reach + 1) - reach
    angle = dice.between(3, -16, 16) % _TURN
    hue = (kinds * 1536 // 10 + dice.between(4, -120, 120)) % 1536
    front = _rgb(hue, dice.between(5, 170, 255), dice.between(6, 0, 90))
    back = _rgb(dice.below(7, 1536), dice.between(8, 20, 120), dice.between(9, 90, 255))

    fine = size * _FINE
    axis = ((2 * np.arange(fine, dtype=np.int64) + 1) * _UNIT // fine - _UNIT).astype(np.int32)
    dx = axis[None, None, :] - cx.astype(np.int32)[:, None, None]
    dy = axis[None, :, None] - cy.astype(np.int32)[:, None, None]
    cos, sin = _COS[angle][:, None, None], _SIN[angle][:, None, None]
    x, y = (dx * cos + dy * sin) >> _SHIFT, (dy * cos - dx * sin) >> _SHIFT
    mask = np.zeros((count, fine, fine), np.uint8)
    for label in range(len(CLASSES)):
        chosen = np.flatnonzero(kinds == label)
        if len(chosen):
            r = radius[chosen].astype(np.int32)[:, None, None]
            mask[chosen] = _inside(label, x[chosen], y[chosen], r)
    cover = mask[:, ::2, ::2] + mask[:, 1::2, ::2] + mask[:, ::2, 1::2] + mask[:, 1::2, 1::2]
    weight = cover.astype(np.int16)[..., None]
    near, far = front.astype(np.int16)[:, None, None, :], back.astype(np.int16)[:, None, None, :]
    flat = far + ((near - far) * weight >> 2)
    grain = dice.bytes(16, size * size * 3).reshape(count, size, size, 3) % np.uint8(33)
    return np.clip(flat + grain - np.int16(16), 0, 255).astype(np.uint8), kinds
