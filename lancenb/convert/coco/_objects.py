"""One annotation: is it sound, and what becomes of it in a row."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput

from ._masks import run_lengths

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = 2**1023  # whole numbers beyond have no float
CATEGORIES_KEY = "lancenb.categories"
_SMALL = 2**31  # num_keypoints and the size of a run-length code are stored as int32
_MARGIN = 1.0  # pixels by which a box may leave its picture: annotation tools round


def categories(schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the categories of a table of annotated pictures: ``id``, ``name`` and more.

    Args:
        schema: Arrow schema with metadata, as ``lance.dataset(uri).schema`` gives it.

    >>> import pyarrow as pa
    >>> categories(pa.schema([("x", pa.int64())]))
    []
    """
    raw = (schema.metadata or {}).get(CATEGORIES_KEY.encode())
    return json.loads(raw) if raw else []


def object_type(*, keypoints: bool) -> pa.DataType:
    """Return the Arrow type of one object."""
    import pyarrow as pa

    # Lance cannot read back null structs within lists: what is absent is an empty list.
    segmentation = pa.struct(
        [
            ("polygons", pa.list_(pa.list_(pa.float64()))),
            ("counts", pa.list_(pa.int64())),
            ("size", pa.list_(pa.int32())),
        ]
    )
    fields: list[Any] = [
        ("id", pa.int64()),
        ("category_id", pa.int64()),
        ("category", pa.string()),
        ("bbox", pa.list_(pa.float64(), 4)),
        ("area", pa.float64()),
        ("iscrowd", pa.bool_()),
        ("segmentation", segmentation),
    ]
    if keypoints:
        fields += [("keypoints", pa.list_(pa.float64())), ("num_keypoints", pa.int32())]
    return pa.struct(fields)


def object_features(*, keypoints: bool) -> dict[str, Any]:
    """Return the type of the column in the JSON form of ``datasets``."""

    def value(dtype: str) -> dict[str, Any]:
        return {"dtype": dtype, "_type": "Value"}

    def many(feature: Any) -> dict[str, Any]:
        return {"feature": feature, "_type": "List"}

    one: dict[str, Any] = {
        "id": value("int64"),
        "category_id": value("int64"),
        "category": value("string"),
        "bbox": {**many(value("float64")), "length": 4},
        "area": value("float64"),
        "iscrowd": value("bool"),
        "segmentation": {
            "polygons": many(many(value("float64"))),
            "counts": many(value("int64")),
            "size": many(value("int32")),
        },
    }
    if keypoints:
        one |= {"keypoints": many(value("float64")), "num_keypoints": value("int32")}
    return many(one)


def fault(item: Mapping[str, Any], names: Mapping[int, str], width: int, height: int) -> str:
    """Say what is wrong with an annotation; empty when it is sound.

    Args:
        item: the annotation.
        names: category id -> name.
        width: columns of its picture, 0 when unknown.
        height: rows of its picture, 0 when unknown.
    """
    category = item.get("category_id")
    if type(category) not in (int, float) or category not in names:
        return f"category_id {shown(category)} is not among the categories"
    if not _whole(item.get("id", 0)) or not _number(item.get("area", 0.0)):
        return "its id or area is no number"
    box: Any = item.get("bbox")
    if not _numbers(box) or len(box) != 4:
        return f"bbox {shown(box, 80)} is not four numbers"
    x, y, w, h = box
    if w < 0 or h < 0:
        return f"bbox {shown(box, 80)} has a negative size"
    outside = x < -_MARGIN or y < -_MARGIN
    if width and height:
        outside = outside or x + w > width + _MARGIN or y + h > height + _MARGIN
    if outside:
        return f"bbox {shown(box, 80)} leaves the picture of {width}x{height} pixels"
    points: Any = item.get("keypoints")
    if points is not None and (not _numbers(points) or len(points) % 3):
        return "keypoints are not triples of numbers"
    number = item.get("num_keypoints")
    if number is not None and (not _whole(number) or not 0 <= number < _SMALL):
        return f"num_keypoints {shown(number)} is not a number of points"
    return _segmentation_fault(item.get("segmentation"), width, height)


def _segmentation_fault(found: Any, width: int, height: int) -> str:
    if not found:
        return ""
    if isinstance(found, list):
        for polygon in found:
            if not _numbers(polygon) or len(polygon) < 6 or len(polygon) % 2:
                return "a polygon of its segmentation is not a list of three or more points"
        return ""
    if not isinstance(found, Mapping) or not {"counts", "size"} <= set(found):
        return "its segmentation is neither polygons nor a run-length code"
    size = found["size"]
    if not isinstance(size, list) or len(size) != 2 or not all(map(_whole, size)):
        return "the size of its run-length code is not two numbers"
    if not all(0 < n < _SMALL for n in size):
        return f"the size {size} of its run-length code is that of no picture"
    if width and height and size != [height, width]:
        return f"its run-length code is for {size[1]}x{size[0]} pixels"
    try:
        counts = run_lengths(found["counts"])
    except CorruptInput as error:
        return error.message
    if not isinstance(counts, list) or not all(_whole(n) and n >= 0 for n in counts):
        return "its run-length code is not a list of counts"
    if sum(counts) != size[0] * size[1]:
        return f"the runs of its code add up to {sum(counts):,} pixels, not to its size"
    return ""


def to_object(item: Mapping[str, Any], names: Mapping[int, str], *, keypoints: bool) -> Any:
    """Return a sound annotation as a value of :func:`object_type`."""
    found = item.get("segmentation") or []
    coded = isinstance(found, Mapping)
    one: dict[str, Any] = {
        "id": item.get("id"),
        "category_id": item["category_id"],
        "category": names[item["category_id"]],
        "bbox": _floats(item["bbox"]),
        "area": float(item["area"]) if "area" in item else None,
        "iscrowd": bool(item.get("iscrowd", 0)),
        "segmentation": {
            "polygons": [] if coded else [_floats(polygon) for polygon in found],
            "counts": run_lengths(found["counts"]) if coded else [],
            "size": found["size"] if coded else [],
        },
    }
    if keypoints:
        one["keypoints"] = _floats(item.get("keypoints") or [])
        one["num_keypoints"] = item.get("num_keypoints")
    return one


def _floats(values: Sequence[float]) -> list[float]:
    """Arrow takes no whole number for a float that it cannot hold to the last digit."""
    return [float(value) for value in values]


def shown(value: Any, most: int = 40) -> str:
    """Return a value of JSON for a message: short, and fit for every output.

    >>> shown("cat"), shown([1] * 100, 10), shown(10**5000)
    ("'cat'", '[1, 1, 1, ', 'a huge number')
    """
    try:
        return ascii(value)[:most]
    except ValueError:  # more digits than Python turns into text
        return "a huge number"
    except RecursionError:
        return "a deeply nested value"


def storable(text: str) -> bool:
    """Whether text can be stored as UTF-8: JSON can spell halves of a character alone."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _whole(value: Any) -> bool:
    return type(value) is int and -(2**62) < value < 2**62


def _number(value: Any) -> bool:
    if type(value) is int:
        return -_LARGEST < value < _LARGEST  # math.isfinite fails for a larger one
    return type(value) is float and math.isfinite(value)


def _numbers(values: Any) -> bool:
    return (
        isinstance(values, Sequence) and not isinstance(values, str) and all(map(_number, values))
    )
