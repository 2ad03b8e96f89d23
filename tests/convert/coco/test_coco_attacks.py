"""Annotation files made to break the reading: every one ends in a typed error or a skipped row."""

from __future__ import annotations

import json

import pytest

import lancenb
from lancenb.errors import CorruptInput, LancenbError

from .test_coco import document, one, write

LONE = "\ud800"
HUGE = 10**400
POINTS = [1, 2, 2]


def convert(tmp_path, content, **options):
    write(tmp_path / "in", json.dumps(content))
    return lancenb.convert(tmp_path / "in", tmp_path / "t.lance", **options)


@pytest.mark.parametrize(
    "more",
    [
        {"category_id": [1]},
        {"category_id": {"a": 1}},
        {"category_id": True},
        {"category_id": 2**70},
        {"bbox": [0, 0, HUGE, 1]},
        {"bbox": [0, 0, -HUGE, 1]},
        {"area": HUGE},
        {"segmentation": [[HUGE] * 6]},
        {"keypoints": POINTS, "num_keypoints": "abc"},
        {"keypoints": POINTS, "num_keypoints": 2**40},
        {"keypoints": POINTS, "num_keypoints": True},
        {"keypoints": [HUGE, 1, 2]},
        {"image_id": HUGE},
        {"image_id": 10**4000},
        {"image_id": LONE},
    ],
)
def test_a_broken_annotation_is_skipped_and_named(tmp_path, more):
    notes = [one(1, 10, keypoints=POINTS), one(77, 10, **{"keypoints": POINTS, **more})]
    report = convert(tmp_path, document(annotations=notes))
    assert report.rows == 3
    (item, reason), = report.skipped  # fmt: skip
    assert "annotation 77" in item
    assert next(key for key in (*list(more)[::-1], "a polygon", "id or area") if key in reason)
    assert len(reason) < 300
    reason.encode()


def test_the_size_of_a_run_length_code_has_32_bits(tmp_path):
    content = document(annotations=[
        one(1, 10), one(77, 30, segmentation={"size": [2**40, 1], "counts": [2**40]}),
    ])  # fmt: skip
    for picture in content["images"]:
        picture.pop("width")
    report = convert(tmp_path, content)
    assert "annotation 77" in report.skipped[0][0]
    assert "size" in report.skipped[0][1]


def test_whole_numbers_beyond_a_float_are_rounded(tmp_path):
    big = 2**60 + 1
    content = document(annotations=[one(1, 10, area=big, segmentation=[[big] * 6])])
    assert convert(tmp_path, content).skipped == []


@pytest.mark.parametrize(
    "more",
    [
        {"categories": [{"id": 1, "name": LONE}]},
        {"categories": [{"id": 1, "name": "cat", "supercategory": LONE}]},
        {"categories": [{"id": 2**70, "name": "cat"}]},
        {"categories": [{"id": HUGE, "name": "cat"}]},
        {"licenses": [{"id": 4, "name": LONE}]},
    ],
)
def test_what_a_table_cannot_keep_is_damage_of_the_file(tmp_path, more):
    with pytest.raises(CorruptInput, match=r"instances_val2017\.json.*(category|licence)") as error:
        convert(tmp_path, document(**more))
    error.value.message.encode()


@pytest.mark.parametrize("licence", [[4], {"a": 4}])
def test_a_licence_of_another_type_is_none(tmp_path, licence):
    content = document(licenses=[{"id": licence, "name": "x"}, {"id": 4, "name": "CC BY"}])
    content["images"][1]["license"] = licence
    assert convert(tmp_path, content).rows == 3


def test_a_file_name_of_half_a_character_is_skipped(tmp_path):
    content = document()
    content["images"][2]["file_name"] = f"{LONE}.jpg"
    report = convert(tmp_path, content)
    assert report.rows == 2
    assert any("cannot be stored" in reason for _, reason in report.skipped)


def test_every_category_field_is_checked_before_writing(tmp_path):
    with pytest.raises(LancenbError, match=r"category 1 holds text .* 'note'"):
        convert(tmp_path, document(categories=[{"id": 1, "name": "cat", "note": [LONE]}]))
    assert not (tmp_path / "t.lance").exists()
