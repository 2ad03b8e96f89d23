"""Annotations in COCO's form with their pictures, as a table."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import lancenb
from lancenb.convert.coco import categories, object_mask
from lancenb.convert.coco._annotations import open_annotations
from lancenb.errors import (
    Cancelled,
    CorruptInput,
    EmptyInput,
    InvalidArgument,
    LancenbError,
    SchemaMismatch,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)
from lancenb.progress import CancelToken, Tracker

SQUARE = [10.5, 10.0, 20.5, 10.0, 20.5, 20.0, 10.5, 20.0]
CATEGORIES = [
    {"id": 1, "name": "cat", "supercategory": "animal"}, {"id": 7, "name": "dog"},
]  # fmt: skip


def jpeg(width: int = 40, height: int = 30, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG")
    return out.getvalue()


def one(number: int, image: int, **more) -> dict:
    return {
        "id": number, "image_id": image, "category_id": 1, "bbox": [10.5, 10.0, 10.0, 10.0],
        "area": 100.0, "iscrowd": 0, "segmentation": [SQUARE], **more,
    }  # fmt: skip


def document(**more) -> dict:
    """Three pictures by hand: two objects, none, a crowd as run lengths."""
    crowd = {"counts": [0, 300, 900], "size": [30, 40]}
    return {
        "info": {"description": "made by hand"},
        "licenses": [{"id": 4, "name": "CC BY"}],
        "images": [
            {"id": 30, "file_name": "c.jpg", "width": 40, "height": 30, "license": 4},
            {"id": 10, "file_name": "a.jpg", "width": 40, "height": 30},
            {"id": 20, "file_name": "b.jpg", "width": 40, "height": 30, "license": 4},
        ],
        "annotations": [
            one(1, 10), one(2, 30, category_id=7, bbox=[0, 0, 40.6, 30.0], segmentation=crowd,
                            iscrowd=1), one(3, 10, segmentation=[SQUARE, [0, 0, 5, 0, 5, 5]]),
        ],
        "categories": CATEGORIES,
        **more,
    }  # fmt: skip


def write(root: Path, content: dict | str | None = None, pictures: str = "val2017") -> Path:
    """Write the official layout: ``annotations/instances_val2017.json`` and ``val2017/``."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content or document())
    (root / "annotations" / "instances_val2017.json").write_text(text)
    (root / pictures).mkdir(exist_ok=True)
    for seed, name in enumerate("abc"):
        (root / pictures / f"{name}.jpg").write_bytes(jpeg(seed=seed))
    return root


def convert(source, tmp_path, **options):
    return lancenb.convert(source, tmp_path / "t.lance", **options)


def rows_of(report):
    import lance

    return lance.dataset(report.uri).to_table().to_pylist()


def test_three_pictures_by_hand(tmp_path):
    report = convert(write(tmp_path / "in"), tmp_path)
    assert (report.rows, report.skipped) == (3, [])
    rows = rows_of(report)
    assert [(r["image_id"], r["path"], len(r["objects"])) for r in rows] == [
        (30, "c.jpg", 1), (10, "a.jpg", 2), (20, "b.jpg", 0),
    ]  # fmt: skip
    assert [r["license"] for r in rows] == ["CC BY", None, "CC BY"]
    assert rows[0]["image"] == jpeg(seed=2)
    assert (rows[0]["width"], rows[0]["height"], rows[0]["format"]) == (40, 30, "JPEG")
    crowd = rows[0]["objects"][0]
    assert (crowd["id"], crowd["category_id"], crowd["category"]) == (2, 7, "dog")
    assert crowd["iscrowd"] is True
    assert crowd["bbox"] == [0, 0, 40.6, 30.0]
    assert crowd["segmentation"] == {"polygons": [], "counts": [0, 300, 900], "size": [30, 40]}
    mask = object_mask(crowd, 30, 40)
    assert mask.shape == (30, 40)
    assert mask[:, :10].all()
    assert not mask[:, 10:].any()
    both = rows[1]["objects"][1]
    assert both["segmentation"]["polygons"][0] == SQUARE
    assert object_mask(both, 30, 40).sum() == 100 + 15
    assert categories(report.schema) == CATEGORIES
    assert "label" not in report.lineage["options"]
    features = json.loads(report.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["objects"]["feature"]["bbox"]["length"] == 4


def test_preview_and_lineage_say_what_is_in_the_pictures(tmp_path):
    dm = lancenb.DataManager(tmp_path / "store")
    dm.convert(write(tmp_path / "in"), "coco")
    shown = dm["coco"].preview()
    said = [item["label"] for item in shown.data["shown"]]
    assert said == ["1 object: dog", "2 objects: 2 cat", "no objects"]
    for text in (str(shown), shown.html):
        assert "2 objects: 2 cat" in text
        assert "2 categories: cat, dog" in text
    assert "images from COCO annotations, created" in repr(dm.lineage("coco"))
    assert "label=" not in repr(dm.lineage("coco"))
    assert dm.versions("coco")[0].message == "create images from COCO annotations"


def test_annotations_alone_are_plain_json_with_a_note(tmp_path):
    notes = write(tmp_path / "in") / "annotations" / "instances_val2017.json"
    report = convert(notes, tmp_path)
    assert (report.rows, report.kind) == (1, "table")
    assert "annotations=FILE" in report.notes[0]
    assert "note: these are annotations in COCO's form" in repr(report)
    assert "annotations=FILE" in report._repr_html_()


def test_the_datasets_library_opens_the_table(tmp_path):
    from datasets import load_dataset

    report = convert(write(tmp_path / "in"), tmp_path)
    found = load_dataset(str(report.uri), split="train", cache_dir=str(tmp_path / "hf"))
    assert found[1]["image"].size == (40, 30)
    assert found[1]["objects"][0]["bbox"] == [10.5, 10.0, 10.0, 10.0]
    assert found.features["objects"].feature["bbox"].length == 4


def test_every_way_to_say_where_things_are(tmp_path):
    root = write(tmp_path / "in")
    notes = root / "annotations" / "instances_val2017.json"
    wanted = rows_of(convert(root, tmp_path))
    assert lancenb.sniff(root).format == "coco"
    options = {"mode": "overwrite"}
    assert rows_of(convert(root / "val2017", tmp_path, annotations=notes, **options)) == wanted
    assert rows_of(convert(notes, tmp_path, kind="images", **options)) == wanted
    for packed in ("val2017", "annotations"):
        name = "annotations_trainval2017" if packed == "annotations" else packed
        with zipfile.ZipFile(root / f"{name}.zip", "w") as made:
            for path in sorted((root / packed).iterdir()):
                made.write(path, f"{packed}/{path.name}")
        shutil.rmtree(root / packed)
        assert rows_of(convert(root, tmp_path, **options)) == wanted
    both = root / "annotations_trainval2017.zip"
    got = convert(root / "val2017.zip", tmp_path, annotations=both, **options)
    assert rows_of(got) == wanted
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "_annotations.coco.json").write_text(json.dumps(document()))
    for seed, name in enumerate("abc"):
        (flat / f"{name}.jpg").write_bytes(jpeg(seed=seed))
    assert rows_of(convert(flat, tmp_path, **options)) == wanted


def test_splits(tmp_path):
    root = write(tmp_path / "in")
    train = document(images=document()["images"][:1], annotations=[one(9, 30)])
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(train))
    (root / "annotations" / "captions_train2017.json").write_text('{"images": [], "x": "bbox"}')
    report = convert(root, tmp_path)
    assert [(n, "pictures" in why) for n, why in report.skipped] == [
        (str(root / "annotations" / "instances_train2017.json"), True)
    ]
    (root / "train2017").mkdir()
    (root / "train2017" / "c.jpg").write_bytes(jpeg())
    rows = rows_of(convert(root, tmp_path, mode="overwrite"))
    assert [r["split"] for r in rows] == ["train"] + ["validation"] * 3
    only = convert(root, tmp_path, mode="overwrite", split="validation")
    assert only.rows == 3
    assert only.schema.get_field_index("split") < 0
    with pytest.raises(SourceNotFound, match="no split 'test'"):
        convert(root, tmp_path, mode="overwrite", split="test")


def test_what_is_wrong_is_left_out_by_name_or_raised(tmp_path):
    bad = [
        one(11, 99),
        one(12, 10, category_id=5),
        one(13, 10, bbox=[0, 0, 42.0, 3]),
        one(14, 10, bbox=[-5, 0, 4, 3]),
        one(15, 10, bbox=[1, 1, -4, 3]),
        one(16, 10, bbox=[1, 1, 4]),
        one(17, 10, bbox=[1, float("nan"), 4, 4]),
        one(18, 10, segmentation=[[1, 1, 2, 2]]),
        one(19, 10, segmentation=[[1, 1, 2, 2, 3, "x"]]),
        one(20, 10, segmentation={"counts": [0, 5], "size": [30, 40]}),
        one(21, 10, segmentation={"counts": [0, 1200], "size": [40, 30]}),
        one(22, 10, segmentation={"counts": "\x01", "size": [30, 40]}),
        one(23, 10, area="large"),
        one(24, 10, keypoints=[1, 2]),
        "nonsense",
    ]
    pictures = [*document()["images"], {"id": 10, "file_name": "b.jpg"}, {"id": 40},
                {"id": 41, "file_name": "../../etc/passwd"}, {"id": 42, "file_name": "/etc/x"},
                {"id": "x", "file_name": "a.jpg"}]  # fmt: skip
    content = document(annotations=[one(1, 10), *bad], images=pictures)
    root = write(tmp_path / "in", content)
    report = convert(root, tmp_path)
    assert sum(len(row["objects"]) for row in rows_of(report)) == 1
    reasons = {item.rpartition(": ")[2]: why for item, why in report.skipped}
    wanted = {
        "annotation 11": "image_id 99 is not among the pictures",
        "annotation 12": "category_id 5 is not among the categories",
        "annotation 13": "bbox [0, 0, 42.0, 3] leaves the picture of 40x30 pixels",
        "annotation 14": "leaves the picture",
        "annotation 15": "negative size",
        "annotation 16": "not four numbers",
        "annotation 17": "not four numbers",
        "annotation 18": "three or more points",
        "annotation 19": "three or more points",
        "annotation 20": "add up to 5 pixels",
        "annotation 21": "is for 30x40 pixels",
        "annotation 22": "no part of a number",
        "annotation 23": "no number",
        "annotation 24": "triples",
        "annotation 'number 15'": "image_id None",
        "picture 3": "taken by an earlier picture",
        "picture 4": "no file_name",
        "picture 5": "leaves the folder",
        "picture 6": "leaves the folder",
        "picture 7": "no id",
    }
    assert reasons.keys() == wanted.keys()
    for item, why in wanted.items():
        assert why in reasons[item], item
    assert all("instances_val2017.json" in item for item, _ in report.skipped)
    with pytest.raises(CorruptInput, match="instances_val2017"):
        convert(root, tmp_path, mode="overwrite", on_error="raise")
    assert len(rows_of(report)) == 3


def test_pictures_that_are_missing_damaged_or_of_another_size(tmp_path):
    root = write(tmp_path / "in")
    (root / "val2017" / "a.jpg").unlink()
    (root / "val2017" / "b.jpg").write_bytes(jpeg(30, 40))
    report = convert(root, tmp_path)
    assert [r["path"] for r in rows_of(report)] == ["c.jpg"]
    reasons = dict(report.skipped)
    assert "is not in" in reasons["a.jpg"]
    assert "is 30x40 pixels; its annotations are for 40x30" in reasons["b.jpg"]
    with pytest.raises(SourceNotFound, match=r"a\.jpg"):
        convert(root, tmp_path, mode="overwrite", on_error="raise")
    (root / "val2017" / "c.jpg").write_bytes(jpeg()[:200])
    with pytest.raises(CorruptInput, match="none of the 3 files"):
        convert(root, tmp_path, mode="overwrite")
    shutil.rmtree(root / "val2017")
    notes = root / "annotations" / "instances_val2017.json"
    with pytest.raises(SourceNotFound, match=r"pictures of .*instances_val2017") as caught:
        convert(notes, tmp_path, mode="overwrite", kind="images")
    assert "annotations=FILE" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('{"images": [], "annotations": [], "categories": []}', EmptyInput, "no picture"),
        ('{"images": [], "annotations": []}', UnsupportedFormat, "no list 'categories'"),
        ('{"images": [{"file_name": 1}', CorruptInput, "ends"),
        ('{"images": [1, "file_name"}', CorruptInput, "ends with"),
        ('{"images": [{"file_name"}], "annotations": [], "categories": []}', CorruptInput,
         "images is not JSON near element 0"),
        ('{"images" 3, "file_name": 2}', CorruptInput, "breaks at byte 10"),
        ('{"images": [], "file_name": {"a": ', CorruptInput, "breaks"),
        ('[{"images": 1, "file_name": 2}]', UnsupportedFormat, "no JSON object"),
    ],
)  # fmt: skip
def test_files_that_are_no_annotations(tmp_path, text, error, message):
    root = write(tmp_path / "in", text)
    notes = root / "annotations" / "instances_val2017.json"
    with pytest.raises(error, match=message) as caught:
        convert(root / "val2017", tmp_path, annotations=notes)
    assert "instances_val2017.json" in caught.value.message
    assert not (tmp_path / "t.lance").exists()


def test_captions_and_files_without_one_sound_annotation(tmp_path):
    captions = [{"id": 1, "image_id": 10, "caption": "a cat"}]
    root = write(tmp_path / "in", document(annotations=captions))
    with pytest.raises(UnsupportedFormat, match="without boxes"):
        convert(root, tmp_path)
    write(root, document(annotations=[one(1, 5), one(2, 6)]))
    with pytest.raises(CorruptInput, match="none of the 2 annotations"):
        convert(root, tmp_path)
    write(root, document(annotations=[]))
    assert convert(root, tmp_path).rows == 3


def test_appending_needs_the_same_categories(tmp_path):
    report = convert(write(tmp_path / "in"), tmp_path)
    assert convert(tmp_path / "in", tmp_path, mode="append").rows == 3
    assert len(rows_of(report)) == 6
    other = write(tmp_path / "other", document(categories=[{"id": 1, "name": "bus"},
                                                           {"id": 7, "name": "dog"}]))  # fmt: skip
    with pytest.raises(SchemaMismatch, match="other categories"):
        convert(other, tmp_path, mode="append")
    assert len(rows_of(report)) == 6


def test_options_that_mean_nothing(tmp_path):
    root = write(tmp_path / "in")
    with pytest.raises(InvalidArgument, match="label="):
        convert(root, tmp_path, label={"a.jpg": 1})
    with pytest.raises(InvalidArgument, match="annotations="):
        convert(pa.table({"x": [1]}), tmp_path, kind="images", annotations="x.json")
    with pytest.raises(SourceNotFound, match="nowhere"):
        convert(root / "val2017", tmp_path, annotations=tmp_path / "nowhere.json")


def test_the_annotations_of_a_folder_can_be_left_alone(tmp_path):
    root = write(tmp_path / "in")
    report = convert(root, tmp_path, annotations=False)
    assert (report.rows, report.schema.get_field_index("objects")) == (3, -1)


def test_hostile_archives_of_pictures(tmp_path):
    root = write(tmp_path / "in")
    notes = root / "annotations" / "instances_val2017.json"
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as made:
        made.writestr("../a.jpg", jpeg())
    with pytest.raises(UnsafeInput, match="climbs out"):
        convert(tmp_path / "slip.zip", tmp_path, annotations=notes)
    shutil.make_archive(str(tmp_path / "p"), "gztar", root / "val2017")
    with pytest.raises(UnsupportedFormat, match="out of order"):
        convert(tmp_path / "p.tar.gz", tmp_path, annotations=notes)


def test_packed_annotations_leave_nothing_behind(tmp_path, monkeypatch):
    root = write(tmp_path / "in")
    with zipfile.ZipFile(root / "annotations_x.zip", "w") as made:
        made.write(root / "annotations" / "instances_val2017.json", "a/instances_val2017.json")
    shutil.rmtree(root / "annotations")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    assert convert(root, tmp_path).rows == 3
    assert os.listdir(scratch) == []
    with zipfile.ZipFile(root / "annotations_x.zip", "w") as made:
        made.writestr("a/captions_val2017.json", "{}")
    other = {"annotations": root / "annotations_x.zip", "mode": "overwrite"}
    with pytest.raises(UnsupportedFormat, match="no annotations of boxes"):
        convert(root / "val2017", tmp_path, **other)
    assert lancenb.sniff(root).format == "folder", "other annotations do not matter"


def test_keypoints_are_kept(tmp_path):
    person = one(1, 10, keypoints=[1.0, 2.0, 2] * 17, num_keypoints=17)
    report = convert(write(tmp_path / "in", document(annotations=[person, one(2, 10)])), tmp_path)
    objects = rows_of(report)[1]["objects"]
    assert objects[0]["keypoints"] == [1.0, 2.0, 2.0] * 17
    assert (objects[0]["num_keypoints"], objects[1]["keypoints"]) == (17, [])


def test_a_catalogue_takes_it_too(tmp_path):
    manager = lancenb.DataManager(tmp_path / "store")
    manager.convert(write(tmp_path / "in"), "pets")
    assert manager["pets"].rows == 3
    bad = write(tmp_path / "bad", '{"images": [{"file_name": ')
    with pytest.raises(LancenbError):
        manager.convert(bad, "bad")
    assert [entry.name for entry in manager.list()] == ["pets"]


def test_the_check_of_annotations_shows_progress_and_can_be_cancelled(tmp_path):
    many = [one(number, 10) for number in range(3000)]
    root = write(tmp_path / "in", document(annotations=many))
    events, token = [], CancelToken()

    def stop(event):
        events.append(event.phase)
        if event.phase == "check":
            token.cancel()

    with pytest.raises(Cancelled):
        convert(root, tmp_path, progress=stop, cancel=token)
    assert "check" in events
    assert not (tmp_path / "t.lance").exists()


@pytest.mark.slow
def test_large_annotation_files_are_not_loaded(tmp_path):
    """Parsed whole, the file below would take several times its 60 MB."""
    path = tmp_path / "instances_x.json"
    polygon = json.dumps([[n / 7 for n in range(80)]])
    with path.open("w") as file:
        file.write('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [')
        for number in range(45_000):
            file.write(
                f'{"," if number else ""}{{"id": {number}, "image_id": 1, "category_id": 1, '
                f'"bbox": [1, 2, 3, 4], "segmentation": {polygon}}}'
            )
        file.write('], "categories": [{"id": 1, "name": "cat"}]}')
    assert path.stat().st_size > 60e6
    tracemalloc.start()
    found = open_annotations(str(path), "x")
    assert list(found.check(Tracker())) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert len(found.objects(0)) == 45_000
