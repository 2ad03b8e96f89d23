"""All decoders give the pixels that Pillow gives, and refuse what Pillow refuses."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from lancenb.data import LanceTorchDataset
from lancenb.data._cells import cell_of, cells_of
from lancenb.data._decode import PictureDecoder
from lancenb.data._jpeg import jpeg_head
from lancenb.data._nvdecode import nvimgcodec
from lancenb.data._pillow import BadPicture, pillow_rgb
from lancenb.data._png import is_plain_png
from lancenb.data.transforms import RandomCropResize
from lancenb.errors import CorruptInput, InvalidArgument, MissingDependency
from tests.data.tables import image_table, png, write

FAST = [
    "torchvision",
    pytest.param(
        "nvimgcodec",
        marks=pytest.mark.skipif(nvimgcodec() is None, reason="nvidia-nvimgcodec is not here"),
    ),
]


_IEND = b"\0\0\0\0IEND\xaeB`\x82"


def _photo(height: int = 48, width: int = 64, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def _saved(picture: Image.Image, kind: str = "JPEG", **options) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def _oriented(orientation: int, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _saved(_photo(), exif=exif, **options)


def _jpegs() -> dict[str, bytes]:
    base = _photo()
    found = {
        "baseline": _saved(base),
        "progressive": _saved(base, progressive=True),
        "444": _saved(base, subsampling=0, quality=95),
        "422": _saved(base, subsampling=1),
        "grey": _saved(base.convert("L")),
        "restarts": _saved(base, restart_marker_blocks=2),
        "odd": _saved(_photo(47, 33)),
        "one pixel": _saved(_photo(1, 1)),
        "rgb not ycc": _saved(base, keep_rgb=True),
        "comment": _saved(base, comment=b"x" * 300),
    }
    found |= {f"turned {way}": _oriented(way) for way in range(1, 9)}
    return found


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _with_chunk(data: bytes, kind: bytes, body: bytes, after_pixels: bool = False) -> bytes:
    at = len(data) - 12 if after_pixels else 33
    return data[:at] + _chunk(kind, body) + data[at:]


def _pngs() -> dict[str, bytes]:
    base = _saved(_photo(), "PNG")
    return {
        "rgb": base,
        "grey": _saved(_photo().convert("L"), "PNG"),
        "one pixel": _saved(_photo(1, 1), "PNG"),
        "odd": _saved(_photo(47, 33), "PNG", compress_level=1),
        "stored": _saved(_photo(), "PNG", compress_level=0),
        "many chunks": _saved(_noise(), "PNG"),
        "resolution": _saved(_photo(), "PNG", dpi=(72, 72)),
        "gamma": _with_chunk(base, b"gAMA", struct.pack(">I", 45455)),
        "text": _with_chunk(base, b"tEXt", b"Software\0Adobe ImageReady"),
        "text after": _with_chunk(base, b"tEXt", b"date:create\0today", after_pixels=True),
    }


def _noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 180, 3), np.uint8))


def _odd_pngs() -> dict[str, bytes]:
    base = _saved(_photo(), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = b"Raw profile type exif\0\nexif\n26\n" + exif.tobytes().hex().encode()
    grey16 = Image.fromarray(np.asarray(_photo().convert("L")).astype(np.uint16) * 257)
    return {
        "palette": _saved(_photo().convert("P"), "PNG"),
        "16 bit": _saved(grey16, "PNG"),
        "1 bit": _saved(_photo().convert("1"), "PNG"),
        "alpha": _saved(_photo().convert("RGBA"), "PNG"),
        "grey alpha": _saved(_photo().convert("LA"), "PNG"),
        "transparent colour": _saved(_photo(), "PNG", transparency=(1, 2, 3)),
        "turned": _saved(_photo(), "PNG", exif=exif),
        "turned after": _with_chunk(base, b"eXIf", exif.tobytes()[6:], after_pixels=True),
        "raw exif": _with_chunk(base, b"tEXt", raw),
        "animated": _saved(_photo(), "PNG", save_all=True, append_images=[_photo(seed=1)]),
        "profile": _saved(_photo(), "PNG", icc_profile=b"x" * 200),
        "private chunk": _with_chunk(base, b"vpAg", b"1234"),
    }


def _others() -> dict[str, bytes]:
    base = _photo()
    grey16 = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 257)
    return {
        "cmyk": _saved(base.convert("CMYK")),
        "bad orientation": _oriented(9),
        "trailing": _saved(base) + b"\0\0",
        "png": _saved(base, "PNG"),
        "palette": _saved(base.convert("P"), "PNG"),
        "16 bit": _saved(grey16, "PNG"),
        "alpha": _saved(base.convert("RGBA"), "PNG"),
        "webp": _saved(base, "WEBP", lossless=True),
        "gif": _saved(base, "GIF"),
        "tiff": _saved(base, "TIFF"),
        "bmp": _saved(base, "BMP"),
    }


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("kind", _jpegs())
def test_plain_jpegs_are_decoded_fast_and_alike(kind, name):
    data = _jpegs()[kind]
    head = jpeg_head(memoryview(data))
    assert head is not None, "it goes to the fast decoder"
    wanted = pillow_rgb(data)
    assert head.upright == wanted.shape[:2]
    found = PictureDecoder(name)(cell_of(data))
    assert np.array_equal(found.permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize("kind", _others())
def test_all_others_go_to_pillow(kind):
    data = _others()[kind]
    assert jpeg_head(memoryview(data)) is None
    found = PictureDecoder()(cell_of(data)).permute(1, 2, 0).numpy()
    assert np.array_equal(found, pillow_rgb(data))


@pytest.mark.parametrize("kind", _pngs())
def test_plain_pngs_are_read_the_short_way_and_alike(kind, monkeypatch):
    data = _pngs()[kind]
    wanted = _the_long_way(data)
    monkeypatch.setattr("lancenb.data._pillow._opened", None)
    for name in ("auto", "pillow"):
        found = PictureDecoder(name)(cell_of(data)).permute(1, 2, 0)
        assert np.array_equal(found.numpy(), wanted)
        found[:] = 0  # memory of its own


@pytest.mark.parametrize("kind", _odd_pngs())
def test_odd_pngs_are_looked_at_closely(kind):
    data = _odd_pngs()[kind]
    assert not is_plain_png(data)
    assert not is_plain_png(memoryview(data))
    found = PictureDecoder()(cell_of(data)).permute(1, 2, 0).numpy()
    assert np.array_equal(found, _the_long_way(data))


def test_w83_damaged_pngs_are_refused_or_read_as_ever():
    whole = _saved(_photo(), "PNG")
    rng = np.random.default_rng(6)
    cases = [whole[:length] + end for length in range(2, len(whole), 97) for end in (b"", _IEND)]
    packed = whole[41:-16]
    for _ in range(150):  # sums that fit, around pixels that do not
        broken = bytearray(packed)
        broken[rng.integers(len(broken))] = rng.integers(256)
        cases.append(whole[:33] + _chunk(b"IDAT", bytes(broken)) + _IEND)
        broken = bytearray(whole)
        broken[rng.integers(8, len(broken))] = rng.integers(256)
        cases.append(bytes(broken))
    cases += [whole[:33] + _chunk(b"IDAT", packed[:-cut]) + _IEND for cut in (1, 4, 5, 60)]
    refused = 0
    for data in cases:
        try:
            wanted = _the_long_way(data)
        except BadPicture:
            refused += 1
            with pytest.raises(BadPicture):
                PictureDecoder()(cell_of(data))
            continue
        found = PictureDecoder()(cell_of(data)).permute(1, 2, 0).numpy()
        assert np.array_equal(found, wanted)
    assert 10 < refused < len(cases)


def _the_long_way(data: bytes) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lancenb.data._pillow.is_plain_png", lambda data: False)
        return pillow_rgb(data)


def test_without_torchvisions_decoder_others_read_jpegs(monkeypatch):
    monkeypatch.setattr("lancenb.data._decode._jpeg_operator", lambda: None)
    for none in (False, True):
        if none:
            monkeypatch.setattr("lancenb.data._decode.nvimgcodec", lambda: None)
        for data in _jpegs().values():
            found = PictureDecoder()(cell_of(data)).permute(1, 2, 0).numpy()
            assert np.array_equal(found, pillow_rgb(data))


@pytest.mark.parametrize("name", FAST)
def test_a_region_has_the_pixels_of_the_whole_picture(name):
    crop = RandomCropResize(16)
    for kind, data in _jpegs().items():
        for seed in range(5):
            found, box = PictureDecoder(name).region(
                cell_of(data), lambda h, w, seed=seed: crop.box(h, w, seed)
            )
            rows = slice(box.top, box.top + box.height)
            wanted = pillow_rgb(data)[rows, box.left : box.left + box.width]
            assert np.array_equal(found.permute(1, 2, 0).numpy(), wanted), kind


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
def test_w83_damaged_jpegs_are_refused_and_read_as_pillow_does(name, options):
    whole = _saved(_photo(), **options)
    rng = np.random.default_rng(5)
    cases = [whole[:length] for length in range(2, len(whole), 37)]
    cases += [whole[:length] + b"\xff\xd9" for length in range(2, len(whole), 37)]
    for _ in range(60):
        broken = bytearray(whole)
        broken[rng.integers(2, len(whole) - 2)] = rng.integers(256)
        cases.append(bytes(broken))
    refused = 0
    for data in cases:
        try:
            wanted = pillow_rgb(data)
        except BadPicture:
            refused += 1
            with pytest.raises(BadPicture):
                PictureDecoder(name)(cell_of(data))
            continue
        found = PictureDecoder(name)(cell_of(data)).permute(1, 2, 0).numpy()
        assert np.array_equal(found, wanted)
    assert 10 < refused < len(cases)


def test_w83_a_cut_off_jpeg_is_refused_in_batches_too(tmp_path):
    cells = [_saved(_photo(seed=i)) for i in range(6)]
    cells[2] = cells[2][: len(cells[2]) // 2]
    cells[4] = b""
    uri = write(image_table(cells, [0, 1, 2, 0, 1, 2]), tmp_path / "t.lance")
    for transform in (None, RandomCropResize(8)):
        data = LanceTorchDataset(uri, transform=transform, cache=False)
        with pytest.raises(CorruptInput, match=r"row 2 \('folder/0002.png'\)"):
            data.read_batch([5, 2, 4])
        skip = LanceTorchDataset(uri, transform=transform, cache=False, on_error="skip")
        images, labels = skip.read_batch([5, 2, 4, 0, 3])
        assert labels.tolist() == [2, 0, 0]
        assert len(images) == 3
        assert [bad.row for bad in skip.skipped] == [2, 4]
        assert skip.read_batch([2, 4]) is None
        assert [bad.row for bad in skip.check()] == [2, 4]


def test_decompression_bombs_are_refused_by_every_decoder(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for data in (_saved(_photo()), png(np.zeros((48, 64, 3), np.uint8))):
        with pytest.raises(BadPicture, match="too many pixels"):
            PictureDecoder()(cell_of(data))
        with pytest.raises(BadPicture, match="too many pixels"):
            PictureDecoder().region(cell_of(data), lambda h, w: RandomCropResize(8).box(h, w, 1))


def test_xmp_orientation_goes_to_pillow():
    xmp = b'<x xmlns:tiff="t" tiff:Orientation="6"/>'
    data = _saved(_photo(), xmp=xmp)
    assert jpeg_head(memoryview(data)) is None


def test_unknown_and_missing_decoders(tmp_path, monkeypatch):
    uri = write(image_table([_saved(_photo())], [0]), tmp_path / "t.lance")
    with pytest.raises(InvalidArgument, match="'opencv'"):
        LanceTorchDataset(uri, decoder="opencv")
    monkeypatch.setattr("lancenb.data._decode.nvimgcodec", lambda: None)
    with pytest.raises(MissingDependency) as caught:
        LanceTorchDataset(uri, decoder="nvimgcodec")
    assert "lancenb[decode]" in caught.value.hint
    data = LanceTorchDataset(uri, transform=RandomCropResize(8))
    assert data.read_batch([0])[0].shape == (1, 3, 8, 8)


def test_cells_of_slices_structs_and_large_binary():
    plain = pa.array([b"zero", b"one", None, b"", b"four"])
    struct = pa.StructArray.from_arrays([plain, pa.array(list("abcde"))], names=["bytes", "path"])
    for array in (plain, plain.cast(pa.large_binary()), struct):
        for part, wanted in (
            (array, [b"zero", b"one", None, None, b"four"]),
            (array.slice(1, 4), [b"one", None, None, b"four"]),
            (array.slice(4), [b"four"]),
        ):
            found = cells_of(pa.chunked_array([part]))
            assert [None if c is None else bytes(c.view) for c in found] == wanted
            assert [None if c is None else bytes(c.tensor.tolist()) for c in found] == wanted
    nothing = pa.StructArray.from_arrays([plain], names=["bytes"], mask=pa.array([True] * 5))
    assert cells_of(pa.chunked_array([nothing])) == [None] * 5
    assert cell_of({"bytes": None}) is None


@pytest.mark.parametrize("name", ["pillow", *FAST])
def test_every_decoder_makes_the_same_batch(tmp_path, name):
    cells = [*_jpegs().values(), *(_others()[kind] for kind in ("png", "cmyk", "16 bit"))]
    uri = write(image_table(cells, [i % 3 for i in range(len(cells))]), tmp_path / "t.lance")
    places = list(range(len(cells)))[::-1]
    wanted = _batch(LanceTorchDataset(uri, transform=RandomCropResize(16)), places)
    found = _batch(LanceTorchDataset(uri, transform=RandomCropResize(16), decoder=name), places)
    assert torch.equal(found[0], wanted[0])
    assert torch.equal(found[1], wanted[1])


def _batch(data: LanceTorchDataset, places: list[int]):
    class Seeded(list):
        seed = 3

    return data.read_batch(Seeded(places))
