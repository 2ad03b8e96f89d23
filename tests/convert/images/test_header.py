"""Size, mode and format without decoding, and the refusal of anything damaged."""

from __future__ import annotations

import csv
import io
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lancenb.convert.images._decode import Unreadable, decode
from lancenb.convert.images._info import DEFAULT_MAX_PIXELS
from lancenb.convert.images._inspect import inspect
from lancenb.convert.images._jpeg import read_jpeg
from lancenb.convert.images._png import is_whole, read_png

from .conftest import picture


def look(data: bytes, verify: str = "auto"):
    return inspect(memoryview(data), verify=verify, max_pixels=DEFAULT_MAX_PIXELS)


def expectations(shared_data, kind):
    with open(shared_data / "expectations.csv", newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["kind"] == kind]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("verify", ["auto", "full", "header"])
def test_every_expectation_of_kind_image(shared_data, verify):
    wrong = []
    seen = 0
    for row in expectations(shared_data, "image"):
        path = shared_data / row["path"]
        if not path.is_file():
            continue
        seen += 1
        try:
            found = look(path.read_bytes(), verify)
        except Unreadable as error:
            if row["expected"] == "ok":
                wrong.append((row["path"], error.refusal.reason))
            continue
        if row["expected"] == "error" and verify != "header":
            wrong.append((row["path"], found))
        elif row["expected"] == "ok":
            detail = json.loads(row["detail"])
            height, width, _ = map(int, row["shape"].split("x"))
            if found != (width, height, detail["mode"], detail["format"]):
                wrong.append((row["path"], found, detail))
    assert seen > 100
    assert wrong == []


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("L", {}),
        ("RGB", {}),
        ("CMYK", {}),
        ("RGB", {"progressive": True}),
        ("RGB", {"subsampling": 2, "quality": 30}),
        ("RGB", {"restart_marker_blocks": 1}),
        ("RGB", {"comment": b"\xff\xd9" * 40}),
    ],
)
def test_jpeg_header_needs_no_decoder(mode, options):
    data = picture("JPEG", mode, (33, 21), **options)
    header, whole = read_jpeg(memoryview(data))
    assert header == (33, 21, mode, "JPEG")
    assert whole


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (5, 4), (33, 700)])
def test_png_header_needs_no_decoder(mode, size):
    data = memoryview(picture("PNG", mode, size))
    header = read_png(data)
    with Image.open(io.BytesIO(data)) as image:
        assert header == (*size, image.mode, "PNG")
    assert is_whole(data, header)


def test_large_png_is_counted_in_blocks():
    data = memoryview(picture("PNG", "RGB", (1200, 1100)))
    assert is_whole(data, read_png(data))
    assert not is_whole(memoryview(data[:-200]), read_png(data))


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_no_prefix_of_a_jpeg_passes(options):
    data = picture("JPEG", size=(24, 24), **options)
    for cut in range(1, len(data)):
        with pytest.raises(Unreadable):
            look(data[:cut])


def test_no_prefix_of_a_png_passes_that_the_decoder_refuses():
    data = picture("PNG", size=(9, 9))
    for cut in range(1, len(data)):
        try:
            look(data[:cut])
        except Unreadable:
            continue
        decode(data[:cut], DEFAULT_MAX_PIXELS)  # raises if we were wrong


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from(["RGB", "P", "I;16", "1"]))
def test_a_damaged_png_passes_only_if_the_decoder_takes_it(seed, flips, mode):
    rng = random.Random(seed)
    data = bytearray(picture("PNG", mode, (7, 6), seed % 5))
    for _ in range(flips):
        data[rng.randrange(8, len(data))] = rng.randrange(256)
    try:
        found = look(bytes(data))
    except Unreadable:
        return
    assert found == decode(bytes(data), DEFAULT_MAX_PIXELS)


def test_jpeg_with_bytes_after_its_end_and_without_an_end():
    data = picture("JPEG")
    assert look(data + b"trailing junk").width == 5
    with pytest.raises(Unreadable):
        look(data[:-2])


def test_pixels_above_the_limit_are_refused_without_decoding():
    data = picture("PNG", size=(40, 40))
    for verify in ("auto", "full", "header"):
        with pytest.raises(Unreadable) as caught:
            inspect(memoryview(data), verify=verify, max_pixels=1599)
        assert caught.value.refusal.error.code == "unsafe_input"
    assert inspect(memoryview(data), max_pixels=1600).width == 40


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_input"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "unsupported_format"),
        (b"<!DOCTYPE html><html></html>", "unsupported_format"),
        (b"plain text", "unsupported_format"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n", "corrupt_input"),
        (b"\xff\xd8\xff\xe0", "corrupt_input"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "unsupported_format"),
    ],
)
def test_what_is_found_in_the_place_of_a_picture(data, code):
    with pytest.raises(Unreadable) as caught:
        look(data)
    assert caught.value.refusal.error.code == code
