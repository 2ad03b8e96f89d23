"""Pixels that are known beforehand: turned pictures, other colours, and who decodes them."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from lancenb.data import LanceTorchDataset, loader
from lancenb.data._cells import cell_of
from lancenb.data._decode import PictureDecoder
from tests.data.tables import image_table, write

#: EXIF orientation -> what brings the stored pixels upright (the standard's table, CIPA DC-008).
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def corners() -> np.ndarray:
    """32 x 48 pixels with a colour of its own in each quarter, on the borders of JPEG's blocks."""
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :24], pixels[:16, 24:] = (250, 0, 0), (0, 250, 0)
    pixels[16:, :24], pixels[16:, 24:] = (0, 0, 250), (250, 250, 250)
    return pixels


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_each_exif_orientation_comes_upright(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exact = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    cell = encoded(Image.fromarray(corners()), kind, exif=exif, **exact)
    data = LanceTorchDataset(write(image_table([cell], [0]), tmp_path / "t.lance"))
    found = data[0][0].permute(1, 2, 0).numpy().astype(int)
    wanted = UPRIGHT[orientation](corners())
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 3, "JPEG rounds, the others are exact"


def test_colours_of_other_modes_are_those_that_people_see(tmp_path):
    palette = Image.new("P", (4, 2))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([0, 1, 1, 0] * 2)
    clear = Image.new("RGBA", (4, 2), (90, 80, 70, 0))
    cmyk = Image.new("CMYK", (4, 2), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    deep = Image.fromarray(np.full((2, 4), 0xABCD, np.uint16))
    modes = [
        (encoded(palette, "PNG"), [(10, 20, 30), (200, 100, 50), (200, 100, 50), (10, 20, 30)]),
        (encoded(palette, "GIF"), [(10, 20, 30), (200, 100, 50), (200, 100, 50), (10, 20, 30)]),
        (encoded(clear, "PNG"), [(90, 80, 70)] * 4),
        (encoded(cmyk, "TIFF"), [(255, 0, 0)] * 4),
        (encoded(deep, "PNG"), [(0xAB,) * 3] * 4),
        (encoded(Image.new("L", (4, 2), 77), "PNG"), [(77,) * 3] * 4),
        (encoded(Image.new("LA", (4, 2), (77, 9)), "PNG"), [(77,) * 3] * 4),
        (encoded(Image.new("1", (4, 2), 1), "PNG"), [(255,) * 3] * 4),
    ]
    table = image_table([cell for cell, _ in modes], None)
    data = LanceTorchDataset(write(table, tmp_path / "t.lance"))
    together = data.read_batch(list(range(len(modes))))
    images = together["image"] if isinstance(together, dict) else together
    for place, (_, row) in enumerate(modes):
        alone = data[place]
        alone = alone["image"] if isinstance(alone, dict) else alone
        assert alone.permute(1, 2, 0).tolist() == [[list(pixel) for pixel in row]] * 2, place
        assert torch.equal(images[place], alone)


def test_plain_jpegs_are_not_decoded_by_pillow_unless_asked_for(monkeypatch):
    asked = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: (asked.append(1), real(*a, **k))[1])
    cell = cell_of(encoded(Image.fromarray(corners()), "JPEG"))
    for name, by_pillow in (("auto", False), ("torchvision", False), ("pillow", True)):
        asked.clear()
        PictureDecoder(name)(cell)
        assert bool(asked) == by_pillow, name


def test_pictures_are_decoded_in_the_reading_threads(tmp_path):
    names = set()

    def transform(picture):
        names.add(threading.current_thread().name.rsplit("_", 1)[0])
        return picture

    cells = [encoded(Image.fromarray(corners()), "JPEG")] * 24
    uri = write(image_table(cells, [0] * 24), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, transform=transform, cache=False)
    seen = []
    decode = type(data.reader.decoder).__call__

    def noted(self, cell):
        seen.append(threading.current_thread().name)
        return decode(self, cell)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(data.reader.decoder), "__call__", noted)
        assert sum(len(labels) for _, labels in loader(data, 4, threads=2)) == 24
    assert len(seen) == 24
    assert all(name.startswith("lancenb-loader") for name in seen), "none in the caller's thread"
    assert names == {"lancenb-loader"}
