"""Masks equal those of pycocotools; its answers were computed once and are kept here."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lancenb.convert.coco import object_mask
from lancenb.convert.coco._masks import decode_counts, run_lengths
from lancenb.errors import CorruptInput, InvalidArgument

# pixels that pycocotools 2.0 counts in each annotation of the real files
AREAS = [
    *(15573, 11220, 12422, 13074, 13501, 9477, 6311, 10028, 9596, 5592, 3625, 4946, 5174, 6617),
    *(5238, 18436, 21746, 18927, 21387, 18388, 10908, 13989, 15295, 5935, 8357, 7252, 27371),
    *(12925, 12281, 2780, 14752, 13670, 12321, 12059, 6062, 8275, 5015, 3336, 4803, 15356, 12085),
    *(16179, 6366, 11021, 12761, 5435, 3577, 27760),
]
# packed run lengths, height, width and the mask's bits by row, all by pycocotools
PACKED = (
    ("0410061JOf00XO0013O=0_O0>0?0ZO0M040k00WO0J0L", 9, 24,
     "bffffffffffeddffffdeffff7faffffdff7ffdbfbffffffadbfcff"),
    ("31\\10jN020?0N0?0D0N", 5, 39, "00100200000000000000000000108402020000000080000000"),
    ("n01m0", 3, 20, "0020000000000000"),
    ("e0", 7, 3, "000000"),
    ("5170R21UNOR1", 19, 8, "00000000008000000400000808800000000000"),
    ("2111003OM120N01O10N080H0001031NON041LO1031NOO2ON024NL11OO011OO121N20L42N00O10M01OO1180J",
     31, 6, "549d84960029ac03c25af4e0d0019aaa4120b934ec30e480"),
)  # fmt: skip


def test_real_polygons(shared_data):
    found = []
    for name in ("instances", "keypoints"):
        data = json.loads((shared_data / "coco" / name / "annotations.json").read_text())
        sizes = {one["id"]: (one["height"], one["width"]) for one in data["images"]}
        found += [object_mask(one, *sizes[one["image_id"]]) for one in data["annotations"]]
    for mask, area in zip(found, AREAS, strict=True):
        assert abs(int(mask.sum()) - area) <= 60


@pytest.mark.parametrize(("text", "height", "width", "bits"), PACKED)
def test_packed_run_lengths(text, height, width, bits):
    wanted = np.unpackbits(np.frombuffer(bytes.fromhex(bits), np.uint8))[: height * width]
    item = {"segmentation": {"counts": text, "size": [height, width]}}
    assert (object_mask(item, height, width) == wanted.reshape(height, width).astype(bool)).all()
    assert (decode_counts(run_lengths(text.encode()), height, width).ravel() == wanted).all()


def test_the_rule_is_pixel_centres():
    def area(*polygons):
        return int(object_mask({"segmentation": [*polygons]}, 10, 10).sum())

    assert area([0, 0, 10, 0, 10, 10, 0, 10]) == 100
    assert area([0.6, 0, 10, 0, 10, 10, 0.6, 10]) == 90
    assert area([-50, -50, 50, -50, 50, 50, -50, 50]) == 100
    assert area([20, 20, 30, 20, 30, 30]) == 0
    assert area([0, 0, 10, 0, 0, 10]) in (45, 55)
    two = ([0, 0, 4, 0, 4, 4, 0, 4], [2, 2, 6, 2, 6, 6, 2, 6])
    assert area(*two) == 16 + 16 - 4
    star = [5, 0, 8, 10, 0, 4, 10, 4, 2, 10]
    assert not object_mask({"segmentation": [star]}, 10, 10)[5, 5]


def test_what_cannot_be_a_mask():
    for item in ({}, {"segmentation": []}, {"segmentation": {"polygons": [], "counts": []}}):
        with pytest.raises(InvalidArgument, match="has a box"):
            object_mask(item, 4, 4)
    with pytest.raises(InvalidArgument, match="no mask"):
        object_mask({"segmentation": [[0, 0, 1, 0, 1, 1]]}, 1 << 20, 1 << 20)
    for counts, message in (
        ([5], "add up to 5"), ([-1, 17], "add up"), ("h", "ends within"), ("\x7f", "no part"),
    ):  # fmt: skip
        with pytest.raises(CorruptInput, match=message):
            object_mask({"segmentation": {"counts": counts, "size": [4, 4]}}, 4, 4)
    with pytest.raises(CorruptInput, match="does not fit"):
        object_mask({"segmentation": {"counts": [16], "size": [2, 8]}}, 4, 4)
