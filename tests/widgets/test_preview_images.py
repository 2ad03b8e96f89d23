"""The gallery: what is drawn, of which rows, and what bad input does to it."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter, TagNotFound
from lancenb.store import lance_module
from lancenb.widgets import preview
from lancenb.widgets._thumbs import SIDE, Undrawable, thumbnail

NAMES = ["cat", "dog", '<img src=x onerror="alert(1)">']


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))


def drawn(html: str) -> list[Image.Image]:
    return [decoded(found) for found in re.findall(r'src="(data:image/[^"]+)"', html)]


def image_table(folder: Path, images: list[bytes], labels: list[int | None]) -> str:
    features = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    metadata = {
        b"lancenb.kind": b"images",
        b"huggingface": json.dumps({"info": {"features": features}}).encode(),
    }
    table = pa.table(
        {
            "image": pa.array(images, pa.binary()),
            "label": pa.array(labels, pa.int64()),
            "path": [f"</li><script>{i}" for i in range(len(images))],
        }
    ).replace_schema_metadata(metadata)
    uri = str(folder / "pics.lance")
    lance_module().write_dataset(table, uri)
    return uri


@pytest.fixture
def pics(tmp_path: Path) -> str:
    shades = [encoded(Image.new("RGB", (32, 32), (i, 0, 255 - i))) for i in range(100)]
    return image_table(tmp_path, shades, [i % 3 for i in range(100)])


def test_gallery_spreads_over_the_table(pics: str):
    shown = preview(pics)
    assert isinstance(shown, lnb.widgets.Preview)
    rows = [item["row"] for item in shown.data["shown"]]
    assert len(rows) == 24
    assert rows[0] == 0
    assert rows[-1] > 90
    assert [im.convert("RGB").getpixel((5, 5)) for im in drawn(shown.html)] == [
        (row, 0, 255 - row) for row in rows
    ]
    assert shown.data["per_class"] == {NAMES[0]: 34, NAMES[1]: 33, NAMES[2]: 33}


def test_pages_follow_the_table(pics: str):
    assert [i["row"] for i in preview(pics, page=2, rows=10).data["shown"]] == list(range(10, 20))
    assert [i["row"] for i in preview(pics, page=10, rows=10).data["shown"]][-1] == 99
    with pytest.raises(InvalidArgument, match="page 11"):
        preview(pics, page=11, rows=10)


def test_label_and_filter_choose_rows(pics: str):
    dogs = preview(pics, label="dog", rows=50)
    assert dogs.data["rows"] == 33
    assert {item["label"] for item in dogs.data["shown"]} == {"dog"}
    both = preview(pics, label=["cat", 1], rows=100)
    assert both.data["rows"] == 67
    narrowed = preview(pics, label="dog", where="path LIKE '%>1_'")
    assert {re.sub(r"\D", "", i["path"]) for i in narrowed.data["shown"]} == {
        "10",
        "13",
        "16",
        "19",
    }
    triples = preview(pics, where=[("label", "=", 2)])
    assert triples.data["rows"] == 33
    second = preview(pics, label="dog", rows=10, page=2)
    assert re.sub(r"\D", "", second.data["shown"][0]["path"]) == "31"
    assert "no image matches" in preview(pics, where="label > 7").text


def test_bad_arguments_are_named(pics: str):
    with pytest.raises(InvalidArgument, match="no class 'fish'") as caught:
        preview(pics, label="fish")
    assert "cat, dog" in caught.value.hint
    with pytest.raises(ColumnNotFound, match="weight"):
        preview(pics, where="weight > 3")
    with pytest.raises(InvalidFilter):
        preview(pics, where="label >")
    for bad in (0, -1, 501, True):
        with pytest.raises(InvalidArgument, match="rows"):
            preview(pics, rows=bad)
    with pytest.raises(InvalidArgument, match="tensor= is for weights"):
        preview(pics, tensor="conv1.weight")
    with pytest.raises(TagNotFound):
        preview(pics, version="nightly")
    with pytest.raises(InvalidArgument, match="cannot preview a int"):
        preview(3)


def test_nothing_from_the_data_becomes_markup(pics: str):
    html = preview(pics, rows=50).html
    assert "<script" not in html
    assert "<img src=x" not in html
    assert "onerror=&quot;" in html
    tags = re.findall(r"<img\b[^>]*>", html)
    assert all(
        re.fullmatch(r'<img class="[a-z -]+" src="data:[^"]+" alt="[^"]*">', t) for t in tags
    )


def test_damaged_and_missing_pictures_are_said_not_raised(tmp_path: Path):
    good = encoded(Image.new("RGB", (8, 8)))
    blobs = [good, b"", b"no image", good[:40], None]
    shown = preview(image_table(tmp_path, blobs, [0, 1, None, 0, 1]))  # type: ignore[arg-type]
    assert shown.data["broken"] == 4
    assert len(drawn(shown.html)) == 1
    assert shown.html.count("cannot be decoded") >= 2
    assert shown.data["per_class"]["no label"] == 1


def test_empty_table(tmp_path: Path):
    assert "the table is empty" in preview(image_table(tmp_path, [], [])).text


def test_both_forms_reach_jupyter(pics: str):
    shown = preview(pics)
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == repr(shown)
    assert "var(--jp-layout-color1" in bundle["text/html"]
    assert not re.search(r"<script|@import|url\(|https?:", bundle["text/html"])
    assert all(len(line) <= 110 for line in shown.text.splitlines())


def test_image_table_as_rows(pics: str):
    shown = preview(pics, columns=["label", "path"], rows=5)
    assert "<img" not in shown.html
    assert shown.data["shown"] == 5


def test_versions(tmp_path: Path):
    first = [encoded(Image.new("L", (4, 4), 10))]
    uri = image_table(tmp_path, first, [0])
    lance = lance_module()
    rows = lance.dataset(uri).to_table()
    lance.write_dataset(rows, uri, mode="append")
    lance.dataset(uri).tags.create("one", 1)
    assert preview(uri).data["rows"] == 2
    assert preview(uri, version=1).data["rows"] == 1
    assert preview(lance.dataset(uri), version="one").data["rows"] == 1


def test_large_picture_is_scaled_and_upright():
    image = Image.new("RGB", (1200, 600), "blue")
    image.paste((255, 0, 0), (0, 0, 600, 600))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    address, pixels = thumbnail(encoded(image, "JPEG", exif=exif))
    small = decoded(address)
    assert small.size == (SIDE // 2, SIDE)
    assert not pixels
    top, bottom = small.getpixel((50, 20)), small.getpixel((50, SIDE - 20))
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_can_be_drawn(mode: str):
    ramp = np.tile(np.linspace(0, 255, 40), (30, 1))
    if mode == "I;16":
        image = Image.fromarray((ramp * 200).astype("uint16"))
    elif mode in ("I", "F"):
        image = Image.fromarray((ramp * 1000).astype("int32" if mode == "I" else "float32"))
    else:
        image = Image.fromarray(ramp.astype("uint8")).convert(mode)
    kind = "TIFF" if mode in ("CMYK", "I", "F", "I;16") else "PNG"
    address, pixels = thumbnail(encoded(image, kind))
    seen = decoded(address)
    assert pixels
    assert seen.size == (40, 30)
    grey = np.asarray(seen.convert("L"), dtype=float).mean(axis=0)
    assert grey[:5].mean() < 60
    assert grey[-5:].mean() > 190


def test_bomb_is_not_decoded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("lancenb.widgets._thumbs.MAX_PIXELS", 1000)
    with pytest.raises(Undrawable, match="too large"):
        thumbnail(encoded(Image.new("1", (100, 100))))


def test_real_files(shared_data: Path):
    """Every real picture is drawn or refused in words; nothing raises."""
    refused = []
    for path in sorted(p for p in (shared_data / "image_formats").rglob("*") if p.is_file()):
        try:
            thumbnail(path.read_bytes())
        except Undrawable as reason:
            refused.append((path.name, str(reason)))
    assert not refused, refused
    for path in sorted((shared_data / "bad" / "images").iterdir()):
        try:
            thumbnail(path.read_bytes())
        except Undrawable as reason:
            refused.append((path.name, str(reason)))
    assert all(reason for _, reason in refused)
