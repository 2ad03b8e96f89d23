"""Masks from polygons and from run-length codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.convert.images._info import DEFAULT_MAX_PIXELS
from lancenb.errors import CorruptInput, InvalidArgument

if TYPE_CHECKING:
    import numpy as np

    Mask = np.ndarray[Any, np.dtype[np.bool_]]


def object_mask(item: Mapping[str, Any], height: int, width: int) -> Mask:
    """Return the pixels of one object as a boolean array ``[height, width]``.

    A pixel belongs to a polygon when its centre lies inside (even-odd rule); an object of several
    polygons has the pixels of all of them. This agrees with pycocotools but for single pixels on
    the edge, as that rounds corners to a fifth of a pixel.

    Args:
        item: an entry of the column ``objects``, or an annotation of COCO.
        height: rows of the picture.
        width: columns of the picture.

    Raises:
        InvalidArgument: the object has only a box.
        CorruptInput: its run-length code does not fit the picture.
    """
    if height < 1 or width < 1 or height * width > DEFAULT_MAX_PIXELS:
        raise InvalidArgument(f"a picture of {height:,} x {width:,} pixels has no mask")
    found: Any = item.get("segmentation")
    polygons: Any
    if isinstance(found, Mapping):
        polygons = found.get("polygons")
        counts, size = found.get("counts"), found.get("size")
    else:
        polygons, counts, size = found, None, None
    if counts is not None and len(counts):
        if size is None or [int(n) for n in size] != [height, width]:
            raise CorruptInput(f"a mask of size {size} does not fit a picture of {height}x{width}")
        return decode_counts(run_lengths(counts), height, width)
    if not polygons:
        raise InvalidArgument(
            "this object has a box, but neither polygons nor a run-length code",
            hint="its bbox is (left, top, width, height)",
        )
    mask = _filled(polygons[0], height, width)
    for polygon in polygons[1:]:
        mask |= _filled(polygon, height, width)
    return mask


def run_lengths(counts: Sequence[int] | str | bytes) -> Sequence[int]:
    """Return run lengths as numbers; COCO also packs them into text.

    Text has six bits per character (from ``0`` on): five of the number, lowest first, and one that
    says that more follow; from the fourth number on only the difference to the last but one
    stands there (pycocotools, "maskApi").

    >>> run_lengths("52203")
    [5, 2, 2, 2, 5]

    Raises:
        CorruptInput: the text ends within a number.
    """
    if not isinstance(counts, (str, bytes)):
        return counts
    found: list[int] = []
    value = shift = 0
    for byte in counts.encode("latin-1", "replace") if isinstance(counts, str) else counts:
        part = byte - 48
        if not 0 <= part < 64 or shift > 60:
            raise CorruptInput("a packed run-length code holds what is no part of a number")
        value |= (part & 0x1F) << shift
        shift += 5
        if part & 0x20:
            continue
        if part & 0x10:
            value -= 1 << shift
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value = shift = 0
    if shift:
        raise CorruptInput("a packed run-length code ends within a number")
    return found


def decode_counts(counts: Sequence[int], height: int, width: int) -> Mask:
    """Return the mask of run lengths, which go down the columns and begin with the background.

    >>> decode_counts([1, 2, 1], 2, 2).tolist()
    [[False, True], [True, False]]
    """
    import numpy as np

    runs = np.asarray(counts, np.int64)
    if (runs < 0).any() or int(runs.sum()) != height * width:
        raise CorruptInput(
            f"the runs of a mask add up to {int(runs.sum()):,} pixels; the picture has "
            f"{height * width:,}"
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def _filled(polygon: Sequence[float], height: int, width: int) -> Mask:
    """Return the pixels whose centres lie inside a polygon ``[x1, y1, x2, y2, ...]``.

    For each row of pixel centres, every edge that crosses it flips all pixels right of the
    crossing.
    """
    import numpy as np

    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    flips = np.zeros((height, width + 1), np.int32)
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        top, bottom = np.clip(np.ceil(np.array([y1, y2]) - 0.5), 0, height).astype(np.int64)
        if top >= bottom:
            continue
        rows = np.arange(top, bottom)
        crossing = x1 + (rows + 0.5 - y1) * ((x2 - x1) / (y2 - y1))
        columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
        flips[rows, columns] += 1
    return (np.cumsum(flips[:, :width], axis=1) & 1).astype(bool)
